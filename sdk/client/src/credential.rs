//! How a service proves itself to the issuer's private API, in the three ways that issuers of the family know.

use std::time::Duration;

use reqwest::{RequestBuilder, header::HeaderValue};
use secret::{Secret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    Clock, ConfigError, HttpError,
    config::check_url,
    http::{self, Transport},
};

/// What a service proves itself with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The one secret that issuer and services share (`X-Internal-Token`).
    Secret(SecretString),
    /// The service's own id and secret (`X-Internal-Client` and `X-Internal-Token`).
    Client {
        /// The service's id at the issuer.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// A short-lived token that the id and the secret are exchanged for (`Authorization: Bearer …`).
    ServiceToken {
        /// The service's id at the issuer.
        id: String,
        /// Its secret.
        secret: SecretString,
        /// Where they are exchanged (`…/private/v1/service-token`).
        url: Url,
        /// What the token may be used for; empty asks for everything the service may do.
        scopes: Vec<String>,
        /// How long before its end a token is renewed. Usually 30 s.
        renew_early: Duration,
    },
}

impl Credential {
    /// Whether it can be sent at all.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (id, secret) = match self {
            Self::Secret(secret) => (None, secret),
            Self::Client { id, secret } => (Some(id), secret),
            Self::ServiceToken {
                id, secret, url, ..
            } => {
                check_url("the service token's address", url)?;
                (Some(id), secret)
            }
        };
        let can_be_sent =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if id.is_none_or(|id| can_be_sent(id)) && can_be_sent(secret.expose()) {
            Ok(())
        } else {
            Err(ConfigError::Credential)
        }
    }
}

const CLIENT: &str = "x-internal-client";
const TOKEN: &str = "x-internal-token";
/// How much of an answer to an exchange is read, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;
/// How long after a failed renewal the token at hand is used without trying again.
const RENEWAL_PAUSE: Duration = Duration::from_secs(2);

/// A credential at work: it keeps the service token.
pub(crate) struct Authority {
    credential: Credential,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts exchanges; tells those who waited whether one was made for them.
    exchanges: u64,
    token: Option<Token>,
    failure: Option<(Duration, HttpError)>,
}

#[derive(Clone)]
struct Token {
    number: u64,
    text: SecretString,
    /// When it is time for another one, and when it is too late; by the monotonic clock.
    renew_at: Duration,
    ends_at: Duration,
}

/// Which service token a request was sent with.
pub(crate) type TokenNumber = u64;

impl Authority {
    pub(crate) fn new(credential: Credential, clock: Clock) -> Self {
        Self {
            credential,
            clock,
            state: Mutex::default(),
        }
    }

    /// Adds the credential's headers. A service token is exchanged first when there is none that is good.
    ///
    /// `refused` is the token that the issuer did not take, if that is why this is asked.
    pub(crate) async fn authorize(
        &self,
        transport: &Transport,
        request: RequestBuilder,
        refused: Option<TokenNumber>,
    ) -> Result<(RequestBuilder, Option<TokenNumber>), HttpError> {
        match &self.credential {
            Credential::Secret(secret) => Ok((request.header(TOKEN, sensitive(secret)?), None)),
            Credential::Client { id, secret } => Ok((with_client(request, id, secret)?, None)),
            Credential::ServiceToken { .. } => {
                let token = self.token(transport, refused).await?;
                let bearer = Secret::new(format!("Bearer {}", token.text.expose()));
                let request = request.header(reqwest::header::AUTHORIZATION, sensitive(&bearer)?);
                Ok((request, Some(token.number)))
            }
        }
    }

    /// A good token: the one at hand, or a new one. One exchange is under way at a time, and all who came while it was get
    /// its outcome. Whoever is cancelled in the middle leaves the exchange to the next.
    async fn token(
        &self,
        transport: &Transport,
        refused: Option<TokenNumber>,
    ) -> Result<Token, HttpError> {
        let Ok(mut state) = self.state.try_lock() else {
            return self.wait_for_token(transport, refused).await;
        };
        self.token_of(&mut state, transport, refused).await
    }

    async fn wait_for_token(
        &self,
        transport: &Transport,
        refused: Option<TokenNumber>,
    ) -> Result<Token, HttpError> {
        let asked_at = self.clock.monotonic();
        let mut state = self.state.lock().await;
        if let Some((failed_at, error)) = &state.failure
            && *failed_at >= asked_at
        {
            return Err(error.clone());
        }
        self.token_of(&mut state, transport, refused).await
    }

    async fn token_of(
        &self,
        state: &mut State,
        transport: &Transport,
        refused: Option<TokenNumber>,
    ) -> Result<Token, HttpError> {
        let now = self.clock.monotonic();
        let good = state
            .token
            .as_ref()
            .filter(|token| Some(token.number) != refused && now < token.ends_at);
        let failed_lately = state
            .failure
            .as_ref()
            .is_some_and(|(failed_at, _)| now < *failed_at + RENEWAL_PAUSE);
        if let Some(token) = good
            && (now < token.renew_at || failed_lately)
        {
            return Ok(token.clone());
        }
        let good = good.cloned();
        state.exchanges += 1;
        match self.exchange(transport, state.exchanges).await {
            Ok(token) => {
                state.failure = None;
                state.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                state.failure = Some((self.clock.monotonic(), error.clone()));
                // The one at hand is good for a while yet.
                good.ok_or(error)
            }
        }
    }

    async fn exchange(&self, transport: &Transport, number: u64) -> Result<Token, HttpError> {
        #[derive(Deserialize)]
        struct Issued {
            access_token: String,
            expires_in: u64,
        }
        let Credential::ServiceToken {
            id,
            secret,
            url,
            scopes,
            renew_early,
        } = &self.credential
        else {
            return Err(HttpError::Refused);
        };
        let body = if scopes.is_empty() {
            json!({})
        } else {
            json!({ "scopes": scopes })
        };
        let asked_at = self.clock.monotonic();
        let request = with_client(transport.bounded(reqwest::Method::POST, url), id, secret)?;
        let answer = http::read(http::with_json(request, &body)?, ANSWER_BYTES).await?;
        let issued: Issued = match answer.status {
            200..=299 => serde_json::from_slice(&answer.body).map_err(|_| HttpError::Malformed)?,
            401 | 403 => return Err(HttpError::Refused),
            status => return Err(HttpError::Status(status)),
        };
        let life = Duration::from_secs(issued.expires_in.min(24 * 3600));
        Ok(Token {
            number,
            text: Secret::new(issued.access_token),
            // A token that lives hardly longer than that is renewed at half its life.
            renew_at: asked_at + life.saturating_sub(*renew_early).max(life / 2),
            ends_at: asked_at + life,
        })
    }
}

fn with_client(
    request: RequestBuilder,
    id: &str,
    secret: &SecretString,
) -> Result<RequestBuilder, HttpError> {
    Ok(request.header(CLIENT, id).header(TOKEN, sensitive(secret)?))
}

fn sensitive(secret: &SecretString) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| HttpError::Malformed)?;
    value.set_sensitive(true);
    Ok(value)
}
