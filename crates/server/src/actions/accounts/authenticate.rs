//! From a session token to who is calling.

use std::sync::Arc;

use accounts::Session;
use ids::SessionId;
use jiff::{SignedDuration, Timestamp};
use token::{OpaqueKind, OpaqueToken};

use crate::{Context, Error, extract::Caller};

/// A session's last use is written at most this often.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);

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
    if session.ended.is_none() && !is_live(&session, now) {
        // Another server may have noted a use since this record was read.
        context.caches.forget_session(session.id);
        match context.session(session.id).await? {
            Some(current) => session = current,
            None => return Ok(None),
        }
    }
    if !is_live(&session, now) {
        return Ok(None);
    }
    let Some(account) = context
        .account(session.account)
        .await?
        .filter(|account| account.active)
    else {
        return Ok(None);
    };
    if now.duration_since(session.last_seen_at) >= TOUCH_EVERY {
        session = touch(context, &session, now).await?;
    }
    Ok(Some(Caller { account, session }))
}

fn is_live(session: &Session, now: Timestamp) -> bool {
    session.ended.is_none() && now < session.idle_expires_at && now < session.expires_at
}

/// Notes that a session was used, which puts off its idle expiry.
async fn touch(
    context: &Context,
    session: &Session,
    now: Timestamp,
) -> Result<Arc<Session>, Error> {
    let idle = now + context.config.accounts.session_idle.signed();
    let touched = Session {
        last_seen_at: now,
        idle_expires_at: idle.min(session.expires_at),
        ..session.clone()
    };
    let (id, idle_expires_at) = (touched.id, touched.idle_expires_at);
    let written = context
        .storage
        .write(move |tx| tx.sessions().touch(id, now, idle_expires_at))
        .await;
    context.caches.forget_session(id);
    match written {
        // It ended in the meantime: this request was still in time, the next one is not.
        Ok(()) | Err(storage::Error::NotFound { .. }) => Ok(Arc::new(touched)),
        Err(error) => Err(error.into()),
    }
}
