//! Who may change whose standing on the server, and what follows from a change.

use ids::AccountId;

use crate::{Account, EndReason, Role};

/// Who is acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody with an account, in the standing they have now.
    Account {
        /// Who it is.
        id: AccountId,
        /// Their role.
        role: Role,
    },
    /// Whoever runs the server, from its command line, or a service that was given this right.
    Operator,
}

/// What an account is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An account of this role.
    Kept {
        /// The role.
        role: Role,
        /// Whether it may be used.
        active: bool,
    },
    /// No account any longer.
    Gone,
}

/// Why a standing may not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityRefusal {
    /// Nobody raises their own role.
    #[error("nobody may raise their own role")]
    RaisesOwnRole,
    /// The account is not below the actor, or would not be.
    #[error("that needs a higher role")]
    OutOfReach,
    /// Nobody would be left who may do everything.
    #[error("this is the last superuser; make another one first")]
    LastSuperuser,
}

/// What a change of standing brings with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// Whether the generation is raised, so that access tokens issued before are refused.
    pub raises_generation: bool,
    /// Whether all sessions end, and why.
    pub ends_sessions: Option<EndReason>,
}

impl Actor {
    /// The actor that an account is.
    pub const fn of(account: &Account) -> Self {
        Self::Account {
            id: account.id,
            role: account.role,
        }
    }

    /// Whether the actor may look after accounts of this role: superusers after all, administrators after those below
    /// their own.
    pub fn manages(self, role: Role) -> bool {
        match self {
            Self::Operator => true,
            Self::Account { role: own, .. } => {
                own.is_superuser() || (own == Role::Admin && role < Role::Admin)
            }
        }
    }
}

/// Whether `actor` may bring `account` into a standing, and what follows. `other_superusers` counts the active
/// accounts of the highest role beside this one.
///
/// # Errors
/// Says why not; nothing may be changed then.
pub fn change_standing(
    actor: Actor,
    account: &Account,
    wanted: Standing,
    other_superusers: u64,
) -> Result<Consequence, AuthorityRefusal> {
    let is_own = matches!(actor, Actor::Account { id, .. } if id == account.id);
    if let Standing::Kept { role, .. } = wanted
        && is_own
        && role > account.role
    {
        return Err(AuthorityRefusal::RaisesOwnRole);
    }
    let reaches = match wanted {
        Standing::Kept { role, .. } => actor.manages(account.role) && actor.manages(role),
        // Everybody may leave.
        Standing::Gone => is_own || actor.manages(account.role),
    };
    if !reaches {
        return Err(AuthorityRefusal::OutOfReach);
    }
    let stays_superuser =
        matches!(wanted, Standing::Kept { role, active: true } if role.is_superuser());
    if account.active && account.role.is_superuser() && !stays_superuser && other_superusers == 0 {
        return Err(AuthorityRefusal::LastSuperuser);
    }
    Ok(match wanted {
        Standing::Gone => Consequence {
            raises_generation: true,
            ends_sessions: Some(EndReason::AccountClosed),
        },
        Standing::Kept { role, active } => {
            let is_closed = account.active && !active;
            Consequence {
                raises_generation: role != account.role || active != account.active,
                ends_sessions: is_closed.then_some(EndReason::AccountClosed),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lifetime::tests::account;

    fn with(role: Role, active: bool) -> Account {
        Account {
            role,
            active,
            ..account()
        }
    }

    fn other(role: Role) -> Actor {
        Actor::Account {
            id: AccountId::new(7, [7; 10]),
            role,
        }
    }

    const fn kept(role: Role) -> Standing {
        Standing::Kept { role, active: true }
    }

    #[test]
    fn the_last_superuser_is_neither_demoted_nor_disabled_nor_deleted() {
        let last = with(Role::Superadmin, true);
        let disabled = Standing::Kept {
            role: Role::Superadmin,
            active: false,
        };
        for actor in [Actor::of(&last), other(Role::Superadmin), Actor::Operator] {
            for wanted in [kept(Role::Admin), disabled, Standing::Gone] {
                let refused = change_standing(actor, &last, wanted, 0);
                assert_eq!(refused, Err(AuthorityRefusal::LastSuperuser), "{wanted:?}");
                assert!(change_standing(actor, &last, wanted, 1).is_ok());
            }
            assert!(change_standing(actor, &last, kept(Role::Superadmin), 0).is_ok());
        }
        let idle = with(Role::Superadmin, false);
        assert!(change_standing(Actor::Operator, &idle, Standing::Gone, 0).is_ok());
    }

    #[test]
    fn nobody_raises_their_own_role() {
        let writer = with(Role::Writer, true);
        let refused = change_standing(Actor::of(&writer), &writer, kept(Role::Admin), 1);
        assert_eq!(refused, Err(AuthorityRefusal::RaisesOwnRole));
    }

    #[test]
    fn an_administrator_looks_after_those_below_and_gives_no_role_of_their_own_height() {
        let admin = other(Role::Admin);
        for (from, to, allowed) in [
            (Role::User, Role::Writer, true),
            (Role::Writer, Role::Admin, false),
            (Role::Writer, Role::Superadmin, false),
            (Role::Admin, Role::User, false),
            (Role::Superadmin, Role::User, false),
        ] {
            let decided = change_standing(admin, &with(from, true), kept(to), 1);
            assert_eq!(decided.is_ok(), allowed, "{from} to {to}");
        }
        for role in [Role::User, Role::Reader, Role::Writer] {
            let refused = change_standing(other(role), &with(Role::User, true), Standing::Gone, 1);
            assert_eq!(refused, Err(AuthorityRefusal::OutOfReach));
        }
    }

    #[test]
    fn a_change_of_role_raises_the_generation_and_disabling_ends_sessions_too() {
        let ada = with(Role::User, true);
        let decide = |wanted| change_standing(Actor::Operator, &ada, wanted, 1).unwrap();
        let nothing = decide(kept(Role::User));
        assert!(!nothing.raises_generation && nothing.ends_sessions.is_none());
        let promoted = decide(kept(Role::Writer));
        assert!(promoted.raises_generation && promoted.ends_sessions.is_none());
        let disabled = decide(Standing::Kept {
            role: Role::User,
            active: false,
        });
        assert!(disabled.raises_generation);
        assert_eq!(disabled.ends_sessions, Some(EndReason::AccountClosed));
    }

    proptest! {
        #[test]
        fn some_superuser_is_always_left(from in 0_usize..5, to in 0_usize..5, active: bool, gone: bool, actor in 0_usize..5) {
            let account = with(Role::ALL[from], true);
            let wanted = if gone { Standing::Gone } else { Standing::Kept { role: Role::ALL[to], active } };
            let was_one = account.role.is_superuser();
            let is_one = matches!(wanted, Standing::Kept { role: Role::Superadmin, active: true });
            let decided = change_standing(other(Role::ALL[actor]), &account, wanted, 0);
            prop_assert!(!(was_one && !is_one && decided.is_ok()));
        }
    }
}
