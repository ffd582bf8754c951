//! What a client is told: whom to trust, whom to ask, and what to do when nobody answers.

use std::{sync::Arc, time::Duration};

use token::{Algorithm, KeySet};
use url::Url;

use crate::{Credential, Expectations, Timeouts};

/// The settings of a [`Client`](crate::Client). [`Config::new`] gives those that suit most services.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the keys come from that tokens are verified with.
    pub keys: KeySource,
    /// What a token must say.
    pub expected: Expectations,
    /// How long a fetched key set is used before it is fetched again; at least a second. Default: 300 s.
    pub key_set_lifetime: Duration,
    /// How the client learns that a token was revoked. Default: [`RevocationSource::Off`].
    pub revocation: RevocationSource,
    /// What happens while the feed is stale, where a route does not say otherwise. Default: introspect.
    pub stale_policy: StalePolicy,
    /// What happens when an introspection was needed and could not be made. Default: fail closed.
    pub failure_mode: FailureMode,
    /// Where to ask whether a token is active (`…/private/v1/jti-status`). A feed needs it for tokens that are older than what
    /// it was told of, and while it is stale.
    pub introspection_url: Option<Url>,
    /// How to ask.
    pub introspection_version: IntrospectionVersion,
    /// How long an answer that a token is active is believed where there is no feed; zero asks for each request. Default: zero.
    pub introspection_kept: Duration,
    /// How many introspections are under way at once, at most. Default: 32.
    pub introspections_at_once: usize,
    /// After how many failures in a row the issuer is left alone. Default: 5.
    pub breaker_failures: u32,
    /// For how long it is then left alone. Default: 5 s.
    pub breaker_pause: Duration,
    /// Where the event stream is (`…/private/v1/events/stream`).
    pub events_url: Option<Url>,
    /// The key that events are signed with; those with a wrong signature are then dropped.
    pub event_key: Option<Arc<token::EventKey>>,
    /// Whether unsigned events are taken although there is a key. Default: no.
    pub accept_unsigned_events: bool,
    /// How much of the past the feed asks for when it begins: at least the life of an access token. Default: two hours.
    pub feed_lookback: Duration,
    /// How the client proves itself where it introspects and where it listens to events.
    pub credential: Option<Credential>,
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// How many identities are kept, at most. Default: 10 000.
    pub identities: usize,
    /// Whether identities keep the payload of their token as it was sent. Default: no.
    pub keep_payload: bool,
    /// What the client calls itself. Default: `vestibule-client/<version>`.
    pub user_agent: String,
}

impl Config {
    /// Verifies with these keys, expects this, and asks nobody about revocations.
    pub fn new(keys: KeySource, expected: Expectations) -> Self {
        Self {
            keys,
            expected,
            key_set_lifetime: Duration::from_mins(5),
            revocation: RevocationSource::Off,
            stale_policy: StalePolicy::Introspect,
            failure_mode: FailureMode::FailClosed,
            introspection_url: None,
            introspection_version: IntrospectionVersion::V2,
            introspection_kept: Duration::ZERO,
            introspections_at_once: 32,
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(5),
            events_url: None,
            event_key: None,
            accept_unsigned_events: false,
            feed_lookback: Duration::from_hours(2),
            credential: None,
            timeouts: Timeouts::default(),
            identities: 10_000,
            keep_payload: false,
            user_agent: concat!("vestibule-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Whether anything is called by TLS.
    pub(crate) fn needs_tls(&self) -> bool {
        let keys = match &self.keys {
            KeySource::Fetched(url) => Some(url),
            KeySource::Fixed(_) => None,
        };
        let exchange = match &self.credential {
            Some(Credential::ServiceToken { url, .. }) => Some(url),
            _ => None,
        };
        let others = [
            keys,
            exchange,
            self.introspection_url.as_ref(),
            self.events_url.as_ref(),
        ];
        others
            .into_iter()
            .flatten()
            .any(|url| url.scheme() == "https")
    }

    /// Looks at everything that can be wrong before anything is started.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let KeySource::Fetched(url) = &self.keys {
            check_url("the key set's address", url)?;
            if self.expected.algorithm == Algorithm::Hs256 {
                return Err(ConfigError::SecretIsNotFetched);
            }
        }
        if let KeySource::Fixed(keys) = &self.keys
            && !keys
                .keys()
                .iter()
                .any(|key| key.algorithm() == self.expected.algorithm)
        {
            return Err(ConfigError::NoKey(self.expected.algorithm));
        }
        if self.expected.strict
            && (is_blank(self.expected.issuer.as_deref())
                || is_blank(self.expected.audience.as_deref()))
        {
            return Err(ConfigError::NoExpectations);
        }
        for (what, url) in [
            ("the introspection's address", &self.introspection_url),
            ("the event stream's address", &self.events_url),
        ] {
            url.as_ref().map_or(Ok(()), |url| check_url(what, url))?;
        }
        let is_used = self.revocation != RevocationSource::Off || self.introspection_url.is_some();
        if let Some(credential) = self.credential.as_ref().filter(|_| is_used) {
            credential.check()?;
        }
        let (needed, what) = match self.revocation {
            RevocationSource::Off | RevocationSource::ByHand => return Ok(()),
            RevocationSource::Feed => (&self.events_url, "events_url"),
            RevocationSource::Introspection => (&self.introspection_url, "introspection_url"),
        };
        if needed.is_none() {
            return Err(ConfigError::Missing(what));
        }
        if self.credential.is_none() {
            return Err(ConfigError::Missing("credential"));
        }
        Ok(())
    }
}

fn is_blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

/// What can be called: `http` or `https` with a host, without a name and password in it.
pub(crate) fn check_url(what: &'static str, url: &Url) -> Result<(), ConfigError> {
    let is_plain = url.username().is_empty() && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain {
        Ok(())
    } else {
        Err(ConfigError::Address(what))
    }
}

/// Where verifying keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// From the key set that the issuer publishes at this address (RFC 7517 §5).
    Fetched(Url),
    /// From the configuration: a public key, or the secret that issuer and service share.
    Fixed(KeySet),
}

/// How a client learns that a token was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationSource {
    /// Not at all: tokens are good until they expire.
    Off,
    /// From the issuer's event stream; where that cannot say, by introspection.
    Feed,
    /// By introspection.
    Introspection,
    /// From [`Client::tell`](crate::Client::tell): for tests without an issuer.
    ByHand,
}

/// What happens to callers while it is not known whether their tokens were revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StalePolicy {
    /// Nobody passes.
    FailClosed,
    /// The issuer is asked about each of them.
    Introspect,
    /// Everybody passes whose token is good in itself, unless the issuer refuses our credential: that is no outage.
    FailOpen,
}

impl StalePolicy {
    /// Reads the policy's name in settings: `fail_closed`, `introspect` or `fail_open`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "fail_closed" => Some(Self::FailClosed),
            "introspect" => Some(Self::Introspect),
            "fail_open" => Some(Self::FailOpen),
            _ => None,
        }
    }
}

/// What happens when an introspection was needed and the issuer did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureMode {
    /// The caller does not pass.
    FailClosed,
    /// The caller passes.
    FailOpen,
}

/// How the issuer is asked about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntrospectionVersion {
    /// By `jti` alone, for issuers that know no more.
    V1,
    /// By `jti` and account; the answer names the account's generation.
    V2,
}

/// What is wrong with a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An address that cannot be called.
    #[error("{0} must be an http or https address without a user name in it")]
    Address(&'static str),
    /// Something that the chosen way of hearing of revocations needs.
    #[error("{0} is needed to learn of revocations")]
    Missing(&'static str),
    /// Keys of other kinds only.
    #[error("there is no key for {0}")]
    NoKey(Algorithm),
    /// A key set publishes public keys only.
    #[error("HS256 needs the secret; a key set cannot give it")]
    SecretIsNotFetched,
    /// Strict validation compares both.
    #[error("strict validation needs an issuer and an audience")]
    NoExpectations,
    /// A credential that fits into no header.
    #[error(
        "the client id or secret cannot be sent: it is empty or has characters outside printable ASCII"
    )]
    Credential,
    /// The system gave no TLS roots or no random numbers.
    #[error("the HTTP client cannot be made: {0}")]
    Http(String),
}

#[cfg(test)]
mod tests {
    use token::SigningKey;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("an address")
    }

    fn config() -> Config {
        let expected = Expectations::strict(Algorithm::Es256, "https://auth.example.com", "items");
        Config {
            credential: Some(Credential::Secret("secret".to_owned().into())),
            introspection_url: Some(url("https://auth.example.com/private/v1/jti-status")),
            events_url: Some(url("https://auth.example.com/private/v1/events/stream")),
            ..Config::new(
                KeySource::Fetched(url("https://auth.example.com/jwks.json")),
                expected,
            )
        }
    }

    #[test]
    fn what_is_missing_or_cannot_be_called_is_told_before_anything_starts() {
        assert_eq!(config().check(), Ok(()));
        let fault = |change: &dyn Fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            config.check().expect_err("a fault")
        };
        for text in [
            "ftp://auth.example.com/",
            "file:///etc/passwd",
            "http://ada:secret@auth.example.com/",
            "data:,x",
        ] {
            let is_address = |error| matches!(error, ConfigError::Address(_));
            assert!(
                is_address(fault(&|config| config.keys = KeySource::Fetched(url(text)))),
                "{text}"
            );
            assert!(
                is_address(fault(&|config| config.introspection_url = Some(url(text)))),
                "{text}"
            );
            assert!(
                is_address(fault(&|config| config.events_url = Some(url(text)))),
                "{text}"
            );
        }
        assert_eq!(
            fault(&|config| config.expected.issuer = None),
            ConfigError::NoExpectations
        );
        assert_eq!(
            fault(&|config| config.expected.audience = Some(" ".into())),
            ConfigError::NoExpectations
        );
        assert_eq!(
            fault(&|config| config.expected.algorithm = Algorithm::Hs256),
            ConfigError::SecretIsNotFetched
        );
        let other = SigningKey::generate(Algorithm::Rs256).expect("system random source");
        let keys = KeySet::new([other.verifying_key()]);
        assert_eq!(
            fault(&|config| config.keys = KeySource::Fixed(keys.clone())),
            ConfigError::NoKey(Algorithm::Es256)
        );
        for (source, missing) in [
            (RevocationSource::Feed, ["events_url", "credential"]),
            (
                RevocationSource::Introspection,
                ["introspection_url", "credential"],
            ),
        ] {
            let without = |what: &str| {
                fault(&|config| {
                    config.revocation = source;
                    match what {
                        "credential" => config.credential = None,
                        "events_url" => config.events_url = None,
                        _ => config.introspection_url = None,
                    }
                })
            };
            for what in missing {
                assert_eq!(without(what), ConfigError::Missing(what));
            }
        }
    }

    #[test]
    fn a_credential_that_would_break_a_header_is_told_before_anything_starts() {
        let secret = |text: &str| Credential::Secret(text.to_owned().into());
        let client = |id: &str| Credential::Client {
            id: id.into(),
            secret: "secret".to_owned().into(),
        };
        for credential in [
            secret(""),
            secret("a\r\nx-evil: 1"),
            secret("pässword"),
            client(""),
            client("a\0"),
        ] {
            let config = Config {
                credential: Some(credential.clone()),
                ..config()
            };
            assert_eq!(
                config.check(),
                Err(ConfigError::Credential),
                "{credential:?}"
            );
        }
        let nobody_asks = Config {
            credential: Some(secret("")),
            introspection_url: None,
            ..config()
        };
        assert_eq!(nobody_asks.check(), Ok(()));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let config = config();
        assert!(!format!("{config:?}").contains("\"secret\""));
    }
}
