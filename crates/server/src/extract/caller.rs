//! Who is calling: a signed-in account, by bearer token or by the pages' cookie.

use std::sync::Arc;

use accounts::{Account, Session};
use axum::extract::FromRequestParts;
use http::{StatusCode, request::Parts};

use super::credentials::{Via, may_rely_on_cookie, session_token};
use crate::{Context, Error, actions};

/// The verified caller. Refuses with 401, and with 403 a change that another site may have caused by our cookie.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is; without the password.
    pub account: Arc<Account>,
    /// By which session.
    pub session: Arc<Session>,
}

/// Like [`Caller`], for what anonymous people may see too. A token that is no good counts as none.
#[derive(Debug, Clone)]
pub struct MaybeCaller(pub Option<Caller>);

impl FromRequestParts<Context> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Error> {
        let (token, via) = session_token(&parts.headers).ok_or_else(Error::unauthorized)?;
        if via == Via::Cookie
            && !may_rely_on_cookie(
                &parts.method,
                &parts.headers,
                &context.config.shell_origin(),
            )
        {
            return Err(Error::new(
                StatusCode::FORBIDDEN,
                "csrf",
                "This change was not asked for by one of our own pages; use a bearer token.",
            ));
        }
        actions::accounts::authenticate(context, token)
            .await?
            .ok_or_else(Error::unauthorized)
    }
}

impl FromRequestParts<Context> for MaybeCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Error> {
        match Caller::from_request_parts(parts, context).await {
            Ok(caller) => Ok(Self(Some(caller))),
            Err(error) if error.status == StatusCode::UNAUTHORIZED => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}
