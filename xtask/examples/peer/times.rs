//! Times of many threads or tasks, without those of the first second, and what is said of them.

use std::time::{Duration, Instant};

/// Left out at the beginning: opening connections and warming up are not what is measured.
pub(crate) const SKIPPED: Duration = Duration::from_secs(1);

/// When counting begins and ends.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    from: Instant,
    end: Instant,
    counted: Duration,
}

impl Clock {
    pub(crate) fn start(counted: Duration) -> Self {
        let from = Instant::now() + SKIPPED;
        Self {
            from,
            end: from + counted,
            counted,
        }
    }
}

/// What one thread or task saw, or all of them.
pub(crate) struct Times {
    clock: Clock,
    counted: Vec<Duration>,
    /// Deeds done, those of the beginning included.
    pub(crate) all: u64,
    /// Deeds refused.
    pub(crate) refused: u64,
}

impl Times {
    pub(crate) const fn new(clock: Clock) -> Self {
        Self {
            clock,
            counted: Vec::new(),
            all: 0,
            refused: 0,
        }
    }

    /// Runs all threads to their end; what they saw together, as JSON.
    pub(crate) fn until(counted: Duration, threads: impl FnOnce(Clock) -> Vec<Self>) -> String {
        let clock = Clock::start(counted);
        let mut all = Self::new(clock);
        for one in threads(clock) {
            all.add(one);
        }
        all.report()
    }

    pub(crate) fn add(&mut self, one: Self) {
        self.counted.extend(one.counted);
        self.all += one.all;
        self.refused += one.refused;
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.clock.end
    }

    /// Counts a deed that was begun then and is done now.
    pub(crate) fn push(&mut self, begun: Instant) {
        let now = Instant::now();
        self.all += 1;
        if begun >= self.clock.from && now <= self.clock.end {
            self.counted.push(now - begun);
        }
    }

    pub(crate) fn report(mut self) -> String {
        self.counted.sort_unstable();
        let at = |part: usize| {
            let index =
                (self.counted.len() * part / 1000).min(self.counted.len().saturating_sub(1));
            self.counted.get(index).map_or(0, Duration::as_nanos) / 100
        };
        let tenths = |n: u128| format!("{}.{}", n / 10, n % 10);
        format!(
            r#"{{"counted":{},"seconds":{},"all":{},"refused":{},"p50_us":{},"p95_us":{},"p99_us":{}}}"#,
            self.counted.len(),
            self.clock.counted.as_secs_f64(),
            self.all,
            self.refused,
            tenths(at(500)),
            tenths(at(950)),
            tenths(at(990)),
        )
    }
}
