//! Asking the issuer whether a token is active (`jti-status`).
//!
//! One question about a token is under way at a time. Whoever comes meanwhile shares the next one, not the one under way:
//! no caller gets an answer that is older than the request. The questions belong to the client, not to those who wait, so a
//! request that is given up disturbs nobody.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
};
use url::Url;

use crate::{Clock, Http, HttpError, IntrospectionVersion, policy::Outcome};

/// How much of an answer is read, in bytes.
const MOST_BYTES: usize = 8 * 1024;

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) jti: String,
    /// The account, which the second version of the question names.
    pub(crate) sub: String,
}

/// The issuer's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    /// The account's generation, where the token is active and the issuer knows of generations.
    pub(crate) generation: Option<u64>,
    /// What `stamp` gave before the question was sent.
    pub(crate) stamp: u64,
}

impl Reply {
    const fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            generation: None,
            stamp: 0,
        }
    }
}

/// Why a question to the issuer had no answer that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    /// There was no answer, or another one than 200.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer does not fit the question, so it cannot be trusted.
    #[error("the issuer's answer does not fit the question")]
    Unsuitable,
}

impl IntrospectionError {
    /// An outage passes by itself; anything else is a wrong address, a wrong credential or a wrong setting.
    const fn outcome(&self) -> Outcome {
        match self {
            Self::Http(
                HttpError::Unreachable
                | HttpError::Timeout
                | HttpError::Broken
                | HttpError::Status(408 | 429 | 500..=599),
            ) => Outcome::Unreachable,
            Self::Http(
                HttpError::Insecure
                | HttpError::Status(_)
                | HttpError::TooLarge
                | HttpError::Refused
                | HttpError::Malformed,
            )
            | Self::Unsuitable => Outcome::Untrustworthy,
        }
    }
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The token is active; with the account's generation where the issuer knows of generations.
    Active(Option<u64>),
    /// It is not.
    Inactive,
}

/// How and where to ask.
pub(crate) struct Way {
    pub(crate) http: Http,
    pub(crate) url: Url,
    pub(crate) version: IntrospectionVersion,
    pub(crate) at_once: usize,
    pub(crate) breaker_failures: u32,
    pub(crate) breaker_pause: Duration,
    pub(crate) clock: Clock,
    /// Read before each question is sent; comes back with the reply.
    pub(crate) stamp: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// Asks, and shares the answers.
#[derive(Clone)]
pub(crate) struct Introspector(Arc<Inner>);

struct Inner {
    way: Way,
    handle: Handle,
    /// Who waits for the next question about a token. An entry stands as long as somebody asks about it.
    waiting: Mutex<HashMap<Question, Vec<oneshot::Sender<Reply>>>>,
    room: Semaphore,
    breaker: Mutex<Breaker>,
    questions: AtomicU64,
    failures: AtomicU64,
    /// What was wrong with the last question.
    trouble: Mutex<Option<IntrospectionError>>,
}

impl Introspector {
    pub(crate) fn new(way: Way, handle: Handle) -> Self {
        Self(Arc::new(Inner {
            room: Semaphore::new(way.at_once.clamp(1, Semaphore::MAX_PERMITS)),
            way,
            handle,
            waiting: Mutex::default(),
            breaker: Mutex::default(),
            questions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            trouble: Mutex::default(),
        }))
    }

    /// Asks about a token. May be dropped. Needs no runtime of its own.
    pub(crate) async fn ask(&self, question: Question) -> Reply {
        let (sender, receiver) = oneshot::channel();
        let must_lead = match locked(&self.0.waiting).entry(question.clone()) {
            Entry::Occupied(mut others) => {
                others.get_mut().push(sender);
                false
            }
            Entry::Vacant(place) => {
                place.insert(vec![sender]);
                true
            }
        };
        if must_lead {
            let leader = Leader {
                inner: self.0.clone(),
                question,
                is_done: false,
            };
            self.0.handle.spawn(leader.run());
        }
        // The leader is gone without an answer only when the client's runtime is.
        receiver.await.unwrap_or(Reply::plain(Outcome::Unreachable))
    }

    /// How many questions were sent.
    pub(crate) fn questions(&self) -> u64 {
        self.0.questions.load(Ordering::Relaxed)
    }

    /// How many of them had no answer, or none that could be trusted.
    pub(crate) fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// What was wrong with the last question.
    pub(crate) fn trouble(&self) -> Option<IntrospectionError> {
        locked(&self.0.trouble).clone()
    }
}

/// Asks about one token for as long as somebody wants to know. Its end, whatever the reason, clears the place.
struct Leader {
    inner: Arc<Inner>,
    question: Question,
    /// Whether the place was cleared; it may be somebody else's since.
    is_done: bool,
}

impl Leader {
    async fn run(mut self) {
        let inner = self.inner.clone();
        loop {
            // Before those who wait are taken: everybody gets an answer to a question that was sent after they came.
            let room = inner.room.acquire().await;
            let waiting = {
                let mut all = locked(&inner.waiting);
                let waiting = all
                    .get_mut(&self.question)
                    .map(std::mem::take)
                    .unwrap_or_default();
                if waiting.is_empty() {
                    all.remove(&self.question);
                    self.is_done = true;
                    return;
                }
                waiting
            };
            // Nobody who waits is there any longer: no need to ask.
            if waiting.iter().all(oneshot::Sender::is_closed) {
                continue;
            }
            let reply = inner.ask(&self.question).await;
            drop(room);
            for sender in waiting {
                let _ = sender.send(reply);
            }
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.is_done {
            locked(&self.inner.waiting).remove(&self.question);
        }
    }
}

impl Inner {
    async fn ask(&self, question: &Question) -> Reply {
        let stamp = (self.way.stamp)();
        if let Some(outcome) = self
            .breaker()
            .refuses(self.way.clock.monotonic(), self.way.breaker_pause)
        {
            return Reply::plain(outcome);
        }
        self.questions.fetch_add(1, Ordering::Relaxed);
        let called = self.call(question).await;
        let (outcome, generation) = match &called {
            Ok(Word::Active(generation)) => (Outcome::Active, *generation),
            Ok(Word::Inactive) => (Outcome::Inactive, None),
            Err(error) => (error.outcome(), None),
        };
        let failed = called.is_err();
        self.is_now(called.err());
        let now = self.way.clock.monotonic();
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.breaker().failed(
                outcome,
                now,
                self.way.breaker_failures,
                self.way.breaker_pause,
            );
        } else {
            *self.breaker() = Breaker::default();
        }
        Reply {
            outcome,
            generation,
            stamp,
        }
    }

    async fn call(&self, question: &Question) -> Result<Word, IntrospectionError> {
        #[derive(Serialize)]
        struct V1<'a> {
            jti: &'a str,
        }
        #[derive(Serialize)]
        struct V2<'a> {
            jti: &'a str,
            expected_user_id: &'a str,
            schema_version: &'a str,
        }
        let Question { jti, sub } = question;
        let Way {
            http, url, version, ..
        } = &self.way;
        let answer = match version {
            IntrospectionVersion::V1 => http.ask(url, &V1 { jti }, MOST_BYTES).await,
            IntrospectionVersion::V2 => {
                let question = V2 {
                    jti,
                    expected_user_id: sub,
                    schema_version: "2",
                };
                http.ask(url, &question, MOST_BYTES).await
            }
        };
        let answer = answer?;
        if answer.status != 200 {
            return Err(HttpError::Status(answer.status).into());
        }
        let read = match version {
            IntrospectionVersion::V1 => read_v1(&answer.body),
            IntrospectionVersion::V2 => read_v2(&answer.body, sub),
        };
        read.ok_or(IntrospectionError::Unsuitable)
    }

    /// Keeps what is wrong, and tells of it when it changes rather than with each question.
    fn is_now(&self, trouble: Option<IntrospectionError>) {
        let before = std::mem::replace(&mut *locked(&self.trouble), trouble.clone());
        match trouble {
            Some(error) if before.as_ref() != Some(&error) => {
                tracing::warn!(%error, "it cannot be asked whether tokens are good");
            }
            None if before.is_some() => {
                tracing::info!("it can be asked again whether tokens are good")
            }
            _ => {}
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        locked(&self.breaker)
    }
}

/// The answer to a question by `jti` alone. Only a JSON boolean is an answer.
fn read_v1(body: &[u8]) -> Option<Word> {
    #[derive(Deserialize)]
    struct Body {
        active: bool,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    Some(if body.active {
        Word::Active(None)
    } else {
        Word::Inactive
    })
}

/// The answer about a token of the account `sub`. "Active" has to say for whom and of which generation; an answer that does
/// not was given by somebody who did not understand the question.
fn read_v2(body: &[u8], sub: &str) -> Option<Word> {
    #[derive(Deserialize)]
    struct Body {
        active: bool,
        schema_version: Option<String>,
        user_id: Option<String>,
        auth_generation: Option<u64>,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    let speaks_it = body.schema_version.as_deref() == Some("2");
    if !body.active {
        return (speaks_it || body.schema_version.is_none()).then_some(Word::Inactive);
    }
    let generation = body.auth_generation.filter(|generation| *generation >= 1)?;
    (speaks_it && body.user_id.as_deref() == Some(sub)).then_some(Word::Active(Some(generation)))
}

/// Leaves the issuer alone for a while after failures in a row. Then one question goes through and decides.
#[derive(Default)]
struct Breaker {
    failures: u32,
    /// What the last failure was, and until when it stands for others.
    open: Option<(Outcome, Duration)>,
}

impl Breaker {
    /// The outcome of a question that is not sent; `None` when it may be.
    fn refuses(&mut self, now: Duration, pause: Duration) -> Option<Outcome> {
        let (outcome, until) = self.open.as_mut()?;
        if now < *until {
            return Some(*outcome);
        }
        // This one goes through. Should it never come back, another follows after a pause.
        *until = now.saturating_add(pause);
        None
    }

    fn failed(&mut self, outcome: Outcome, now: Duration, most: u32, pause: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= most.max(1) {
            self.open = Some((outcome, now.saturating_add(pause)));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
