//! Phase 3, authorize: may this request go in, and as whom.
//!
//! Contract: a pure decision over the app's flags and what is known of the caller. `requires_auth` alone says whether a viewer is
//! needed; `is_public` only decides who may be one. An app that may not be opened looks like one that does not exist.

use apps::App;
use ids::{AccountId, SessionId};

use super::{
    house::{Person, Standing},
    rewrite::Gate,
};

/// Somebody whose session was named by a token or a ticket that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The session of the pages.
    pub(crate) session: SessionId,
    /// Whose session.
    pub(crate) account: AccountId,
    /// What the session may do here.
    pub(crate) standing: Standing,
}

/// A viewer who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Viewer {
    /// The session of the pages.
    pub(crate) session: SessionId,
    /// Who it is.
    pub(crate) account: AccountId,
    /// What they are here.
    pub(crate) person: Person,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Goes in, with a viewer or without.
    Enter(Option<Viewer>),
    /// 401: somebody has to sign in first.
    SignIn,
    /// 404: the app is none of the caller's business.
    Hidden,
}

/// Whether a viewer is needed.
pub(crate) const fn gate(app: &App) -> Gate {
    if app.requires_auth {
        Gate::Closed
    } else {
        Gate::Open
    }
}

/// Decides. `caller` is `None` for a request without a viewer, or with evidence that proved nothing.
pub(crate) fn authorize(gate: Gate, caller: Option<Caller>) -> Admission {
    match (gate, caller) {
        (
            _,
            Some(Caller {
                session,
                account,
                standing: Standing::Viewer(person),
            }),
        ) => Admission::Enter(Some(Viewer {
            session,
            account,
            person,
        })),
        (Gate::Open, _) => Admission::Enter(None),
        (
            Gate::Closed,
            Some(Caller {
                standing: Standing::NoAccess,
                ..
            }),
        ) => Admission::Hidden,
        (Gate::Closed, _) => Admission::SignIn,
    }
}

#[cfg(test)]
mod tests {
    use ids::GroupId;
    use token::viewer::ViewerRole;

    use super::*;

    fn caller(standing: Standing) -> Caller {
        Caller {
            session: SessionId::new(1, [1; 10]),
            account: AccountId::new(1, [2; 10]),
            standing,
        }
    }

    fn person() -> Person {
        Person {
            email: "ana@example.com".into(),
            username: "ana".into(),
            verified: true,
            group: GroupId::new(1, [3; 10]),
            role: ViewerRole::Member,
        }
    }

    #[test]
    fn a_closed_gate_lets_only_viewers_in_and_hides_the_app_from_others() {
        let closed = |standing| authorize(Gate::Closed, standing);
        assert!(matches!(
            closed(Some(caller(Standing::Viewer(person())))),
            Admission::Enter(Some(_))
        ));
        assert_eq!(closed(Some(caller(Standing::NoAccess))), Admission::Hidden);
        assert_eq!(closed(Some(caller(Standing::SignedOut))), Admission::SignIn);
        assert_eq!(closed(None), Admission::SignIn);
    }

    #[test]
    fn an_open_gate_lets_everybody_in_and_still_tells_viewers() {
        let open = |standing| authorize(Gate::Open, standing);
        assert!(matches!(
            open(Some(caller(Standing::Viewer(person())))),
            Admission::Enter(Some(_))
        ));
        for standing in [
            None,
            Some(caller(Standing::NoAccess)),
            Some(caller(Standing::SignedOut)),
        ] {
            assert_eq!(open(standing), Admission::Enter(None));
        }
    }
}
