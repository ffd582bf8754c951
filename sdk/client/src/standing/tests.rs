//! What the table says, case by case.

mod properties;

use super::*;

const T0: i64 = 1_767_603_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn covering() -> Standing {
    let standing = Standing::new(Duration::from_hours(2), 1000);
    standing.cover(at(T0 - 7200));
    standing
}

/// A token of ada's first session, of generation 3, issued at `T0`.
fn token() -> Bearer<'static> {
    Bearer {
        sub: "ada",
        jti: "t1",
        sid: Some("s1"),
        generation: Some(3),
        issued: Some(T0),
    }
}

fn ended(ended: Ended, generation: Option<u64>) -> Revocation {
    Revocation {
        user: "ada".to_owned(),
        ended,
        generation,
        event_id: None,
    }
}

fn session(jti: Option<&str>, sid: Option<&str>) -> Ended {
    Ended::Session {
        jti: jti.map(str::to_owned),
        sid: sid.map(str::to_owned),
    }
}

fn tell(standing: &Standing, revocation: &Revocation, second: i64) {
    standing.apply(revocation, None, at(second), at(second));
}

#[test]
fn a_token_ends_with_itself_its_session_its_generation_and_its_account() {
    for (what, generation) in [
        (session(Some("t1"), None), None),
        (session(None, Some("s1")), Some(3)),
        (session(Some("t0"), Some("s1")), None),
        (Ended::AllTokens, Some(4)),
        (Ended::AllTokens, None),
        (Ended::Account, None),
        // The generation counts whatever else a message ends.
        (session(Some("t0"), Some("s0")), Some(4)),
    ] {
        let standing = covering();
        assert_eq!(standing.judge_bearer(&token(), None), Judgement::Good);
        let before = standing.version();
        tell(&standing, &ended(what.clone(), generation), T0 + 5);
        assert_ne!(standing.version(), before);
        for asked in [None, Some(before)] {
            assert_eq!(
                standing.judge_bearer(&token(), asked),
                Judgement::Revoked,
                "{what:?}"
            );
        }
    }
}

#[test]
fn others_tokens_sessions_and_newer_generations_stay_good() {
    let standing = covering();
    for revocation in [
        ended(session(Some("t2"), Some("s2")), Some(3)),
        ended(Ended::AllTokens, Some(3)),
        Revocation {
            user: "ben".to_owned(),
            ..ended(Ended::Account, None)
        },
        Revocation {
            user: "t1".to_owned(),
            ..ended(Ended::Account, None)
        },
        ended(session(Some("s1"), Some("t1")), None),
    ] {
        tell(&standing, &revocation, T0 + 5);
    }
    assert_eq!(standing.judge_bearer(&token(), None), Judgement::Good);
}

#[test]
fn without_generations_all_tokens_end_that_were_issued_until_then() {
    let standing = covering();
    tell(&standing, &ended(Ended::AllTokens, None), T0);
    for (issued, judged) in [
        (Some(T0 - 100), Judgement::Revoked),
        (Some(T0), Judgement::Revoked),
        // Perhaps the two clocks differ.
        (Some(T0 + 1), Judgement::Unknown),
        (Some(T0 + CLOCK_SKEW_SECONDS + 1), Judgement::Good),
        (None, Judgement::Unknown),
    ] {
        for generation in [None, Some(9)] {
            let token = Bearer {
                generation,
                issued,
                ..token()
            };
            assert_eq!(standing.judge_bearer(&token, None), judged, "{issued:?}");
            if judged == Judgement::Unknown {
                let asked = Some(standing.version());
                assert_eq!(
                    standing.judge_bearer(&token, asked),
                    Judgement::Good,
                    "the issuer knows better"
                );
                assert_eq!(
                    standing.judge_bearer(&token, Some(0)),
                    Judgement::Unknown,
                    "not if it was asked before"
                );
            }
        }
    }
}

#[test]
fn what_is_heard_late_leaves_open_what_was_issued_in_the_meantime() {
    let standing = covering();
    standing.apply(&ended(Ended::AllTokens, None), None, at(T0), at(T0 + 600));
    let judge = |issued| {
        standing.judge_bearer(
            &Bearer {
                issued: Some(issued),
                ..token()
            },
            None,
        )
    };
    assert_eq!(judge(T0), Judgement::Revoked);
    assert_eq!(judge(T0 + 300), Judgement::Unknown);
    assert_eq!(judge(T0 + 700), Judgement::Good);
}

#[test]
fn tokens_without_a_generation_end_by_time_where_others_end_by_generation() {
    let standing = covering();
    tell(&standing, &ended(Ended::AllTokens, Some(3)), T0 + 5);
    assert_eq!(standing.judge_bearer(&token(), None), Judgement::Good);
    let original = Bearer {
        generation: None,
        sid: None,
        ..token()
    };
    assert_eq!(standing.judge_bearer(&original, None), Judgement::Revoked);
}

/// Contract, consumer side, 17: a signature does not tell when something was sent.
#[test]
fn a_recorded_message_that_is_sent_again_changes_nothing() {
    for event_id in [Some("log-7".to_owned()), None] {
        let standing = covering();
        let revocation = Revocation {
            event_id,
            ..ended(Ended::AllTokens, None)
        };
        let tell = |second| standing.apply(&revocation, Some("place-7"), at(second), at(second));
        tell(T0 - 100);
        for again in 0..5 {
            tell(T0 + again);
        }
        let later = Bearer {
            generation: None,
            ..token()
        };
        assert_eq!(standing.judge_bearer(&later, None), Judgement::Good);
        assert_eq!(standing.len(), 2, "an account and a message");
    }
}

#[test]
fn nothing_is_good_before_anything_is_known_and_what_is_older_than_the_table_is_asked_for() {
    let standing = Standing::new(Duration::from_hours(2), 1000);
    assert_eq!(standing.covers_from(), None);
    assert_eq!(
        standing.judge_bearer(&token(), Some(standing.version())),
        Judgement::Unknown
    );
    tell(&standing, &ended(session(Some("t1"), None), None), T0 + 5);
    assert_eq!(
        standing.judge_bearer(&token(), None),
        Judgement::Revoked,
        "what is known is known"
    );
    standing.cover(at(T0));
    assert_eq!(standing.covers_from(), Some(at(T0)));
    let other = |issued| Bearer {
        jti: "t2",
        issued,
        ..token()
    };
    assert_eq!(
        standing.judge_bearer(&other(Some(T0)), None),
        Judgement::Good
    );
    assert_eq!(
        standing.judge_bearer(&other(Some(T0 - 1)), None),
        Judgement::Unknown
    );
    assert_eq!(
        standing.judge_bearer(&other(None), None),
        Judgement::Unknown
    );
    let asked = Some(standing.version());
    assert_eq!(standing.judge_bearer(&other(None), asked), Judgement::Good);
}

#[test]
fn after_a_gap_what_was_ended_stays_ended_and_the_rest_is_asked_for_again() {
    let standing = covering();
    tell(&standing, &ended(session(Some("t1"), None), None), T0 + 5);
    let other = Bearer {
        jti: "t2",
        ..token()
    };
    let asked = Some(standing.version());
    assert_eq!(standing.judge_bearer(&other, asked), Judgement::Good);
    standing.forget();
    standing.cover_from_now(at(T0 + 10));
    assert_eq!(
        standing.covers_from(),
        Some(at(T0 + 10 + CLOCK_SKEW_SECONDS + 1))
    );
    assert_eq!(standing.judge_bearer(&token(), None), Judgement::Revoked);
    assert_eq!(standing.judge_bearer(&other, asked), Judgement::Unknown);
    assert_eq!(
        standing.judge_bearer(&other, Some(standing.version())),
        Judgement::Good
    );
}

#[test]
fn a_flood_takes_bounded_memory_and_makes_nothing_good_that_was_ended() {
    let standing = Standing::new(Duration::from_hours(2), 100);
    standing.cover(at(T0 - 7200));
    tell(&standing, &ended(session(Some("t1"), None), None), T0 + 1);
    let before = standing.version();
    for number in 0..10_000 {
        let jti = format!("flood-{number}");
        tell(
            &standing,
            &ended(session(Some(&jti), None), None),
            T0 + 2 + number / 100,
        );
        let user = format!("user-{number}");
        let gone = Revocation {
            user,
            ..ended(Ended::Account, None)
        };
        tell(&standing, &gone, T0 + 2 + number / 100);
        assert!(standing.len() <= 100);
    }
    for asked in [None, Some(before)] {
        assert_eq!(
            standing.judge_bearer(&token(), asked),
            Judgement::Unknown,
            "it is asked for"
        );
    }
    assert!(standing.covers_from().unwrap() > at(T0));
    let table = standing.read();
    assert!(table.order.capacity() < 1000 && table.ended.capacity() < 1000);
}

#[test]
fn one_account_that_is_told_of_again_and_again_takes_one_place() {
    let standing = Standing::new(Duration::from_secs(100), 1000);
    standing.cover(at(T0 - 7200));
    for number in 0..1000 {
        let raised = ended(Ended::AllTokens, Some(4 + number));
        tell(&standing, &raised, T0 + i64::try_from(number).unwrap());
        standing.age(at(T0 + i64::try_from(number).unwrap()));
    }
    assert_eq!(standing.len(), 1);
    assert!(standing.read().order.len() <= 2);
    assert_eq!(
        standing.judge_bearer(&token(), None),
        Judgement::Revoked,
        "it was told of just now"
    );
}

#[test]
fn what_is_too_old_to_matter_is_forgotten_and_tokens_that_live_longer_are_asked_for() {
    let standing = covering();
    tell(&standing, &ended(session(Some("t1"), None), None), T0 + 5);
    let version = standing.version();
    standing.age(at(T0 + 7205));
    assert_eq!((standing.len(), standing.version()), (1, version));
    standing.age(at(T0 + 7206));
    assert_eq!(standing.len(), 0);
    assert_ne!(
        standing.version(),
        version,
        "judgements that were kept are no longer to be relied on"
    );
    assert_eq!(standing.judge_bearer(&token(), None), Judgement::Unknown);
    assert_eq!(
        standing.judge_bearer(&token(), Some(version - 1)),
        Judgement::Unknown
    );
    // Asked after it was told: the answer knew of it.
    assert_eq!(
        standing.judge_bearer(&token(), Some(version)),
        Judgement::Good
    );
}

#[test]
fn an_account_that_was_told_of_again_is_kept_from_then_on() {
    let standing = covering();
    tell(&standing, &ended(Ended::Account, None), T0);
    tell(&standing, &ended(Ended::AllTokens, Some(2)), T0 + 5000);
    standing.age(at(T0 + 7300));
    assert_eq!(standing.len(), 1);
    assert_eq!(standing.judge_bearer(&token(), None), Judgement::Revoked);
    standing.age(at(T0 + 12_300));
    assert_eq!(standing.len(), 0);
}

#[test]
fn an_issuer_set_back_to_an_earlier_state_is_asked_about_the_tokens_it_issues_then() {
    let standing = covering();
    tell(&standing, &ended(Ended::AllTokens, Some(9)), T0);
    tell(&standing, &ended(Ended::Account, None), T0);
    let later = Bearer {
        issued: Some(T0 + 1000),
        ..token()
    };
    assert_eq!(standing.judge_bearer(&later, None), Judgement::Unknown);
    assert_eq!(
        standing.judge_bearer(&later, Some(standing.version())),
        Judgement::Good
    );
}

#[test]
fn a_complete_table_knows_everything_but_what_it_is_told() {
    let standing = Standing::complete();
    for issued in [None, Some(T0), Some(0)] {
        let token = Bearer { issued, ..token() };
        assert_eq!(standing.judge_bearer(&token, None), Judgement::Good);
    }
    tell(&standing, &ended(session(Some("t1"), None), None), T0);
    assert_eq!(standing.judge_bearer(&token(), None), Judgement::Revoked);
}
