//! Access and refresh tokens for services: who issues them, for whom, how they are signed and how long they last.

use std::time::Duration;

use accounts::Email;
use http::HeaderValue;
use secret::SecretString;
use url::Url;

use super::{
    Span,
    setting::{Value, Within, section, words},
};

section! {
    /// Access and refresh tokens for services: who issues them, for whom, how they are signed and how long they last.
    Issuer {
        /// The issuer (`iss`) of access tokens. The public origin when left out.
        "issuer.issuer" issuer: Option<String>,
        /// The audience (`aud`) of access tokens, unless they are asked for on behalf of a registered service.
        "issuer.audience" audience: String = "vestibule",
        /// How much is kept of a sign-in: `stateful` (sessions, and services may ask whether an access token is still
        /// good), `hybrid` (sessions, but an access token is good until it expires), `stateless` (no sessions).
        /// Services must be set to the same mode.
        "issuer.mode" mode: TokenMode = "stateful",
        /// What signs access tokens: `RS256`, `ES256` or `HS256`. A change takes effect by a rotation: a key for it is
        /// published, and signs when every service can know it. Services must be set to the same algorithm.
        "issuer.algorithm" algorithm: TokenAlgorithm = "RS256",
        /// The secret that HS256 tokens are signed with, for services that verify them with the same one: at least 32
        /// bytes. When left out, the server makes one that nobody else can know. Means nothing for RS256 and ES256.
        "issuer.access_secret" access_secret: Option<AccessSecret>,
        /// How long services (and caches before them) may keep the key set, sent as `max-age`. A new key is published
        /// for this long before it signs, so it must not be shorter than any service's own setting.
        "issuer.key_cache_life" key_cache_life: Span = "5m",
        /// How long one key signs before the server rotates to a new one by itself: a span of an hour or more, or
        /// `off` for rotation by command only. Services with a key file instead of the key set need it `off`.
        "issuer.key_rotation" key_rotation: KeyRotation = "off",
        /// The one secret that services without credentials of their own send as `X-Internal-Token`. When left out,
        /// only registered services get answers.
        "issuer.private_api_secret" private_api_secret: Option<SecretString>,
        /// Whoever sends this as `X-Internal-Token` is told by `/user/health/` what works and what does not. When left
        /// out, everybody is told that something answers, and no more.
        "issuer.health_detail_credential" health_detail_credential: Option<SecretString>,
        /// The address of a superuser who is made at start when there is none yet. Needs a password too. When left out,
        /// the first start prints a link that makes one.
        "issuer.first_superuser" first_superuser: Option<Email>,
        /// That superuser's password, 8 to 128 characters; change it after the first sign-in.
        "issuer.first_superuser_password" first_superuser_password: Option<SecretString>,
        /// How long a token is good that a service exchanges its secret for, in seconds, 30 to 3600.
        "issuer.service_token_lifetime" service_token_lifetime: Within<30, 3600> = "300",
        /// Signs what the event stream and the Redis bus carry, so that services know it comes from here. Services are
        /// given the same text. Unsigned when left out.
        "issuer.event_signing_key" event_signing_key: Option<SecretString>,
        /// How long an access token is accepted after its issue.
        "issuer.access_token_lifetime" access_token_lifetime: Span = "30m",
        /// How long a refresh token that was not used is accepted.
        "issuer.refresh_idle" refresh_idle: Span = "30d",
        /// How long browsers keep the cookie with the refresh token. As long as the token is accepted when left out.
        "issuer.refresh_cookie_max_age" refresh_cookie_max_age: Option<Span>,
        /// Refreshes that one session (in `stateless` mode, one account) may try within the window below, 1 to 1000000;
        /// further ones are answered 429 with `Retry-After`.
        "issuer.refresh_attempts" refresh_attempts: Within<1, 1_000_000> = "10",
        /// The window in which refreshes are counted.
        "issuer.refresh_window" refresh_window: Span = "5m",
        /// Origins of front ends whose pages may call `/user` with the refresh cookie, besides the public one. They
        /// must be on the same site as this server, or browsers do not send the cookie.
        "issuer.allowed_origins" allowed_origins: Origins = "none",
    }
}

/// Origins as browsers write them, such as `https://app.example.com`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Whether an `Origin` header names one of them.
    pub fn contains(&self, origin: &HeaderValue) -> bool {
        let is_it = |known: &String| known.as_bytes() == origin.as_bytes();
        self.0.iter().any(is_it)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for Origins {
    const EXPECTED: &'static str =
        "none, or origins such as https://app.example.com, http://localhost:5173";

    fn read(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::default());
        }
        let origin = |text: &str| {
            let url = Url::parse(text.trim()).ok()?;
            let is_bare = matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none();
            is_bare.then(|| url.origin().ascii_serialization())
        };
        text.split(',').map(origin).collect::<Option<_>>().map(Self)
    }
}

words! {
    /// How much the issuer keeps of a sign-in.
    TokenMode {
        /// Sessions, and revocation of access tokens at once.
        Stateful = "stateful",
        /// Sessions, but access tokens are good until they expire.
        Hybrid = "hybrid",
        /// Nothing: both tokens are good until they expire.
        Stateless = "stateless",
    } expected "stateful, hybrid or stateless"
}

words! {
    /// What signs access tokens.
    TokenAlgorithm {
        /// RSA with SHA-256.
        Rs256 = "RS256",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// HMAC with SHA-256; only this server can verify.
        Hs256 = "HS256",
    } expected "RS256, ES256 or HS256"
}

impl TokenAlgorithm {
    /// As the token crate calls it.
    pub const fn algorithm(self) -> token::Algorithm {
        match self {
            Self::Rs256 => token::Algorithm::Rs256,
            Self::Es256 => token::Algorithm::Es256,
            Self::Hs256 => token::Algorithm::Hs256,
        }
    }
}

/// When the server rotates the signing key by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRotation(Option<Span>);

impl KeyRotation {
    /// How long one key signs; `None` when it is rotated by command only.
    pub fn every(self) -> Option<Duration> {
        self.0.map(Span::duration)
    }
}

impl Value for KeyRotation {
    const EXPECTED: &'static str = "off, or a span of an hour or more such as 90d";

    fn read(text: &str) -> Option<Self> {
        if text == "off" {
            return Some(Self(None));
        }
        let span = Span::read(text)?;
        (span.duration() >= Duration::from_hours(1)).then_some(Self(Some(span)))
    }
}

/// A secret that is long enough to sign with (RFC 7518 §3.2).
#[derive(Debug, Clone)]
pub struct AccessSecret(SecretString);

impl AccessSecret {
    /// The secret's text; its UTF-8 bytes are the key.
    pub const fn text(&self) -> &SecretString {
        &self.0
    }
}

impl Value for AccessSecret {
    const EXPECTED: &'static str = "a secret text of at least 32 bytes";
    const SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        (text.len() >= 32).then(|| Self(SecretString::new(text.to_owned())))
    }
}
