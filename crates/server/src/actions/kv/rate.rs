//! How fast one app may write.

use std::num::NonZeroU32;

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use ids::AppId;

use crate::{Error, config};

/// Counts writes by app, on this server.
pub(crate) struct WriteRate(DefaultKeyedRateLimiter<AppId>);

impl WriteRate {
    /// Lets as many writes a second through as configured, and twice as many at once.
    pub(crate) fn new(settings: &config::Kv) -> Self {
        let rate = u32::try_from(settings.writes_per_second.get()).unwrap_or(u32::MAX);
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let burst = rate.saturating_add(rate.get());
        Self(RateLimiter::keyed(
            Quota::per_second(rate).allow_burst(burst),
        ))
    }

    /// Counts a write, or says how long to wait.
    pub(super) fn check(&self, app: AppId) -> Result<(), Error> {
        self.0.check_key(&app).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Error::too_many(
                "rate_limited",
                "The app writes too fast; wait and try again.",
                wait,
            )
        })
    }
}
