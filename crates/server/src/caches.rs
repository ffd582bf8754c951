//! Records that nearly every request needs, kept in memory and kept current by the event log.
//!
//! A change of authority appends an event in its transaction; the tail drops what the event names within a second. A
//! record that was read before the change but arrives after it must not be kept: readers note the epoch before they
//! load, and what was loaded under an older epoch is used once and not stored.
//!
//! This process applies its own changes when they are committed, without waiting for the tail.
//!
//! When the log cannot be followed for a second, nothing kept is believed until it can.

use std::{
    hash::Hash,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use accounts::{Account, Service, Session, access::IssuedAccess};
use apps::{App, Member};
use ids::{AccountId, ApiKeyId, AppId, SessionId, Slug};
use jiff::Timestamp;
use moka::sync::Cache;
use serde::Deserialize;
use storage::{Event, EventKind};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Context, Error,
    actions::{api_keys::KnownKey, services::Registry},
};

/// Entries that nobody used for this long are dropped, to bound memory.
const IDLE: Duration = Duration::from_mins(15);

/// How long the database may take to answer while what is kept is not believed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// One kind of record by its key. Absence is kept too, so that probing costs no database read.
pub(crate) struct Records<K, V> {
    entries: Cache<K, Option<Arc<V>>>,
    /// Raised by each invalidation.
    epoch: AtomicU64,
    /// Held for the moment of storing or dropping, so that the two never cross.
    gate: Mutex<()>,
}

impl<K, V> Records<K, V>
where
    K: Hash + Eq + Copy + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn new(capacity: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(IDLE)
            .build();
        Self {
            entries,
            epoch: AtomicU64::new(0),
            gate: Mutex::new(()),
        }
    }

    /// The kept record; `None` when nothing is known of it.
    #[expect(clippy::option_option, reason = "absence is something that is known")]
    fn kept(&self, key: &K) -> Option<Option<Arc<V>>> {
        self.entries.get(key)
    }

    /// Gives the kept record, or loads it.
    pub(crate) async fn get<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, E> {
        if let Some(kept) = self.kept(&key) {
            return Ok(kept);
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        let loaded = load.await?.map(Arc::new);
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if self.epoch.load(Ordering::Acquire) == epoch {
            self.entries.insert(key, loaded.clone());
        }
        Ok(loaded)
    }

    /// Drops one record.
    pub(crate) fn forget(&self, key: &K) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate(key);
    }

    /// Drops everything.
    pub(crate) fn forget_all(&self) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }
}

/// Everything that is kept in memory.
pub(crate) struct Caches {
    /// Which session an opaque token's digest belongs to. Never changes once it is known, so absence is not kept.
    digests: Cache<[u8; 32], SessionId>,
    sessions: Records<SessionId, Session>,
    /// What access tokens stand on, with when it was read. See [`Context::issued_access`].
    issued: Cache<Uuid, (IssuedAccess, Timestamp)>,
    accounts: Records<AccountId, Account>,
    apps: Records<AppId, App>,
    slugs: Cache<Slug, AppId>,
    members: Records<(AppId, AccountId), Member>,
    /// Which API key a text's digest belongs to. Never changes once it is known, so absence is not kept.
    pub(crate) api_key_digests: Cache<[u8; 32], ApiKeyId>,
    pub(crate) api_keys: Records<ApiKeyId, KnownKey>,
    services: Records<(), Registry>,
    applied: AtomicU64,
    /// Counts what may have taken a right away.
    changes: watch::Sender<u64>,
    /// Whether what is kept is current. Looked at by each request, so it is one word.
    is_current: AtomicBool,
}

impl Caches {
    /// Empty caches.
    pub(crate) fn new() -> Self {
        Self {
            digests: Cache::builder()
                .max_capacity(200_000)
                .time_to_idle(IDLE)
                .build(),
            sessions: Records::new(200_000),
            issued: Cache::builder()
                .max_capacity(200_000)
                .time_to_idle(IDLE)
                .build(),
            accounts: Records::new(100_000),
            apps: Records::new(50_000),
            slugs: Cache::builder()
                .max_capacity(50_000)
                .time_to_idle(IDLE)
                .build(),
            members: Records::new(200_000),
            api_key_digests: Cache::builder()
                .max_capacity(100_000)
                .time_to_idle(IDLE)
                .build(),
            api_keys: Records::new(100_000),
            services: Records::new(1),
            applied: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            is_current: AtomicBool::new(true),
        }
    }

    /// Drops what an event makes stale.
    pub(crate) fn apply(&self, event: &Event) {
        let subject = event.subject.as_str();
        match event.kind {
            EventKind::AccountCreated
            | EventKind::AccountChanged
            | EventKind::AccountDisabled
            | EventKind::AccountDeleted
            | EventKind::AccountGeneration
            | EventKind::AccountFactors => forget_named(&self.accounts, subject),
            EventKind::SessionStarted | EventKind::SessionEnded | EventKind::SessionProven => {
                forget_named(&self.sessions, subject);
            }
            EventKind::AppCreated
            | EventKind::AppAccessChanged
            | EventKind::AppReleased
            | EventKind::AppDeleted
            | EventKind::AppRenamed => {
                forget_named(&self.apps, subject);
                self.slugs.invalidate_all();
            }
            EventKind::MembershipChanged => match (subject.parse(), account_in(&event.payload)) {
                (Ok(app), Some(account)) => self.members.forget(&(app, account)),
                _ => self.members.forget_all(),
            },
            EventKind::InviteChanged
            | EventKind::IdentityLinked
            | EventKind::IdentityUnlinked
            | EventKind::MailShown => {}
            // A leaked key ends the tokens of all accounts by their generations.
            EventKind::KeyRotated => self.accounts.forget_all(),
            EventKind::ApiKeyChanged => forget_named(&self.api_keys, subject),
            EventKind::ServiceChanged => self.services.forget_all(),
            EventKind::Unknown => self.forget_all(),
        }
        // Last: whoever looks now finds the change.
        match event.kind {
            EventKind::AccountCreated
            | EventKind::SessionStarted
            | EventKind::SessionProven
            | EventKind::AppCreated
            | EventKind::AppReleased
            | EventKind::InviteChanged
            | EventKind::KeyRotated
            | EventKind::IdentityLinked
            | EventKind::IdentityUnlinked
            | EventKind::MailShown
            | EventKind::ApiKeyChanged => {}
            _ => self.announce_change(),
        }
    }

    /// Makes whoever holds something open look whether they still may.
    pub(crate) fn announce_change(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever somebody may have lost a right, and from time to time.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Notes how far the tail has come.
    pub(crate) fn applied_until(&self, seq: u64) {
        self.applied.fetch_max(seq, Ordering::AcqRel);
    }

    /// The place in the event log until which these caches are current.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Notes whether the event log is followed closely enough to believe what is kept.
    pub(crate) fn set_current(&self, is_current: bool) {
        if self.is_current.swap(is_current, Ordering::AcqRel) != is_current {
            if is_current {
                tracing::info!("the event log is followed again");
            } else {
                tracing::warn!("the event log is not followed; every request asks the database");
            }
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Acquire)
    }

    /// Gives a kept record, or loads it. While the event log is not followed nothing kept is believed: the database
    /// is asked each time, and when it does not answer soon, neither do we.
    ///
    /// A load has some kilobytes of state. It is made when it is needed, and on the heap, so that requests do not carry
    /// (and move about) room for what nearly none of them does.
    pub(crate) async fn get<K, V, E, F>(
        &self,
        records: &Records<K, V>,
        key: K,
        load: impl FnOnce() -> F,
    ) -> Result<Option<Arc<V>>, Error>
    where
        K: Hash + Eq + Copy + Send + Sync + 'static,
        V: Send + Sync + 'static,
        F: Future<Output = Result<Option<V>, E>>,
        Error: From<E>,
    {
        if self.is_current() {
            if let Some(kept) = records.kept(&key) {
                return Ok(kept);
            }
            return Ok(Box::pin(records.get(key, load())).await?);
        }
        match tokio::time::timeout(PATIENCE, Box::pin(load())).await {
            Ok(loaded) => Ok(loaded?.map(Arc::new)),
            Err(_) => Err(storage::Error::Unavailable {
                problem: "it does not answer".into(),
            }
            .into()),
        }
    }

    /// Drops a session that was used, so that its new expiry is read.
    pub(crate) fn forget_session(&self, id: SessionId) {
        self.sessions.forget(&id);
    }

    /// Keeps what an access token stands on, as it was at `read_at`.
    pub(crate) fn keep_issued(&self, jti: Uuid, issued: IssuedAccess, read_at: Timestamp) {
        self.issued.insert(jti, (issued, read_at));
    }

    fn forget_all(&self) {
        self.issued.invalidate_all();
        self.sessions.forget_all();
        self.accounts.forget_all();
        self.apps.forget_all();
        self.slugs.invalidate_all();
        self.members.forget_all();
        self.api_keys.forget_all();
        self.services.forget_all();
    }
}

/// Whose place changed.
fn account_in(payload: &str) -> Option<AccountId> {
    #[derive(Deserialize)]
    struct Place {
        account: AccountId,
    }
    serde_json::from_str(payload)
        .ok()
        .map(|Place { account }| account)
}

fn forget_named<K, V>(records: &Records<K, V>, subject: &str)
where
    K: Hash + Eq + Copy + FromStr + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    match subject.parse() {
        Ok(key) => records.forget(&key),
        Err(_) => records.forget_all(),
    }
}

/// Looking things up through the caches.
impl Context {
    /// A session by its id, live or not.
    pub async fn session(&self, id: SessionId) -> Result<Option<Arc<Session>>, Error> {
        let load = || self.storage.read(move |tx| tx.sessions().find(id));
        self.caches.get(&self.caches.sessions, id, load).await
    }

    /// The session that an opaque token's digest belongs to, live or not.
    pub async fn session_by_digest(&self, digest: [u8; 32]) -> Result<Option<Arc<Session>>, Error> {
        if let Some(id) = self.caches.digests.get(&digest) {
            return self.session(id).await;
        }
        let load = self
            .storage
            .read(move |tx| tx.sessions().find_by_digest(digest));
        let found: Option<Session> = Box::pin(load).await?;
        let Some(session) = found else {
            return Ok(None);
        };
        self.caches.digests.insert(digest, session.id);
        self.session(session.id).await
    }

    /// What the access token of this `jti` stands on; `None` for one that was never issued, or so long ago that its
    /// session is forgotten.
    ///
    /// No event tells that a token was superseded: what is kept is believed for as long as that makes no difference,
    /// whichever server it happens on, and then read again. Absence is not kept.
    pub async fn issued_access(&self, jti: Uuid) -> Result<Option<IssuedAccess>, Error> {
        let now = self.now();
        if let Some((issued, read_at)) = self.caches.issued.get(&jti)
            && issued.is_settled(read_at, now)
        {
            return Ok(Some(issued));
        }
        let load = self
            .storage
            .read(move |tx| tx.refresh_tokens().find_access(jti));
        let found: Option<IssuedAccess> = Box::pin(load).await?;
        match found {
            Some(issued) => self.caches.keep_issued(jti, issued, now),
            None => self.caches.issued.invalidate(&jti),
        }
        Ok(found)
    }

    /// An account by its id, without its password.
    pub async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, Error> {
        let load = || {
            self.storage.read(move |tx| {
                let account = tx.accounts().find(id)?;
                Ok::<_, Error>(account.map(|account| Account {
                    password: None,
                    ..account
                }))
            })
        };
        self.caches.get(&self.caches.accounts, id, load).await
    }

    /// An app by its id.
    pub async fn app(&self, id: AppId) -> Result<Option<Arc<App>>, Error> {
        let load = || self.storage.read(move |tx| tx.apps().find(id));
        self.caches.get(&self.caches.apps, id, load).await
    }

    /// An app by its slug.
    pub async fn app_by_slug(&self, slug: &Slug) -> Result<Option<Arc<App>>, Error> {
        if let Some(id) = self.caches.slugs.get(slug) {
            // The slug may have moved on since: the record itself decides.
            let app = self.app(id).await?;
            if app.as_ref().is_some_and(|app| app.slug == *slug) {
                return Ok(app);
            }
        }
        let wanted = slug.clone();
        let load = self.storage.read(move |tx| tx.apps().find_by_slug(&wanted));
        let found: Option<App> = Box::pin(load).await?;
        let Some(app) = found else { return Ok(None) };
        self.caches.slugs.insert(app.slug.clone(), app.id);
        Ok(Some(Arc::new(app)))
    }

    /// Every service that calls the issuer in its own name.
    pub(crate) async fn services(&self) -> Result<Arc<Registry>, Error> {
        let load = || {
            self.storage.scan(|tx| {
                let services = tx.services().list()?;
                let by_id = |service: Service| (service.id.clone(), Arc::new(service));
                Ok::<_, Error>(Some(services.into_iter().map(by_id).collect::<Registry>()))
            })
        };
        let registry = self.caches.get(&self.caches.services, (), load).await?;
        Ok(registry.unwrap_or_default())
    }

    /// An account's place in an app. The owner has none.
    pub async fn member(
        &self,
        app: AppId,
        account: AccountId,
    ) -> Result<Option<Arc<Member>>, Error> {
        let load = || self.storage.read(move |tx| tx.members().find(app, account));
        let key = (app, account);
        self.caches.get(&self.caches.members, key, load).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Records<u8, &'static str> {
        Records::new(10)
    }

    async fn get(records: &Records<u8, &'static str>, value: &'static str) -> &'static str {
        *records
            .get(1, async { Ok::<_, ()>(Some(value)) })
            .await
            .unwrap()
            .unwrap()
    }

    #[tokio::test]
    async fn a_kept_record_is_given_until_it_is_forgotten() {
        let records = records();
        assert_eq!(get(&records, "old").await, "old");
        assert_eq!(get(&records, "new").await, "old");
        records.forget(&1);
        assert_eq!(get(&records, "new").await, "new");
    }

    #[tokio::test]
    async fn a_record_read_before_a_change_is_not_kept_after_it() {
        let records = records();
        let read = records.get(1, async {
            records.forget(&1);
            Ok::<_, ()>(Some("old"))
        });
        assert_eq!(*read.await.unwrap().unwrap(), "old");
        assert_eq!(get(&records, "new").await, "new");
    }

    #[tokio::test]
    async fn absence_is_kept_and_forgotten_like_a_record() {
        let records = records();
        assert_eq!(records.get(1, async { Ok::<_, ()>(None) }).await, Ok(None));
        assert_eq!(
            records.get(1, async { Ok::<_, ()>(Some("new")) }).await,
            Ok(None)
        );
        records.forget_all();
        assert_eq!(get(&records, "new").await, "new");
    }
}
