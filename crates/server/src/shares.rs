//! How many connections each place has open, so that no single one takes them all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
};

use accounts::throttle::Network;

/// Open connections of one listener by where they come from.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    most: usize,
    open: Arc<Mutex<HashMap<Network, usize>>>,
}

/// One open connection; gone when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    place: Network,
    open: Arc<Mutex<HashMap<Network, usize>>>,
}

impl Shares {
    /// No connections yet, and at most `most` from one place.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// Takes a connection in; `None` when its place has its share. An IPv6 network of 64 bits is one place, and so is this
    /// machine, whichever of its loopback addresses is used.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Share> {
        let address = address.to_canonical();
        let place = Network::of(if address.is_loopback() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            address
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(place).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        let open = Arc::clone(&self.open);
        Some(Share { place, open })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.place) {
            *count -= 1;
            // So that the map is never larger than the number of connections.
            if *count == 0 {
                open.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_place_has_its_share_and_leaves_the_rest_to_others() {
        let shares = Shares::new(2);
        let first = shares.take(address("192.0.2.1")).unwrap();
        let _second = shares.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(shares.take(address("192.0.2.1")).is_none());
        assert!(shares.take(address("192.0.2.2")).is_some());
        drop(first);
        assert!(shares.take(address("192.0.2.1")).is_some());
    }

    #[test]
    fn addresses_that_one_host_may_choose_from_are_one_place() {
        let shares = Shares::new(1);
        let _one = shares.take(address("2001:db8::1")).unwrap();
        assert!(shares.take(address("2001:db8::2")).is_none());
        let _here = shares.take(address("127.0.0.1")).unwrap();
        assert!(shares.take(address("127.9.9.9")).is_none());
        assert!(shares.take(address("::1")).is_none());
    }

    #[test]
    fn closed_connections_leave_nothing_behind() {
        let shares = Shares::new(1);
        drop(shares.take(address("192.0.2.1")));
        assert!(shares.open.lock().unwrap().is_empty());
    }
}
