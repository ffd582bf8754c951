//! The one source of the present time.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// Tells the time: the system's, or in tests one that only moves when told to.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `now`, to the millisecond.
    pub fn fixed(now: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now.as_millisecond()))))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    /// The present instant, in whole milliseconds as storage keeps it.
    pub fn now(&self) -> Timestamp {
        let milliseconds = match &self.0 {
            Some(fixed) => fixed.load(Ordering::Acquire),
            None => Timestamp::now().as_millisecond(),
        };
        Timestamp::from_millisecond(milliseconds).expect("the present is within the calendar")
    }

    /// Moves a fixed clock; a system clock is not moved.
    pub fn advance(&self, by: SignedDuration) {
        if let Some(fixed) = &self.0 {
            let milliseconds = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            fixed.fetch_add(milliseconds, Ordering::AcqRel);
        }
    }
}
