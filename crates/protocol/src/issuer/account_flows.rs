//! `/user/account`: what people do without being signed in, by mail.

use serde::{Deserialize, Serialize};

/// `GET /user/account/capabilities`: what is offered here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Capabilities {
    /// `password`, and the outside providers by their ids.
    pub login_providers: Vec<String>,
    /// Whether everybody may make an account.
    pub public_signup: bool,
    /// `off`, `optional` or `required`.
    pub email_verification: String,
    /// Whether a forgotten password can be replaced.
    pub password_reset: bool,
    /// Whether a new address counts only once it is proven.
    pub email_change_confirmation: bool,
    /// How many days a sign-up is kept whose address was not proven; null when addresses are not proven.
    pub unverified_signup_expiry_days: Option<u64>,
    /// Where each of it is asked for, below the area's prefix; null for what is not offered.
    pub paths: Paths,
}

/// Where account flows are asked for and completed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Paths {
    /// Make an account.
    pub register: Option<String>,
    /// Ask for a proof of an address.
    pub verify_email_request: Option<String>,
    /// Bring it.
    pub verify_email_confirm: Option<String>,
    /// Ask for a new password.
    pub password_reset_request: Option<String>,
    /// Set it.
    pub password_reset_confirm: Option<String>,
    /// Ask for another address.
    pub email_change_request: Option<String>,
    /// Bring the proof of it.
    pub email_change_confirm: Option<String>,
}

/// `POST /user/account/register`.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Register {
    /// Email address.
    pub email: String,
    /// 8 to 128 characters.
    pub password: String,
    /// As the person writes it.
    #[serde(default)]
    pub full_name: Option<String>,
    /// Made from the address when left out.
    #[serde(default)]
    pub username: Option<String>,
}

/// The body of a request for mail to an address.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressOf {
    /// Email address.
    pub email: String,
}

/// `POST /user/account/email-change/request`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewAddress {
    /// The address to change to.
    pub new_email: String,
}

/// A token that was mailed.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MailedToken {
    /// `m8vfy_`, `m8rst_` or `m8eml_` and 43 characters.
    pub token: String,
}

/// `POST /user/account/password-reset/confirm`.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewPassword {
    /// `m8rst_` and 43 characters.
    pub token: String,
    /// 8 to 128 characters.
    #[serde(alias = "password")]
    pub new_password: String,
}

/// The answer to a request (`accepted`) and to a confirmation (`completed`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlowStatus {
    /// `accepted` or `completed`.
    pub status: String,
}
