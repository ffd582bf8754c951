//! Whatever operators and servers do, and however far verifiers and servers are behind: an unexpired token verifies.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use token::{
    Algorithm,
    rotation::{KeyLife, KeyState, Ring, Rules, Wish},
};

const RULES: Rules = Rules {
    cache_life: Duration::from_mins(5),
};
/// How far behind a server may be, in seconds.
const LAG: i64 = 10;

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Plan(bool),
    Rotate,
    Retire(prop::sample::Index),
    Tend { rotate_every: Option<u64> },
    Sign { lag: i64, life: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![0_i64..30, 200_i64..400, 0_i64..4000].prop_map(Step::Wait),
        2 => any::<bool>().prop_map(Step::Plan),
        3 => Just(Step::Rotate),
        1 => any::<prop::sample::Index>().prop_map(Step::Retire),
        3 => prop::option::of(400_u64..5000).prop_map(|rotate_every| Step::Tend { rotate_every }),
        4 => (0..=LAG, 60_u64..3600).prop_map(|(lag, life)| Step::Sign { lag, life }),
    ]
}

/// The issuer as it was from each instant on, and what it signed.
struct Issuer {
    now: Timestamp,
    made: u32,
    history: Vec<(Timestamp, Ring)>,
    tokens: Vec<(String, Timestamp)>,
}

impl Issuer {
    fn start(now: Timestamp) -> Self {
        let mut ring = Ring::default();
        let first = KeyLife::next("0".into(), Algorithm::Rs256, false, now);
        ring.adopt(first, now).expect("the first key");
        Self {
            now,
            made: 0,
            history: vec![(Timestamp::MIN, ring)],
            tokens: Vec::new(),
        }
    }

    fn ring(&self) -> Ring {
        self.history.last().expect("it has begun").1.clone()
    }

    fn at(&self, instant: Timestamp) -> &Ring {
        let known = self.history.iter().rev().find(|(from, _)| *from <= instant);
        &known.expect("it has begun").1
    }

    /// Every ring that somebody may still go by: copies of the set of the last five minutes, taken from a server that
    /// was behind.
    fn copies(&self) -> impl Iterator<Item = &Ring> {
        let oldest = self.now - SignedDuration::from_secs(300 + LAG);
        let later = self.history.iter().filter(move |(from, _)| *from > oldest);
        later.map(|(_, ring)| ring).chain([self.at(oldest)])
    }

    fn key(&mut self, switches_itself: bool) -> KeyLife {
        self.made += 1;
        KeyLife::next(
            self.made.to_string(),
            Algorithm::Rs256,
            switches_itself,
            self.now,
        )
    }

    fn take(&mut self, step: &Step) {
        let mut ring = self.ring();
        match step {
            Step::Wait(seconds) => self.now += SignedDuration::from_secs(*seconds),
            Step::Plan(switches_itself) => drop(ring.plan(self.key(*switches_itself))),
            Step::Rotate => drop(ring.rotate(RULES, self.now)),
            Step::Retire(at) => {
                let kid = ring.keys()[at.index(ring.keys().len())].kid.clone();
                drop(ring.retire(&kid, RULES, self.now));
            }
            Step::Tend { rotate_every } => {
                let wish = Wish {
                    algorithm: Algorithm::Rs256,
                    kid: None,
                    rotate_every: rotate_every.map(Duration::from_secs),
                };
                if ring.tend(RULES, &wish, self.now) == token::rotation::Wanted::Next {
                    ring.plan(self.key(true)).expect("there is none");
                }
            }
            Step::Sign { lag, life } => {
                // A server signs with the key it knows of, once it has noted how long its tokens live.
                let known = self.at(self.now - SignedDuration::from_secs(*lag));
                let kid = known.current().expect("always").kid.clone();
                let expires_at =
                    self.now + SignedDuration::from_secs(i64::try_from(*life).expect("small"));
                ring.note_token_life(&kid, Duration::from_secs(*life));
                self.tokens.push((kid, expires_at));
            }
        }
        self.history.push((self.now, ring));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_unexpired_token_verifies_with_every_copy_of_the_set(steps in prop::collection::vec(step(), 1..60)) {
        let mut issuer = Issuer::start(Timestamp::from_second(1_800_000_000).expect("in range"));
        for step in &steps {
            issuer.take(step);
            let ring = issuer.ring();
            let count = |state| ring.keys().iter().filter(|key| key.state == state).count();
            prop_assert_eq!(count(KeyState::Current), 1);
            prop_assert!(count(KeyState::Next) <= 1);
            issuer.tokens.retain(|(_, expires_at)| issuer.now < *expires_at);
            for (kid, _) in &issuer.tokens {
                for copy in issuer.copies() {
                    prop_assert!(copy.find(kid).is_some(), "{kid} is not in {copy:?}");
                }
            }
        }
    }
}
