//! The life of a signing key: next, current, retired, gone.
//!
//! Verifiers keep the published key set for a while and look at it again only then. So a key must be in the set for
//! that long before it signs, and must stay in it until the last token it signed has expired. Under these two rules
//! a rotation is noticed by nobody: every unexpired token verifies with every copy of the set that may be around.
//!
//! ```text
//! plan ──▶ next ──(published long enough)──▶ current ──▶ retired ──(its last token has expired)──▶ gone
//! ```
//!
//! A leaked key takes no such care: [`Ring::revoke`] takes it out at once, and its tokens end with it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::Algorithm;

/// How far servers may be apart: in learning of a change, and by their clocks.
pub const LAG: Duration = Duration::from_secs(10);
/// How much longer than said in it a token may be accepted by a verifier whose clock differs.
pub const LEEWAY: Duration = Duration::from_secs(10);

/// What a signing key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, but does not sign yet, so that verifiers can learn it.
    Next,
    /// Signs.
    Current,
    /// Signs no more, and is published until the last token it signed has expired.
    Retired,
}

impl KeyState {
    /// The name kept in storage and shown to people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
        }
    }

    /// Reads a kept name back; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Next, Self::Current, Self::Retired]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

/// What is known of one key's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLife {
    /// Its id in the key set and in token headers (HS256 keys are in neither, and have one all the same).
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// What it is used for.
    pub state: KeyState,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// Since when verifiers can know it.
    pub published_at: Timestamp,
    /// Since when it signs; `None` while it never did.
    pub current_at: Option<Timestamp>,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
    /// The longest life of the tokens it signed, 0 before the first one.
    pub token_life: Duration,
    /// While it is next: whether the server makes it current as soon as it may sign, without being told.
    pub switches_itself: bool,
}

impl KeyLife {
    /// A key that was just made and is published from now on.
    pub const fn next(
        kid: String,
        algorithm: Algorithm,
        switches_itself: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            kid,
            algorithm,
            state: KeyState::Next,
            created_at: now,
            published_at: now,
            current_at: None,
            retired_at: None,
            token_life: Duration::ZERO,
            switches_itself,
        }
    }
}

/// How long verifiers keep the key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The longest that a verifier works with a copy of the published set.
    pub cache_life: Duration,
}

impl Rules {
    /// The instant from which every verifier and every server knows the key.
    pub fn may_sign_from(&self, key: &KeyLife) -> Timestamp {
        // A secret key is in no set: the servers alone verify with it.
        let cached = match key.algorithm {
            Algorithm::Hs256 => Duration::ZERO,
            Algorithm::Rs256 | Algorithm::Es256 => self.cache_life,
        };
        after(key.published_at, cached + LAG)
    }

    /// The instant from which no token of a retired key is good any more; `None` for other keys.
    pub fn gone_from(&self, key: &KeyLife) -> Option<Timestamp> {
        // A server that has not heard of the retirement yet may sign for a moment more.
        let retired_at = key.retired_at?;
        Some(after(retired_at, key.token_life + LEEWAY + LAG))
    }
}

fn after(instant: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    instant.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// Why a key's life takes another course than asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is at most one next key.
    #[error("the key {kid} is planned already; rotate to it, or retire it first")]
    Planned {
        /// The next key.
        kid: String,
    },
    /// There is no next key.
    #[error("no key is planned; plan one first")]
    NothingPlanned,
    /// Verifiers may not know the next key yet.
    #[error(
        "the key {kid} may sign from {at} on, when every verifier has it; tokens signed earlier would be refused"
    )]
    TooEarly {
        /// The next key.
        kid: String,
        /// When it may.
        at: Timestamp,
    },
    /// There is no key of this id.
    #[error("there is no key {kid}")]
    Unknown {
        /// The id asked for.
        kid: String,
    },
    /// The key is in the set already.
    #[error("the key {kid} is there already, as the {} key", state.as_str())]
    Known {
        /// Its id.
        kid: String,
        /// What it is used for.
        state: KeyState,
    },
    /// The current key is not retired by itself.
    #[error("the key {kid} signs now; rotate to another key, which retires it")]
    SignsNow {
        /// The current key.
        kid: String,
    },
    /// Tokens that the key signed are still good.
    #[error("tokens of the key {kid} are good until {until}; it goes by itself then")]
    TokensLive {
        /// The retired key.
        kid: String,
        /// When the last one ends.
        until: Timestamp,
    },
}

/// What an operator's settings ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What tokens shall be signed with.
    pub algorithm: Algorithm,
    /// The one key that shall sign them, when there is no choice. It is not rotated by age.
    pub kid: Option<String>,
    /// How long one key signs; `None` for as long as nobody rotates.
    pub rotate_every: Option<Duration>,
}

/// What [`Ring::tend`] could not do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// A first key, to sign at once.
    Current,
    /// A next key that switches itself.
    Next,
}

/// The keys of one issuer. At most one is next, and once there is a current one there always is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ring(Vec<KeyLife>);

impl Ring {
    /// These keys, as they were kept.
    pub fn new(mut keys: Vec<KeyLife>) -> Self {
        keys.sort_by(|a, b| {
            let place = |key: &KeyLife| match key.state {
                KeyState::Current => 0,
                KeyState::Next => 1,
                KeyState::Retired => 2,
            };
            place(a)
                .cmp(&place(b))
                .then(b.retired_at.cmp(&a.retired_at))
                .then_with(|| a.kid.cmp(&b.kid))
        });
        Self(keys)
    }

    /// The keys: the current one, the next one, then the retired ones, the latest first. All are published.
    pub fn keys(&self) -> &[KeyLife] {
        &self.0
    }

    /// A key by its id.
    pub fn find(&self, kid: &str) -> Option<&KeyLife> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// The key that signs.
    pub fn current(&self) -> Option<&KeyLife> {
        self.of(KeyState::Current)
    }

    /// The key that will sign.
    pub fn next(&self) -> Option<&KeyLife> {
        self.of(KeyState::Next)
    }

    /// Publishes a key that will sign later.
    pub fn plan(&mut self, key: KeyLife) -> Result<(), Refusal> {
        self.refuse_known(&key.kid)?;
        if let Some(next) = self.next() {
            return Err(Refusal::Planned {
                kid: next.kid.clone(),
            });
        }
        self.add(KeyLife {
            state: KeyState::Next,
            ..key
        });
        Ok(())
    }

    /// Makes the next key sign and retires the current one. Gives the id of the new current key.
    pub fn rotate(&mut self, rules: Rules, now: Timestamp) -> Result<String, Refusal> {
        let next = self.next().ok_or(Refusal::NothingPlanned)?.clone();
        let at = rules.may_sign_from(&next);
        if now < at {
            return Err(Refusal::TooEarly { kid: next.kid, at });
        }
        self.take(&next.kid);
        let kid = next.kid.clone();
        self.install(next, now);
        Ok(kid)
    }

    /// Makes a key sign at once that verifiers know from elsewhere, or that nobody needs to know yet because it is the
    /// first one. The current key is retired. A planned key may be the one.
    pub fn adopt(&mut self, key: KeyLife, now: Timestamp) -> Result<(), Refusal> {
        match self.find(&key.kid) {
            Some(known) if known.state != KeyState::Next => self.refuse_known(&key.kid)?,
            _ => {}
        }
        self.take(&key.kid);
        self.install(key, now);
        Ok(())
    }

    /// Takes a key out that nobody needs any more: a planned one, or a retired one without tokens.
    pub fn retire(&mut self, kid: &str, rules: Rules, now: Timestamp) -> Result<(), Refusal> {
        let key = self.find(kid).ok_or_else(|| Refusal::Unknown {
            kid: kid.to_owned(),
        })?;
        let kid = key.kid.clone();
        match (key.state, rules.gone_from(key)) {
            (KeyState::Current, _) => return Err(Refusal::SignsNow { kid }),
            (KeyState::Retired, Some(until)) if now < until => {
                return Err(Refusal::TokensLive { kid, until });
            }
            (KeyState::Next | KeyState::Retired, _) => {}
        }
        self.take(&kid);
        Ok(())
    }

    /// Takes a leaked key out at once: from here on whoever looks at the set refuses all that it ever signed. When it
    /// is the current one, the next key signs at once even if verifiers do not know it yet, or else `spare` does.
    pub fn revoke(
        &mut self,
        kid: &str,
        spare: Option<KeyLife>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let key = self.find(kid).ok_or_else(|| Refusal::Unknown {
            kid: kid.to_owned(),
        })?;
        if key.state == KeyState::Current {
            let heir = self
                .next()
                .cloned()
                .or(spare)
                .ok_or(Refusal::NothingPlanned)?;
            self.take(&heir.kid);
            self.install(heir, now);
        }
        self.take(kid);
        Ok(())
    }

    /// Does what is due without being told: lets keys go whose tokens have ended, takes back a planned key that would
    /// sign with another algorithm than wished, switches to a next key whose time has come. Says which key is wanted
    /// besides.
    pub fn tend(&mut self, rules: Rules, wish: &Wish, now: Timestamp) -> Wanted {
        self.0
            .retain(|key| rules.gone_from(key).is_none_or(|gone| now < gone));
        let is_unwished = |key: &KeyLife| {
            let other = |kid: &String| *kid != key.kid;
            key.algorithm != wish.algorithm || wish.kid.as_ref().is_some_and(other)
        };
        if self.next().is_some_and(is_unwished) {
            self.0.retain(|key| key.state != KeyState::Next);
        }
        let Some(current) = self.current() else {
            return Wanted::Current;
        };
        let is_old = |age: Duration| {
            let since = current.current_at.unwrap_or(current.created_at);
            let every = wish.rotate_every.filter(|_| wish.kid.is_none());
            every.is_some_and(|every| now >= after(since, every.saturating_sub(age)))
        };
        let is_unwished = is_unwished(current);
        let due = is_unwished || is_old(Duration::ZERO);
        let soon = is_unwished || is_old(rules.cache_life + LAG);
        match self.next() {
            Some(next) if next.switches_itself || due => {
                // Too early is fine: it is looked at again.
                let _ = self.rotate(rules, now);
                Wanted::Nothing
            }
            None if soon => Wanted::Next,
            _ => Wanted::Nothing,
        }
    }

    /// Notes that a key signs tokens of this life from now on, so that it stays long enough after its retirement.
    /// Whether that was news; then it must be kept before the key signs.
    pub fn note_token_life(&mut self, kid: &str, life: Duration) -> bool {
        let key = self.0.iter_mut().find(|key| key.kid == kid);
        key.is_some_and(|key| {
            let is_news = key.token_life < life;
            key.token_life = key.token_life.max(life);
            is_news
        })
    }

    fn of(&self, state: KeyState) -> Option<&KeyLife> {
        self.0.iter().find(|key| key.state == state)
    }

    fn refuse_known(&self, kid: &str) -> Result<(), Refusal> {
        self.find(kid).map_or(Ok(()), |key| {
            Err(Refusal::Known {
                kid: key.kid.clone(),
                state: key.state,
            })
        })
    }

    fn take(&mut self, kid: &str) {
        self.0.retain(|key| key.kid != kid);
    }

    /// In one step, so that there is no moment without a current key.
    fn install(&mut self, key: KeyLife, now: Timestamp) {
        for old in &mut self.0 {
            if old.state == KeyState::Current {
                old.state = KeyState::Retired;
                old.retired_at = Some(now);
            }
        }
        self.add(KeyLife {
            state: KeyState::Current,
            current_at: Some(now),
            retired_at: None,
            switches_itself: false,
            ..key
        });
    }

    fn add(&mut self, key: KeyLife) {
        let mut keys = std::mem::take(&mut self.0);
        keys.push(key);
        *self = Self::new(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        cache_life: Duration::from_mins(5),
    };
    const LIFE: Duration = Duration::from_mins(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn key(kid: &str, algorithm: Algorithm, now: Timestamp) -> KeyLife {
        KeyLife::next(kid.into(), algorithm, false, now)
    }

    fn started() -> Ring {
        let mut ring = Ring::default();
        ring.adopt(key("a", Algorithm::Rs256, at(0)), at(0))
            .expect("the first key");
        ring.note_token_life("a", LIFE);
        ring
    }

    fn states(ring: &Ring) -> Vec<(&str, KeyState)> {
        ring.keys()
            .iter()
            .map(|key| (key.kid.as_str(), key.state))
            .collect()
    }

    fn wish(algorithm: Algorithm) -> Wish {
        Wish {
            algorithm,
            kid: None,
            rotate_every: None,
        }
    }

    #[test]
    fn a_planned_key_signs_when_every_copy_of_the_set_has_it_and_not_before() {
        let mut ring = started();
        assert_eq!(ring.rotate(RULES, at(0)), Err(Refusal::NothingPlanned));
        ring.plan(key("b", Algorithm::Rs256, at(0))).expect("plan");
        let (kid, early) = ("b".to_owned(), at(310));
        assert_eq!(
            ring.rotate(RULES, at(309)),
            Err(Refusal::TooEarly { kid, at: early })
        );
        assert_eq!(ring.rotate(RULES, early), Ok("b".into()));
        let expected = [("b", KeyState::Current), ("a", KeyState::Retired)];
        assert_eq!(states(&ring), expected);
    }

    #[test]
    fn a_secret_key_waits_for_the_servers_only() {
        let mut ring = started();
        ring.plan(key("b", Algorithm::Hs256, at(0))).expect("plan");
        assert_eq!(ring.rotate(RULES, at(10)), Ok("b".into()));
    }

    #[test]
    fn a_retired_key_goes_when_its_last_token_has_ended_and_not_before() {
        let mut ring = started();
        ring.plan(key("b", Algorithm::Rs256, at(0))).expect("plan");
        ring.rotate(RULES, at(400)).expect("rotate");
        let gone = at(400 + 1800 + 20);
        let refused = ring.retire("a", RULES, at(2219));
        assert!(matches!(refused, Err(Refusal::TokensLive { until, .. }) if until == gone));
        ring.tend(RULES, &wish(Algorithm::Rs256), at(2219));
        assert!(ring.find("a").is_some());
        ring.tend(RULES, &wish(Algorithm::Rs256), gone);
        assert_eq!(states(&ring), [("b", KeyState::Current)]);
    }

    #[test]
    fn a_shorter_token_life_does_not_cut_older_tokens_short() {
        let mut ring = started();
        assert!(!ring.note_token_life("a", Duration::from_mins(1)));
        assert_eq!(ring.current().map(|key| key.token_life), Some(LIFE));
    }

    #[test]
    fn the_current_key_cannot_be_retired_and_only_one_key_is_planned() {
        let mut ring = started();
        assert!(matches!(
            ring.retire("a", RULES, at(0)),
            Err(Refusal::SignsNow { .. })
        ));
        ring.plan(key("b", Algorithm::Rs256, at(0))).expect("plan");
        let other = ring.plan(key("c", Algorithm::Rs256, at(0)));
        assert_eq!(other, Err(Refusal::Planned { kid: "b".into() }));
        let same = ring.adopt(key("a", Algorithm::Rs256, at(0)), at(0));
        assert!(matches!(same, Err(Refusal::Known { .. })));
        ring.retire("b", RULES, at(1)).expect("it never signed");
        assert_eq!(states(&ring), [("a", KeyState::Current)]);
    }

    #[test]
    fn a_leaked_key_goes_at_once_and_another_signs() {
        let mut ring = started();
        let none = ring.revoke("a", None, at(5));
        assert_eq!(none, Err(Refusal::NothingPlanned));
        let spare = key("s", Algorithm::Rs256, at(5));
        ring.revoke("a", Some(spare.clone()), at(5))
            .expect("revoke");
        assert_eq!(states(&ring), [("s", KeyState::Current)]);
        ring.plan(key("b", Algorithm::Rs256, at(6))).expect("plan");
        ring.revoke("s", Some(spare), at(7))
            .expect("the planned key takes over, however young");
        assert_eq!(states(&ring), [("b", KeyState::Current)]);
    }

    #[test]
    fn another_algorithm_in_the_settings_is_a_rotation_by_itself() {
        let mut ring = started();
        let es256 = wish(Algorithm::Es256);
        assert_eq!(ring.tend(RULES, &es256, at(1)), Wanted::Next);
        ring.plan(KeyLife::next("b".into(), Algorithm::Es256, true, at(1)))
            .expect("plan");
        assert_eq!(ring.tend(RULES, &es256, at(2)), Wanted::Nothing);
        assert_eq!(ring.current().map(|key| key.kid.as_str()), Some("a"));
        ring.tend(RULES, &es256, at(311));
        assert_eq!(ring.current().map(|key| key.kid.as_str()), Some("b"));
        // Changed back before the switch: the planned key is taken back, it never signed.
        ring.plan(key("c", Algorithm::Rs256, at(400)))
            .expect("plan");
        assert_eq!(ring.tend(RULES, &es256, at(401)), Wanted::Nothing);
        assert!(ring.next().is_none());
    }

    #[test]
    fn a_given_key_takes_over_and_is_not_rotated_by_age() {
        let mut ring = started();
        let given = Wish {
            algorithm: Algorithm::Hs256,
            kid: Some("given".into()),
            rotate_every: Some(Duration::from_hours(1)),
        };
        assert_eq!(ring.tend(RULES, &given, at(1)), Wanted::Next);
        let key = KeyLife::next("given".into(), Algorithm::Hs256, true, at(1));
        ring.plan(key).expect("plan");
        ring.tend(RULES, &given, at(11));
        assert_eq!(ring.current().map(|key| key.kid.as_str()), Some("given"));
        assert_eq!(ring.tend(RULES, &given, at(100_000)), Wanted::Nothing);
        let other = Wish {
            kid: Some("other".into()),
            ..given
        };
        assert_eq!(ring.tend(RULES, &other, at(100_000)), Wanted::Next);
    }

    #[test]
    fn an_old_key_is_rotated_when_that_is_wished() {
        let mut ring = started();
        let monthly = Wish {
            algorithm: Algorithm::Rs256,
            kid: None,
            rotate_every: Some(Duration::from_hours(30 * 24)),
        };
        let month = 30 * 24 * 3600;
        assert_eq!(ring.tend(RULES, &monthly, at(month - 311)), Wanted::Nothing);
        assert_eq!(ring.tend(RULES, &monthly, at(month - 310)), Wanted::Next);
        ring.plan(KeyLife::next(
            "b".into(),
            Algorithm::Rs256,
            true,
            at(month - 310),
        ))
        .expect("plan");
        ring.tend(RULES, &monthly, at(month));
        assert_eq!(ring.current().map(|key| key.kid.as_str()), Some("b"));
        assert_eq!(
            Ring::default().tend(RULES, &monthly, at(0)),
            Wanted::Current
        );
    }
}
