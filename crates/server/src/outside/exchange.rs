//! A code for tokens (RFC 6749 §4.1.3), and tokens for a person.
//!
//! The crate `oauth2` was weighed and left out: the request is one form, and the crate brings a calendar and a second
//! generation of the hash and random crates for it.

use jiff::{SignedDuration, Timestamp};
use secret::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use token::{IdExpectations, verify_id_token};
use url::Url;

use super::{
    Back, Given, Known, ProviderError, Providers, Trip,
    dial::Target,
    person::{claims_told, person_told},
};
use crate::config::{ClientAuth, Protocol};

const TOKENS: &str = "the provider's token endpoint";
const USERINFO: &str = "the provider's user information";
const PERSON: &str = "the provider's API";
const ADDRESSES: &str = "the provider's list of addresses";

/// How the API of a provider without OpenID Connect is asked; GitHub's own media type is JSON too.
const ACCEPT: &str = "application/json";

#[derive(Deserialize)]
struct Tokens {
    access_token: Option<SecretText>,
    token_type: Option<String>,
    id_token: Option<String>,
    refresh_token: Option<SecretText>,
    expires_in: Option<Value>,
    error: Option<String>,
}

/// A text that is not shown by mistake.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(SecretString::new(text))
    }
}

impl Providers {
    /// Exchanges the code that a person came back with, and learns who they are.
    pub(crate) async fn exchange(
        &self,
        known: &Known,
        trip: &Trip,
        back: Back<'_>,
        now: Timestamp,
    ) -> Result<Given, ProviderError> {
        let may_be_private = known.provider.definition.allow_private_addresses;
        match &known.provider.definition.protocol {
            Protocol::Oidc {
                issuer,
                email_verified_claim,
                emails_are_verified,
            } => {
                let metadata = known
                    .discovery
                    .metadata(&self.dial, issuer, may_be_private)
                    .await?;
                // Before the code is shown to anybody (RFC 9207 §2.4).
                let is_announced = metadata.names_issuer && back.issuer.is_none();
                if is_announced || back.issuer.is_some_and(|named| named != issuer) {
                    return Err(ProviderError::MixUp);
                }
                let tokens = self
                    .tokens(known, &metadata.token_endpoint, trip, back)
                    .await?;
                let access = access_token(&tokens)?;
                let id_token = tokens
                    .id_token
                    .as_deref()
                    .ok_or_else(|| ProviderError::malformed(TOKENS, "there is no id_token"))?;
                let expected = IdExpectations {
                    issuer,
                    client_id: &known.provider.client_id,
                    nonce: &trip.nonce,
                    access_token: access.expose(),
                    leeway: self.leeway,
                };
                let verify = |keys: &token::KeySet| verify_id_token(id_token, keys, &expected, now);
                let mut claims = known
                    .discovery
                    .with_keys(&self.dial, issuer, may_be_private, verify)
                    .await?;
                if let Some(endpoint) = &metadata.userinfo_endpoint
                    && !claims.rest.contains_key("email")
                {
                    let target = Target {
                        what: USERINFO,
                        url: endpoint,
                        may_be_private,
                    };
                    let more: Map<String, Value> = self.ask(target, access).await?;
                    // OpenID Connect Core §5.3.2: an answer about somebody else is not used.
                    if more.get("sub").and_then(Value::as_str) != Some(&claims.sub) {
                        return Err(ProviderError::malformed(
                            USERINFO,
                            "it is about somebody else",
                        ));
                    }
                    for (name, value) in more {
                        claims.rest.entry(name).or_insert(value);
                    }
                }
                let mut told = claims_told(&claims.sub, &claims.rest, email_verified_claim);
                told.email_verified |= *emails_are_verified;
                given(told, &tokens, now)
            }
            Protocol::Oauth2 {
                token_url,
                user,
                emails,
                ..
            } => {
                let tokens = self.tokens(known, token_url, trip, back).await?;
                let access = access_token(&tokens)?;
                let target = |what, url| Target {
                    what,
                    url,
                    may_be_private,
                };
                let person: Value = self.ask(target(PERSON, &user.url), access).await?;
                let addresses = match emails {
                    Some(emails) => {
                        let list: Vec<Value> =
                            self.ask(target(ADDRESSES, &emails.url), access).await?;
                        Some((emails, list))
                    }
                    None => None,
                };
                let told = person_told(&person, user, addresses)
                    .ok_or_else(|| ProviderError::malformed(PERSON, "it names nobody"))?;
                given(told, &tokens, now)
            }
        }
    }

    async fn tokens(
        &self,
        known: &Known,
        endpoint: &Url,
        trip: &Trip,
        back: Back<'_>,
    ) -> Result<Tokens, ProviderError> {
        let provider = &known.provider;
        let target = Target {
            what: TOKENS,
            url: endpoint,
            may_be_private: provider.definition.allow_private_addresses,
        };
        let secret = provider
            .client_secret
            .as_ref()
            .map(|secret| secret.expose().as_str());
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", back.code),
            ("redirect_uri", &trip.redirect_uri),
            ("code_verifier", trip.verifier.expose()),
        ];
        if provider.definition.client_auth != ClientAuth::Basic {
            form.push(("client_id", &provider.client_id));
            form.extend(secret.map(|secret| ("client_secret", secret)));
        }
        let answer = self
            .dial
            .send(target, |client, url| {
                let request = client.post(url).header("accept", ACCEPT).form(&form);
                if provider.definition.client_auth == ClientAuth::Basic {
                    request.basic_auth(encoded(&provider.client_id), secret.map(encoded))
                } else {
                    request
                }
            })
            .await?;
        let tokens: Tokens = answer.json(TOKENS)?;
        // GitHub says no with status 200.
        if tokens.error.is_some() {
            return Err(answer.refusal(TOKENS));
        }
        Ok(tokens)
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        target: Target<'_>,
        access: &SecretString,
    ) -> Result<T, ProviderError> {
        let answer = self
            .dial
            .send(target, |client, url| {
                let request = client.get(url).header("accept", ACCEPT);
                request.bearer_auth(access.expose())
            })
            .await?;
        answer.json(target.what)
    }
}

/// A name or secret as HTTP Basic carries it (RFC 6749 §2.3.1).
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn access_token(tokens: &Tokens) -> Result<&SecretString, ProviderError> {
    let is_bearer = tokens
        .token_type
        .as_ref()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    match &tokens.access_token {
        Some(SecretText(token)) if is_bearer && !token.expose().is_empty() => Ok(token),
        _ => Err(ProviderError::malformed(TOKENS, "there is no bearer token")),
    }
}

fn given(told: accounts::Told, tokens: &Tokens, now: Timestamp) -> Result<Given, ProviderError> {
    let seconds = match &tokens.expires_in {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let lifetime = seconds.filter(|seconds| (1..=10 * 366 * 86_400).contains(seconds));
    Ok(Given {
        told,
        access: access_token(tokens)?.clone(),
        refresh: tokens
            .refresh_token
            .as_ref()
            .map(|SecretText(token)| token.clone()),
        expires_at: lifetime.map(|seconds| now + SignedDuration::from_secs(seconds)),
    })
}
