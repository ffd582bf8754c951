//! Tokens of a provider that a session holds, for the person's services: sealed, and gone with the session.

use ids::SessionId;
use jiff::Timestamp;
use secret::{Secret, SecretString};
use storage::ExternalToken;

use crate::{Context, Error, random};

/// Keeps what a provider gave, with the session; what was kept before is gone.
pub(super) async fn put(
    context: &Context,
    session: SessionId,
    provider: &str,
    access: &SecretString,
    refresh: Option<&SecretString>,
    expires_at: Option<Timestamp>,
) -> Result<(), Error> {
    let record = sealed(context, session, provider, access, refresh, expires_at);
    context
        .change(move |change| Ok(change.external_tokens().put(&record)?))
        .await
}

/// Replaces the tokens that a session holds of `provider`. `false`, and nothing changes, when the session is not one
/// that began there.
pub async fn renew_external_tokens(
    context: &Context,
    session: SessionId,
    provider: &str,
    access: &SecretString,
    refresh: Option<&SecretString>,
    expires_at: Option<Timestamp>,
) -> Result<bool, Error> {
    let record = sealed(context, session, provider, access, refresh, expires_at);
    context
        .change(move |change| {
            let held = change.external_tokens().find(session)?;
            if held.is_none_or(|held| held.provider != record.provider) {
                return Ok(false);
            }
            change.external_tokens().put(&record)?;
            Ok(true)
        })
        .await
}

fn sealed(
    context: &Context,
    session: SessionId,
    provider: &str,
    access: &SecretString,
    refresh: Option<&SecretString>,
    expires_at: Option<Timestamp>,
) -> ExternalToken {
    let key = context.master_key.sealing_key("external_token");
    let seal = |column: &str, token: &SecretString| {
        let value = Secret::new(token.expose().clone().into_bytes());
        let place = format!("external_token.{column}.{session}");
        key.seal(&value, place.as_bytes(), random::bytes())
    };
    ExternalToken {
        session,
        provider: provider.to_owned(),
        sealed_access: seal("sealed_access", access),
        sealed_refresh: refresh.map(|token| seal("sealed_refresh", token)),
        expires_at,
        updated_at: context.now(),
    }
}
