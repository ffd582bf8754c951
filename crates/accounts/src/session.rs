//! The session record: the server-side truth behind every token of one sign-in.

use ids::{AccountId, SessionId, WorkspaceId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::Methods;

/// One sign-in on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Stable identity, the `sid` claim.
    pub id: SessionId,
    /// Whose session it is.
    pub account: AccountId,
    /// How the session came to be.
    pub created_by: SessionOrigin,
    /// What the person sees in the list of sessions, for example `Firefox on Linux`; at most 200 characters.
    pub device: String,
    /// How the person proved who they are when it began, and since.
    pub amr: Methods,
    /// When they last did, which using the session does not renew; see [`crate::proof::require_recent_proof`].
    pub authenticated_at: Timestamp,
    /// The workspace that requests act in.
    pub active_workspace: Option<WorkspaceId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used; written at most once a minute.
    pub last_seen_at: Timestamp,
    /// It ends here unless used before.
    pub idle_expires_at: Timestamp,
    /// It ends here in any case.
    pub expires_at: Timestamp,
    /// Set once, when the session was ended.
    pub ended: Option<Ended>,
}

/// How a session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionOrigin {
    /// By password, in a browser or over the API.
    Password,
    /// By a one-time link.
    Link,
    /// By the command line.
    Cli,
    /// By a passkey alone.
    Passkey,
    /// By an outside identity provider.
    Social,
    /// By an API token.
    ApiToken,
    /// By an agent.
    Agent,
}

/// When and why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The instant from which on it is refused.
    pub at: Timestamp,
    /// Shown to the person.
    pub reason: EndReason,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// The person signed out everywhere, or ended this one from the list.
    Revoked,
    /// The password was changed elsewhere.
    PasswordChanged,
    /// A used refresh token came back too late: theft is assumed.
    RefreshReused,
    /// The account was disabled or deleted.
    AccountClosed,
}

/// One link of a session's refresh chain. Only the SHA-256 of the token is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// The session it keeps alive.
    pub session: SessionId,
    /// The token it was issued in exchange for; `None` for the first of a session. Late twins share a parent.
    pub parent: Option<[u8; 32]>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Refused from here on, if not used before.
    pub expires_at: Timestamp,
    /// When it was first exchanged, and the digest of what it was exchanged for.
    pub used: Option<(Timestamp, [u8; 32])>,
    /// The answer to that exchange is known to have gone out. Noted a moment after, so a crash may leave it out.
    pub answered: bool,
    /// The access token that was issued with it.
    pub access: PairedAccess,
}

/// The access token of a pair. It is not kept itself, only what tells whether it is still good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedAccess {
    /// Its `jti` claim, unique. Nil for pairs that were issued before it was kept.
    pub jti: Uuid,
    /// The account's generation at issue, its `gen` claim.
    pub generation: u64,
    /// Its `exp` claim.
    pub expires_at: Timestamp,
    /// Whom it is for, its `aud` claim, and that of all later pairs of the session; `None` for the server's default.
    pub audience: Option<String>,
}

macro_rules! stored_names {
    ($type:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// The name kept in storage and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads a kept name back; `None` for an unknown one.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

stored_names!(SessionOrigin {
    Password = "password",
    Link = "link",
    Passkey = "passkey",
    Cli = "cli",
    Social = "social",
    ApiToken = "api_token",
    Agent = "agent",
});

stored_names!(EndReason {
    SignedOut = "signed_out",
    Revoked = "revoked",
    PasswordChanged = "password_changed",
    RefreshReused = "refresh_reused",
    AccountClosed = "account_closed",
});
