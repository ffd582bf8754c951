//! Tokens of outside providers that sessions hold, sealed.

use ids::SessionId;
use jiff::Timestamp;
use secret::{Secret, SecretString};
use storage::ExternalToken;

use super::{DEFAULT_PROVIDER, TokenSession, find_token_session};
use crate::{Context, Error, extract::Caller, random};

/// What the sealing key is for.
const PURPOSE: &str = "external_token";

/// What an outside provider gave for a session.
#[derive(Debug, Clone)]
pub struct NewExternalTokens {
    /// Access to the person's account there.
    pub access: SecretString,
    /// Renews it.
    pub refresh: Option<SecretString>,
    /// When the access ends, if that was told.
    pub expires_at: Option<Timestamp>,
}

impl NewExternalTokens {
    /// The record of a session that holds them. Each token opens in its own place only.
    pub(super) fn seal(
        &self,
        context: &Context,
        session: SessionId,
        provider: &str,
    ) -> ExternalToken {
        let key = context.master_key.sealing_key(PURPOSE);
        let seal = |token: &SecretString, column: &str| {
            let place = format!("external_token.{column}:{session}");
            let value = Secret::new(token.expose().clone().into_bytes());
            key.seal(&value, place.as_bytes(), random::bytes())
        };
        ExternalToken {
            session,
            provider: provider.to_owned(),
            sealed_access: seal(&self.access, "access"),
            sealed_refresh: self.refresh.as_ref().map(|token| seal(token, "refresh")),
            expires_at: self.expires_at,
            updated_at: context.now(),
        }
    }
}

/// Puts newer tokens in the place of those that the caller's session holds. `None` when it is no session of
/// [`DEFAULT_PROVIDER`].
pub async fn replace_external_tokens(
    context: &Context,
    caller: &Caller,
    new: NewExternalTokens,
) -> Result<Option<TokenSession>, Error> {
    let id = caller.session.id;
    let found = find_token_session(context, id).await?;
    if found.is_none_or(|session| session.provider != DEFAULT_PROVIDER) {
        return Ok(None);
    }
    let sealed = new.seal(context, id, DEFAULT_PROVIDER);
    context
        .storage
        .write(move |tx| tx.external_tokens().put(&sealed))
        .await?;
    find_token_session(context, id).await
}
