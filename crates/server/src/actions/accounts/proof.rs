//! Whether the caller proved lately who they are.

use jiff::Timestamp;

use crate::{Error, extract::Caller};

/// The code of [`require_recent_proof`]'s refusal. Pages answer it by asking the person to confirm.
pub const RECENT_PROOF_REQUIRED: &str = "recent_proof_required";

/// Refuses a caller whose last proof is older than ten minutes: what protects an account is not changed by whoever
/// finds a browser open or holds a stolen session.
pub fn require_recent_proof(caller: &Caller, now: Timestamp) -> Result<(), Error> {
    Ok(accounts::proof::require_recent_proof(&caller.session, now)?)
}
