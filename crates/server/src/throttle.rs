//! Slowing down whoever guesses passwords, without shutting out whoever knows one.
//!
//! Failures are counted by login *and* network of origin, so somebody who guesses from elsewhere does not make the
//! owner wait. The count is forgotten with a success, and with time.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::{Error, Peer};

/// Failures that cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;
/// The longest wait between two attempts.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// Places for counts; the ones used least are dropped first.
const PLACES: u64 = 100_000;

type Key = [u8; 32];

/// Counts of failed attempts on this server.
#[derive(Debug)]
pub(crate) struct Throttle(Cache<Key, Arc<Mutex<Failures>>>);

#[derive(Debug)]
struct Failures {
    count: u32,
    /// No attempt before this instant.
    wait_until: Timestamp,
}

/// One attempt that was let through.
#[derive(Debug)]
pub(crate) struct Attempt<'t> {
    throttle: &'t Throttle,
    key: Key,
    failures: Arc<Mutex<Failures>>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(PLACES)
                .time_to_idle(Duration::from_hours(24))
                .build(),
        )
    }

    /// Lets an attempt through, or says how long to wait. It counts as failed until it is said to have succeeded, so
    /// that many attempts at once do not slip through together.
    pub(crate) fn begin(
        &self,
        login: &str,
        peer: Peer,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Error> {
        let key = key(login, peer);
        let fresh = || {
            Arc::new(Mutex::new(Failures {
                count: 0,
                wait_until: Timestamp::MIN,
            }))
        };
        let failures = self.0.get_with(key, fresh);
        let mut held = failures.lock().unwrap_or_else(PoisonError::into_inner);
        if now < held.wait_until {
            let wait = held.wait_until.duration_since(now).unsigned_abs();
            return Err(Error::too_many(
                "too_many_attempts",
                "Too many failed sign-ins; wait before you try again, or use another way to sign in.",
                wait,
            ));
        }
        held.count = held.count.saturating_add(1);
        held.wait_until = now + wait_after(held.count);
        drop(held);
        Ok(Attempt {
            throttle: self,
            key,
            failures,
        })
    }
}

impl Attempt<'_> {
    /// Forgets all failures: the person knows the password.
    pub(crate) fn succeeded(self) {
        self.throttle.0.invalidate(&self.key);
    }

    /// Takes back an attempt that was not decided, for example because the server was too busy to check it.
    pub(crate) fn undecided(self) {
        let mut held = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        held.count = held.count.saturating_sub(1);
        held.wait_until = Timestamp::MIN;
    }
}

/// How long to wait after so many failures: nothing at first, then 1 s, 2 s, 4 s and so on.
fn wait_after(failures: u32) -> SignedDuration {
    match failures.checked_sub(FREE_FAILURES) {
        None | Some(0) => SignedDuration::ZERO,
        Some(over) => SignedDuration::from_secs(1_i64 << (over - 1).min(30)).min(LONGEST_WAIT),
    }
}

/// A digest, so that what people type is not kept. IPv6 hosts own whole networks, so those count as one.
fn key(login: &str, peer: Peer) -> Key {
    let mut digest = Sha256::new();
    digest.update(login.as_bytes());
    digest.update([0]);
    match peer {
        Peer::Local => {}
        Peer::Address(address) => match address.ip().to_canonical() {
            IpAddr::V4(ip) => digest.update(ip.octets()),
            IpAddr::V6(ip) => digest.update(&ip.octets()[..8]),
        },
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn from(address: &str) -> Peer {
        Peer::Address(address.parse().unwrap())
    }

    fn allowed(throttle: &Throttle, peer: Peer, now: Timestamp) -> bool {
        throttle.begin("ada", peer, now).is_ok()
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        assert_eq!(wait_after(5), SignedDuration::ZERO);
        assert_eq!(wait_after(6), SignedDuration::from_secs(1));
        assert_eq!(wait_after(9), SignedDuration::from_secs(8));
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn guessing_from_elsewhere_does_not_make_the_owner_wait() {
        let throttle = Throttle::new();
        let guesses = (0..100)
            .filter(|_| allowed(&throttle, from("203.0.113.9:1"), NOW))
            .count();
        assert_eq!(guesses, 6);
        assert!(allowed(&throttle, from("198.51.100.1:1"), NOW));
        assert!(allowed(
            &throttle,
            from("203.0.113.9:2"),
            NOW + SignedDuration::from_secs(1)
        ));
    }

    #[test]
    fn one_ipv6_network_counts_as_one() {
        let throttle = Throttle::new();
        let peer = |host: u32| from(&format!("[2001:db8::{host:x}]:1"));
        assert_eq!(
            (0..100)
                .filter(|host| allowed(&throttle, peer(*host), NOW))
                .count(),
            6
        );
    }

    #[test]
    fn a_success_forgets_and_an_undecided_attempt_does_not_count() {
        let throttle = Throttle::new();
        for _ in 0..20 {
            throttle.begin("ada", Peer::Local, NOW).unwrap().succeeded();
            throttle.begin("ada", Peer::Local, NOW).unwrap().undecided();
        }
        assert!(allowed(&throttle, Peer::Local, NOW));
    }
}
