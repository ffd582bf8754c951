//! The account record and its role.

use std::{fmt, str::FromStr};

use ids::AccountId;
use jiff::Timestamp;
use secret::SecretString;

/// The provider of accounts that were made with a password.
pub const PASSWORD_PROVIDER: &str = "password";

/// A person or service known to the server.
#[derive(Debug, Clone)]
pub struct Account {
    /// Stable identity; never reused.
    pub id: AccountId,
    /// Unique, trimmed and lower-cased.
    pub email: String,
    /// Unique, lower-case; 3 to 30 of `a-z`, `0-9`, `-`.
    pub username: String,
    /// As the person writes it; at most 100 characters.
    pub full_name: Option<String>,
    /// The address of a picture, `http` or `https`; at most 255 characters.
    pub avatar: Option<String>,
    /// How the account came about: `password`, or the id of an outside identity provider.
    pub provider: String,
    /// Standing on the whole server.
    pub role: Role,
    /// Free-form roles for workspaces and entities.
    pub roles: Vec<String>,
    /// A disabled account can neither sign in nor use what it holds.
    pub active: bool,
    /// Whether the address was proven to belong to the person.
    pub email_verified: bool,
    /// Raised by each change of authority; a token of an older generation is refused. Starts at 1.
    pub generation: u64,
    /// The password as an argon2id PHC string; `None` until the owner's setup link was used.
    pub password: Option<SecretString>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When a field last changed.
    pub updated_at: Timestamp,
}

/// How the address of the owner begins whose account was made at first start and is not completed yet. No valid
/// address does.
pub const PENDING_PREFIX: &str = "pending:";

impl Account {
    /// Whether this is the owner's place, made at first start and not taken yet.
    pub fn is_pending(&self) -> bool {
        self.email.starts_with(PENDING_PREFIX)
    }
}

/// Standing on the whole server, low to high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May use apps.
    User,
    /// May read.
    Reader,
    /// May write.
    Writer,
    /// May administer.
    Admin,
    /// May do everything.
    Superadmin,
}

impl Role {
    /// All roles, low to high.
    pub const ALL: [Self; 5] = [
        Self::User,
        Self::Reader,
        Self::Writer,
        Self::Admin,
        Self::Superadmin,
    ];

    /// The lower-case name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
            Self::Superadmin => "superadmin",
        }
    }

    /// Whether the role is the highest one. Derived, never stored apart.
    pub const fn is_superuser(self) -> bool {
        matches!(self, Self::Superadmin)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; use user, reader, writer, admin or superadmin")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.chars().take(40).collect()))
    }
}
