//! That the table never calls good what was ended, whatever happens in whichever order.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

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
