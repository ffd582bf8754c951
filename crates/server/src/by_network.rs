//! How often something may be asked for from one network, on this server.

use std::num::NonZeroU32;

use accounts::throttle::Network;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::{Error, Peer};

/// Counts what each network asks for. Networks that have been quiet are forgotten when the count is looked after.
pub(crate) struct ByNetwork(DefaultKeyedRateLimiter<Network>);

/// So many networks are counted before those that have been quiet are forgotten.
const MANY: usize = 10_000;

impl ByNetwork {
    /// Lets so many through in a minute, and so many at once.
    pub(crate) fn per_minute(count: NonZeroU32) -> Self {
        Self(RateLimiter::keyed(Quota::per_minute(count)))
    }

    /// Counts a request, or says how long to wait.
    pub(crate) fn check(&self, peer: Peer) -> Result<(), Error> {
        let network = match peer {
            Peer::Local => Network::local(),
            Peer::Address(address) => Network::of(address.ip()),
        };
        if self.0.len() > MANY {
            self.0.retain_recent();
        }
        self.0.check_key(&network).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Error::too_many(
                "rate_limited",
                "That was asked for too often from your network; wait a little and try again.",
                wait,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own_count() {
        let counts = ByNetwork::per_minute(NonZeroU32::new(2).unwrap());
        let peer = |text: &str| Peer::Address(text.parse().unwrap());
        assert!(counts.check(peer("8.8.8.8:1")).is_ok());
        assert!(counts.check(peer("8.8.8.8:2")).is_ok());
        let refused = counts.check(peer("8.8.8.8:3")).unwrap_err();
        assert_eq!(refused.status.as_u16(), 429);
        assert!(refused.header(&http::header::RETRY_AFTER).is_some());
        assert!(counts.check(peer("8.8.4.4:1")).is_ok());
    }
}
