//! Sessions that hold token pairs, for whoever looks after their accounts.

use accounts::{Account, Actor, EndReason, Ended, RefreshToken, Session, SessionOrigin};
use ids::{AccountId, SessionId};
use jiff::Timestamp;
use storage::{EventKind, Tx, Window};

use super::{authority, sessions};
use crate::{Change, Context, Error};

/// A session with the newest of its token pairs.
#[derive(Debug, Clone)]
pub struct TokenSession {
    /// The session.
    pub session: Session,
    /// Its newest refresh token, which names the pair.
    pub newest: RefreshToken,
    /// How the person signed in: `password`, or a provider's name.
    pub provider: String,
    /// When the outside provider's access token expires, if there is one and it was told.
    pub external_expires_at: Option<Timestamp>,
}

/// A part of all sessions that hold token pairs, live or not, the newest first, and how many there are.
pub async fn list_token_sessions(
    context: &Context,
    window: Window,
) -> Result<(Vec<TokenSession>, u64), Error> {
    let found = context.storage.scan(move |tx| {
        let count = tx.sessions().count_with_tokens()?;
        let listed = tx.sessions().list_with_tokens(window)?;
        Ok::<_, storage::Error>((complete(tx, listed)?, count))
    });
    Ok(found.await?)
}

/// The session of this id, if it holds a token pair.
pub async fn find_token_session(
    context: &Context,
    id: SessionId,
) -> Result<Option<TokenSession>, Error> {
    let found = context.storage.read(move |tx| {
        let session = tx.sessions().find(id)?;
        Ok::<_, storage::Error>(complete(tx, session.into_iter().collect())?.pop())
    });
    Ok(found.await?)
}

/// The live session of an account that got its token pair last.
pub async fn latest_token_session(
    context: &Context,
    account: AccountId,
) -> Result<Option<TokenSession>, Error> {
    let now = context.now();
    let found = context.storage.read(move |tx| {
        let live = tx.sessions().list_live(account, now)?;
        complete(tx, live)
    });
    let sessions = found.await?.into_iter();
    Ok(sessions.max_by_key(|session| session.newest.issued_at))
}

/// All live sessions of an account, those of the pages too, the one used last first.
pub async fn list_user_sessions(
    context: &Context,
    account: AccountId,
) -> Result<Vec<Session>, Error> {
    let now = context.now();
    Ok(context
        .storage
        .scan(move |tx| tx.sessions().list_live(account, now))
        .await?)
}

/// Adds to sessions what belongs to them; those without a token pair are left out.
fn complete(tx: &mut Tx, listed: Vec<Session>) -> Result<Vec<TokenSession>, storage::Error> {
    let ids: Vec<SessionId> = listed.iter().map(|session| session.id).collect();
    let mut newest = tx.refresh_tokens().list_newest(&ids)?;
    let mut found = Vec::new();
    for session in listed {
        let at = newest.iter().position(|token| token.session == session.id);
        let Some(newest) = at.map(|at| newest.swap_remove(at)) else {
            continue;
        };
        let (provider, external_expires_at) = provider(tx, &session)?;
        found.push(TokenSession {
            session,
            newest,
            provider,
            external_expires_at,
        });
    }
    Ok(found)
}

fn provider(tx: &mut Tx, session: &Session) -> Result<(String, Option<Timestamp>), storage::Error> {
    if let Some(token) = tx.external_tokens().find(session.id)? {
        return Ok((token.provider, token.expires_at));
    }
    if session.created_by != SessionOrigin::Social {
        return Ok((accounts::PASSWORD_PROVIDER.to_owned(), None));
    }
    // The provider gave no token: it is the one of the identity that was used when the session began.
    let mut identities = tx.identities().list(session.account)?;
    identities.sort_by_key(|identity| {
        identity
            .last_used_at
            .duration_since(session.created_at)
            .abs()
    });
    let identity = identities.into_iter().next();
    let provider = identity.map_or_else(|| "unknown".to_owned(), |identity| identity.provider);
    Ok((provider, None))
}

/// Ends a session of an account that the actor looks after. One that has ended is not found.
pub async fn end_user_session(context: &Context, actor: Actor, id: SessionId) -> Result<(), Error> {
    let at = context.now();
    context
        .change(move |change| {
            let session = change.sessions().find(id)?.ok_or_else(Error::not_found)?;
            managed(change, actor, session.account)?;
            let reason = EndReason::Revoked;
            change.sessions().end(id, Ended { at, reason })?;
            change.event(EventKind::SessionEnded, id)
        })
        .await
}

/// Ends all sessions of an account that the actor looks after, and makes every token issued before worthless.
pub async fn end_user_sessions(
    context: &Context,
    actor: Actor,
    id: AccountId,
) -> Result<(), Error> {
    let now = context.now();
    context
        .change(move |change| {
            let account = managed(change, actor, id)?;
            change.accounts().update(&Account {
                generation: account.generation + 1,
                updated_at: now,
                ..account
            })?;
            let ended = Ended {
                at: now,
                reason: EndReason::Revoked,
            };
            sessions::end_all(change, id, None, ended)?;
            change.event(EventKind::AccountGeneration, id)
        })
        .await
}

/// The account, if the actor looks after it or it is their own.
fn managed(change: &mut Change<'_>, actor: Actor, id: AccountId) -> Result<Account, Error> {
    let account = authority::find_person(change, id)?.ok_or_else(Error::not_found)?;
    let actor = authority::current(change, actor)?;
    let is_own = matches!(actor, Actor::Account { id: own, .. } if own == id);
    if is_own || actor.manages(account.role) {
        Ok(account)
    } else {
        Err(accounts::AuthorityRefusal::OutOfReach.into())
    }
}
