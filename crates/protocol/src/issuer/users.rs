//! Accounts, their sessions and what happened to them, as `/user` tells of them.
//!
//! Front ends parse these with closed schemas: no field may be added to one of them.

use serde::{Deserialize, Serialize};

/// An account. Closed: no further field may appear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserPublic {
    /// UUID.
    pub id: String,
    /// How the account came about: `password`, or the id of an outside identity provider.
    pub provider: String,
    /// Lower-case.
    pub email: String,
    /// At most 100 characters.
    pub full_name: Option<String>,
    /// The address of a picture, `http` or `https`; at most 255 characters.
    pub avatar: Option<String>,
    /// A disabled account can neither sign in nor use what it holds.
    pub is_active: bool,
    /// Whether the address was proven to belong to the person.
    pub email_verified: bool,
    /// True exactly when the role is `superadmin`.
    pub is_superuser: bool,
    /// `user`, `reader`, `writer`, `admin` or `superadmin`.
    pub role: String,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub updated_at: String,
}

/// A part of a list, and how long the whole of it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Listed<T> {
    /// The part.
    pub data: Vec<T>,
    /// How many there are in all.
    pub count: u64,
}

/// The answer to a change of one's own record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileUpdated {
    /// Always true.
    pub success: bool,
    /// The record as it is now.
    pub user: UserPublic,
}

/// The answer to a deed that is told in words only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// For people; some clients compare it.
    pub message: String,
}

/// A session with the newest of its token pairs. Holds neither tokens nor digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionPublic {
    /// UUID.
    pub id: String,
    /// How the person signed in: `password`, or the id of an outside identity provider.
    pub provider: String,
    /// The id that the newest access and refresh token share.
    pub jwt_jti: String,
    /// When that access token expires, ISO 8601.
    pub jwt_expires_at: String,
    /// When that refresh token expires unless it is used before, ISO 8601.
    pub refresh_expires_at: String,
    /// Whether the session has ended.
    pub revoked: bool,
    /// When the outside provider's access token expires, ISO 8601; `null` when there is none.
    pub external_token_expires_at: Option<String>,
    /// ISO 8601.
    pub created_at: String,
    /// When it was last used, ISO 8601.
    pub updated_at: String,
}

/// How many accounts there are, and what happened to them in the current month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsersActivity {
    /// How many accounts there are; 0 unless a superuser asks.
    pub nb_users: u64,
    /// The month.
    pub activity: Activity,
}

/// What happened on each kind of record, and the range of its counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Activity {
    /// The highest count below.
    pub max: u64,
    /// Where a scale of them begins: 0.
    pub min: u64,
    /// One entry a kind of record.
    pub activity: Vec<ModelActivity>,
}

/// What happened to one kind of record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelActivity {
    /// The kind: `User`.
    pub model: String,
    /// How many were changed.
    pub updated: u64,
    /// How many were made.
    pub added: u64,
}

/// Whether something answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// `ok`.
    pub status: String,
}

/// `GET /user/meta`: which interface this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceMeta {
    /// The program that answers.
    pub service: String,
    /// The version of the interface's reference that this one is compatible with.
    pub version: String,
    /// `v1`.
    pub api_version: String,
    /// The contract that clients look for.
    pub contract: Contract,
}

/// A contract and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contract {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Which versions of [`ServiceMeta::version`] keep it.
    pub range: String,
}
