//! The sign-in throttle's counts, behind a lock. The rules are in `accounts::throttle`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use accounts::{
    Session,
    throttle::{self, Network},
};
use ids::AccountId;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{Error, Peer, config};

/// Places for counts; the oldest are dropped first.
const PLACES: usize = 100_000;

/// Counts of failed attempts on this server.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<throttle::Throttle>);

/// One attempt that was let through.
#[derive(Debug)]
pub(crate) struct Attempt<'t> {
    throttle: &'t Throttle,
    ticket: throttle::Attempt,
    begun: Timestamp,
}

impl Throttle {
    pub(crate) fn new(settings: &config::Accounts) -> Self {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut paces = throttle::Paces::default();
        paces.login_at_network.free = number(settings.free_guesses.get());
        paces.network.free = number(settings.free_guesses_per_network.get());
        Self(Mutex::new(throttle::Throttle::new(paces, PLACES)))
    }

    /// Lets an attempt to sign in through, or says how long to wait. It counts as failed unless it is said otherwise.
    pub(crate) fn begin(
        &self,
        login: &str,
        peer: Peer,
        known_device: Option<[u8; 16]>,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Error> {
        let attempt = throttle::Attempt {
            login: Sha256::digest(login).into(),
            network: network(peer),
            known_device,
        };
        self.count(attempt, now)
    }

    /// The same for somebody who is signed in and gives their password once more. A session is a device that signed in
    /// before, so nobody else can make its holder wait.
    pub(crate) fn begin_again(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Error> {
        let attempt = throttle::Attempt {
            login: Sha256::digest(format!("account {}", session.account)).into(),
            network: Network::local(),
            known_device: Some(session.id.as_uuid().into_bytes()),
        };
        self.count(attempt, now)
    }

    /// The same for a code of the second factor, which is guessed by somebody who knows the password. Counted apart from
    /// passwords, so that whoever guesses at those does not keep the owner's codes from being looked at.
    pub(crate) fn begin_code(
        &self,
        account: AccountId,
        peer: Peer,
        known_device: Option<[u8; 16]>,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Error> {
        let attempt = throttle::Attempt {
            login: Sha256::digest(format!("second factor {account}")).into(),
            network: network(peer),
            known_device,
        };
        self.count(attempt, now)
    }

    fn count(&self, attempt: throttle::Attempt, now: Timestamp) -> Result<Attempt<'_>, Error> {
        self.counts().begin(&attempt, now).map_err(|refusal| {
            Error::too_many(
                "too_many_attempts",
                "Too many wrong passwords or codes; wait before you try again, or use another way to sign in.",
                refusal.retry_after,
            )
        })?;
        Ok(Attempt {
            throttle: self,
            ticket: attempt,
            begun: now,
        })
    }

    fn counts(&self) -> MutexGuard<'_, throttle::Throttle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn network(peer: Peer) -> Network {
    match peer {
        Peer::Local => Network::local(),
        Peer::Address(address) => Network::of(address.ip()),
    }
}

impl Attempt<'_> {
    /// Forgets the failures: the person knows the password.
    pub(crate) fn succeeded(self) {
        self.throttle.counts().succeeded(&self.ticket, self.begun);
    }

    /// Takes back an attempt that was not decided, for example because the server was too busy to check it.
    pub(crate) fn undecided(self) {
        self.throttle.counts().undecided(&self.ticket);
    }
}
