//! A plain limit: so many attempts within so much time.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::lifetime;

/// Refused: not before this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; try again later")]
pub struct TooManyAttempts {
    /// When the next attempt will be let through, in whole seconds, rounded up.
    pub retry_after: Duration,
}

/// Counts by key. A window begins with the first attempt of a key and all attempts in it count. A plain value: the
/// caller brings the clock and the lock.
#[derive(Debug)]
pub struct Attempts {
    limit: u32,
    window: Duration,
    capacity: usize,
    counts: HashMap<[u8; 16], (Timestamp, u32)>,
}

impl Attempts {
    /// No attempts yet. `capacity` bounds the keys that are kept; the oldest are dropped first.
    pub fn new(limit: u32, window: Duration, capacity: usize) -> Self {
        Self {
            limit,
            window,
            capacity: capacity.max(16),
            counts: HashMap::new(),
        }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// [`TooManyAttempts`] when the window's attempts are used up; such an attempt does not prolong the wait.
    pub fn take(&mut self, key: [u8; 16], now: Timestamp) -> Result<(), TooManyAttempts> {
        let window = self.window;
        let is_over = |since: Timestamp| now < since || now >= lifetime::after(since, window);
        if self.counts.len() >= self.capacity && !self.counts.contains_key(&key) {
            self.counts.retain(|_, (since, _)| !is_over(*since));
            if self.counts.len() >= self.capacity {
                crate::throttle::drop_oldest(&mut self.counts, |(since, _)| *since);
            }
        }
        let (since, count) = self.counts.entry(key).or_insert((now, 0));
        if is_over(*since) {
            (*since, *count) = (now, 0);
        }
        if *count >= self.limit {
            let wait = lifetime::after(*since, window).duration_since(now);
            let wait = wait.max(SignedDuration::ZERO).unsigned_abs();
            return Err(TooManyAttempts {
                retry_after: Duration::from_secs(
                    wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
                ),
            });
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lifetime::tests::at;

    const ADA: [u8; 16] = [1; 16];

    fn ten_in_five_minutes() -> Attempts {
        Attempts::new(10, Duration::from_mins(5), 100)
    }

    #[test]
    fn the_eleventh_attempt_of_a_window_waits_for_its_end() {
        let mut attempts = ten_in_five_minutes();
        for second in 0..10 {
            assert_eq!(attempts.take(ADA, at(second)), Ok(()));
        }
        let refused = attempts.take(ADA, at(60)).expect_err("the eleventh");
        assert_eq!(refused.retry_after, Duration::from_mins(4));
        assert_eq!(attempts.take([2; 16], at(60)), Ok(()), "others do not wait");
        assert!(attempts.take(ADA, at(299)).is_err());
        assert_eq!(attempts.take(ADA, at(300)), Ok(()));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait() {
        let mut attempts = ten_in_five_minutes();
        for _ in 0..10 {
            attempts.take(ADA, at(1_000_000)).expect("within the limit");
        }
        assert_eq!(attempts.take(ADA, at(0)), Ok(()));
    }

    proptest! {
        /// Whatever comes, no key gets more than the limit in a window, waiting as told helps, and memory is bounded.
        #[test]
        fn the_limit_holds(steps in prop::collection::vec((0_u8..40, 0_i64..60), 1..400)) {
            let mut attempts = Attempts::new(3, Duration::from_secs(100), 20);
            let mut now = 0;
            for (key, pause) in steps {
                now += pause;
                if let Err(refused) = attempts.take([key; 16], at(now)) {
                    let wait = i64::try_from(refused.retry_after.as_secs()).expect("short");
                    prop_assert!((1..=100).contains(&wait));
                    prop_assert_eq!(attempts.take([key; 16], at(now + wait)), Ok(()));
                }
                prop_assert!(attempts.counts.len() <= 20);
            }
        }
    }
}
