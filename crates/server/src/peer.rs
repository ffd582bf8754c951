//! Who is at the other end of a connection: its address, or the one that a trusted proxy tells of.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP. Behind a trusted proxy this is the proxy's client, with port 0.
    Address(SocketAddr),
    /// Over a Unix socket of this machine.
    Local,
}

impl Peer {
    /// Who sent a request over this connection. `X-Forwarded-For` is believed from trusted proxies only, and read from
    /// its end: what stands before the first untrusted address was written by anybody.
    #[must_use]
    pub fn behind(self, trusted: &Networks, headers: &HeaderMap) -> Self {
        let Self::Address(peer) = self else {
            return self;
        };
        if !trusted.contains(peer.ip()) {
            return self;
        }
        let mut client = None;
        let hops = headers.get_all(FORWARDED_FOR).into_iter().rev();
        let hops = hops.flat_map(|value| value.to_str().unwrap_or("?").rsplit(','));
        for hop in hops {
            let Some(address) = address(hop.trim()) else {
                break;
            };
            client = Some(address);
            if !trusted.contains(address) {
                break;
            }
        }
        client.map_or(self, |address| Self::Address(SocketAddr::new(address, 0)))
    }
}

/// An address as proxies write it: alone, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// Some IP networks, as `10.0.0.0/8, ::1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// Whether an address is in one of them. An IPv4 address written as IPv6 is itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0
            .iter()
            .any(|(network, length)| masked(address, *length) == Some(*network))
    }
}

impl FromStr for Networks {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.split([',', ' '])
            .filter(|part| !part.is_empty())
            .map(network)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(())
    }
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(bits), |length| length.parse().ok())?;
    // A network with bits beyond its length is a slip of the pen.
    (length <= bits && masked(address, length) == Some(address)).then_some((address, length))
}

/// The first `length` bits; `None` when there are fewer.
fn masked(address: IpAddr, length: u8) -> Option<IpAddr> {
    let length = u32::from(length);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(length)?);
            Some(IpAddr::V4(
                (address.to_bits() & mask.unwrap_or_default()).into(),
            ))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?);
            Some(IpAddr::V6(
                (address.to_bits() & mask.unwrap_or_default()).into(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn networks(text: &str) -> Networks {
        text.parse().expect(text)
    }

    fn behind(peer: &str, trusted: &str, forwarded: &[&'static str]) -> String {
        let peer = SocketAddr::new(peer.parse().unwrap(), 9);
        let headers: HeaderMap = forwarded
            .iter()
            .map(|value| (FORWARDED_FOR, HeaderValue::from_static(value)))
            .collect();
        match Peer::Address(peer).behind(&networks(trusted), &headers) {
            Peer::Address(address) => address.ip().to_string(),
            Peer::Local => unreachable!("an address stays one"),
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let attacker = &["1.2.3.4"];
        assert_eq!(behind("127.0.0.1", "", attacker), "127.0.0.1");
        assert_eq!(behind("9.9.9.9", "10.0.0.0/8", attacker), "9.9.9.9");
        assert_eq!(behind("10.1.2.3", "10.0.0.0/8", attacker), "1.2.3.4");
        assert_eq!(behind("::ffff:10.1.2.3", "10.0.0.0/8", attacker), "1.2.3.4");
    }

    #[test]
    fn what_a_client_wrote_before_its_address_is_not_believed() {
        let trusted = "127.0.0.1, 10.0.0.0/8";
        let cases: [(&[&'static str], &str); 6] = [
            (&["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (&["6.6.6.6", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            (&["6.6.6.6, what"], "127.0.0.1"),
            (&["what, 1.2.3.4:4711"], "1.2.3.4"),
            (&["[2001:db8::1]:80"], "2001:db8::1"),
            (&[], "127.0.0.1"),
        ];
        for (forwarded, client) in cases {
            assert_eq!(behind("127.0.0.1", trusted, forwarded), client);
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        let wide = networks("0.0.0.0/0 ::1/128");
        assert!(wide.contains("8.8.8.8".parse().unwrap()));
        assert!(wide.contains("::1".parse().unwrap()));
        assert!(!wide.contains("::2".parse().unwrap()));
        for wrong in ["10.0.0.1/8", "10.0.0.0/33", "::/129", "x", "10.0.0.0/"] {
            assert_eq!(wrong.parse::<Networks>(), Err(()), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(bytes: Vec<u8>, networks in "[0-9a-f:./, ]{0,20}") {
            let _ = networks.parse::<Networks>();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers = HeaderMap::from_iter([(FORWARDED_FOR, value)]);
                let peer = Peer::Address("127.0.0.1:1".parse().unwrap());
                let _ = peer.behind(&"127.0.0.0/8".parse().unwrap(), &headers);
            }
        }
    }
}
