//! The issuer's area, `/user`: the wire that services and their front ends expect.

mod account_flows;
mod api_keys;
pub mod events;
mod google;
mod private;
mod requests;
mod users;

pub use account_flows::{
    AddressOf, Capabilities, FlowStatus, MailedToken, NewAddress, NewPassword, Paths, Register,
};
pub use api_keys::{
    API_KEY_HEADER, ApiKeyActive, ApiKeyCreated, ApiKeyInactive, ApiKeyOfAccount, ApiKeyPrincipal,
    ApiKeyPublic,
};
pub use google::{ExchangedCode, ExchangedUser, LoginUrl};
pub use private::{ServiceToken, ServiceTokenRequest};
pub use requests::{
    CodeExchange, ExternalTokens, NewApiKey, NewUser, PasswordUpdate, ProfileUpdate, SignUp,
    UserUpdate,
};
pub use users::{
    Activity, Contract, Listed, Message, ModelActivity, ProfileUpdated, ServiceMeta, SessionPublic,
    Status, UserPublic, UsersActivity,
};

use serde::{Deserialize, Serialize};

/// Name of the cookie that carries the refresh token.
pub const REFRESH_COOKIE: &str = "refresh_token";

/// `POST /user/login/access-token`, a form (RFC 6749 §4.3.2; the other fields of that request are ignored).
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginForm {
    /// Email address or username.
    #[serde(default)]
    pub username: String,
    /// The password as typed.
    #[serde(default)]
    pub password: String,
    /// A code of the second factor, for accounts that ask for one.
    #[serde(default)]
    pub otp: String,
    /// The service that the tokens are asked for, when it is registered; others change nothing.
    #[serde(default)]
    pub client_id: String,
}

/// The answer to a login or refresh. The refresh token is in a cookie, never in the body.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessToken {
    /// The access JWT.
    pub access_token: String,
    /// Always `bearer`.
    pub token_type: String,
}

/// The answer to a deed that gives nothing else back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done {
    /// Always true.
    pub success: bool,
    /// For people.
    pub msg: String,
}

/// The body of every refused request under `/user`, except 422.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Detail {
    /// For people; some clients compare it.
    pub detail: String,
}

/// The body of 422 under `/user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invalid {
    /// One entry for each wrong field.
    pub detail: Vec<InvalidField>,
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvalidField {
    /// A kind of mistake, for example `missing`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is: `["body", <field>]`.
    pub loc: Vec<String>,
    /// For people.
    pub msg: String,
    /// What was sent, never a password.
    pub input: Option<serde_json::Value>,
}
