//! Signing in by Google for programs that keep tokens.

use serde::{Deserialize, Serialize};

/// `GET /user/google-api/login-url/`: where the browser goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginUrl {
    /// The address.
    pub url: String,
}

/// `POST /user/google-api/exchange/`: what a code is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExchangedCode {
    /// Always 1.
    pub version: u32,
    /// Always `google`.
    pub auth_provider: String,
    /// The access JWT.
    pub access_token: String,
    /// When it expires, in Unix milliseconds.
    pub expires_at: i64,
    /// Whose it is.
    pub user: ExchangedUser,
}

/// Whom a code was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExchangedUser {
    /// The name, as the person writes it.
    pub name: Option<String>,
    /// The address.
    pub email: String,
    /// An http or https address of a picture.
    pub avatar: Option<String>,
}
