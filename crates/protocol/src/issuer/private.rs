//! The private API, for services: whether tokens are good, and tokens of their own.

use serde::{Deserialize, Serialize};

/// `POST /user/private/v1/service-token`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ServiceTokenRequest {
    /// Some of the service's scopes; all of them when left out or empty.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

/// The answer to a [`ServiceTokenRequest`] (RFC 6749 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceToken {
    /// The token, to be sent as `Authorization: Bearer`.
    pub access_token: String,
    /// Always `bearer`.
    pub token_type: String,
    /// How long it is good, in seconds.
    pub expires_in: u64,
    /// What it may ask: scopes with single spaces between them, sorted.
    pub scope: String,
}
