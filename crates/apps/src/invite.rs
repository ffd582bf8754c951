//! The invitation record.

use ids::{AccountId, AppId, InviteId};
use jiff::Timestamp;

use crate::DataMode;

/// An invitation of one mail address to one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Stable identity.
    pub id: InviteId,
    /// Which app.
    pub app: AppId,
    /// The invited address, trimmed and lower-cased.
    pub email: String,
    /// SHA-256 of the token in the link.
    pub token_digest: [u8; 32],
    /// Whose data the invited person will see.
    pub mode: DataMode,
    /// Who invited.
    pub created_by: AccountId,
    /// When.
    pub created_at: Timestamp,
    /// Refused from here on; 30 days after it was made.
    pub expires_at: Timestamp,
    /// When an account with the address took it up.
    pub accepted_at: Option<Timestamp>,
    /// When the owner took it back.
    pub revoked_at: Option<Timestamp>,
}
