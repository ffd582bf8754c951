//! How much mail may be asked for. The counts are of what is typed, so they tell nothing of what exists.
//!
//! Two of them refuse: by network, and by address from one network. The third, by address from everywhere, only leaves
//! out a mail that would say again what an earlier one said minutes ago: somebody who asks for mail to another person's
//! address all day neither floods that person nor keeps them from their own link, which is in their mailbox.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use accounts::allowance::{Allowance, Allowances};
use accounts::throttle::Network;
use sha2::{Digest as _, Sha256};

use crate::{Context, Error, Peer};

/// Requests from one network, whatever they are for.
const NETWORK: Allowance = Allowance {
    at_once: 30,
    one_in: Duration::from_secs(30),
};
/// Requests for one address from one network.
const ADDRESS_AT_NETWORK: Allowance = Allowance {
    at_once: 5,
    one_in: Duration::from_mins(3),
};
/// Mails of one kind to one address. A link is good for longer than the wait for the next.
const ADDRESS: Allowance = Allowance {
    at_once: 3,
    one_in: Duration::from_mins(10),
};
/// Redemptions of tokens from one network: a token cannot be guessed, but trying costs us reads.
const REDEEM: Allowance = Allowance {
    at_once: 60,
    one_in: Duration::from_secs(5),
};
/// Places for counts; the oldest are dropped first.
const PLACES: usize = 100_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Network(Network),
    AddressAtNetwork([u8; 32], Network),
    Address(&'static str, [u8; 32]),
    Redeem(Network),
}

/// Counts of requests for mail on this server.
#[derive(Debug)]
pub(crate) struct MailRate(Mutex<Allowances<Key>>);

/// What to do with a request that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Send a mail.
    Send,
    /// One was sent shortly before; answer as if another were sent.
    AlreadySent,
}

impl MailRate {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Allowances::new(PLACES)))
    }

    /// Counts a request for mail to an address, given trimmed and lower-cased.
    pub(crate) fn ask(
        &self,
        context: &Context,
        kind: &'static str,
        email: &str,
        peer: Peer,
    ) -> Result<Use, Error> {
        let (network, now) = (network(peer), context.now());
        let address: [u8; 32] = Sha256::digest(email).into();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = counts
            .wait(Key::Network(network), NETWORK, now)
            .max(counts.wait(
                Key::AddressAtNetwork(address, network),
                ADDRESS_AT_NETWORK,
                now,
            ));
        if !wait.is_zero() {
            return Err(too_much(wait));
        }
        counts.take(Key::Network(network), NETWORK, now);
        counts.take(
            Key::AddressAtNetwork(address, network),
            ADDRESS_AT_NETWORK,
            now,
        );
        let key = Key::Address(kind, address);
        if counts.wait(key, ADDRESS, now).is_zero() {
            counts.take(key, ADDRESS, now);
            Ok(Use::Send)
        } else {
            Ok(Use::AlreadySent)
        }
    }

    /// Counts the redemption of a token.
    pub(crate) fn redeem(&self, context: &Context, peer: Peer) -> Result<(), Error> {
        let (key, now) = (Key::Redeem(network(peer)), context.now());
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = counts.wait(key, REDEEM, now);
        if wait.is_zero() {
            counts.take(key, REDEEM, now);
            Ok(())
        } else {
            Err(too_much(wait))
        }
    }
}

fn network(peer: Peer) -> Network {
    match peer {
        Peer::Local => Network::local(),
        Peer::Address(address) => Network::of(address.ip()),
    }
}

pub(super) fn too_much(wait: Duration) -> Error {
    Error::too_many(
        "rate_limited",
        "Too much mail was asked for; wait before you try again.",
        wait,
    )
}
