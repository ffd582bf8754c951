//! Who may make an account.

/// Who may make an account without the owner's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignUpPolicy {
    /// Everyone.
    Open,
    /// Whoever has the link of an open invitation to the address they sign up with.
    InviteOnly,
    /// Nobody.
    Closed,
}

/// The invitation that somebody who signs up presents by its link. Typing an invited address is not enough: anybody
/// can type an address, and would then have what its owner was invited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresentedInvite {
    /// None, or one that is no longer open.
    None,
    /// One to the address they sign up with.
    ThisAddress,
    /// One to another address.
    OtherAddress,
}

/// Whether an account may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUpDecision {
    /// It may.
    Allowed,
    /// Only with an invitation.
    InviteNeeded,
    /// Only with the address that was invited.
    InvitedAddressNeeded,
    /// Not by sign-up; whoever runs the server makes accounts.
    Closed,
}

impl SignUpPolicy {
    /// Decides whether an account may be made.
    pub const fn decide(self, invite: PresentedInvite) -> SignUpDecision {
        match (self, invite) {
            (Self::Closed, _) => SignUpDecision::Closed,
            (Self::Open, _) | (Self::InviteOnly, PresentedInvite::ThisAddress) => {
                SignUpDecision::Allowed
            }
            (Self::InviteOnly, PresentedInvite::OtherAddress) => {
                SignUpDecision::InvitedAddressNeeded
            }
            (Self::InviteOnly, PresentedInvite::None) => SignUpDecision::InviteNeeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_decides_as_its_name_says() {
        use PresentedInvite::{None, OtherAddress, ThisAddress};
        for invite in [None, OtherAddress, ThisAddress] {
            assert_eq!(SignUpPolicy::Open.decide(invite), SignUpDecision::Allowed);
            assert_eq!(SignUpPolicy::Closed.decide(invite), SignUpDecision::Closed);
        }
        let invited = |invite| SignUpPolicy::InviteOnly.decide(invite);
        assert_eq!(invited(None), SignUpDecision::InviteNeeded);
        assert_eq!(invited(OtherAddress), SignUpDecision::InvitedAddressNeeded);
        assert_eq!(invited(ThisAddress), SignUpDecision::Allowed);
    }
}
