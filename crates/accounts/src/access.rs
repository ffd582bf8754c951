//! Whether an access token, known by its `jti`, is still good: the one rule for introspection and for the issuer itself.
//!
//! An access token stands on the pair it was issued in, the pair's session and that session's account. A refresh makes
//! a new pair; the old access token lives for [`SUPERSEDED_GRACE`] more, so that requests in flight are not refused.

use std::time::Duration;

use ids::SessionId;
use jiff::Timestamp;

use crate::{Account, RefreshToken, Session, SessionRefusal, lifetime};

/// For how long an access token is still accepted after its pair was exchanged for a new one.
pub const SUPERSEDED_GRACE: Duration = Duration::from_secs(30);

/// For how long a reading is believed: the grace without what clocks differ by and writes wait for.
const SETTLED: Duration = Duration::from_secs(25);

/// What is known of an issued access token. Nothing of it ever changes but that it is superseded, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuedAccess {
    /// The session it stands on.
    pub session: SessionId,
    /// The account's generation at issue.
    pub generation: u64,
    /// Refused from here on.
    pub expires_at: Timestamp,
    /// When its pair was exchanged for a new one, if it was.
    pub superseded_at: Option<Timestamp>,
}

/// Why an access token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Inactive {
    /// It has expired.
    #[error("the access token has expired")]
    Expired,
    /// A refresh gave a newer one, some time ago.
    #[error("a newer access token was issued in its place")]
    Superseded,
    /// Its session is over or its account cannot be used.
    #[error(transparent)]
    Session(#[from] SessionRefusal),
    /// The account's authority changed since it was issued.
    #[error("the account's authority changed after it was issued")]
    OtherGeneration,
}

impl IssuedAccess {
    /// What a pair's record tells of its access token.
    pub const fn of(pair: &RefreshToken) -> Self {
        Self {
            session: pair.session,
            generation: pair.access.generation,
            expires_at: pair.access.expires_at,
            superseded_at: match pair.used {
                Some((at, _)) => Some(at),
                None => None,
            },
        }
    }

    /// Whether what was read at `read_at` may be believed at `now` without looking again. That it was superseded stays
    /// true for ever; that it was not makes no difference before the grace of a refresh that came right after is over.
    pub fn is_settled(&self, read_at: Timestamp, now: Timestamp) -> bool {
        self.superseded_at.is_some() || (now >= read_at && now < lifetime::after(read_at, SETTLED))
    }
}

/// Whether an access token may be used now. `session` is the one it names, `account` is that session's.
///
/// # Errors
/// The first reason why not, in this order: expiry, supersession, session and account, generation.
pub fn check(
    issued: &IssuedAccess,
    session: &Session,
    account: &Account,
    now: Timestamp,
) -> Result<(), Inactive> {
    if issued.session != session.id {
        return Err(SessionRefusal::OtherAccount.into());
    }
    if now >= issued.expires_at {
        return Err(Inactive::Expired);
    }
    if issued
        .superseded_at
        .is_some_and(|at| now > lifetime::after(at, SUPERSEDED_GRACE))
    {
        return Err(Inactive::Superseded);
    }
    lifetime::check(session, account, now)?;
    if issued.generation != account.generation {
        return Err(Inactive::OtherGeneration);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ids::SessionId;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        EndReason, Ended,
        lifetime::tests::{account, at, session},
    };

    fn issued(session: &Session, account: &Account) -> IssuedAccess {
        IssuedAccess {
            session: session.id,
            generation: account.generation,
            expires_at: at(900),
            superseded_at: None,
        }
    }

    #[test]
    fn an_access_token_is_good_until_its_expiry() {
        let (account, session) = (account(), session());
        let issued = issued(&session, &account);
        assert_eq!(check(&issued, &session, &account, at(0)), Ok(()));
        assert_eq!(check(&issued, &session, &account, at(899)), Ok(()));
        assert_eq!(
            check(&issued, &session, &account, at(900)),
            Err(Inactive::Expired)
        );
    }

    #[test]
    fn a_refresh_lets_requests_in_flight_finish_and_then_the_old_token_is_dead() {
        let (account, session) = (account(), session());
        let issued = IssuedAccess {
            superseded_at: Some(at(100)),
            ..issued(&session, &account)
        };
        assert_eq!(check(&issued, &session, &account, at(130)), Ok(()));
        assert_eq!(
            check(&issued, &session, &account, at(131)),
            Err(Inactive::Superseded)
        );
    }

    #[test]
    fn ending_disabling_and_another_generation_take_effect_at_once() {
        let (account, session) = (account(), session());
        let issued = issued(&session, &account);
        let ended = Session {
            ended: Some(Ended {
                at: at(5),
                reason: EndReason::SignedOut,
            }),
            ..session.clone()
        };
        assert_eq!(
            check(&issued, &ended, &account, at(5)),
            Err(Inactive::Session(SessionRefusal::Ended(
                EndReason::SignedOut
            )))
        );
        let disabled = Account {
            active: false,
            ..account.clone()
        };
        assert_eq!(
            check(&issued, &session, &disabled, at(5)),
            Err(Inactive::Session(SessionRefusal::AccountDisabled))
        );
        let raised = Account {
            generation: account.generation + 1,
            ..account.clone()
        };
        assert_eq!(
            check(&issued, &session, &raised, at(5)),
            Err(Inactive::OtherGeneration)
        );
        let other = Session {
            id: SessionId::new(9, [9; 10]),
            ..session.clone()
        };
        assert!(check(&issued, &other, &account, at(5)).is_err());
    }

    proptest! {
        /// Whoever believes what was read for as long as it is settled never accepts a token longer than its rule says.
        #[test]
        fn a_settled_reading_never_outlives_the_grace(read_at in 0_i64..100, superseded in 0_i64..1000, asked in 0_i64..1000) {
            let (account, session) = (account(), session());
            let fresh = issued(&session, &account);
            let truth = IssuedAccess { superseded_at: Some(at(read_at + superseded)), ..fresh };
            let asked = at(read_at + asked);
            if fresh.is_settled(at(read_at), asked) && check(&fresh, &session, &account, asked).is_ok() {
                prop_assert_eq!(check(&truth, &session, &account, asked), Ok(()));
            }
        }
    }
}
