//! Where the server listens and under which names it is reached.

use std::{net::SocketAddr, path::PathBuf};

use url::Url;

use super::setting::{Value, section};
use crate::peer::Networks;

section! {
    /// Where the server listens and under which names it is reached.
    Server {
        /// Address and port of the public listener: pages, APIs and published apps.
        "server.listen" listen: SocketAddr = "127.0.0.1:8080",
        /// Address and port of the admin listener (metrics, health), or `off`. When left out and the default
        /// port is taken, a free one is used and logged. It has no sign-in: keep it on a private address.
        "server.admin_listen" admin_listen: AdminListen = "127.0.0.1:9464",
        /// Origin under which people reach the pages. `http://localhost:<port>` when left out.
        "server.public_url" public_url: Option<Url>,
        /// Domain below which each app has its own host, `<slug>.<apps_domain>`. In production give apps a
        /// domain of their own, so that no app shares a site with the pages.
        "server.apps_domain" apps_domain: Domain = "localhost",
        /// Directory of the embedded database, the master key, releases and environments.
        "server.data_dir" data_dir: PathBuf = "./vestibule-data",
        /// IP networks of reverse proxies in front of the server, separated by commas, for example
        /// `127.0.0.1, 10.0.0.0/8`. Only their word (`X-Forwarded-For`) is taken for a client's address; without any,
        /// everybody behind a proxy shares its address, and so its limits. The scheme that people use is that of
        /// `server.public_url`, whatever a proxy says.
        "server.trusted_proxies" trusted_proxies: Networks = "none",
        /// How long open requests may take to finish when the server stops.
        "server.drain" drain: super::Span = "20s",
    }
}

/// Where metrics and health are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminListen {
    /// Nowhere.
    Off,
    /// On this address.
    At(SocketAddr),
}

impl Value for AdminListen {
    const EXPECTED: &'static str = "an address and port such as 127.0.0.1:9464, or off";

    fn read(text: &str) -> Option<Self> {
        if text == "off" {
            Some(Self::Off)
        } else {
            text.parse().ok().map(Self::At)
        }
    }
}

impl Value for Networks {
    const EXPECTED: &'static str = "none, or networks such as 127.0.0.1, 10.0.0.0/8, fd00::/8";

    fn read(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::default());
        }
        text.parse().ok()
    }
}

/// A domain name, lower-case, without a port or trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Domain {
    const EXPECTED: &'static str = "a domain such as apps.example.com, without scheme or port";

    fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        (text.len() <= 200 && text.split('.').all(label)).then_some(Self(text))
    }
}
