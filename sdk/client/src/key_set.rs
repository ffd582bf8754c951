//! The issuer's published keys, fetched in the background and kept.
//!
//! Whoever verifies reads what is at hand and never waits for a call. One task fetches: when a set grows old, and when
//! somebody met a key that is not in it. Fetches are never closer together than a pause, so that made-up key names cannot
//! become a storm; and whoever met an unknown key waits for a fetch that began afterwards, so that a new key is never
//! refused because somebody asked a moment too early.

use std::{
    future::Future,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use token::KeySet;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
};
use url::Url;

use crate::{Clock, Http, HttpError};

/// How much of an answer is read, in bytes.
const MOST_BYTES: usize = 1024 * 1024;
/// The least time between the beginnings of two fetches.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest wait after a failed fetch, when nobody asks for another.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest time that a set is used without a look at the present one.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

/// Why a key set was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// There was no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer is no JSON object with `keys`.
    #[error("what the issuer publishes is not a key set")]
    NotAKeySet,
    /// No key in it can be used, so it cannot be what the issuer signs with.
    #[error("there is no usable key in the issuer's key set")]
    NoUsableKey,
    /// The client is being shut down.
    #[error("the key set is not followed any longer")]
    Stopped,
}

/// Where key sets come from.
pub(crate) trait Fetch: Send + Sync + 'static {
    /// Gets the set as it is now, in bounded time.
    fn fetch(&self) -> impl Future<Output = Result<KeySet, KeySetError>> + Send;
}

/// Fetches from the address where the issuer publishes.
pub(crate) struct Published {
    pub(crate) http: Http,
    pub(crate) url: Url,
}

impl Fetch for Published {
    async fn fetch(&self) -> Result<KeySet, KeySetError> {
        let answer = self.http.get(&self.url, MOST_BYTES).await?;
        if answer.status != 200 {
            return Err(HttpError::Status(answer.status).into());
        }
        let text = std::str::from_utf8(&answer.body).map_err(|_| KeySetError::NotAKeySet)?;
        let keys = KeySet::from_jwks(text).map_err(|_| KeySetError::NotAKeySet)?;
        if keys.keys().is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(keys)
    }
}

/// The keys at hand. Those from the configuration never change.
pub(crate) struct KeyCache {
    shared: Arc<Shared>,
    following: Option<Following>,
}

struct Following {
    progress: watch::Receiver<Progress>,
    keeper: AbortHandle,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

struct Shared {
    keys: RwLock<Arc<KeySet>>,
    /// Moves when the keys change.
    version: AtomicU64,
    /// Somebody wants a fetch.
    wanted: Notify,
}

impl Shared {
    fn keys(&self) -> Arc<KeySet> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn replace(&self, new: KeySet) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.to_jwks() != new.to_jwks() {
            *keys = Arc::new(new);
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}

/// How far the fetches are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The number of the fetch that began last.
    pub(crate) started: u64,
    /// The number of the fetch that ended last; its outcome is `failure`.
    pub(crate) finished: u64,
    /// Why the last one failed.
    pub(crate) failure: Option<KeySetError>,
    /// How many failed.
    pub(crate) failures: u64,
    /// When the last good one began, by the monotonic clock.
    pub(crate) fetched_at: Option<Duration>,
}

impl KeyCache {
    /// These keys and no others.
    pub(crate) fn fixed(keys: KeySet) -> Self {
        Self {
            shared: Arc::new(Shared::new(keys)),
            following: None,
        }
    }

    /// The keys that `fetch` gives, the first of them soon. Ends when it is dropped.
    pub(crate) fn following(
        fetch: impl Fetch,
        lifetime: Duration,
        clock: Clock,
        handle: &Handle,
    ) -> Self {
        let shared = Arc::new(Shared::new(KeySet::default()));
        let (sender, progress) = watch::channel(Progress::default());
        let keeper = Keeper {
            fetch: Arc::new(fetch),
            shared: shared.clone(),
            progress: sender,
            lifetime: lifetime.clamp(PAUSE, LONGEST_LIFETIME),
            clock,
        };
        let keeper = handle.spawn(keeper.run()).abort_handle();
        Self {
            shared,
            following: Some(Following { progress, keeper }),
        }
    }

    /// The keys at hand; none before the first fetch succeeded. Never waits for a call.
    pub(crate) fn keys(&self) -> Arc<KeySet> {
        self.shared.keys()
    }

    /// A number that moves when keys come or go. Read it before the keys.
    pub(crate) fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// Whether there can ever be other keys than these.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.following.is_none()
    }

    /// Asks for a fetch, soon.
    pub(crate) fn refresh(&self) {
        self.shared.wanted.notify_one();
    }

    /// How far the fetches are; `None` where keys are fixed.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.following
            .as_ref()
            .map(|following| following.progress.borrow().clone())
    }

    /// Begins to wait for keys that are newer than now.
    pub(crate) fn waiting(&self) -> Option<Waiting<'_>> {
        let following = self.following.as_ref()?;
        let progress = following.progress.clone();
        let (arrived, looked) = {
            let now = progress.borrow();
            (now.started, now.finished)
        };
        Some(Waiting {
            shared: &self.shared,
            progress,
            arrived,
            looked,
        })
    }
}

/// Somebody who met an unknown key.
pub(crate) struct Waiting<'a> {
    shared: &'a Shared,
    progress: watch::Receiver<Progress>,
    /// The fetch that had begun last when the waiting began.
    arrived: u64,
    /// The fetch whose keys were looked at.
    looked: u64,
}

impl Waiting<'_> {
    /// Waits for the end of a fetch, and says whether that one began after the waiting. If not, the keys are worth a look,
    /// and then another wait. Needs no runtime; may be dropped.
    ///
    /// # Errors
    /// That fetch failed: whether there is such a key cannot be known now.
    pub(crate) async fn next(&mut self) -> Result<bool, KeySetError> {
        let is_idle = {
            let now = self.progress.borrow();
            now.finished == self.looked && now.started == now.finished
        };
        // Where one has ended since, or is under way, there may be no need for another.
        if is_idle {
            self.shared.wanted.notify_one();
        }
        let looked = self.looked;
        let ended = self
            .progress
            .wait_for(|progress| progress.finished != looked)
            .await;
        let progress = ended.map_err(|_| KeySetError::Stopped)?;
        self.looked = progress.finished;
        match &progress.failure {
            None => Ok(progress.finished > self.arrived),
            Some(error) => Err(error.clone()),
        }
    }
}

impl Shared {
    fn new(keys: KeySet) -> Self {
        Self {
            keys: RwLock::new(Arc::new(keys)),
            version: AtomicU64::new(0),
            wanted: Notify::new(),
        }
    }
}

/// The task that fetches. Its end closes `progress`, so nobody waits for it in vain.
struct Keeper<F> {
    fetch: Arc<F>,
    shared: Arc<Shared>,
    progress: watch::Sender<Progress>,
    lifetime: Duration,
    clock: Clock,
}

impl<F: Fetch> Keeper<F> {
    async fn run(self) {
        let mut failed_in_a_row = 0_u32;
        loop {
            let began = self.clock.monotonic();
            let due = if self.fetch_once(began).await.is_ok() {
                failed_in_a_row = 0;
                // Renewed while the old one is still good, with time for some failures.
                began + self.lifetime * 4 / 5
            } else {
                let pause = PAUSE.saturating_mul(1 << failed_in_a_row.min(5));
                failed_in_a_row = failed_in_a_row.saturating_add(1);
                self.clock.monotonic() + pause.min(LONGEST_PAUSE)
            };
            tokio::select! {
                () = self.clock.sleep_until(due) => {}
                () = self.shared.wanted.notified() => {}
            }
            self.clock.sleep_until(began + PAUSE).await;
        }
    }

    async fn fetch_once(&self, began: Duration) -> Result<(), KeySetError> {
        self.progress.send_modify(|progress| progress.started += 1);
        let fetch = self.fetch.clone();
        // A task of its own: were there a panic in it, the keeper would live on.
        let task = tokio::spawn(async move { fetch.fetch().await });
        let guard = AbortOnDrop(task.abort_handle());
        let outcome = task.await.unwrap_or(Err(KeySetError::Stopped));
        drop(guard);
        let outcome = outcome.map(|keys| self.shared.replace(keys));
        // Told when it changes rather than each time.
        let before = self.progress.borrow().failure.clone();
        match &outcome {
            Err(error) if before.as_ref() != Some(error) => {
                tracing::warn!(%error, "the issuer's key set could not be fetched; trying again");
            }
            Ok(()) if before.is_some() => tracing::info!("the issuer's key set was fetched again"),
            _ => {}
        }
        self.progress.send_modify(|progress| {
            progress.finished = progress.started;
            progress.failure = outcome.clone().err();
            match &outcome {
                Ok(()) => progress.fetched_at = Some(began),
                Err(_) => progress.failures += 1,
            }
        });
        outcome
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
