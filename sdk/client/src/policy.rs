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
        Freshness::Stale | Freshness::Mistaken => match situation.policy {
            StalePolicy::FailClosed => Unavailable,
            StalePolicy::FailOpen if state == Freshness::Stale => Accept,
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
    const FEEDS: [Option<(Judgement, Freshness)>; 10] = [
        None,
        Some((Good, Current)),
        Some((Unknown, Current)),
        Some((Revoked, Current)),
        Some((Good, Stale)),
        Some((Unknown, Stale)),
        Some((Revoked, Stale)),
        Some((Good, Mistaken)),
        Some((Unknown, Mistaken)),
        Some((Revoked, Mistaken)),
    ];

    fn situations() -> impl Iterator<Item = Situation> {
        let all = FEEDS
            .into_iter()
            .flat_map(|feed| POLICIES.map(|policy| (feed, policy)));
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

    /// The whole decision again, as a table: feed, policy, outcome, then the answer when failures close and when they open.
    /// A blank stands for everything.
    type Row = (
        &'static [Option<(Judgement, Freshness)>],
        &'static [StalePolicy],
        Option<Outcome>,
        Decision,
        Decision,
    );
    const TABLE: &[Row] = &[
        // Known to be ended: whatever else there is.
        (
            &[FEEDS[3], FEEDS[6], FEEDS[9]],
            &POLICIES,
            None,
            Refuse,
            Refuse,
        ),
        (
            &[FEEDS[3], FEEDS[6], FEEDS[9]],
            &POLICIES,
            Some(Active),
            Refuse,
            Refuse,
        ),
        (
            &[FEEDS[3], FEEDS[6], FEEDS[9]],
            &POLICIES,
            Some(Unreachable),
            Refuse,
            Refuse,
        ),
        (
            &[FEEDS[3], FEEDS[6], FEEDS[9]],
            &POLICIES,
            Some(Untrustworthy),
            Refuse,
            Refuse,
        ),
        // Said by the issuer.
        (
            &[
                FEEDS[0], FEEDS[1], FEEDS[2], FEEDS[4], FEEDS[5], FEEDS[7], FEEDS[8],
            ],
            &POLICIES,
            Some(Active),
            Accept,
            Accept,
        ),
        (&FEEDS, &POLICIES, Some(Inactive), Refuse, Refuse),
        (
            &[
                FEEDS[0], FEEDS[1], FEEDS[2], FEEDS[4], FEEDS[5], FEEDS[7], FEEDS[8],
            ],
            &POLICIES,
            Some(Untrustworthy),
            Unavailable,
            Unavailable,
        ),
        // No feed: every policy asks, and the failure mode decides.
        (&[FEEDS[0]], &POLICIES, None, Ask, Ask),
        (
            &[FEEDS[0]],
            &POLICIES,
            Some(Unreachable),
            Unavailable,
            Accept,
        ),
        // A current feed.
        (&[FEEDS[1]], &POLICIES, None, Accept, Accept),
        (&[FEEDS[2]], &POLICIES, None, Ask, Ask),
        (
            &[FEEDS[1], FEEDS[2]],
            &[FailClosed],
            Some(Unreachable),
            Unavailable,
            Unavailable,
        ),
        (
            &[FEEDS[1], FEEDS[2]],
            &[Introspect],
            Some(Unreachable),
            Unavailable,
            Accept,
        ),
        (
            &[FEEDS[1], FEEDS[2]],
            &[FailOpen],
            Some(Unreachable),
            Accept,
            Accept,
        ),
        // A stale feed.
        (
            &[FEEDS[4], FEEDS[5]],
            &[FailClosed],
            None,
            Unavailable,
            Unavailable,
        ),
        (&[FEEDS[4], FEEDS[5]], &[Introspect], None, Ask, Ask),
        (&[FEEDS[4], FEEDS[5]], &[FailOpen], None, Accept, Accept),
        (
            &[FEEDS[4], FEEDS[5]],
            &[FailClosed],
            Some(Unreachable),
            Unavailable,
            Unavailable,
        ),
        (
            &[FEEDS[4], FEEDS[5]],
            &[Introspect],
            Some(Unreachable),
            Unavailable,
            Accept,
        ),
        (
            &[FEEDS[4], FEEDS[5]],
            &[FailOpen],
            Some(Unreachable),
            Accept,
            Accept,
        ),
        // A credential that is refused never opens anything.
        (
            &[FEEDS[7], FEEDS[8]],
            &[FailClosed],
            None,
            Unavailable,
            Unavailable,
        ),
        (
            &[FEEDS[7], FEEDS[8]],
            &[Introspect, FailOpen],
            None,
            Ask,
            Ask,
        ),
        (
            &[FEEDS[7], FEEDS[8]],
            &POLICIES,
            Some(Unreachable),
            Unavailable,
            Unavailable,
        ),
    ];

    #[test]
    fn every_combination_is_decided_as_the_table_says() {
        for situation in situations() {
            for asked in OUTCOMES {
                let row = TABLE.iter().find(|(feeds, policies, outcome, ..)| {
                    feeds.contains(&situation.feed)
                        && policies.contains(&situation.policy)
                        && *outcome == asked
                });
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
