//! Records that nearly every request needs, kept in memory and kept current by the event log.
//!
//! A change of authority appends an event in its transaction; the tail drops what the event names within a second. A
//! record that was read before the change but arrives after it must not be kept: readers note the epoch before they
//! load, and what was loaded under an older epoch is used once and not stored.

use std::{
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use accounts::{Account, Session};
use apps::{App, Member};
use ids::{AccountId, AppId, SessionId, Slug};
use moka::sync::Cache;

/// Entries that nobody used for this long are dropped, to bound memory.
const IDLE: Duration = Duration::from_mins(15);

/// One kind of record by its key. Absence is kept too, so that probing costs no database read.
pub struct Records<K, V> {
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

    /// Gives the kept record, or loads it.
    pub async fn get<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, E> {
        if let Some(kept) = self.entries.get(&key) {
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
    pub fn forget(&self, key: &K) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate(key);
    }

    /// Drops everything.
    pub fn forget_all(&self) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
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
