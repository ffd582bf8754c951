//! Who calls the private API: a registered service, or a holder of the shared secret.

use axum::extract::FromRequestParts;
use http::{HeaderMap, StatusCode, request::Parts};
use ids::ServiceId;

use super::credentials::bearer;
use crate::{
    Context,
    actions::services::{self, PrivateClient, Proof},
    error::IssuerError,
};

/// The header with a service's id.
const CLIENT: &str = "x-internal-client";
/// The header with its secret, or with the shared one.
const TOKEN: &str = "x-internal-token";

/// A caller of the private API whose credential is good. Refuses with 401 `Unauthorized`, whatever is wrong with it.
#[derive(Debug, Clone)]
pub struct PrivateCaller(pub PrivateClient);

impl PrivateCaller {
    /// The service that calls; `None` for a holder of the shared secret.
    pub fn id(&self) -> Option<&ServiceId> {
        self.0.id()
    }

    /// Refuses with 403 `Forbidden` a caller without this scope (one of `accounts::service`).
    pub fn require(&self, scope: &str) -> Result<(), IssuerError> {
        if self.0.holds(scope) {
            Ok(())
        } else {
            Err(IssuerError::new(StatusCode::FORBIDDEN, "Forbidden"))
        }
    }
}

impl FromRequestParts<Context> for PrivateCaller {
    type Rejection = IssuerError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, IssuerError> {
        let unauthorized = || IssuerError::new(StatusCode::UNAUTHORIZED, "Unauthorized");
        let proof = proof(&parts.headers).ok_or_else(unauthorized)?;
        services::authenticate(context, proof)
            .await
            .map_err(IssuerError::of_private)?
            .map(Self)
            .ok_or_else(unauthorized)
    }
}

/// What is presented: the headers of their own before a bearer token.
fn proof(headers: &HeaderMap) -> Option<Proof<'_>> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    match (text(CLIENT), text(TOKEN)) {
        (Some(service), Some(secret)) => Some(Proof::Secret { service, secret }),
        (None, Some(secret)) => Some(Proof::Shared(secret)),
        (_, None) => bearer(headers).map(Proof::Token),
    }
}
