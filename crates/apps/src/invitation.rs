//! Invitations: made for one address, good for 30 days, taken up once, taken back at any time.

use std::time::Duration;

use ids::{AccountId, AppId, InviteId};
use jiff::Timestamp;

use crate::{DataMode, Invite};

/// How long an invitation can be taken up.
pub const INVITE_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// What an invitation is made of.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// Its identity, freshly made.
    pub id: InviteId,
    /// Which app.
    pub app: AppId,
    /// The invited address, checked: trimmed and lower-case.
    pub email: String,
    /// SHA-256 of the token in the link.
    pub token_digest: [u8; 32],
    /// Whose data the invited person will see.
    pub mode: DataMode,
    /// Who invites.
    pub created_by: AccountId,
}

/// Makes an invitation.
pub fn new_invite(new: NewInvite, now: Timestamp) -> Invite {
    Invite {
        id: new.id,
        app: new.app,
        email: new.email,
        token_digest: new.token_digest,
        mode: new.mode,
        created_by: new.created_by,
        created_at: now,
        expires_at: now
            .saturating_add(INVITE_LIFETIME)
            .unwrap_or(Timestamp::MAX),
        accepted_at: None,
        revoked_at: None,
    }
}

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// It can be taken up.
    Open,
    /// It was taken up.
    Accepted,
    /// The owner took it back.
    Revoked,
    /// Nobody took it up in time.
    Expired,
}

/// Where an invitation stands now.
pub fn invite_state(invite: &Invite, now: Timestamp) -> InviteState {
    // Taken back counts above all: access that came by it is over.
    if invite.revoked_at.is_some() {
        InviteState::Revoked
    } else if invite.accepted_at.is_some() {
        InviteState::Accepted
    } else if now >= invite.expires_at {
        InviteState::Expired
    } else {
        InviteState::Open
    }
}

/// Who looks at an invitation's page, and so what the page offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteVisitor {
    /// Nobody is signed in: make an account with the invited address, or sign in.
    Anonymous,
    /// The invited person: open the app.
    Invited,
    /// Somebody else: told to which address it was sent.
    SomebodyElse,
}

/// Who looks at an invitation's page. `email` is the signed-in account's address.
pub fn invite_visitor(invite: &Invite, email: Option<&str>) -> InviteVisitor {
    match email {
        None => InviteVisitor::Anonymous,
        Some(email) if is_same_address(&invite.email, email) => InviteVisitor::Invited,
        Some(_) => InviteVisitor::SomebodyElse,
    }
}

/// Why an invitation cannot be taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteRefusal {
    /// It was taken up before.
    #[error("this invitation was already taken up")]
    Accepted,
    /// The owner took it back.
    #[error("this invitation was taken back; ask the owner of the app for another one")]
    Revoked,
    /// It is too old.
    #[error("this invitation has expired; ask the owner of the app for another one")]
    Expired,
    /// The account has another address.
    #[error("this invitation was sent to another address; sign in with that one")]
    OtherAddress,
}

/// Takes an invitation up for an account with the address `email`.
pub fn accept(invite: &Invite, email: &str, now: Timestamp) -> Result<Invite, InviteRefusal> {
    match invite_state(invite, now) {
        InviteState::Open => {}
        InviteState::Accepted => return Err(InviteRefusal::Accepted),
        InviteState::Revoked => return Err(InviteRefusal::Revoked),
        InviteState::Expired => return Err(InviteRefusal::Expired),
    }
    if !is_same_address(&invite.email, email) {
        return Err(InviteRefusal::OtherAddress);
    }
    Ok(Invite {
        accepted_at: Some(now),
        ..invite.clone()
    })
}

/// Addresses are kept trimmed and lower-case; plus-addressing tells people apart.
fn is_same_address(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tests::{account, at};

    fn invite() -> Invite {
        let new = NewInvite {
            id: InviteId::new(1, [1; 10]),
            app: AppId::new(1, [1; 10]),
            email: "bob@example.com".into(),
            token_digest: [7; 32],
            mode: DataMode::Join,
            created_by: account(0),
        };
        new_invite(new, at(0))
    }

    const MONTH: i64 = 30 * 24 * 3600;

    #[test]
    fn an_invitation_is_taken_up_once_by_its_address_only() {
        assert_eq!(
            accept(&invite(), "eve@example.com", at(1)),
            Err(InviteRefusal::OtherAddress)
        );
        assert_eq!(
            accept(&invite(), "bob+x@example.com", at(1)),
            Err(InviteRefusal::OtherAddress)
        );
        let accepted = accept(&invite(), " Bob@Example.com", at(1)).expect("open");
        assert_eq!(accepted.accepted_at, Some(at(1)));
        assert_eq!(
            accept(&accepted, "bob@example.com", at(2)),
            Err(InviteRefusal::Accepted)
        );
    }

    #[test]
    fn an_invitation_ends_on_its_instant_and_when_it_is_taken_back() {
        assert!(accept(&invite(), "bob@example.com", at(MONTH - 1)).is_ok());
        assert_eq!(
            accept(&invite(), "bob@example.com", at(MONTH)),
            Err(InviteRefusal::Expired)
        );
        let revoked = Invite {
            revoked_at: Some(at(5)),
            ..invite()
        };
        assert_eq!(
            accept(&revoked, "bob@example.com", at(6)),
            Err(InviteRefusal::Revoked)
        );
        let both = Invite {
            accepted_at: Some(at(4)),
            ..revoked
        };
        assert_eq!(invite_state(&both, at(6)), InviteState::Revoked);
    }

    #[test]
    fn the_page_knows_its_three_visitors() {
        assert_eq!(invite_visitor(&invite(), None), InviteVisitor::Anonymous);
        assert_eq!(
            invite_visitor(&invite(), Some("bob@example.com")),
            InviteVisitor::Invited
        );
        assert_eq!(
            invite_visitor(&invite(), Some("eve@example.com")),
            InviteVisitor::SomebodyElse
        );
    }
}
