//! `POST /user/private/v1/service-token`: a short token for a service's secret.

use accounts::Scopes;
use axum::{Json, extract::State};
use bytes::Bytes;
use http::{StatusCode, header};
use protocol::issuer::{ServiceToken, ServiceTokenRequest};

use crate::{
    Context,
    actions::services::{self, ExchangeRefusal},
    error::IssuerError,
    extract::PrivateCaller,
};

/// Gives a token with all of the caller's scopes or with some of them. The body may be left out.
pub(super) async fn exchange(
    State(context): State<Context>,
    caller: PrivateCaller,
    body: Bytes,
) -> Result<([(header::HeaderName, &'static str); 1], Json<ServiceToken>), IssuerError> {
    let request = if body.is_empty() {
        ServiceTokenRequest::default()
    } else {
        super::object(&body)
            .ok_or_else(|| IssuerError::invalid("scopes", "Input should be a list of texts"))?
    };
    let words = request.scopes.filter(|words| !words.is_empty());
    let forbidden = || IssuerError::new(StatusCode::FORBIDDEN, "Forbidden");
    let wanted = words
        .map(|words| Scopes::from_words(words.iter().map(String::as_str)))
        .transpose()
        // What is no scope is held by nobody.
        .map_err(|_| forbidden())?;
    let issued =
        services::exchange(&context, &caller.0, wanted.as_ref()).map_err(
            |refusal| match refusal {
                ExchangeRefusal::NoService => {
                    IssuerError::new(StatusCode::NOT_FOUND, "Service-token exchange not enabled")
                }
                ExchangeRefusal::Forbidden => forbidden(),
            },
        )?;
    let answer = ServiceToken {
        access_token: issued.token.expose().clone(),
        token_type: "bearer".to_owned(),
        expires_in: issued.lifetime_seconds,
        scope: issued.scopes.to_string(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}
