//! From a session token to who is calling.

use std::sync::Arc;

use accounts::{Session, SessionRefusal, Touch};
use ids::SessionId;
use token::{OpaqueKind, OpaqueToken};

use crate::{Context, Error, extract::Caller};

/// Who holds this session token, if it is one, its session lives and the account is active.
pub async fn authenticate(context: &Context, token: &str) -> Result<Option<Caller>, Error> {
    let Ok(token) = OpaqueToken::parse(OpaqueKind::Session, token) else {
        return Ok(None);
    };
    match context.session_by_digest(token.digest()).await? {
        Some(session) => standing(context, session).await,
        None => Ok(None),
    }
}

/// Who stands behind a session, if it lives and the account is active. Tokens that name a session (viewer tokens,
/// access tokens) are good only while this gives somebody.
pub async fn authenticate_session(
    context: &Context,
    session: SessionId,
) -> Result<Option<Caller>, Error> {
    match context.session(session).await? {
        Some(session) => standing(context, session).await,
        None => Ok(None),
    }
}

async fn standing(context: &Context, mut session: Arc<Session>) -> Result<Option<Caller>, Error> {
    let now = context.now();
    let Some(account) = context.account(session.account).await? else {
        return Ok(None);
    };
    let mut refusal = accounts::check(&session, &account, now).err();
    if refusal == Some(SessionRefusal::Expired) {
        // Another server may have noted a use since this record was read.
        context.caches.forget_session(session.id);
        let Some(current) = context.session(session.id).await? else {
            return Ok(None);
        };
        session = current;
        refusal = accounts::check(&session, &account, now).err();
    }
    if refusal.is_some() {
        return Ok(None);
    }
    if let Some(touch) = accounts::touch(&session, now, context.config.accounts.lifetimes()) {
        // Rare, and large: not to be carried by every request.
        session = Box::pin(note_use(context, &session, touch)).await?;
    }
    Ok(Some(Caller { account, session }))
}

/// Notes that a session was used, which puts off its idle expiry.
async fn note_use(
    context: &Context,
    session: &Session,
    touch: Touch,
) -> Result<Arc<Session>, Error> {
    let (
        id,
        Touch {
            last_seen_at,
            idle_expires_at,
        },
    ) = (session.id, touch);
    let written = context
        .storage
        .write(move |tx| tx.sessions().touch(id, last_seen_at, idle_expires_at))
        .await;
    context.caches.forget_session(id);
    match written {
        // It ended in the meantime: this request was still in time, the next one is not.
        Ok(()) | Err(storage::Error::NotFound { .. }) => Ok(Arc::new(Session {
            last_seen_at,
            idle_expires_at,
            ..session.clone()
        })),
        Err(error) => Err(error.into()),
    }
}
