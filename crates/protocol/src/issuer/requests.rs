//! What `/user` is sent. Fields that are not listed are ignored, those that are `None` are left out.

use serde::{Deserialize, Serialize};

/// `POST /user/users/new_user/`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewUser {
    /// An address that services can parse.
    pub email: String,
    /// 8 to 128 characters; needed for the provider `password`, refused for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// `password` (when left out) or `google`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's id of the person; needed for `google`, refused for `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_user_id: Option<String>,
    /// At most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The address of a picture, `http` or `https`; at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// True when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// False when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// `user` (when left out), `reader`, `writer`, `admin` or `superadmin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// `POST /user/users/signup/`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignUp {
    /// An address that services can parse.
    pub email: String,
    /// 8 to 128 characters.
    pub password: String,
    /// At most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
}

/// `PATCH /user/users/update/{id}/`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserUpdate {
    /// Another address; it counts as not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Another name; `null` takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Another picture; `null` takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Another password; all sessions end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Another id at the provider `google`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_user_id: Option<String>,
    /// Another role; older access tokens are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whether the account may be used; disabling ends its sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
}

/// `PATCH /user/profile/update/me/`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileUpdate {
    /// Another address; it counts as not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Another name; `null` takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Another picture; `null` takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

/// `PATCH /user/profile/me/password/`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasswordUpdate {
    /// The password in force.
    pub current_password: String,
    /// 8 to 128 characters.
    pub new_password: String,
}

/// `POST /user/sessions/refresh-google-tokens/`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExternalTokens {
    /// The provider's access token.
    pub external_access_token: String,
    /// The provider's refresh token.
    pub external_refresh_token: Option<String>,
    /// When that access token expires, ISO 8601.
    pub external_token_expires_at: Option<String>,
}

/// `POST /user/profile/api-keys/`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewApiKey {
    /// 3 to 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How long the key is good, in hours; 24 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_hours: Option<u32>,
    /// `read_only` (when left out) or `read_write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<String>,
    /// The services that may ask about the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
}

/// `POST /user/google-api/exchange/`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CodeExchange {
    /// The code from the address that was redirected to.
    pub code: String,
    /// What the challenge was made from (RFC 7636 §4.1).
    pub code_verifier: String,
    /// What kind of client asks; ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_hint: Option<String>,
}
