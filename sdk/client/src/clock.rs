//! The one clock of a client: what time it is, how much has passed, and a hand to move both forward in tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Notify, time::Instant};

/// The time, as everything in one client sees it. Cheap to clone; clones move together.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    /// Where the wall clock stood at `started`; `None` where it is the system's.
    wall: Option<Timestamp>,
    /// How far it was moved by hand, in milliseconds.
    moved_by: AtomicU64,
    moved: Notify,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(None)
    }

    /// A clock that shows `wall` now, and goes on from there.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self::new(Some(wall))
    }

    fn new(wall: Option<Timestamp>) -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            wall,
            moved_by: AtomicU64::new(0),
            moved: Notify::new(),
        }))
    }

    /// What time it is: for `exp` and the other times that the issuer wrote. The system may set it back.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that the others are told to take the time from"
    )]
    pub fn now(&self) -> Timestamp {
        let (start, passed) = match self.0.wall {
            Some(wall) => (wall, self.monotonic()),
            None => (Timestamp::now(), self.moved_by()),
        };
        SignedDuration::try_from(passed)
            .and_then(|passed| start.checked_add(passed))
            .unwrap_or(Timestamp::MAX)
    }

    /// How much time has passed since the clock was made: for everything that we measure ourselves. It never goes back.
    pub fn monotonic(&self) -> Duration {
        self.0.started.elapsed().saturating_add(self.moved_by())
    }

    /// Moves the clock forward, and wakes whoever sleeps by it.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let add = |moved: u64| Some(moved.saturating_add(by));
        let _ = self
            .0
            .moved_by
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        self.0.moved.notify_waiters();
    }

    /// Sleeps until [`Self::monotonic`] shows `until`. Needs a tokio runtime with a timer.
    pub async fn sleep_until(&self, until: Duration) {
        loop {
            let moved = self.0.moved.notified();
            tokio::pin!(moved);
            // Listening begins before the look at the clock, so that no move falls in between.
            moved.as_mut().enable();
            let left = until.saturating_sub(self.monotonic());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = moved => {}
            }
        }
    }

    fn moved_by(&self) -> Duration {
        Duration::from_millis(self.0.moved_by.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sleeper_wakes_when_the_clock_is_moved() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Duration::from_hours(1)).await }
        });
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_hours(1));
        sleeper.await.expect("no panic");
        assert_eq!(clock.now().as_second(), 3600);
    }

    #[tokio::test(start_paused = true)]
    async fn both_readings_go_with_the_time_that_passes() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(7)).await;
        clock.advance(Duration::from_secs(3));
        assert_eq!(
            (clock.now().as_second(), clock.monotonic().as_secs()),
            (10, 10)
        );
    }

    #[test]
    fn a_clock_that_is_moved_too_far_stays_at_the_end_of_time() {
        let clock = Clock::system();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
