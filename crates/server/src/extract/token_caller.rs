//! Who is calling with an access token of the issuer.

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};

use super::{Caller, credentials::bearer};
use crate::{
    Context,
    actions::{self, accounts::AccessRefusal},
    error::IssuerError,
};

/// The holder of a good access token. Refuses with 401 when none is presented or its session is over, and with 403
/// when it is no good otherwise or the account is disabled.
#[derive(Debug, Clone)]
pub struct TokenCaller(pub Caller);

/// Like [`TokenCaller`], for accounts of the highest role; others are refused with 403.
#[derive(Debug, Clone)]
pub struct SuperuserToken(pub Caller);

impl TokenCaller {
    /// Who holds the access token of a request.
    pub(crate) async fn of(context: &Context, headers: &HeaderMap) -> Result<Self, IssuerError> {
        let token = match bearer(headers) {
            Some(token) => token,
            // `Bearer` without a token is a bad one, not none.
            None if says_bearer(headers) => return Err(IssuerError::bad_token()),
            None => return Err(IssuerError::not_authenticated()),
        };
        let verified = actions::accounts::verify_access(context, token).await?;
        verified.map(Self).map_err(|refusal| match refusal {
            AccessRefusal::Invalid => IssuerError::bad_token(),
            AccessRefusal::Revoked => IssuerError::session_revoked(),
            AccessRefusal::AccountDisabled => IssuerError::inactive_user(),
        })
    }
}

impl FromRequestParts<Context> for TokenCaller {
    type Rejection = IssuerError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, IssuerError> {
        Self::of(context, &parts.headers).await
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

fn says_bearer(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("bearer"))
}
