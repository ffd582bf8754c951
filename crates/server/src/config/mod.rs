//! Configuration: what was written (flags, environment, file) becomes checked, typed settings.
//!
//! Each setting is declared once, in the file of its section; precedence and mistakes are handled in `raw`, the
//! reference page and `config explain` come out of the same table.

mod accounts;
mod api_keys;
mod apps;
mod database;
mod explain;
mod issuer;
mod keys;
mod kv;
mod log;
mod mail;
mod provider_file;
mod providers;
mod raw;
mod redis;
mod server;
pub(crate) mod setting;

use url::Url;

pub use accounts::{Accounts, EmailVerification, Offered, PageAddress, SignUp};
pub use api_keys::ApiKeys;
pub use apps::Apps;
pub use database::Database;
pub use explain::{Explained, reference_page};
pub use issuer::{AccessSecret, Issuer, KeyRotation, Origins, TokenAlgorithm, TokenMode};
pub use keys::Keys;
pub use kv::Kv;
pub use log::{Log, LogFormat, LogLevel};
pub use mail::{Mail, MailSecurity};
pub use providers::{
    ClientAuth, Definition, EmailFields, OutsideSignIn, Prefixes, Protocol, Provider, Schemes,
    UserFields,
};
pub use raw::{ConfigErrors, Mistake, RawConfig, Source, Sources};
pub use redis::{Redis, RedisUrl};
pub use server::{AdminListen, Domain, Server};
pub use setting::{Setting, Span, Within};

/// Checked settings with defaults filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listeners and names.
    pub server: Server,
    /// Records.
    pub database: Database,
    /// Sign-up, sessions and passwords.
    pub accounts: Accounts,
    /// Access and refresh tokens.
    pub issuer: Issuer,
    /// How people come back from outside providers of identities.
    pub outside: OutsideSignIn,
    /// The providers that people may sign in by, in the order of their names.
    pub providers: Vec<Provider>,
    /// The mail server.
    pub mail: Mail,
    /// API keys.
    pub api_keys: ApiKeys,
    /// The bus that services may hear of revocations by.
    pub redis: Redis,
    /// Published apps.
    pub apps: Apps,
    /// The key-value store.
    pub kv: Kv,
    /// The log.
    pub log: Log,
    /// The master key.
    pub keys: Keys,
    /// Origin of the pages, with its default filled in; has no path beyond `/`.
    pub public_url: Url,
    /// Whether the admin address was written down, so that a taken port is an error.
    pub admin_listen_is_explicit: bool,
}

/// Every setting, in the order of the reference page.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    [
        Server::SETTINGS,
        Keys::SETTINGS,
        Database::SETTINGS,
        Accounts::SETTINGS,
        Issuer::SETTINGS,
        OutsideSignIn::SETTINGS,
        Mail::SETTINGS,
        ApiKeys::SETTINGS,
        Redis::SETTINGS,
        Apps::SETTINGS,
        Kv::SETTINGS,
        Log::SETTINGS,
    ]
    .into_iter()
    .flatten()
}

impl Config {
    /// Reads and checks everything; on failure every mistake is in the error.
    pub fn load(sources: &Sources) -> Result<(Self, RawConfig), ConfigErrors> {
        let mut raw = RawConfig::collect(sources);
        match Self::from_raw(&mut raw) {
            Some(config) if raw.mistakes().is_empty() => Ok((config, raw)),
            _ => Err(raw.into_errors()),
        }
    }

    fn from_raw(raw: &mut RawConfig) -> Option<Self> {
        // Every section is read before the first `?`, so that all mistakes are found.
        let (server, database) = (Server::read(raw), Database::read(raw));
        let (accounts, issuer) = (Accounts::read(raw), Issuer::read(raw));
        let outside = OutsideSignIn::read(raw);
        let providers_dir = match (&outside, &server) {
            (Some(outside), Some(server)) => outside
                .providers_dir
                .clone()
                .or_else(|| Some(server.data_dir.join("providers"))),
            _ => None,
        };
        let providers = providers::read(raw, providers_dir.as_deref());
        let mail = Mail::read(raw);
        if let Some(mail) = &mail {
            mail.check(raw);
        }
        let api_keys = ApiKeys::read(raw);
        let redis = Redis::read(raw);
        let (apps, kv, log, keys) = (
            Apps::read(raw),
            Kv::read(raw),
            Log::read(raw),
            Keys::read(raw),
        );
        let server = server?;
        let public_url = match &server.public_url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("http://localhost:{}", server.listen.port()))
                .expect("a host and a port make a URL"),
        };
        Some(Self {
            admin_listen_is_explicit: raw.is_set("server.admin_listen"),
            server,
            database: database?,
            accounts: accounts?,
            issuer: issuer?,
            outside: outside?,
            providers,
            mail: mail?,
            api_keys: api_keys?,
            redis: redis?,
            apps: apps?,
            kv: kv?,
            log: log?,
            keys: keys?,
            public_url,
        })
    }

    /// Fills in the port that was given by the system when `listen` asked for any (port 0).
    pub(crate) fn settle_port(&mut self, port: u16) {
        self.server.listen.set_port(port);
        if self.server.public_url.is_none() {
            self.public_url
                .set_port(Some(port))
                .expect("an http URL takes a port");
        }
    }

    /// The origin of the pages as text without a trailing slash, for example `http://localhost:8080`.
    pub fn shell_origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// The origin of an app, for example `http://guestbook.localhost:8080`.
    pub fn app_origin(&self, slug: &ids::Slug) -> String {
        let mut url = self.public_url.clone();
        let host = format!("{slug}.{}", self.server.apps_domain.as_str());
        url.set_host(Some(&host))
            .expect("a slug below a checked domain is a host");
        url.origin().ascii_serialization()
    }

    /// Whether something that works by mail is offered.
    pub const fn offers(&self, offered: Offered) -> bool {
        match offered {
            Offered::Auto => self.mail.is_configured(),
            Offered::On => true,
            Offered::Off => false,
        }
    }

    /// The slug label that a `Host` header names, when it is a host directly below the apps domain.
    pub fn app_label<'a>(&self, host: &'a str) -> Option<&'a str> {
        let host = host.split_once(':').map_or(host, |(name, _port)| name);
        let at = host
            .len()
            .checked_sub(self.server.apps_domain.as_str().len() + 1)?;
        let (label, domain) = (host.get(..at)?, host.get(at + 1..)?);
        let below = host.as_bytes()[at] == b'.'
            && domain.eq_ignore_ascii_case(self.server.apps_domain.as_str());
        (below && !label.is_empty() && !label.contains('.')).then_some(label)
    }

    /// Whether browsers accept `Secure` cookies here: the public scheme is https, or the host is this machine.
    pub fn secure_cookies(&self) -> bool {
        let local = self
            .public_url
            .host_str()
            .is_some_and(|h| h == "localhost" || h.ends_with(".localhost"));
        self.public_url.scheme() == "https" || local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Config, String> {
        let own = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|&(k, v)| (k.to_owned(), v.to_owned()))
                .collect()
        };
        let sources = Sources {
            flags: own(flags),
            environment: own(environment),
            file: Some(("vestibule.toml".into(), file.to_owned())),
        };
        Config::load(&sources)
            .map(|(config, _)| config)
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = "[server]\nlisten = \"127.0.0.1:1\"\n";
        let environment = [("VESTIBULE_SERVER__LISTEN", "127.0.0.1:2")];
        let flags = [("server.listen", "127.0.0.1:3")];
        let port = |config: Result<Config, String>| config.unwrap().server.listen.port();
        assert_eq!(port(load("", &[], &[])), 8080);
        assert_eq!(port(load(file, &[], &[])), 1);
        assert_eq!(port(load(file, &environment, &[])), 2);
        assert_eq!(port(load(file, &environment, &flags)), 3);
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_suggestions() {
        let error = load(
            "lissten = 1\n[server]\nlisten = \"here\"\n[kv]\nvalue_byte = 3\n[accounts]\nsign_up = \"maybe\"\n",
            &[("VESTIBULE_SERVER__LISTE", "x"), ("VESTIBULE_APPS__FILES", "0")],
            &[],
        )
        .unwrap_err();
        for part in [
            "server.listen",
            "kv.value_bytes",
            "sign_up",
            "VESTIBULE_SERVER__LISTEN",
            "apps.files",
            "lissten",
        ] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn the_public_address_follows_the_port_unless_it_is_set() {
        let config = load("", &[], &[("server.listen", "127.0.0.1:9000")]).unwrap();
        assert_eq!(config.shell_origin(), "http://localhost:9000");
        assert_eq!(
            config.app_origin(&"notes".parse().unwrap()),
            "http://notes.localhost:9000"
        );
        let config = load(
            "[server]\npublic_url = \"https://home.example.com\"\napps_domain = \"Apps.example.org\"",
            &[],
            &[],
        );
        assert_eq!(
            config.unwrap().app_origin(&"notes".parse().unwrap()),
            "https://notes.apps.example.org"
        );
    }

    #[test]
    fn only_hosts_directly_below_the_apps_domain_name_an_app() {
        let config = load("", &[], &[]).unwrap();
        for (host, label) in [
            ("notes.localhost:8080", Some("notes")),
            ("Notes.LocalHost", Some("Notes")),
            ("localhost:8080", None),
            (".localhost", None),
            ("a.b.localhost", None),
            ("noteslocalhost", None),
            ("ü.localhost", Some("ü")),
            ("", None),
        ] {
            assert_eq!(config.app_label(host), label, "{host}");
        }
    }
}
