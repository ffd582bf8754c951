//! What every use case is given: settings, clock, keys and the parts that do I/O.

use std::{
    fs,
    num::NonZeroU32,
    ops::Deref,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use token::{MasterKey, ServiceKeys};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use storage::{DatabaseUrl, EventKind, EventTail, Settings, Storage};

use crate::{
    StartError,
    actions::kv::WriteRate,
    by_network::ByNetwork,
    caches::Caches,
    clock::Clock,
    config::Config,
    feed::Feed,
    hasher::Hasher,
    hosting::Hosting,
    key_use::KeyUse,
    keys,
    mail::{Bell, MailRate},
    outside::Providers,
    refreshes::Refreshes,
    signing::Loaded,
    throttle::Throttle,
};

/// Shared by all requests; cloning is cheap.
#[derive(Clone)]
pub struct Context(Arc<Parts>);

/// The fields of a [`Context`].
pub struct Parts {
    /// Checked settings.
    pub config: Config,
    /// Where records are kept.
    pub storage: Storage,
    /// What services are told of lost rights.
    pub(crate) feed: Feed,
    /// Records kept in memory. Read through the methods of [`Context`].
    pub(crate) caches: Caches,
    /// Password checks.
    pub hasher: Hasher,
    /// Counts of failed sign-ins.
    pub(crate) throttle: Throttle,
    /// What wakes the task that sends mail.
    pub(crate) mail: Bell,
    /// Counts of requests for mail.
    pub(crate) mail_rate: MailRate,
    /// Refreshes that were answered, and how many there were.
    pub(crate) refreshes: Refreshes,
    /// Signatures that may be computed at once.
    pub(crate) signers: Semaphore,
    /// Counts of writes to the key-value store.
    pub(crate) kv_writes: WriteRate,
    /// Outside providers of identities.
    pub(crate) outside: Providers,
    /// How often a network begins and ends trips to them.
    pub(crate) outside_rate: ByNetwork,
    /// Counts of uses of API keys.
    pub(crate) key_use: KeyUse,
    /// How often a network exchanges codes for tokens.
    pub(crate) exchange_rate: ByNetwork,
    /// How often each network may ask for a passkey's challenge without saying who it is for.
    pub(crate) challenge_rate: ByNetwork,
    /// The signing keys, once loaded. Read through [`Context::signing`].
    pub(crate) signing: Loaded,
    /// The present time.
    pub clock: Clock,
    /// The key that all other keys come from.
    pub master_key: MasterKey,
    /// The keys behind services' secrets and tokens.
    pub(crate) service_keys: ServiceKeys,
    /// Set once by a server before it listens; single deeds on a data directory host nothing.
    pub(crate) hosting: OnceLock<Hosting>,
    /// Cancelled when the server begins to stop: long answers (logs, events) end then.
    pub stopping: CancellationToken,
}

impl Deref for Context {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Context {
    /// Opens what a use case needs: database, keys, hash threads. Nothing listens, and the caches follow no tail, so
    /// this alone is for single deeds on a data directory; [`crate::Server`] does the rest.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, StartError> {
        let data_dir = &config.server.data_dir;
        fs::create_dir_all(data_dir).map_err(|cause| StartError::DataDirectory {
            path: data_dir.display().to_string(),
            cause,
        })?;
        let master_key = keys::load(&config)?;
        let url = match &config.database.url {
            Some(url) => DatabaseUrl::Postgres(url.clone()),
            None => DatabaseUrl::Sqlite(data_dir.join("vestibule.db")),
        };
        let storage = Storage::open(Settings::new(url)).await?;
        let hasher = Hasher::start(hash_threads(&config), config.accounts.hash_queue.size());
        let kv_writes = WriteRate::new(&config.kv);
        let outside = Providers::new(&config).map_err(StartError::Outside)?;
        let throttle = Throttle::new(&config.accounts);
        let refreshes = Refreshes::new(&config.issuer);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self(Arc::new(Parts {
            feed: Feed::new(&config),
            config,
            storage,
            caches: Caches::new(),
            hasher,
            throttle,
            mail: Bell::default(),
            mail_rate: MailRate::new(),
            refreshes,
            signers: Semaphore::new(cores),
            kv_writes,
            outside,
            outside_rate: ByNetwork::per_minute(TRIPS_PER_MINUTE),
            key_use: KeyUse::default(),
            exchange_rate: ByNetwork::per_minute(EXCHANGES_PER_MINUTE),
            challenge_rate: ByNetwork::per_minute(CHALLENGES_PER_MINUTE),
            signing: Loaded::default(),
            clock,
            service_keys: master_key.service_keys(),
            master_key,
            hosting: OnceLock::new(),
            stopping: CancellationToken::new(),
        })))
    }

    /// Makes this the context of a server that hosts apps.
    pub(crate) fn host(&self, hosting: Hosting) {
        assert!(self.hosting.set(hosting).is_ok(), "a context hosts once");
    }

    /// Where published apps run.
    pub fn hosting(&self) -> &Hosting {
        self.hosting
            .get()
            .expect("a server sets it before it listens, and nothing else hosts apps")
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Follows the event log until the storage is closed, and drops from the caches what events make stale.
    pub(crate) async fn follow_events(self, mut tail: EventTail) {
        loop {
            let events = tail.next().await;
            let Some(last) = events.last() else { return };
            for event in &events {
                self.caches.apply(event);
                if matches!(event.kind, EventKind::KeyRotated | EventKind::Unknown) {
                    self.signing.forget();
                }
            }
            self.caches.applied_until(last.seq);
            self.feed.pass(events);
        }
    }

    /// Watches how closely the event log is followed, for as long as the server runs.
    pub(crate) async fn watch_currency(self) {
        let mut current_at = Instant::now();
        let mut announced_at = current_at;
        loop {
            tokio::select! {
                () = tokio::time::sleep(CURRENCY_PAUSE) => {}
                () = self.stopping.cancelled() => return,
            }
            // In this order: what was known when it was looked is not more than what is known now.
            let looked_at = Instant::now().checked_sub(self.storage.event_log_age());
            if self.caches.applied() >= self.storage.known_event_seq() {
                current_at = looked_at.unwrap_or(current_at).max(current_at);
            }
            let age = current_at.elapsed();
            metrics::gauge!("event_tail_age_seconds").set(age.as_secs_f64());
            self.caches.set_current(age <= MOST_AGE);
            // Sessions expire without an event.
            if announced_at.elapsed() >= EXPIRY_PAUSE {
                announced_at = Instant::now();
                self.caches.announce_change();
            }
        }
    }

    /// Why the server cannot do its work now; `None` when it can.
    pub(crate) async fn not_ready(&self) -> Option<&'static str> {
        if self.stopping.is_cancelled() {
            return Some("stopping");
        }
        match self.storage.latest_event_seq().await {
            Err(error) => {
                tracing::warn!(%error, "not ready");
                Some("the database cannot be reached")
            }
            Ok(latest) => {
                let lag = latest.saturating_sub(self.caches.applied());
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a lag is far smaller than 2^52 events"
                )]
                metrics::gauge!("event_tail_lag_events").set(lag as f64);
                (lag > MOST_LAG || !self.caches.is_current())
                    .then_some("the event log is not followed")
            }
        }
    }
}

/// A tail that is this far behind will not catch up within its second.
const MOST_LAG: u64 = 5000;
/// What is kept in memory is believed for as long after it was known to be current.
const MOST_AGE: Duration = Duration::from_secs(1);
/// How often open streams are looked at for sessions that have expired.
const EXPIRY_PAUSE: Duration = Duration::from_mins(1);
/// How often it is looked whether it is.
const CURRENCY_PAUSE: Duration = Duration::from_millis(100);
/// Exchanges of codes that one network may ask for in a minute.
const EXCHANGES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// Each is a row until it is answered or five minutes are over.
const CHALLENGES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// Steps of sign-ins at outside providers that one network may take in a minute.
const TRIPS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

fn hash_threads(config: &Config) -> usize {
    match config.accounts.hash_threads.size() {
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
        threads => threads,
    }
}
