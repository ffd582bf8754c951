//! What to do with a token that is good in itself, from what is known of revocations. Pure.

use crate::{FailureMode, Judgement, StalePolicy};

/// Everything that the decision depends on, where revocations are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Situation {
    /// What the table says, and how much that is worth; `None` where there is no feed.
    pub(crate) feed: Option<(Judgement, Freshness)>,
    /// Whether the issuer's last answer, that the token is active, is still believed. Only where there is no feed.
    pub(crate) is_believed: bool,
    /// Whether the issuer can be asked at all.
    pub(crate) can_ask: bool,
    /// What the route wants while the feed is stale.
    pub(crate) policy: StalePolicy,
    /// What the service wants when the issuer could not be asked.
    pub(crate) failure_mode: FailureMode,
}

/// How much the table is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It is told everything within a second.
    Current,
    /// Something may have been missed.
    Stale,
    /// It was begun a moment ago, and what becomes of it is not known yet.
    Starting,
    /// The issuer does not tell us anything: it refuses our credential, or there is no stream where we look for it. That is
    /// a mistake and no outage.
    Mistaken,
}

/// What the issuer said when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The token is active.
    Active,
    /// It is not.
    Inactive,
    /// There was no answer: an outage.
    Unreachable,
    /// There was an answer that is none: our credential or our address is wrong, or theirs is not the issuer. No policy
    /// lets anybody pass for that.
    Untrustworthy,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Let the caller pass.
    Accept,
    /// The token was revoked.
    Refuse,
    /// Ask the issuer, and decide again with the outcome.
    Ask,
    /// It cannot be said; nobody passes.
    Unavailable,
}

/// Decides before (`None`) or after the issuer was asked.
pub(crate) fn decide(situation: Situation, asked: Option<Outcome>) -> Decision {
    use Decision::{Accept, Refuse, Unavailable};
    // What was told as ended stays ended, however old the news is.
    if matches!(situation.feed, Some((Judgement::Revoked, _))) {
        return Refuse;
    }
    match asked {
        Some(Outcome::Active) => return Accept,
        Some(Outcome::Inactive) => return Refuse,
        Some(Outcome::Untrustworthy) => return Unavailable,
        Some(Outcome::Unreachable) => return without_answer(situation),
        None => {}
    }
    let Some((judgement, state)) = situation.feed else {
        return if situation.is_believed {
            Accept
        } else {
            ask(situation)
        };
    };
    match state {
        Freshness::Current if judgement == Judgement::Good => Accept,
        // One question settles a token from before the table begins; that is worth it under every policy.
        Freshness::Current => ask(situation),
        Freshness::Stale | Freshness::Starting | Freshness::Mistaken => match situation.policy {
            StalePolicy::FailClosed => Unavailable,
            StalePolicy::FailOpen if state == Freshness::Stale => Accept,
            // It may yet turn out to be a mistake, which opens no door, not for a moment either.
            StalePolicy::FailOpen if state == Freshness::Starting => Unavailable,
            StalePolicy::Introspect | StalePolicy::FailOpen => ask(situation),
        },
    }
}

fn ask(situation: Situation) -> Decision {
    if situation.can_ask {
        Decision::Ask
    } else {
        without_answer(situation)
    }
}

/// The issuer could not be asked.
fn without_answer(situation: Situation) -> Decision {
    let may_open = match situation.feed {
        None => situation.failure_mode == FailureMode::FailOpen,
        Some((_, Freshness::Mistaken)) => false,
        Some(_) => match situation.policy {
            StalePolicy::FailOpen => true,
            StalePolicy::FailClosed => false,
            StalePolicy::Introspect => situation.failure_mode == FailureMode::FailOpen,
        },
    };
    if may_open {
        Decision::Accept
    } else {
        Decision::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision::*, Freshness::*, Outcome::*, *};
    use crate::{
        FailureMode::{FailClosed as ModeClosed, FailOpen as ModeOpen},
        Judgement::{Good, Revoked, Unknown},
        StalePolicy::{FailClosed, FailOpen, Introspect},
    };

    const POLICIES: [StalePolicy; 3] = [FailClosed, Introspect, FailOpen];
    const MODES: [FailureMode; 2] = [ModeClosed, ModeOpen];
    const OUTCOMES: [Option<Outcome>; 5] = [
        None,
        Some(Active),
        Some(Inactive),
        Some(Unreachable),
        Some(Untrustworthy),
    ];
    fn situations() -> impl Iterator<Item = Situation> {
        let feeds = ALIVE.iter().chain([&ENDED]).copied().flatten().copied();
        let all = feeds.flat_map(|feed| POLICIES.map(|policy| (feed, policy)));
        let all = all.flat_map(|(feed, policy)| MODES.map(|mode| (feed, policy, mode)));
        all.flat_map(|(feed, policy, failure_mode)| {
            [(false, false), (false, true), (true, false), (true, true)].map(
                |(is_believed, can_ask)| Situation {
                    feed,
                    is_believed,
                    can_ask,
                    policy,
                    failure_mode,
                },
            )
        })
    }

    type Feed = Option<(Judgement, Freshness)>;

    const NONE: &[Feed] = &[None];
    const KNOWN: &[Feed] = &[Some((Good, Current))];
    const OLDER: &[Feed] = &[Some((Unknown, Current))];
    const STALE: &[Feed] = &[Some((Good, Stale)), Some((Unknown, Stale))];
    const STARTING: &[Feed] = &[Some((Good, Starting)), Some((Unknown, Starting))];
    const MISTAKEN: &[Feed] = &[Some((Good, Mistaken)), Some((Unknown, Mistaken))];
    const ALIVE: &[&[Feed]] = &[NONE, KNOWN, OLDER, STALE, STARTING, MISTAKEN];
    const ENDED: &[Feed] = &[
        Some((Revoked, Current)),
        Some((Revoked, Stale)),
        Some((Revoked, Starting)),
        Some((Revoked, Mistaken)),
    ];

    /// Feed, policy and outcome; then the decision where failures close, and where they open.
    type Row = (
        &'static [&'static [Feed]],
        &'static [StalePolicy],
        &'static [Option<Outcome>],
        Decision,
        Decision,
    );

    /// The whole decision again, as a table.
    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        // Known to be ended: whatever else there is.
        (&[ENDED], &POLICIES, &OUTCOMES, Refuse, Refuse),
        // Said by the issuer.
        (ALIVE, &POLICIES, &[Some(Active)], Accept, Accept),
        (ALIVE, &POLICIES, &[Some(Inactive)], Refuse, Refuse),
        (ALIVE, &POLICIES, &[Some(Untrustworthy)], Unavailable, Unavailable),
        // No feed: every policy asks, and the failure mode decides.
        (&[NONE], &POLICIES, &[None], Ask, Ask),
        (&[NONE], &POLICIES, &[Some(Unreachable)], Unavailable, Accept),
        // A current feed.
        (&[KNOWN], &POLICIES, &[None], Accept, Accept),
        (&[OLDER], &POLICIES, &[None], Ask, Ask),
        // No current feed.
        (&[STALE, STARTING, MISTAKEN], &[FailClosed], &[None], Unavailable, Unavailable),
        (&[STALE, STARTING, MISTAKEN], &[Introspect], &[None], Ask, Ask),
        (&[STALE], &[FailOpen], &[None], Accept, Accept),
        (&[STARTING], &[FailOpen], &[None], Unavailable, Unavailable),
        (&[MISTAKEN], &[FailOpen], &[None], Ask, Ask),
        // No answer either.
        (&[KNOWN, OLDER, STALE, STARTING], &[FailClosed], &[Some(Unreachable)], Unavailable, Unavailable),
        (&[KNOWN, OLDER, STALE, STARTING], &[Introspect], &[Some(Unreachable)], Unavailable, Accept),
        (&[KNOWN, OLDER, STALE, STARTING], &[FailOpen], &[Some(Unreachable)], Accept, Accept),
        (&[MISTAKEN], &POLICIES, &[Some(Unreachable)], Unavailable, Unavailable),
    ];

    #[test]
    fn every_combination_is_decided_as_the_table_says() {
        for situation in situations() {
            for asked in OUTCOMES {
                let mut rows = TABLE.iter().filter(|(feeds, policies, outcomes, ..)| {
                    feeds.iter().any(|feeds| feeds.contains(&situation.feed))
                        && policies.contains(&situation.policy)
                        && outcomes.contains(&asked)
                });
                let row = rows.next();
                assert!(
                    rows.next().is_none(),
                    "two rows for {situation:?} {asked:?}"
                );
                let &(.., closed, open) =
                    row.unwrap_or_else(|| panic!("no row for {situation:?} {asked:?}"));
                let mut expected = if situation.failure_mode == ModeOpen {
                    open
                } else {
                    closed
                };
                if situation.feed.is_none() && situation.is_believed && asked.is_none() {
                    expected = Accept;
                } else if expected == Ask && !situation.can_ask {
                    // Whoever cannot ask is where one who got no answer is.
                    expected = decide(situation, Some(Unreachable));
                }
                assert_eq!(
                    decide(situation, asked),
                    expected,
                    "{situation:?} {asked:?}"
                );
            }
        }
    }

    #[test]
    fn nobody_is_asked_twice_and_nothing_revoked_passes() {
        for situation in situations() {
            for asked in OUTCOMES {
                let decision = decide(situation, asked);
                assert!(asked.is_none() || decision != Ask, "{situation:?}");
                let is_ended =
                    matches!(situation.feed, Some((Revoked, _))) || asked == Some(Inactive);
                assert!(!is_ended || decision == Refuse, "{situation:?} {asked:?}");
            }
        }
    }

    #[test]
    fn fail_open_does_not_turn_a_mistyped_secret_into_no_revocation() {
        for situation in
            situations().filter(|situation| !matches!(situation.feed, Some((Revoked, _))))
        {
            assert_eq!(decide(situation, Some(Untrustworthy)), Unavailable);
            if matches!(situation.feed, Some((_, Mistaken))) {
                assert_ne!(decide(situation, None), Accept, "{situation:?}");
                assert_eq!(decide(situation, Some(Unreachable)), Unavailable);
            }
        }
    }
}
