//! A short token for a service's secret, so that the secret itself is sent rarely.

use accounts::{Scopes, service::narrow};
use secret::SecretString;
use token::ServiceClaims;

use super::PrivateClient;
use crate::{Context, random};

/// A token that stands for a service.
#[derive(Debug, Clone)]
pub struct IssuedServiceToken {
    /// The token.
    pub token: SecretString,
    /// How long it is good, in seconds.
    pub lifetime_seconds: u64,
    /// What it may ask.
    pub scopes: Scopes,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeRefusal {
    /// Holders of the shared secret are nobody in particular.
    NoService,
    /// It asked for more than it holds, or showed a token: a token begets no further one.
    Forbidden,
}

/// Exchanges a service's secret, shown by `client`, for a token with all of its scopes or with those `wanted`.
pub fn exchange(
    context: &Context,
    client: &PrivateClient,
    wanted: Option<&Scopes>,
) -> Result<IssuedServiceToken, ExchangeRefusal> {
    let service = client.service().ok_or(ExchangeRefusal::NoService)?;
    let digest = service.secret.ok_or(ExchangeRefusal::NoService)?;
    if client.by_token() {
        return Err(ExchangeRefusal::Forbidden);
    }
    let scopes = narrow(&service.scopes, wanted).map_err(|_| ExchangeRefusal::Forbidden)?;
    let lifetime_seconds = context.config.issuer.service_token_lifetime.get();
    let issued_at = context.now();
    let lifetime = jiff::SignedDuration::from_secs(lifetime_seconds.cast_signed());
    let claims = ServiceClaims {
        service: service.id.to_string(),
        scope: scopes.to_string(),
        issued_at,
        expires_at: issued_at + lifetime,
        jti: uuid::Builder::from_random_bytes(random::bytes()).into_uuid(),
    };
    Ok(IssuedServiceToken {
        token: context.service_keys.mint(&claims, digest),
        lifetime_seconds,
        scopes,
    })
}
