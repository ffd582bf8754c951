//! Sending somebody to a provider, and recognizing them when they come back.
//!
//! The state is a random value of which only the digest is kept, in the database, so that any node takes the person
//! back. It works once, for ten minutes, and in the browser that it was given to: otherwise an attacker could send
//! somebody back with a code of the attacker's, and they would unknowingly be signed in as the attacker. The verifier
//! of PKCE and the nonce are derived from it, so nothing that is kept helps whoever reads the database.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{AccountId, SessionId};
use jiff::SignedDuration;
use secret::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use storage::Link;

use super::OutsideRefusal;
use crate::{Context, Error, outside::Trip, random};

/// How long somebody may be away.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// The name of what is kept, among the one-time links.
const PURPOSE: &str = "outside.state";
/// A state or a browser's value: 32 random bytes in base64url.
const TEXT: usize = 43;

/// Why somebody was sent to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Journey {
    /// To sign in at the pages.
    SignIn {
        /// Where they go afterwards.
        next: String,
    },
    /// To join an identity to their account.
    Join {
        /// The account.
        account: AccountId,
        /// The session they asked from.
        session: SessionId,
    },
    /// To sign in to somebody else's program, by tokens.
    Program {
        /// Where they go afterwards, with a code for the program.
        target: String,
        /// The program's own challenge (RFC 7636, S256).
        challenge: String,
    },
}

/// What binds a trip to a browser: a random value in a cookie.
#[derive(Debug, Clone)]
pub struct Browser(SecretString);

impl Browser {
    /// The value that a browser came with, or a new one.
    pub fn read_or_fresh(cookie: Option<&str>) -> Self {
        cookie.and_then(Self::read).unwrap_or_else(|| {
            Self(SecretString::new(
                URL_SAFE_NO_PAD.encode(random::bytes::<32>()),
            ))
        })
    }

    /// The value that a browser came with, if it is one of ours.
    pub fn read(cookie: &str) -> Option<Self> {
        is_text(cookie).then(|| Self(SecretString::new(cookie.to_owned())))
    }

    /// For the cookie.
    pub fn value(&self) -> &str {
        self.0.expose()
    }

    fn digest(&self) -> String {
        hex::encode(Sha256::digest(format!("outside.browser {}", self.value())))
    }
}

/// What somebody comes back with.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Return {
    /// The state they were sent with.
    #[serde(default)]
    pub state: String,
    /// The provider's code.
    pub code: Option<String>,
    /// Who sent them back (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    provider: String,
    browser: String,
    journey: Journey,
}

/// Begins a trip to a provider; the answer is the address that the browser goes to.
pub async fn begin(
    context: &Context,
    provider: &str,
    journey: Journey,
    browser: &Browser,
) -> Result<String, OutsideRefusal> {
    let known = context
        .outside
        .find(provider)
        .ok_or(OutsideRefusal::NotConfigured)?;
    let state = URL_SAFE_NO_PAD.encode(random::bytes::<32>());
    let trip = trip(context, provider, &journey, &state);
    let keeps_tokens = matches!(journey, Journey::Program { .. });
    let url = context
        .outside
        .authorization_url(&known, &trip, keeps_tokens)
        .await
        .map_err(|error| OutsideRefusal::provider(known.label(), &error))?;
    let kept = Kept {
        provider: provider.to_owned(),
        browser: browser.digest(),
        journey,
    };
    let now = context.now();
    let link = Link {
        digest: digest(&state),
        purpose: PURPOSE.to_owned(),
        account: None,
        data: serde_json::to_string(&kept).expect("plain texts and ids have a JSON form"),
        created_at: now,
        expires_at: now + LIFETIME,
    };
    context
        .change(move |change| Ok(change.links().insert(&link)?))
        .await?;
    Ok(url)
}

/// Somebody who came back, recognized. Their state is used up.
pub(super) struct Recognized {
    pub(super) trip: Trip,
    pub(super) journey: Journey,
    /// Whether they are in the browser that they left in.
    pub(super) same_browser: bool,
}

/// Recognizes somebody who came back from a provider, once.
pub(super) async fn recognize(
    context: &Context,
    provider: &str,
    state: &str,
    browser: Option<&Browser>,
) -> Result<Recognized, OutsideRefusal> {
    if !is_text(state) {
        return Err(OutsideRefusal::UnknownState);
    }
    let (digest, now) = (digest(state), context.now());
    let redeemed = context
        .change(move |change| Ok(change.links().redeem(digest, now)?))
        .await?;
    let link = redeemed
        .filter(|link| link.purpose == PURPOSE)
        .ok_or(OutsideRefusal::UnknownState)?;
    let kept: Kept = serde_json::from_str(&link.data).map_err(|error| {
        tracing::error!(%error, "a kept state cannot be read");
        OutsideRefusal::UnknownState
    })?;
    // Each provider has a way back of its own: a state that comes by another's was mixed up.
    if kept.provider != provider {
        return Err(OutsideRefusal::UnknownState);
    }
    Ok(Recognized {
        trip: trip(context, provider, &kept.journey, state),
        same_browser: browser.is_some_and(|browser| browser.digest() == kept.browser),
        journey: kept.journey,
    })
}

fn trip(context: &Context, provider: &str, journey: &Journey, state: &str) -> Trip {
    let key = context.master_key.mac_key("outside-trip");
    let derived = |label: &[u8]| key.sign_hex(&[label, state.as_bytes()]);
    let origin = context.config.shell_origin();
    Trip {
        state: state.to_owned(),
        verifier: SecretString::new(derived(b"verifier")),
        nonce: derived(b"nonce"),
        redirect_uri: match journey {
            Journey::SignIn { .. } | Journey::Join { .. } => {
                format!("{origin}/signin/{provider}/callback")
            }
            Journey::Program { .. } => format!("{origin}/user/{provider}-auth/oauth-callback/"),
        },
    }
}

fn digest(state: &str) -> [u8; 32] {
    Sha256::digest(format!("{PURPOSE} {state}")).into()
}

fn is_text(text: &str) -> bool {
    text.len() == TEXT
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl From<storage::Error> for OutsideRefusal {
    fn from(error: storage::Error) -> Self {
        Self::Other(Error::from(error))
    }
}
