//! Which sessions end with which deed.

use ids::SessionId;

use crate::EndReason;

/// A deed that ends sessions of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignOut {
    /// Which ones.
    pub sessions: Sessions,
    /// Why, as the person is shown.
    pub reason: EndReason,
    /// Whether the account's generation is raised, so that access tokens issued before are refused at once, also
    /// those of sessions that go on.
    pub raises_generation: bool,
}

/// Sessions of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// This one.
    One(SessionId),
    /// All but this one.
    AllBut(SessionId),
    /// All.
    All,
}

impl SignOut {
    /// The person signs out here.
    pub const fn here(session: SessionId) -> Self {
        Self {
            sessions: Sessions::One(session),
            reason: EndReason::SignedOut,
            raises_generation: false,
        }
    }

    /// The person ends one session from the list.
    pub const fn elsewhere(session: SessionId) -> Self {
        Self {
            sessions: Sessions::One(session),
            reason: EndReason::Revoked,
            raises_generation: false,
        }
    }

    /// The person signs out everywhere, here too.
    pub const fn everywhere() -> Self {
        Self {
            sessions: Sessions::All,
            reason: EndReason::Revoked,
            raises_generation: true,
        }
    }

    /// The person changed the password in the session `here`, which goes on.
    pub const fn password_changed(here: SessionId) -> Self {
        Self {
            sessions: Sessions::AllBut(here),
            reason: EndReason::PasswordChanged,
            raises_generation: true,
        }
    }

    /// The password was set by a link or by whoever runs the server.
    pub const fn password_reset() -> Self {
        Self {
            sessions: Sessions::All,
            reason: EndReason::PasswordChanged,
            raises_generation: true,
        }
    }

    /// The account was disabled or deleted.
    pub const fn account_closed() -> Self {
        Self {
            sessions: Sessions::All,
            reason: EndReason::AccountClosed,
            raises_generation: true,
        }
    }

    /// A stolen refresh token came back.
    pub const fn refresh_reused(session: SessionId) -> Self {
        Self {
            sessions: Sessions::One(session),
            reason: EndReason::RefreshReused,
            raises_generation: false,
        }
    }

    /// Whether the deed ends `session`.
    pub fn ends(&self, session: SessionId) -> bool {
        match self.sessions {
            Sessions::One(one) => one == session,
            Sessions::AllBut(kept) => kept != session,
            Sessions::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u8) -> SessionId {
        SessionId::new(1, [number; 10])
    }

    #[test]
    fn a_changed_password_spares_the_session_it_was_changed_in() {
        let deed = SignOut::password_changed(session(1));
        assert!(!deed.ends(session(1)) && deed.ends(session(2)));
        assert!(deed.raises_generation);
    }

    #[test]
    fn signing_out_here_spares_the_others_and_everywhere_spares_none() {
        assert!(SignOut::here(session(1)).ends(session(1)));
        assert!(!SignOut::here(session(1)).ends(session(2)));
        assert!(SignOut::everywhere().ends(session(1)));
    }
}
