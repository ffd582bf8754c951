//! How long a session lives, and what ends it.

use std::time::Duration;

use ids::{AccountId, SessionId};
use jiff::Timestamp;

use crate::{Account, EndReason, Methods, Session, SessionOrigin};

/// How long a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// It ends when it was not used for this long.
    pub idle: Duration,
    /// It ends this long after it began in any case.
    pub absolute: Duration,
}

impl Default for Lifetimes {
    /// 30 days without use, 90 days in all.
    fn default() -> Self {
        Self {
            idle: Duration::from_hours(30 * 24),
            absolute: Duration::from_hours(90 * 24),
        }
    }
}

/// How often the use of a session is written down.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);
const LONGEST_DEVICE: usize = 200;

/// What begins a session.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// Its identity, freshly made.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// How it came to be.
    pub origin: SessionOrigin,
    /// How the person proved who they are, just now.
    pub amr: Methods,
    /// What the person will know it by; text from outside, cleaned here.
    pub device: &'a str,
}

/// Begins a session.
pub fn start(new: NewSession<'_>, now: Timestamp, lifetimes: Lifetimes) -> Session {
    let expires_at = after(now, lifetimes.absolute);
    let device: String = new
        .device
        .chars()
        .filter(|character| !character.is_control())
        .take(LONGEST_DEVICE)
        .collect();
    Session {
        id: new.id,
        account: new.account,
        created_by: new.origin,
        device: match device.trim() {
            "" => "unknown device".to_owned(),
            device => device.to_owned(),
        },
        amr: new.amr,
        authenticated_at: now,
        active_workspace: None,
        created_at: now,
        last_seen_at: now,
        idle_expires_at: after(now, lifetimes.idle).min(expires_at),
        expires_at,
        ended: None,
    }
}

/// Why a session is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// It was ended.
    #[error("the session was ended")]
    Ended(EndReason),
    /// It was not used for too long, or is too old.
    #[error("the session has expired")]
    Expired,
    /// The account was disabled.
    #[error("the account is disabled")]
    AccountDisabled,
    /// The account is not the session's: a caller mixed up two records.
    #[error("the session belongs to another account")]
    OtherAccount,
}

/// Whether a session may be used now.
pub fn check(session: &Session, account: &Account, now: Timestamp) -> Result<(), SessionRefusal> {
    if account.id != session.account {
        return Err(SessionRefusal::OtherAccount);
    }
    if let Some(ended) = session.ended {
        return Err(SessionRefusal::Ended(ended.reason));
    }
    if now >= session.idle_expires_at || now >= session.expires_at {
        return Err(SessionRefusal::Expired);
    }
    if !account.active {
        return Err(SessionRefusal::AccountDisabled);
    }
    Ok(())
}

/// What to write down about the use of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// When it was used.
    pub last_seen_at: Timestamp,
    /// When it now ends unless used again.
    pub idle_expires_at: Timestamp,
}

/// Whether the use of a live session should be written down now: at most once a minute.
pub fn touch(session: &Session, now: Timestamp, lifetimes: Lifetimes) -> Option<Touch> {
    (now >= after(session.last_seen_at, TOUCH_INTERVAL)).then(|| Touch {
        last_seen_at: now,
        idle_expires_at: after(now, lifetimes.idle).min(session.expires_at),
    })
}

/// A later instant; the last one there is, when it would lie beyond.
pub(crate) fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Ended, Method, Role};

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    pub(crate) fn account() -> Account {
        Account {
            id: AccountId::new(1, [1; 10]),
            email: "ada@example.com".into(),
            username: "ada".into(),
            full_name: None,
            avatar: None,
            provider: crate::PASSWORD_PROVIDER.to_owned(),
            role: Role::User,
            roles: Vec::new(),
            active: true,
            email_verified: false,
            generation: 1,
            password: None,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    const LIFETIMES: Lifetimes = Lifetimes {
        idle: Duration::from_secs(1000),
        absolute: Duration::from_secs(5000),
    };

    pub(crate) fn session() -> Session {
        let new = NewSession {
            id: SessionId::new(1, [2; 10]),
            account: account().id,
            origin: SessionOrigin::Password,
            amr: Methods::one(Method::Password),
            device: "Firefox on Linux",
        };
        start(new, at(0), LIFETIMES)
    }

    #[test]
    fn a_session_ends_on_its_idle_instant_and_is_kept_alive_by_use() {
        let mut session = session();
        assert_eq!(check(&session, &account(), at(999)), Ok(()));
        assert_eq!(
            check(&session, &account(), at(1000)),
            Err(SessionRefusal::Expired)
        );
        let touch = touch(&session, at(900), LIFETIMES).expect("more than a minute later");
        session.idle_expires_at = touch.idle_expires_at;
        assert_eq!(check(&session, &account(), at(1899)), Ok(()));
    }

    #[test]
    fn use_does_not_carry_a_session_beyond_its_absolute_end() {
        let touch = touch(&session(), at(4900), LIFETIMES).expect("more than a minute later");
        assert_eq!(touch.idle_expires_at, at(5000));
        let mut session = session();
        session.idle_expires_at = at(10_000);
        assert_eq!(
            check(&session, &account(), at(5000)),
            Err(SessionRefusal::Expired)
        );
    }

    #[test]
    fn use_is_written_down_at_most_once_a_minute() {
        assert_eq!(touch(&session(), at(59), LIFETIMES), None);
        assert!(touch(&session(), at(60), LIFETIMES).is_some());
    }

    #[test]
    fn an_ended_session_a_disabled_account_and_a_mixed_up_one_are_refused() {
        let ended = Session {
            ended: Some(Ended {
                at: at(1),
                reason: EndReason::SignedOut,
            }),
            ..session()
        };
        let refusal = SessionRefusal::Ended(EndReason::SignedOut);
        assert_eq!(check(&ended, &account(), at(1)), Err(refusal));
        let disabled = Account {
            active: false,
            ..account()
        };
        assert_eq!(
            check(&session(), &disabled, at(1)),
            Err(SessionRefusal::AccountDisabled)
        );
        let other = Account {
            id: AccountId::new(9, [9; 10]),
            ..account()
        };
        assert_eq!(
            check(&session(), &other, at(1)),
            Err(SessionRefusal::OtherAccount)
        );
    }

    proptest! {
        #[test]
        fn a_device_text_of_any_kind_is_cleaned(device: String) {
            let new = NewSession { id: session().id, account: account().id, origin: SessionOrigin::Cli, amr: Methods::NONE, device: &device };
            let kept = start(new, at(0), LIFETIMES).device;
            prop_assert!(!kept.is_empty() && kept.chars().count() <= LONGEST_DEVICE);
            prop_assert!(!kept.chars().any(char::is_control));
        }
    }
}
