//! The client: who is calling, by token.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use token::MAXIMUM_TOKEN_BYTES;
use tokio::{runtime::Handle, task::AbortHandle};

use crate::{
    Clock, Config, ConfigError, Expectations, FailureMode, Http, HttpError, Identity, Judgement,
    KeySetError, KeySource, Refusal, StalePolicy, Standing, Statistics,
    hearing::Hearing,
    identity::{IdentityCache, TokenDigest, token_digest},
    introspection::{Introspector, Question, Reply, Way},
    key_set::{KeyCache, Published},
    messages,
    policy::{Decision, Freshness, Outcome, Situation, decide},
    verifier::{Rejection, attempt},
};

/// For how long the issuer's word, that a token is not active, spares it the same question.
const INACTIVE_KEPT: Duration = Duration::from_secs(1);
/// How often identities whose tokens expired are cleared away.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// What can be said of a token at once.
#[derive(Debug, Clone)]
pub enum Check {
    /// The token is good.
    Known(Arc<Identity>),
    /// It is not, and another look would not change that.
    Refused(Refusal),
    /// It takes a call to say: ask [`Client::check_async`].
    Pending,
}

/// Why nobody is calling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The token is not good.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Whether it is cannot be said now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why it cannot be said whether a token is good. A later try may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no key to verify it with, and none could be fetched.
    #[error("the issuer's keys are not known: {0}")]
    Keys(#[from] KeySetError),
    /// It cannot be known whether it was revoked.
    #[error("whether the token was revoked cannot be known")]
    Revocation,
}

impl Unavailable {
    /// What could not be had: `keys` or `revocation`.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Keys(_) => "keys",
            Self::Revocation => "revocation",
        }
    }
}

/// Knows who is calling. Cheap to clone; the clones are one.
///
/// It works in the background on the runtime that it was given, which must have timers and I/O; the methods may be called
/// from anywhere. When the last clone is dropped the work ends; dropping does not wait. After a `fork` the child has to make
/// a client of its own and must not touch the one it inherited, not even to drop it.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    expected: Expectations,
    stale_policy: StalePolicy,
    failure_mode: FailureMode,
    introspection_kept: Duration,
    keep_payload: bool,
    clock: Clock,
    keys: Arc<KeyCache>,
    identities: Arc<IdentityCache>,
    hearing: Hearing,
    introspector: Option<Introspector>,
    verifications: AtomicU64,
    sweeper: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Client {
    /// Starts a client, whose background work runs on `handle`. It does not wait for the issuer, which may be down: keys and
    /// feed come when it is there.
    pub fn new(config: Config, handle: &Handle) -> Result<Self, ConfigError> {
        Self::with_clock(config, handle, Clock::system())
    }

    /// The same by another clock.
    pub fn with_clock(config: Config, handle: &Handle, clock: Clock) -> Result<Self, ConfigError> {
        config.check()?;
        let http = Http::new(
            &config.user_agent,
            config.timeouts,
            config.credential.clone(),
            &clock,
            config.needs_tls(),
        )?;
        let keys = Arc::new(match &config.keys {
            KeySource::Fixed(keys) => KeyCache::fixed(keys.clone()),
            KeySource::Fetched(url) => {
                let published = Published {
                    http: http.clone(),
                    url: url.clone(),
                };
                KeyCache::following(published, config.key_set_lifetime, clock.clone(), handle)
            }
        });
        let hearing = Hearing::begin(&config, &http, &keys, &clock, handle)?;
        let standing = hearing.standing().cloned();
        let way = |url| Way {
            http: http.clone(),
            url,
            version: config.introspection_version,
            at_once: config.introspections_at_once,
            breaker_failures: config.breaker_failures,
            breaker_pause: config.breaker_pause,
            clock: clock.clone(),
            stamp: Box::new(move || standing.as_ref().map_or(0, |standing| standing.version())),
        };
        let introspector = config.introspection_url.clone().map(way);
        let introspector = introspector.map(|way| Introspector::new(way, handle.clone()));
        let identities = Arc::new(IdentityCache::new(config.identities));
        let sweeper = handle.spawn(sweep(
            identities.clone(),
            clock.clone(),
            config.expected.leeway,
        ));
        Ok(Self(Arc::new(Inner {
            expected: config.expected,
            stale_policy: config.stale_policy,
            failure_mode: config.failure_mode,
            introspection_kept: config.introspection_kept,
            keep_payload: config.keep_payload,
            clock,
            keys,
            identities,
            hearing,
            introspector,
            verifications: AtomicU64::new(0),
            sweeper: sweeper.abort_handle(),
        })))
    }

    /// Says what can be said of a token at once: never waits for a call. `policy` is what the route wants while the feed is
    /// stale; `None` is what the configuration says.
    pub fn check(&self, token: &str, policy: Option<StalePolicy>) -> Check {
        match self.0.identify(token) {
            Ok(identity) => self.0.say(identity, policy),
            Err(Rejection::Refused(refusal)) => Check::Refused(refusal),
            Err(Rejection::UnknownKey) => Check::Pending,
        }
    }

    /// The same for tokens that were seen before; `None` for one that would have to be verified. It takes a microsecond or
    /// two, while verifying takes some fifty.
    pub fn peek(&self, token: &str, policy: Option<StalePolicy>) -> Option<Check> {
        if token.len() > MAXIMUM_TOKEN_BYTES {
            return Some(Check::Refused(Refusal::Invalid));
        }
        let identity = self.0.remembered(&token_digest(token))?;
        Some(match identity {
            Ok(identity) => self.0.say(identity, policy),
            Err(refusal) => Check::Refused(refusal),
        })
    }

    /// Says whether a token is good, asking the issuer where that is needed: for keys, or whether it was revoked. Calls are
    /// bounded in time and shared by all who need the same. The future may be dropped at any moment, and be polled by any
    /// executor.
    pub async fn check_async(
        &self,
        token: &str,
        policy: Option<StalePolicy>,
    ) -> Result<Arc<Identity>, CheckError> {
        let inner = &self.0;
        let identity = inner.identify_waiting(token).await?;
        let mut decision = inner.decide(&identity, policy, None);
        if decision == Decision::Unavailable {
            inner.hearing.settle().await;
            decision = inner.decide(&identity, policy, None);
        }
        let decision = match decision {
            Decision::Ask => {
                let outcome = inner.ask_about(&identity).await;
                inner.decide(&identity, policy, Some(outcome))
            }
            decision => decision,
        };
        match decision {
            Decision::Accept => Ok(identity),
            Decision::Refuse => Err(Refusal::Revoked.into()),
            Decision::Ask | Decision::Unavailable => Err(Unavailable::Revocation.into()),
        }
    }

    /// Asks the issuer whether the token `jti` of the account `sub` is active, whatever is known of it already. The first
    /// version of the question does not look at the account.
    pub async fn introspect(&self, jti: &str, sub: &str) -> Result<bool, Unavailable> {
        let introspector = self
            .0
            .introspector
            .as_ref()
            .ok_or(Unavailable::Revocation)?;
        let question = Question {
            jti: jti.to_owned(),
            sub: sub.to_owned(),
        };
        match introspector.ask(question).await.outcome {
            Outcome::Active => Ok(true),
            Outcome::Inactive => Ok(false),
            Outcome::Unreachable | Outcome::Untrustworthy => Err(Unavailable::Revocation),
        }
    }

    /// Tells the client of a revocation, as the issuer would. Nothing happens where revocations are not listened to.
    pub fn tell(&self, revocation: &messages::Revocation) {
        if let Some(standing) = self.0.hearing.standing() {
            let now = self.0.clock.now();
            standing.apply(revocation, None, now, now);
        }
    }

    /// Makes the knowledge of a client that is told by hand stale, or current again. Nothing happens with other clients.
    pub fn set_stale(&self, stale: bool) {
        self.0.hearing.set_stale(stale);
    }

    /// Fetches the key set again, soon.
    pub fn refresh_keys(&self) {
        self.0.keys.refresh();
    }

    /// What time it is for this client.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Moves the client's clock forward: tokens expire, keys grow old, a feed becomes stale. For tests.
    pub fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// How the client is, for metrics and health checks.
    pub fn statistics(&self) -> Statistics {
        let inner = &self.0;
        let progress = inner.keys.progress().unwrap_or_default();
        let now = inner.clock.monotonic();
        let standing = inner.hearing.standing();
        let state = standing.map(|_| inner.hearing.freshness());
        let feed_is_refused = inner.hearing.is_refused();
        let introspection_error = inner.introspector.as_ref().and_then(Introspector::trouble);
        Statistics {
            keys: inner.keys.keys().keys().len(),
            key_fetches: progress.finished,
            key_fetch_failures: progress.failures,
            key_set_age: progress.fetched_at.map(|at| now.saturating_sub(at)),
            key_set_error: progress.failure,
            identities: inner.identities.len(),
            identity_hits: inner.identities.hits(),
            identity_misses: inner.identities.misses(),
            verifications: inner.verifications.load(Ordering::Relaxed),
            introspections: inner
                .introspector
                .as_ref()
                .map_or(0, Introspector::questions),
            introspection_failures: inner
                .introspector
                .as_ref()
                .map_or(0, Introspector::failures),
            feed_is_current: state.map(|state| state == Freshness::Current),
            feed_is_refused,
            credential_is_refused: feed_is_refused
                || introspection_error == Some(HttpError::Refused.into()),
            introspection_error,
            staleness: inner.hearing.staleness(),
            revocations_kept: standing.map_or(0, |standing| standing.len()),
            feed: inner.hearing.feed_status(),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(…)")
    }
}

impl Inner {
    /// What is remembered of a token, unless the keys changed since.
    fn remembered(&self, digest: &TokenDigest) -> Option<Result<Arc<Identity>, Refusal>> {
        let identity = self.identities.get(digest)?;
        if identity.marks.keys != self.keys.version() {
            return None;
        }
        if self.has_expired(&identity) {
            self.identities.remove(digest, &identity);
            return Some(Err(Refusal::Expired));
        }
        Some(Ok(identity))
    }

    fn has_expired(&self, identity: &Identity) -> bool {
        let end =
            i128::from(identity.claims.exp) * 1000 + self.expected.leeway.as_millis().cast_signed();
        end <= i128::from(self.clock.now().as_millisecond())
    }

    /// Who the token says is calling, with the keys at hand.
    fn identify(&self, token: &str) -> Result<Arc<Identity>, Rejection> {
        if token.len() > MAXIMUM_TOKEN_BYTES {
            return Err(Rejection::Refused(Refusal::Invalid));
        }
        let digest = token_digest(token);
        if let Some(remembered) = self.remembered(&digest) {
            return remembered.map_err(Rejection::Refused);
        }
        self.verifications.fetch_add(1, Ordering::Relaxed);
        // The number first: if the keys change meanwhile, the identity is looked at again.
        let version = self.keys.version();
        let keys = self.keys.keys();
        let verified = attempt(token, &keys, &self.expected, self.clock.now());
        let (claims, payload) = verified.map_err(|rejection| match rejection {
            Rejection::UnknownKey if self.keys.is_fixed() => Rejection::Refused(Refusal::Invalid),
            rejection => rejection,
        })?;
        if claims.jti.is_empty() && !matches!(self.hearing, Hearing::Nothing) {
            // Nobody could be asked about it.
            return Err(Rejection::Refused(Refusal::InvalidPayload));
        }
        let payload = self.keep_payload.then(|| payload.into_boxed_slice());
        let identity = Arc::new(Identity::new(claims, payload, version));
        self.identities.insert(digest, identity.clone());
        Ok(identity)
    }

    /// The same, waiting for keys if need be.
    async fn identify_waiting(&self, token: &str) -> Result<Arc<Identity>, CheckError> {
        let mut waiting = self.keys.waiting();
        let mut is_last = false;
        loop {
            match self.identify(token) {
                Ok(identity) => return Ok(identity),
                Err(Rejection::Refused(refusal)) => return Err(refusal.into()),
                Err(Rejection::UnknownKey) if is_last => return Err(Refusal::Invalid.into()),
                Err(Rejection::UnknownKey) => {}
            }
            is_last = match &mut waiting {
                Some(waiting) => waiting.next().await.map_err(Unavailable::Keys)?,
                None => true,
            };
        }
    }

    fn say(&self, identity: Arc<Identity>, policy: Option<StalePolicy>) -> Check {
        match self.decide(&identity, policy, None) {
            Decision::Accept => Check::Known(identity),
            Decision::Refuse => Check::Refused(Refusal::Revoked),
            Decision::Ask | Decision::Unavailable => Check::Pending,
        }
    }

    /// What to do with a good token, before or after the issuer was asked.
    fn decide(
        &self,
        identity: &Identity,
        policy: Option<StalePolicy>,
        asked: Option<Outcome>,
    ) -> Decision {
        if matches!(self.hearing, Hearing::Nothing) {
            return Decision::Accept;
        }
        let state = self.hearing.freshness();
        let feed = self
            .hearing
            .standing()
            .map(|standing| (judge(standing, identity), state));
        let situation = Situation {
            feed,
            is_believed: feed.is_none() && identity.marks.is_active(self.clock.monotonic()),
            can_ask: self.introspector.is_some(),
            policy: policy.unwrap_or(self.stale_policy),
            failure_mode: self.failure_mode,
        };
        let decision = decide(situation, asked);
        if decision == Decision::Ask && identity.marks.is_inactive(self.clock.monotonic()) {
            return Decision::Refuse;
        }
        decision
    }

    async fn ask_about(&self, identity: &Identity) -> Outcome {
        let Some(introspector) = &self.introspector else {
            return Outcome::Unreachable;
        };
        let asked_at = self.clock.monotonic();
        let question = Question {
            jti: identity.claims.jti.clone(),
            sub: identity.claims.sub.clone(),
        };
        let reply = introspector.ask(question).await;
        let outcome = outcome(reply, identity.claims.generation);
        match outcome {
            Outcome::Active if self.hearing.standing().is_some() => {
                identity.marks.set_asked_at(reply.stamp)
            }
            Outcome::Active => identity
                .marks
                .set_active_until(asked_at.saturating_add(self.introspection_kept)),
            Outcome::Inactive => identity
                .marks
                .set_inactive_until(self.clock.monotonic() + INACTIVE_KEPT),
            Outcome::Unreachable | Outcome::Untrustworthy => {}
        }
        outcome
    }
}

/// What a reply says of a token of this generation.
fn outcome(reply: Reply, generation: Option<u64>) -> Outcome {
    match (reply.outcome, generation, reply.generation) {
        // The account has moved on since the token was issued.
        (Outcome::Active, Some(own), Some(current)) if own < current => Outcome::Inactive,
        // Whoever answers is behind the issuer of the token.
        (Outcome::Active, Some(own), Some(current)) if own > current => Outcome::Untrustworthy,
        (outcome, ..) => outcome,
    }
}

fn judge(standing: &Standing, identity: &Identity) -> Judgement {
    let version = standing.version();
    if identity.marks.is_good_at(version) {
        return Judgement::Good;
    }
    let judgement = standing.judge(&identity.claims, identity.marks.asked_at());
    if judgement == Judgement::Good {
        identity.marks.set_good_at(version);
    }
    judgement
}

async fn sweep(identities: Arc<IdentityCache>, clock: Clock, leeway: Duration) {
    let leeway = i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX);
    loop {
        clock.sleep_until(clock.monotonic() + SWEEP_EVERY).await;
        identities.forget_expired(clock.now().as_second().saturating_sub(leeway));
    }
}
