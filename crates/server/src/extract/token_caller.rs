//! Who is calling with an access token of the issuer.

use axum::extract::FromRequestParts;
use http::{header, request::Parts};

use super::{Caller, credentials::bearer};
use crate::{Context, actions, error::IssuerError};

/// The holder of a good access token. Refuses with 401 when none is presented and with 403 when it is no good.
#[derive(Debug, Clone)]
pub struct TokenCaller(pub Caller);

/// Like [`TokenCaller`], for accounts of the highest role; others are refused with 403.
#[derive(Debug, Clone)]
pub struct SuperuserToken(pub Caller);

impl FromRequestParts<Context> for TokenCaller {
    type Rejection = IssuerError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, IssuerError> {
        let token = match bearer(&parts.headers) {
            Some(token) => token,
            // `Bearer` without a token is a bad one, not none.
            None if says_bearer(parts) => return Err(IssuerError::bad_token()),
            None => return Err(IssuerError::not_authenticated()),
        };
        actions::accounts::verify_access(context, token)
            .await?
            .map(Self)
            .ok_or_else(IssuerError::bad_token)
    }
}

impl FromRequestParts<Context> for SuperuserToken {
    type Rejection = IssuerError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, IssuerError> {
        let TokenCaller(caller) = TokenCaller::from_request_parts(parts, context).await?;
        if !caller.account.role.is_superuser() {
            return Err(IssuerError::not_enough_privileges());
        }
        Ok(Self(caller))
    }
}

fn says_bearer(parts: &Parts) -> bool {
    parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("bearer"))
}
