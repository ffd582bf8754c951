//! API keys, as `/user` and services are told of them. The text of a key is told once, when it is made.

use serde::{Deserialize, Serialize};

/// The header that carries a key.
pub const API_KEY_HEADER: &str = "X-API-Key";

/// A key, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyPublic {
    /// UUID.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// ISO 8601.
    pub expires_at: String,
    /// Whether it was revoked.
    pub revoked: bool,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub updated_at: String,
    /// ISO 8601, to about a minute.
    pub last_used_at: Option<String>,
    /// `read_only` or `read_write`.
    pub access_mode: String,
    /// The services that may ask about it.
    pub audiences: Vec<String>,
}

/// The answer to making a key.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyCreated {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKeyPublic,
    /// Its text: `ak_` and 32 hexadecimal digits.
    pub plaintext: String,
}

/// A key of anybody, for superusers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyOfAccount {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKeyPublic,
    /// UUID of its account.
    pub user_id: String,
    /// `active`, `revoked` or `expired`.
    pub status: String,
}

/// What a service learns of a good key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyActive {
    /// `1`.
    pub schema_version: String,
    /// Always true.
    pub active: bool,
    /// The service that asked.
    pub audience_id: String,
    /// For whom the key stands.
    pub principal: ApiKeyPrincipal,
    /// ISO 8601.
    pub key_expires_at: String,
}

/// What a service learns of every other key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyInactive {
    /// `1`.
    pub schema_version: String,
    /// Always false.
    pub active: bool,
}

/// For whom a key stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyPrincipal {
    /// UUID of the account.
    pub user_id: String,
    /// `user`, `reader` or `writer`: the account's role at this moment, and never a higher one.
    pub role: String,
    /// Always false.
    pub is_superuser: bool,
    /// `read_only` or `read_write`.
    pub access_mode: String,
    /// Always `api_key`.
    pub authentication_method: String,
    /// The account's generation, from 1.
    pub auth_generation: u64,
}
