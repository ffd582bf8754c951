//! Slowing down whoever guesses passwords, without shutting out whoever knows one.
//!
//! Three counts are kept, each of attempts that failed or are not decided yet:
//! - by login *and* network, so that guessing one account from one place soon takes long;
//! - by network, so that trying one password on many accounts does too;
//! - by login, of attempts from everywhere unfamiliar, so that many places cannot guess one account together.
//!
//! The last one could shut out the owner of an account under attack, so it does not count for networks that somebody
//! signed in to the account from before. A browser that did (its *known device* cookie proves it) is counted apart
//! from everybody else. Hence: nobody elsewhere can make an owner wait who comes from a familiar network, and nobody
//! at all one with a known device.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// Where attempts come from: an IPv4 address, or the /64 of an IPv6 one, since a host owns all of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network([u8; 8]);

impl Network {
    /// The network of an address. An IPv4 address written as IPv6 is itself.
    pub fn of(address: IpAddr) -> Self {
        let mut network = [0; 8];
        match address.to_canonical() {
            // No IPv6 network that is in use begins with ::.
            IpAddr::V4(address) => network[4..].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => network.copy_from_slice(&address.octets()[..8]),
        }
        Self(network)
    }

    /// The machine itself, by way of a Unix socket.
    pub const fn local() -> Self {
        Self([0xff; 8])
    }
}

/// An attempt to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// A digest of the login as it is compared (trimmed, lower-case), so that what people type is not kept.
    pub login: [u8; 32],
    /// Where it comes from.
    pub network: Network,
    /// The device, when it proved that it signed in to this login before.
    pub known_device: Option<[u8; 16]>,
}

/// How an attempt is refused: not before this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed sign-ins; try again later")]
pub struct TooMany {
    /// When the next attempt will be looked at.
    pub retry_after: Duration,
}

/// How a count slows attempts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Failures that cost nothing: people mistype.
    pub free: u32,
    /// The wait after the first failure beyond those; it doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// One failure is forgotten after each such time without another.
    pub forgets_one_in: Duration,
}

/// How the three counts slow attempts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paces {
    /// By login and network, and by known device.
    pub login_at_network: Pace,
    /// By network.
    pub network: Pace,
    /// By login, from unfamiliar networks.
    pub login: Pace,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            login_at_network: Pace {
                free: 5,
                // Long enough for a person's next try, or a slow network's, to be told.
                first_wait: Duration::from_secs(15),
                longest_wait: Duration::from_mins(15),
                forgets_one_in: Duration::from_mins(10),
            },
            network: Pace {
                free: 50,
                first_wait: Duration::from_secs(1),
                longest_wait: Duration::from_mins(1),
                forgets_one_in: Duration::from_mins(1),
            },
            login: Pace {
                free: 50,
                first_wait: Duration::from_secs(1),
                longest_wait: Duration::from_mins(15),
                forgets_one_in: Duration::from_mins(10),
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Device([u8; 32], [u8; 16]),
    LoginAtNetwork([u8; 32], Network),
    Network(Network),
    Login([u8; 32]),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    since: Timestamp,
}

impl Count {
    /// The count as it is now, after forgetting.
    fn at(self, now: Timestamp, pace: &Pace) -> u32 {
        let quiet = now
            .duration_since(self.since)
            .as_secs()
            .max(0)
            .unsigned_abs();
        let forgotten = quiet / pace.forgets_one_in.as_secs().max(1);
        self.failures
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    /// How long the next attempt has to wait; zero when it need not.
    fn wait(self, now: Timestamp, pace: &Pace) -> Duration {
        let Some(over) = self.at(now, pace).checked_sub(pace.free) else {
            return Duration::ZERO;
        };
        let wait = pace
            .first_wait
            .saturating_mul(1 << over.min(30))
            .min(pace.longest_wait);
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        // A clock that was set back must not make anybody wait longer than the longest wait.
        let passed = now.duration_since(self.since).max(SignedDuration::ZERO);
        wait.saturating_sub(passed)
            .max(SignedDuration::ZERO)
            .unsigned_abs()
    }
}

/// The counts of one server. A plain value: the caller brings the clock and the lock.
#[derive(Debug)]
pub struct Throttle {
    paces: Paces,
    capacity: usize,
    counts: HashMap<Key, Count>,
    familiar: HashMap<([u8; 32], Network), Timestamp>,
}

impl Throttle {
    /// No failures yet. `capacity` bounds the counts that are kept; the oldest are dropped first.
    pub fn new(paces: Paces, capacity: usize) -> Self {
        Self {
            paces,
            capacity: capacity.max(16),
            counts: HashMap::new(),
            familiar: HashMap::new(),
        }
    }

    /// Lets an attempt through, or tells how long to wait. It counts as failed until it is said to have succeeded, so
    /// that many attempts at once do not slip through together. One that is refused is not counted: waiting always
    /// helps.
    pub fn begin(&mut self, attempt: &Attempt, now: Timestamp) -> Result<(), TooMany> {
        let keys = self.keys(attempt);
        let wait = keys
            .iter()
            .filter_map(|key| Some(self.counts.get(key)?.wait(now, self.pace(*key))))
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            // Whole seconds, rounded up: that is what `Retry-After` can say.
            let retry_after =
                Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
            return Err(TooMany { retry_after });
        }
        self.make_room(now);
        for key in keys {
            let pace = *self.pace(key);
            let count = self.counts.entry(key).or_insert(Count {
                failures: 0,
                since: now,
            });
            *count = Count {
                failures: count.at(now, &pace).saturating_add(1),
                since: now,
            };
        }
        Ok(())
    }

    /// The attempt succeeded: its own failures are forgotten, and its network is familiar from now on.
    pub fn succeeded(&mut self, attempt: &Attempt, now: Timestamp) {
        self.undecided(attempt);
        self.counts
            .remove(&Key::LoginAtNetwork(attempt.login, attempt.network));
        if let Some(device) = attempt.known_device {
            self.counts.remove(&Key::Device(attempt.login, device));
        }
        if self.familiar.len() >= self.capacity {
            drop_oldest(&mut self.familiar, |time| *time);
        }
        self.familiar.insert((attempt.login, attempt.network), now);
    }

    /// Takes back an attempt that was not decided, for example because the server was too busy to check it.
    pub fn undecided(&mut self, attempt: &Attempt) {
        for key in self.keys(attempt) {
            if let Some(count) = self.counts.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }

    fn keys(&self, attempt: &Attempt) -> Vec<Key> {
        let (login, network) = (attempt.login, attempt.network);
        if let Some(device) = attempt.known_device {
            return vec![Key::Device(login, device)];
        }
        let mut keys = vec![Key::LoginAtNetwork(login, network), Key::Network(network)];
        if !self.familiar.contains_key(&(login, network)) {
            keys.push(Key::Login(login));
        }
        keys
    }

    const fn pace(&self, key: Key) -> &Pace {
        match key {
            Key::Device(..) | Key::LoginAtNetwork(..) => &self.paces.login_at_network,
            Key::Network(_) => &self.paces.network,
            Key::Login(_) => &self.paces.login,
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.counts.len() + 3 <= self.capacity {
            return;
        }
        let paces = self.paces;
        self.counts.retain(|key, count| {
            let pace = match key {
                Key::Device(..) | Key::LoginAtNetwork(..) => paces.login_at_network,
                Key::Network(_) => paces.network,
                Key::Login(_) => paces.login,
            };
            count.at(now, &pace) > 0
        });
        if self.counts.len() + 3 > self.capacity {
            drop_oldest(&mut self.counts, |count| count.since);
        }
    }
}

/// Drops the older half, so that making room is rare.
pub(crate) fn drop_oldest<K: Copy + Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    age: impl Fn(&V) -> Timestamp,
) {
    let mut times: Vec<_> = map.values().map(&age).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    let mut to_drop = map.len() / 2 + 1;
    map.retain(|_, value| {
        let drop = to_drop > 0 && age(value) <= median;
        to_drop -= usize::from(drop);
        !drop
    });
}
