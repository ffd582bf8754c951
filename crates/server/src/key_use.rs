//! How often API keys are used: counted in memory, written down a few seconds later.
//!
//! A use costs no write. What is not written down yet is lost when the process is killed, so after a restart a key may
//! be used at most as much more as it was in the last [`FLUSH_PAUSE`]. Servers that share a database learn of each
//! other's uses when they write down their own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use accounts::quota::{Exceeded, Limits, Period, Tightest, Usage, Window};
use ids::ApiKeyId;
use jiff::{SignedDuration, Timestamp};

/// How often uses are written down.
pub(crate) const FLUSH_PAUSE: Duration = Duration::from_secs(5);
/// When a key was used last is written down this long after it was written down before.
const LAST_USE_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// What was written down and not used for this long is forgotten, to bound memory.
const IDLE: SignedDuration = SignedDuration::from_mins(10);
/// With more keys in memory than this, all are forgotten that were written down.
const MOST: usize = 200_000;
const SHARDS: usize = 16;

/// The counts of this server.
#[derive(Default)]
pub(crate) struct KeyUse {
    shards: [Mutex<HashMap<ApiKeyId, Count>>; SHARDS],
    /// By the id of a registered service, so there are few.
    services: Mutex<HashMap<String, Window>>,
}

#[derive(Default)]
struct Count {
    /// All uses that are known of.
    seen: Usage,
    /// Those of this server that are not written down.
    unwritten: Usage,
    used_at: Timestamp,
    /// The last use that was written down.
    written: Option<Timestamp>,
}

/// What is to be written down of one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unwritten {
    pub(crate) id: ApiKeyId,
    pub(crate) usage: Usage,
    pub(crate) used_at: Option<Timestamp>,
}

impl KeyUse {
    fn shard(&self, id: ApiKeyId) -> MutexGuard<'_, HashMap<ApiKeyId, Count>> {
        // The last bytes of an id are random.
        let last = id.as_uuid().as_bytes()[15];
        lock(&self.shards[usize::from(last) % SHARDS])
    }

    /// Counts one use if the limits allow it; `None` when earlier uses are not known, see [`Self::learn`].
    pub(crate) fn take(
        &self,
        id: ApiKeyId,
        limits: &Limits,
        now: Timestamp,
    ) -> Option<Result<Option<Tightest>, Exceeded>> {
        let mut shard = self.shard(id);
        let count = shard.get_mut(&id)?;
        let told = match count.seen.check(limits, now) {
            Ok(told) => told,
            Err(exceeded) => return Some(Err(exceeded)),
        };
        let once = Usage::once(now);
        count.seen.add(&once);
        count.unwritten.add(&once);
        count.used_at = count.used_at.max(now);
        Some(Ok(told))
    }

    /// Takes over what was written down of a key.
    pub(crate) fn learn(&self, id: ApiKeyId, written: &Usage) {
        self.shard(id).entry(id).or_default().seen.raise(written);
    }

    /// When this server saw a key used last.
    pub(crate) fn last_used(&self, id: ApiKeyId) -> Option<Timestamp> {
        let shard = self.shard(id);
        let used_at = shard.get(&id)?.used_at;
        (used_at > Timestamp::default()).then_some(used_at)
    }

    /// What is to be written down now; with `all`, also last uses that could wait. What is given is counted as
    /// written; [`Self::give_back`] takes it back.
    pub(crate) fn collect(&self, now: Timestamp, all: bool) -> Vec<Unwritten> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let is_crowded = shard.len() > MOST / SHARDS;
            shard.retain(|_, count| {
                let is_unused = count.used_at == Timestamp::default();
                let is_written = count.unwritten.is_empty()
                    && (is_unused || count.written.is_some_and(|at| at >= count.used_at));
                !is_written || (!is_crowded && now.duration_since(count.used_at) < IDLE)
            });
            for (id, count) in shard.iter_mut() {
                let is_due = |at| all || is_crowded || now.duration_since(at) >= LAST_USE_PAUSE;
                let tells_use = count.used_at > Timestamp::default()
                    && count
                        .written
                        .is_none_or(|at| at < count.used_at && is_due(at));
                if count.unwritten.is_empty() && !tells_use {
                    continue;
                }
                found.push(Unwritten {
                    id: *id,
                    usage: std::mem::take(&mut count.unwritten),
                    used_at: tells_use.then_some(count.used_at),
                });
                if tells_use {
                    count.written = Some(count.used_at);
                }
            }
        }
        found
    }

    /// Takes back what could not be written down.
    pub(crate) fn give_back(&self, unwritten: &[Unwritten]) {
        for one in unwritten {
            let mut shard = self.shard(one.id);
            let count = shard.entry(one.id).or_default();
            // What was counted since is of the same or a later window.
            let since = std::mem::replace(&mut count.unwritten, one.usage);
            count.unwritten.add(&since);
            if one.used_at.is_some() {
                count.written = None;
            }
        }
    }

    /// Takes over the uses of all servers, as they were written down together with this one's.
    pub(crate) fn written(&self, id: ApiKeyId, total: &Usage) {
        if let Some(count) = self.shard(id).get_mut(&id) {
            let mut total = *total;
            total.add(&count.unwritten);
            count.seen.raise(&total);
        }
    }

    /// Counts a question of a service; how long it must wait when it asked too often.
    pub(crate) fn ask(&self, service: &str, most: u64, now: Timestamp) -> Result<(), Duration> {
        if most == 0 {
            return Ok(());
        }
        let (start, end) = Period::Minute.window(now);
        let mut services = lock(&self.services);
        let window = services.entry(service.to_owned()).or_default();
        if window.start != start {
            *window = Window { start, count: 0 };
        }
        if window.count >= most {
            return Err(Duration::try_from(end.duration_since(now)).unwrap_or_default());
        }
        window.count += 1;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn id() -> ApiKeyId {
        ApiKeyId::new(1, [7; 10])
    }

    const LIMITS: Limits = Limits([Some(3), None, None, Some(100)]);

    fn month(usage: &Usage) -> u64 {
        usage.0[3].count
    }

    #[test]
    fn a_use_is_counted_once_earlier_uses_are_known() {
        let uses = KeyUse::default();
        assert!(uses.take(id(), &LIMITS, at(0)).is_none());
        let mut written = Usage::default();
        (0..98).for_each(|_| written.add(&Usage::once(at(-3600))));
        uses.learn(id(), &written);
        let told = uses.take(id(), &LIMITS, at(0)).unwrap().unwrap().unwrap();
        assert_eq!((told.period, told.remaining), (Period::Month, 1));
        assert!(uses.take(id(), &LIMITS, at(1)).unwrap().is_ok());
        assert!(uses.take(id(), &LIMITS, at(2)).unwrap().is_err());
        assert_eq!(uses.last_used(id()), Some(at(1)), "a refused use is none");
    }

    #[test]
    fn uses_are_written_down_once_and_those_of_others_learned() {
        let uses = KeyUse::default();
        uses.learn(id(), &Usage::default());
        uses.take(id(), &LIMITS, at(0));
        uses.take(id(), &LIMITS, at(1));
        let first = uses.collect(at(5), false);
        assert_eq!((month(&first[0].usage), first[0].used_at), (2, Some(at(1))));
        assert!(uses.collect(at(6), false).is_empty());
        // Another server has used it once meanwhile.
        let mut total = first[0].usage;
        total.add(&Usage::once(at(2)));
        uses.written(id(), &total);
        assert!(
            uses.take(id(), &LIMITS, at(3)).unwrap().is_err(),
            "three in a minute"
        );
        assert!(uses.take(id(), &LIMITS, at(61)).unwrap().is_ok());
        let second = uses.collect(at(62), false);
        assert_eq!(
            (month(&second[0].usage), second[0].used_at),
            (1, Some(at(61)))
        );
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let uses = KeyUse::default();
        uses.learn(id(), &Usage::default());
        uses.take(id(), &LIMITS, at(0));
        let lost = uses.collect(at(5), false);
        uses.take(id(), &LIMITS, at(6));
        uses.give_back(&lost);
        let again = uses.collect(at(7), false);
        assert_eq!((month(&again[0].usage), again[0].used_at), (2, Some(at(6))));
    }

    #[test]
    fn keys_that_are_not_used_are_forgotten_when_all_is_written() {
        let uses = KeyUse::default();
        uses.learn(id(), &Usage::default());
        uses.take(id(), &LIMITS, at(0));
        uses.collect(at(5), true);
        uses.collect(at(500), false);
        assert!(uses.take(id(), &LIMITS, at(500)).is_some());
        uses.collect(at(501), true);
        uses.collect(at(1200), false);
        assert!(uses.take(id(), &LIMITS, at(1200)).is_none());
    }

    #[test]
    fn a_service_that_asks_too_often_waits_for_the_next_minute() {
        let uses = KeyUse::default();
        let start = at(0);
        assert_eq!(uses.ask("items", 2, start), Ok(()));
        assert_eq!(uses.ask("items", 2, start), Ok(()));
        assert_eq!(uses.ask("items", 2, start), Err(Duration::from_mins(1)));
        assert_eq!(uses.ask("billing", 2, start), Ok(()));
        assert_eq!(uses.ask("items", 2, at(60)), Ok(()));
        assert_eq!(uses.ask("items", 0, at(60)), Ok(()));
    }
}
