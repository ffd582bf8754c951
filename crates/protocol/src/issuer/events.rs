//! What services are told when somebody loses a right: over the event stream and over the Redis bus.

use serde::{Deserialize, Serialize};

/// An access token, or all of an account's, is good no longer.
pub const SESSION_REVOKED: &str = "session.revoked";
/// A session ended on which no access token stands that could still be presented.
pub const SESSION_ENDED: &str = "session.ended";
/// An account is gone.
pub const USER_DELETED: &str = "user.deleted";
/// The stream is open from here on. Only on the stream, and only when it does not go on from an earlier place.
pub const STREAM_OPENED: &str = "stream.opened";
/// The stream's name for what cannot be told any more: forget whatever is kept.
pub const GAP: &str = "gap";

/// The payload of the message that begins a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOpened {
    /// [`STREAM_OPENED`].
    pub event_type: String,
    /// `v1`.
    pub version: String,
    /// The place where it begins.
    pub event_id: String,
    /// Everything that ended tokens since then follows, in whole Unix seconds; absent where nobody asked for the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_from: Option<i64>,
}

/// The payload of an event. Readers ignore members that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationEvent {
    /// What happened: one of the constants of this module.
    pub event_type: String,
    /// `v2` where `auth_generation` and `event_id` are told, else `v1`.
    pub version: String,
    /// Whose authority it is.
    pub user_id: String,
    /// The access token; absent for all that are older than `auth_generation`.
    #[serde(default)]
    pub jti: Option<String>,
    /// The session; absent for all of the account's.
    #[serde(default)]
    pub sid: Option<String>,
    /// The account's generation: tokens of an older one (claim `gen`) are good no longer.
    #[serde(default)]
    pub auth_generation: Option<u64>,
    /// Tells one event from another, however often and over whatever it is delivered.
    #[serde(default)]
    pub event_id: Option<String>,
}
