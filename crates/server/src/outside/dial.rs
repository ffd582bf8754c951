//! Requests to providers: bounded in time and length, without redirects, and to public addresses only unless the
//! operator's own file says otherwise.
//!
//! Endpoints come from files and from the discovery documents of the providers they name, so a provider could name an
//! address of our own network. The check is made on the addresses that are dialed, not on names, so that a name that
//! resolves differently the second time gains nothing.

use std::{
    error::Error as _,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http::StatusCode;
use reqwest::{
    Client, RequestBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::{Host, Url};

use super::ProviderError;

/// Longest answer, in bytes.
const LONGEST_ANSWER: usize = 512 * 1024;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The two ways out.
pub(super) struct Dial {
    guarded: Client,
    open: Client,
}

/// Where a request goes, and what it fetches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// What is fetched, for messages.
    pub(super) what: &'static str,
    /// The address.
    pub(super) url: &'a Url,
    /// Whether it may be a private one.
    pub(super) may_be_private: bool,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Dial {
    pub(super) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT.min(timeout))
                .timeout(timeout)
                .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            guarded: builder().dns_resolver(Guard).build()?,
            open: builder().build()?,
        })
    }

    /// Sends a request that `prepare` completes, and reads its answer.
    pub(super) async fn send(
        &self,
        target: Target<'_>,
        prepare: impl FnOnce(&Client, Url) -> RequestBuilder,
    ) -> Result<Answer, ProviderError> {
        let unreachable = |why: String| ProviderError::Unreachable {
            what: target.what,
            why,
        };
        let client = if target.may_be_private {
            &self.open
        } else {
            // A literal address is dialed without being resolved.
            let literal = match target.url.host() {
                Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
                Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
                Some(Host::Domain(_)) | None => None,
            };
            if target.url.scheme() != "https" || literal.is_some_and(|address| !is_public(address))
            {
                return Err(unreachable(
                    "it is not at a public https address".to_owned(),
                ));
            }
            &self.guarded
        };
        let explain = |error: reqwest::Error| {
            // The address may hold a code; the causes below it do not.
            let error = error.without_url();
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            unreachable(text)
        };
        let request = prepare(client, target.url.clone());
        let mut response = request.send().await.map_err(explain)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(unreachable(format!(
                    "it is longer than {LONGEST_ANSWER} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The body as JSON, if the answer says yes.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
    ) -> Result<T, ProviderError> {
        if !self.status.is_success() {
            return Err(self.refusal(what));
        }
        serde_json::from_slice(&self.body).map_err(|error| ProviderError::malformed(what, error))
    }

    /// What an answer that says no says.
    pub(super) fn refusal(&self, what: &'static str) -> ProviderError {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = body["error"].as_str().unwrap_or("no reason was given");
        ProviderError::Refused {
            what,
            status: self.status.as_u16(),
            code: code
                .chars()
                .filter(|character| !character.is_control())
                .take(60)
                .collect(),
        }
    }
}

/// Resolves names to public addresses only.
struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                let why = "the name has no public address";
                return Err(io::Error::other(why).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is on the public internet, as far as its number tells.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let set_apart = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared by carriers, for protocols, and for benchmarks (RFC 6598, RFC 6890, RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !set_apart
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // An IPv4 address in another dress: mapped, translated (RFC 6052), 6to4 (RFC 3056), compatible.
    let octets = address.octets();
    let tail = Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if octets[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0] {
        return is_public_v4(tail);
    }
    // Only 2000::/3 is given out; of that, these are set apart: tunnels, documentation.
    (a & 0xe000) == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_in_every_dress_are_not_public() {
        for text in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert!(!is_public(address), "{text}");
        }
        for text in [
            "8.8.8.8",
            "140.82.121.4",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert!(is_public(address), "{text}");
        }
    }

    #[tokio::test]
    async fn a_shipped_provider_is_never_dialed_on_this_machine() {
        let dial = Dial::new(Duration::from_secs(5)).unwrap();
        for url in [
            "https://127.0.0.1:1/",
            "https://[::1]:1/",
            "https://localhost:1/",
            "http://example.com/",
        ] {
            let url = Url::parse(url).unwrap();
            let target = Target {
                what: "a document",
                url: &url,
                may_be_private: false,
            };
            let refused = dial
                .send(target, Client::get)
                .await
                .map(|answer| answer.status);
            let Err(ProviderError::Unreachable { why, .. }) = refused else {
                panic!("{url} was dialed");
            };
            assert!(why.contains("public"), "{url}: {why}");
        }
    }
}
