//! What the table says, case by case, and that it never calls good what was ended.

use proptest::{collection::vec, prelude::*, sample::Index};

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

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A message about few names, so that they meet, with the second at which it is told.
fn any_message() -> impl Strategy<Value = (Revocation, i64)> {
    let name = || (0..NAMES.len()).prop_map(|index| NAMES[index].to_owned());
    let ended = prop_oneof![
        3 => (proptest::option::of(name()), name()).prop_map(|(jti, sid)| Ended::Session { jti, sid: Some(sid) }),
        2 => name().prop_map(|jti| Ended::Session { jti: Some(jti), sid: None }),
        2 => Just(Ended::AllTokens),
        1 => Just(Ended::Account),
    ];
    (name(), ended, proptest::option::of(0_u64..5), T0..T0 + 200).prop_map(
        |(user, ended, generation, second)| {
            (
                Revocation {
                    user,
                    ended,
                    generation,
                    event_id: None,
                },
                second,
            )
        },
    )
}

fn all_tokens() -> impl Iterator<Item = Bearer<'static>> {
    let mut all = Vec::new();
    for (sub, jti) in NAMES.iter().flat_map(|sub| NAMES.map(|jti| (*sub, jti))) {
        for (sid, generation) in [(None, None), (Some("a"), Some(1)), (Some("d"), Some(4))] {
            for issued in [None, Some(T0 - 1), Some(T0 + 50), Some(T0 + 210)] {
                all.push(Bearer {
                    sub,
                    jti,
                    sid,
                    generation,
                    issued,
                });
            }
        }
    }
    all.into_iter()
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_changes_what_is_judged(
        messages in vec(any_message(), 1..12),
        again in vec(any::<Index>(), 0..12),
        shuffled in any::<prop::sample::Selector>(),
    ) {
        let mut numbered: Vec<_> = messages.iter().enumerate().collect();
        let apply = |standing: &Standing, (number, (revocation, second)): (usize, &(Revocation, i64))| {
            let place = format!("log-{number}");
            standing.apply(revocation, Some(&place), at(*second), at(*second));
        };
        let first = covering();
        for message in &numbered {
            apply(&first, *message);
        }
        let repeated: Vec<_> = again.iter().map(|index| *index.get(&numbered)).collect();
        numbered.extend(repeated);
        let second = covering();
        while !numbered.is_empty() {
            let next = shuffled.select(0..numbered.len());
            apply(&second, numbered.swap_remove(next));
        }
        for token in all_tokens() {
            prop_assert_eq!(first.judge_bearer(&token, None), second.judge_bearer(&token, None));
        }
    }

    #[test]
    fn a_revoked_token_never_becomes_good_again(
        messages in vec((any_message(), any::<bool>()), 1..30),
        most in 1_usize..8,
    ) {
        // Told one after the other, some as repetitions of the first; memory is short and gaps come in between.
        let standing = Standing::new(Duration::from_mins(1), most);
        standing.cover(at(T0 - 7200));
        // A token that is issued after it was ended is nothing an issuer has.
        let tokens = || all_tokens().filter(|token| token.issued.is_none_or(|issued| issued <= T0));
        let mut ended = vec![false; tokens().count()];
        let mut now = T0;
        for (number, ((revocation, step), is_gap)) in messages.into_iter().enumerate() {
            now += (step - T0) / 10;
            let asked = standing.version();
            standing.apply(&revocation, Some(&format!("log-{}", number % 7)), at(now), at(now));
            if is_gap {
                standing.forget();
                standing.cover_from_now(at(now));
            }
            standing.age(at(now));
            for (ended, token) in ended.iter_mut().zip(tokens()) {
                // Whoever asks before it is told may hear that it is good.
                let judged = standing.judge_bearer(&token, Some(asked).filter(|_| !*ended));
                *ended |= judged == Judgement::Revoked;
                prop_assert!(!*ended || judged != Judgement::Good);
            }
        }
    }
}

/// What happens to an issuer and a table that follows it.
#[derive(Debug, Clone)]
enum Step {
    /// A token is issued.
    Issue {
        user: usize,
        session: usize,
        carries: bool,
    },
    EndToken(Index),
    EndSession {
        user: usize,
        session: usize,
    },
    RaiseGeneration {
        user: usize,
    },
    EndAll {
        user: usize,
    },
    /// What was not delivered is lost; the table hears that something was.
    Gap,
    /// The issuer is asked about all tokens.
    Ask,
    Pass {
        seconds: i64,
    },
    Deliver,
}

fn any_step() -> impl Strategy<Value = Step> {
    let user = || 0..2_usize;
    let session = || 0..3_usize;
    prop_oneof![
        4 => (user(), session(), any::<bool>())
            .prop_map(|(user, session, carries)| Step::Issue { user, session, carries }),
        2 => any::<Index>().prop_map(Step::EndToken),
        1 => (user(), session()).prop_map(|(user, session)| Step::EndSession { user, session }),
        1 => user().prop_map(|user| Step::RaiseGeneration { user }),
        1 => user().prop_map(|user| Step::EndAll { user }),
        1 => Just(Step::Gap),
        2 => Just(Step::Ask),
        3 => (0_i64..40).prop_map(|seconds| Step::Pass { seconds }),
        6 => Just(Step::Deliver),
    ]
}

struct Issued {
    jti: String,
    user: usize,
    session: usize,
    number: String,
    generation: Option<u64>,
    at: i64,
    is_ended: bool,
    asked: Option<u64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The one promise: whenever everything that happened was either delivered or announced as lost, no ended token is
    /// good, whatever was forgotten, asked, lost, and however the two clocks differ within what is allowed for.
    #[test]
    fn no_ended_token_is_good(
        steps in vec(any_step(), 1..60),
        skew in -CLOCK_SKEW_SECONDS..=CLOCK_SKEW_SECONDS,
        most in 1_usize..12,
        retention in 1_u64..200,
    ) {
        let standing = Standing::new(Duration::from_secs(retention), most);
        let mut now = T0;
        standing.cover(at(now + skew));
        let mut tokens: Vec<Issued> = Vec::new();
        let mut generations = [1_u64; 2];
        let mut sessions = 0;
        let mut names = [[0; 3]; 2];
        let mut waiting: Vec<(Revocation, i64)> = Vec::new();
        for step in steps {
            let mut end = |tokens: &mut Vec<Issued>, user: usize, what: Ended, generation: Option<u64>,
                           is_ended: &dyn Fn(&Issued) -> bool| {
                for token in tokens.iter_mut().filter(|token| is_ended(token)) {
                    token.is_ended = true;
                }
                let user = NAMES[user].to_owned();
                waiting.push((Revocation { user, ended: what, generation, event_id: None }, now));
            };
            match step {
                Step::Issue { user, session, carries } => tokens.push(Issued {
                    jti: format!("token-{}", tokens.len()),
                    user,
                    session,
                    number: format!("session-{user}-{session}-{}", names[user][session]),
                    generation: carries.then_some(generations[user]),
                    at: now + skew,
                    is_ended: false,
                    asked: None,
                }),
                Step::EndToken(index) if !tokens.is_empty() => {
                    let index = index.index(tokens.len());
                    let jti = tokens[index].jti.clone();
                    let (what, user) = (session(Some(&jti), None), tokens[index].user);
                    end(&mut tokens, user, what, None, &|token| token.jti == jti);
                }
                Step::EndToken(_) => {}
                Step::EndSession { user, session: number } => {
                    let name = format!("session-{user}-{number}-{}", names[user][number]);
                    sessions += 1;
                    names[user][number] = sessions;
                    let what = session(None, Some(&name));
                    end(&mut tokens, user, what, None, &|token| token.user == user && token.number == name
                        && token.session == number);
                }
                Step::RaiseGeneration { user } => {
                    generations[user] += 1;
                    let generation = Some(generations[user]);
                    end(&mut tokens, user, Ended::AllTokens, generation, &|token| token.user == user);
                }
                Step::EndAll { user } => end(&mut tokens, user, Ended::AllTokens, None, &|token| token.user == user),
                Step::Gap => {
                    waiting.clear();
                    standing.forget();
                    standing.cover_from_now(at(now));
                }
                Step::Ask => {
                    for token in tokens.iter_mut().filter(|token| !token.is_ended) {
                        token.asked = Some(standing.version());
                    }
                }
                Step::Pass { seconds } => now += seconds,
                Step::Deliver => {
                    for (revocation, since) in waiting.drain(..) {
                        standing.apply(&revocation, None, at(since), at(now));
                    }
                    standing.age(at(now));
                }
            }
            if !waiting.is_empty() {
                continue;
            }
            for token in &tokens {
                let bearer = Bearer {
                    sub: NAMES[token.user],
                    jti: &token.jti,
                    sid: Some(&token.number),
                    generation: token.generation,
                    issued: Some(token.at),
                };
                let judged = standing.judge_bearer(&bearer, token.asked);
                prop_assert!(!token.is_ended || judged != Judgement::Good, "{} {:?}", token.jti, standing);
            }
        }
    }
}
