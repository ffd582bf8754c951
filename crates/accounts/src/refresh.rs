//! Redeeming refresh tokens: each is exchanged for a successor, and a lost race never signs anybody out.
//!
//! A token that was exchanged already may come back for good reasons: two tabs refreshed at once, or the answer was
//! lost on its way. Until one of its successors has been used, and for [`TWIN_GRACE`] after, it is such a *late twin*.
//! Later it can only be a copy that somebody else kept, and the session ends.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Account, PairedAccess, RefreshToken, Session, SessionRefusal, lifetime};

/// For how long after the first use of a successor its predecessor is still taken for a late twin.
pub const TWIN_GRACE: Duration = Duration::from_secs(30);

/// For how long after an exchange its answer may be asked for again, if it did not arrive.
pub const LOST_ANSWER_PATIENCE: Duration = Duration::from_hours(1);

/// An access token that expires sooner is made anew when its pair is given once more.
const ENOUGH: Duration = Duration::from_mins(1);

/// What to do with a presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Exchange it: mark it used and issue a successor.
    Rotate,
    /// It was exchanged before, innocently. Where the area's contract gives late twins a working pair, issue one more
    /// successor and leave the token's record as it is; else refuse it. Either way the session goes on.
    LateTwin,
    /// It was exchanged before and its successor has been in use for a while: end the session and tell the person.
    Reused,
    /// It was never used and is too old, or is a late twin that is.
    Expired,
    /// The session it belongs to is over.
    SessionOver(SessionRefusal),
}

/// Decides what to do with a presented token.
///
/// `successor_used_at` is when a successor of the token was first exchanged itself; `None` while none was.
pub fn redeem(
    presented: &RefreshToken,
    successor_used_at: Option<Timestamp>,
    session: &Session,
    account: &Account,
    now: Timestamp,
) -> Decision {
    if presented.session != session.id {
        return Decision::SessionOver(SessionRefusal::OtherAccount);
    }
    if let Err(refusal) = lifetime::check(session, account, now) {
        return Decision::SessionOver(refusal);
    }
    let is_reused = presented.used.is_some()
        && successor_used_at.is_some_and(|used_at| now > lifetime::after(used_at, TWIN_GRACE));
    // Reuse is theft whatever the token's age, so it is looked for first.
    if is_reused {
        return Decision::Reused;
    }
    if now >= presented.expires_at {
        return Decision::Expired;
    }
    if presented.used.is_some() {
        Decision::LateTwin
    } else {
        Decision::Rotate
    }
}

/// Whether a late twin comes because the answer to its first exchange was lost: the server stopped, or the connection
/// broke, between the commit and the answer. Its holder then has nothing else, and is given the same successor again;
/// one that was answered holds the successor already, so a second holder is refused.
///
/// `is_answered_here` is whether this server remembers that the answer went out; the record may say so too. When that
/// was lost as well, both holders have the same one token, and whoever uses it second is noticed like any other.
pub fn is_answer_lost(twin: &RefreshToken, is_answered_here: bool, now: Timestamp) -> bool {
    !is_answered_here
        && !twin.answered
        && twin
            .used
            .is_some_and(|(at, _)| now <= lifetime::after(at, LOST_ANSWER_PATIENCE))
}

/// Whether an access token that was made for a lost answer will do for the next one.
pub fn will_do(access: &PairedAccess, account: &Account, now: Timestamp) -> bool {
    access.generation == account.generation && access.expires_at >= lifetime::after(now, ENOUGH)
}

/// A new token of a session, issued together with an access token. `parent` is the token it was exchanged for, if any.
/// It is accepted for `idle`, and no longer than the session.
pub fn issue(
    digest: [u8; 32],
    parent: Option<[u8; 32]>,
    session: &Session,
    access: PairedAccess,
    now: Timestamp,
    idle: Duration,
) -> RefreshToken {
    RefreshToken {
        digest,
        session: session.id,
        parent,
        issued_at: now,
        expires_at: lifetime::after(now, idle).min(session.expires_at),
        used: None,
        answered: false,
        access,
    }
}
