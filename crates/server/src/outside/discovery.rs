//! What an OpenID Connect provider publishes about itself, kept for a while: its endpoints and its keys.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Client;
use serde::Deserialize;
use token::{KeySet, VerifyError};
use tokio::sync::Mutex;
use url::Url;

use super::{
    ProviderError,
    dial::{Dial, Target},
};

/// How long a document is believed.
const KEPT: Duration = Duration::from_hours(1);
/// A document that cannot be renewed is believed for as long as this.
const KEPT_IN_NEED: Duration = Duration::from_hours(24);
/// How long a failure is remembered, so that a provider that hangs does not make everybody hang.
const FAILURE_KEPT: Duration = Duration::from_secs(3);
/// How often an unknown key makes the keys be fetched again.
const ROLLOVER_PAUSE: Duration = Duration::from_secs(5);

const METADATA: &str = "the provider's discovery document";
const KEYS: &str = "the provider's key set";

/// What is known of one provider. One request at a time asks it; the others wait for the same answer.
#[derive(Default)]
pub(super) struct Discovery(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    metadata: Option<(Arc<Metadata>, Instant)>,
    keys: Option<(Arc<KeySet>, Instant)>,
    rollover: Option<Instant>,
    failure: Option<(ProviderError, Instant)>,
}

/// The parts of a discovery document that we use (OpenID Connect Discovery §3).
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    /// Whether people always come back with `iss` (RFC 9207 §3).
    pub(super) names_issuer: bool,
    jwks_uri: Url,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Discovery {
    /// The provider's endpoints.
    pub(super) async fn metadata(
        &self,
        dial: &Dial,
        issuer: &str,
        may_be_private: bool,
    ) -> Result<Arc<Metadata>, ProviderError> {
        self.0
            .lock()
            .await
            .metadata(dial, issuer, may_be_private)
            .await
    }

    /// Does something with the provider's keys, and once more with fresh ones when it needs a key that is not among
    /// them: the provider may have begun to sign with another.
    pub(super) async fn with_keys<T>(
        &self,
        dial: &Dial,
        issuer: &str,
        may_be_private: bool,
        verify: impl Fn(&KeySet) -> Result<T, token::IdTokenError>,
    ) -> Result<T, ProviderError> {
        let keys = {
            let mut kept = self.0.lock().await;
            kept.keys(dial, issuer, may_be_private, false).await?
        };
        match verify(&keys) {
            Err(token::IdTokenError::Signature(VerifyError::UnknownKey)) => {}
            done => return Ok(done?),
        }
        let keys = {
            let mut kept = self.0.lock().await;
            kept.keys(dial, issuer, may_be_private, true).await?
        };
        Ok(verify(&keys)?)
    }
}

impl Kept {
    async fn metadata(
        &mut self,
        dial: &Dial,
        issuer: &str,
        may_be_private: bool,
    ) -> Result<Arc<Metadata>, ProviderError> {
        if let Some((metadata, at)) = &self.metadata
            && at.elapsed() < KEPT
        {
            return Ok(metadata.clone());
        }
        let fetched = match self.remembered_failure() {
            Some(failure) => Err(failure),
            None => fetch_metadata(dial, issuer, may_be_private).await,
        };
        match fetched {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                self.metadata = Some((metadata.clone(), Instant::now()));
                Ok(metadata)
            }
            Err(error) => {
                self.note(&error);
                match &self.metadata {
                    Some((metadata, at)) if at.elapsed() < KEPT_IN_NEED => Ok(metadata.clone()),
                    _ => Err(error),
                }
            }
        }
    }

    async fn keys(
        &mut self,
        dial: &Dial,
        issuer: &str,
        may_be_private: bool,
        for_rollover: bool,
    ) -> Result<Arc<KeySet>, ProviderError> {
        if let Some((keys, at)) = &self.keys {
            let is_too_soon = self
                .rollover
                .is_some_and(|last| last.elapsed() < ROLLOVER_PAUSE);
            let is_fresh = at.elapsed() < KEPT;
            if (for_rollover && is_too_soon) || (!for_rollover && is_fresh) {
                return Ok(keys.clone());
            }
        }
        if for_rollover {
            self.rollover = Some(Instant::now());
        }
        let metadata = self.metadata(dial, issuer, may_be_private).await?;
        let target = Target {
            what: KEYS,
            url: &metadata.jwks_uri,
            may_be_private,
        };
        let fetched = match self.remembered_failure() {
            Some(failure) => Err(failure),
            None => fetch_keys(dial, target).await,
        };
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                self.keys = Some((keys.clone(), Instant::now()));
                Ok(keys)
            }
            Err(error) => {
                self.note(&error);
                match &self.keys {
                    Some((keys, at)) if at.elapsed() < KEPT_IN_NEED => Ok(keys.clone()),
                    _ => Err(error),
                }
            }
        }
    }

    fn remembered_failure(&self) -> Option<ProviderError> {
        let (failure, at) = self.failure.as_ref()?;
        (at.elapsed() < FAILURE_KEPT).then(|| failure.clone())
    }

    fn note(&mut self, error: &ProviderError) {
        if self.remembered_failure().is_none() {
            self.failure = Some((error.clone(), Instant::now()));
        }
    }
}

async fn fetch_metadata(
    dial: &Dial,
    issuer: &str,
    may_be_private: bool,
) -> Result<Metadata, ProviderError> {
    let address = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let url = Url::parse(&address).map_err(|error| ProviderError::malformed(METADATA, error))?;
    let target = Target {
        what: METADATA,
        url: &url,
        may_be_private,
    };
    let answer = dial.send(target, Client::get).await?;
    let document: Document = answer.json(METADATA)?;
    // Otherwise one provider could speak for another (OpenID Connect Discovery §4.3).
    if document.issuer != issuer {
        return Err(ProviderError::malformed(
            METADATA,
            format!("it is that of {:?}, not of {issuer:?}", document.issuer),
        ));
    }
    let endpoint = |text: &str| {
        let url = Url::parse(text).map_err(|error| ProviderError::malformed(METADATA, error))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if may_be_private => Ok(url),
            _ => Err(ProviderError::malformed(
                METADATA,
                "an endpoint is not https",
            )),
        }
    };
    Ok(Metadata {
        authorization_endpoint: endpoint(&document.authorization_endpoint)?,
        token_endpoint: endpoint(&document.token_endpoint)?,
        userinfo_endpoint: document
            .userinfo_endpoint
            .as_deref()
            .map(endpoint)
            .transpose()?,
        jwks_uri: endpoint(&document.jwks_uri)?,
        names_issuer: document.authorization_response_iss_parameter_supported,
    })
}

async fn fetch_keys(dial: &Dial, target: Target<'_>) -> Result<KeySet, ProviderError> {
    let answer = dial.send(target, Client::get).await?;
    if !answer.status.is_success() {
        return Err(answer.refusal(KEYS));
    }
    let text = String::from_utf8_lossy(&answer.body);
    KeySet::from_jwks(&text).map_err(|error| ProviderError::malformed(KEYS, error))
}
