//! How often something may be done: so many at once, and then one in a while.

use std::{collections::HashMap, hash::Hash, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// So many at once, after a long rest.
    pub at_once: u32,
    /// And then one in each such time.
    pub one_in: Duration,
}

/// Counts by key. A plain value: the caller brings the clock and the lock.
#[derive(Debug)]
pub struct Allowances<K> {
    capacity: usize,
    /// When the key will have rested in full.
    rested_at: HashMap<K, Timestamp>,
}

impl<K: Copy + Eq + Hash> Allowances<K> {
    /// Nothing was done yet. `capacity` bounds the keys that are kept; those that rested longest are dropped first.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(16),
            rested_at: HashMap::new(),
        }
    }

    /// How long until it may be done once more; zero when it may now.
    pub fn wait(&self, key: K, allowance: Allowance, now: Timestamp) -> Duration {
        let one = signed(allowance.one_in);
        let whole = one.saturating_mul(i32::try_from(allowance.at_once).unwrap_or(i32::MAX));
        let rest = self
            .rested_at
            .get(&key)
            .map_or(SignedDuration::ZERO, |at| at.duration_since(now));
        // A clock that was set back must not make anybody wait longer than for one.
        (rest + one - whole)
            .clamp(SignedDuration::ZERO, one)
            .unsigned_abs()
    }

    /// Counts that it is done.
    pub fn take(&mut self, key: K, allowance: Allowance, now: Timestamp) {
        if self.rested_at.len() >= self.capacity && !self.rested_at.contains_key(&key) {
            self.make_room(now);
        }
        let at = self.rested_at.entry(key).or_insert(now);
        let one = signed(allowance.one_in);
        let whole = one.saturating_mul(i32::try_from(allowance.at_once).unwrap_or(i32::MAX));
        *at = ((*at).max(now) + one).min(now + whole);
    }

    fn make_room(&mut self, now: Timestamp) {
        self.rested_at.retain(|_, at| *at > now);
        if self.rested_at.len() >= self.capacity {
            let mut times: Vec<_> = self.rested_at.values().copied().collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            let mut to_drop = self.rested_at.len() / 2 + 1;
            self.rested_at.retain(|_, at| {
                let drop = to_drop > 0 && *at <= median;
                to_drop -= usize::from(drop);
                !drop
            });
        }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Allowance = Allowance {
        at_once: 3,
        one_in: Duration::from_mins(10),
    };

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn so_many_at_once_and_then_one_in_a_while() {
        let mut counts = Allowances::new(100);
        for _ in 0..3 {
            assert_eq!(counts.wait(1, THREE, at(0)), Duration::ZERO);
            counts.take(1, THREE, at(0));
        }
        assert_eq!(counts.wait(1, THREE, at(0)), Duration::from_mins(10));
        assert_eq!(counts.wait(1, THREE, at(4)), Duration::from_mins(6));
        assert_eq!(counts.wait(2, THREE, at(0)), Duration::ZERO);
        assert_eq!(counts.wait(1, THREE, at(10)), Duration::ZERO);
        counts.take(1, THREE, at(10));
        assert_eq!(counts.wait(1, THREE, at(10)), Duration::from_mins(10));
        // After a long rest it is as at first.
        assert_eq!(counts.wait(1, THREE, at(1_000)), Duration::ZERO);
    }

    #[test]
    fn waiting_always_helps_whatever_was_done_meanwhile() {
        let mut counts = Allowances::new(100);
        for _ in 0..1_000 {
            counts.take(1, THREE, at(0));
        }
        assert_eq!(counts.wait(1, THREE, at(0)), Duration::from_mins(10));
        assert_eq!(counts.wait(1, THREE, at(10)), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_long() {
        let mut counts = Allowances::new(100);
        for _ in 0..3 {
            counts.take(1, THREE, at(10_000));
        }
        assert_eq!(counts.wait(1, THREE, at(0)), Duration::from_mins(10));
    }

    #[test]
    fn memory_is_bounded() {
        let mut counts = Allowances::new(100);
        for key in 0..10_000 {
            counts.take(key, THREE, at(0));
            assert!(counts.rested_at.len() <= 101);
        }
    }
}
