//! Speaking to outside providers of identities: OpenID Connect, and OAuth 2.0 with an API that tells of the person.
//!
//! What follows from an answer is decided in `accounts`, what is kept in `actions::accounts::outside`. Here is only the
//! conversation: where a person is sent, what is asked when they come back, and what of the answers is believed.

mod dial;
mod discovery;
mod exchange;
mod person;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use accounts::Told;
use jiff::Timestamp;
use secret::SecretString;
use token::IdTokenError;
use url::Url;

use crate::config::{Config, Protocol, Provider};

use dial::Dial;
use discovery::Discovery;

/// All providers that people may sign in by.
pub(crate) struct Providers {
    dial: Dial,
    leeway: Duration,
    known: BTreeMap<String, Arc<Known>>,
}

/// A provider, and what was learned of it.
pub(crate) struct Known {
    provider: Provider,
    discovery: Discovery,
}

/// One round trip to a provider, as it was begun.
#[derive(Debug, Clone)]
pub(crate) struct Trip {
    /// Comes back with the person (RFC 6749 §4.1.1).
    pub(crate) state: String,
    /// Proves to the provider that the code is redeemed by the one who asked for it (RFC 7636).
    pub(crate) verifier: SecretString,
    /// Comes back in the ID token.
    pub(crate) nonce: String,
    /// Where the person comes back to.
    pub(crate) redirect_uri: String,
}

/// What a person comes back with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Back<'a> {
    /// The code.
    pub(crate) code: &'a str,
    /// Who sent them, if they say so (RFC 9207).
    pub(crate) issuer: Option<&'a str>,
}

/// What a provider gave for a code.
#[derive(Debug)]
pub(crate) struct Given {
    /// Who the person is.
    pub(crate) told: Told,
    /// Access to their account there.
    pub(crate) access: SecretString,
    /// Renews it.
    pub(crate) refresh: Option<SecretString>,
    /// When the access ends, if that was told.
    pub(crate) expires_at: Option<Timestamp>,
}

/// Why a provider could not be spoken to, or is not believed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ProviderError {
    /// No connection, no answer in time, or one that is too long.
    #[error("{what} could not be fetched: {why}")]
    Unreachable {
        /// The document or endpoint.
        what: &'static str,
        /// Why, for the log.
        why: String,
    },
    /// An answer that says no, with its status and, where there is one, its error code.
    #[error("{what} was refused with {status}: {code}")]
    Refused {
        /// The document or endpoint.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The `error` of RFC 6749 §5.2; cut short and cleaned.
        code: String,
    },
    /// An answer that says something else than it should.
    #[error("{what} makes no sense: {why}")]
    Malformed {
        /// The document or endpoint.
        what: &'static str,
        /// Why, for the log.
        why: String,
    },
    /// The person was sent back by another provider than the one they were sent to.
    #[error("the answer names another issuer")]
    MixUp,
    /// The ID token is not believed.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
}

impl ProviderError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "most callers are `map_err`, which gives the error away"
    )]
    fn malformed(what: &'static str, why: impl ToString) -> Self {
        Self::Malformed {
            what,
            why: why.to_string(),
        }
    }

    /// Whether trying again later may help.
    pub(crate) const fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Malformed { .. } | Self::MixUp | Self::IdToken(_) => false,
        }
    }
}

impl Providers {
    /// The providers of the configuration. Nothing is fetched before somebody wants to sign in.
    pub(crate) fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let providers = config.providers.iter().map(|provider| {
            let known = Known {
                provider: provider.clone(),
                discovery: Discovery::default(),
            };
            (provider.name.clone(), Arc::new(known))
        });
        Ok(Self {
            dial: Dial::new(config.outside.provider_timeout.duration())?,
            leeway: LEEWAY,
            known: providers.collect(),
        })
    }

    /// A provider by its name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Known>> {
        self.known.get(name).cloned()
    }

    /// Name and label of each, in the order of names.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.known
            .iter()
            .map(|(name, known)| (name.as_str(), known.label()))
    }

    /// Where a person is sent to sign in.
    pub(crate) async fn authorization_url(
        &self,
        known: &Known,
        trip: &Trip,
        keeps_tokens: bool,
    ) -> Result<String, ProviderError> {
        let definition = &known.provider.definition;
        let mut url = match &definition.protocol {
            Protocol::Oauth2 { authorize_url, .. } => authorize_url.clone(),
            Protocol::Oidc { issuer, .. } => {
                let reach = definition.allow_private_addresses;
                let metadata = known.discovery.metadata(&self.dial, issuer, reach).await?;
                metadata.authorization_endpoint.clone()
            }
        };
        write_query(&mut url, known, trip, keeps_tokens);
        Ok(url.into())
    }
}

impl Known {
    /// What people read on the button.
    pub(crate) fn label(&self) -> &str {
        &self.provider.definition.label
    }
}

/// How far a provider's clock may differ from ours.
const LEEWAY: Duration = Duration::from_secs(10);

fn write_query(url: &mut Url, known: &Known, trip: &Trip, keeps_tokens: bool) {
    let definition = &known.provider.definition;
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &known.provider.client_id)
        .append_pair("redirect_uri", &trip.redirect_uri)
        .append_pair("scope", &definition.scopes.join(" "))
        .append_pair("state", &trip.state)
        .append_pair("code_challenge", &challenge(trip.verifier.expose()))
        .append_pair("code_challenge_method", "S256");
    if matches!(definition.protocol, Protocol::Oidc { .. }) {
        query.append_pair("nonce", &trip.nonce);
    }
    let offline = definition.authorize_offline.iter().filter(|_| keeps_tokens);
    for (name, value) in definition.authorize.iter().chain(offline) {
        query.append_pair(name, value);
    }
}

/// The S256 challenge of a verifier (RFC 7636 §4.2).
pub(crate) fn challenge(verifier: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::{Digest as _, Sha256};
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_specification() {
        // RFC 7636 appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
