//! Beginning, listing and ending sessions.

use std::sync::Arc;

use accounts::{Account, EndReason, Ended, Methods, Session, SessionOrigin};
use ids::{AccountId, SessionId};
use jiff::SignedDuration;
use secret::SecretString;
use storage::EventKind;
use token::{OpaqueKind, OpaqueToken};

use crate::{Change, Context, Error, extract::Caller, random};

/// For how long people are told of sessions that were ended for their safety, and of how many.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
const MOST_TOLD: u32 = 10;

/// Somebody who has just signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session token: the pages' cookie, or a bearer token.
    pub token: SecretString,
    /// The new session.
    pub session: Session,
    /// Who signed in; without the password.
    pub account: Account,
}

/// A session that is about to begin, with its token.
#[derive(Clone)]
pub(super) struct NewSession {
    pub(super) token: Arc<OpaqueToken>,
    pub(super) session: Session,
}

impl NewSession {
    /// A session under a fresh random token. Tokens are never taken from outside, so none can be fixed beforehand.
    pub(super) fn prepare(
        context: &Context,
        account: AccountId,
        amr: Methods,
        origin: SessionOrigin,
        device: &str,
    ) -> Self {
        let token = OpaqueToken::generate(OpaqueKind::Session, random::bytes());
        Self::with_token(context, token, account, amr, origin, device)
    }

    /// The same before it is known whose session it will be; see [`Self::for_account`].
    pub(super) fn prepare_for_anybody(
        context: &Context,
        amr: Methods,
        origin: SessionOrigin,
        device: &str,
    ) -> Self {
        let (milliseconds, bytes) = random::id_parts(context.now());
        let nobody = AccountId::new(milliseconds, bytes);
        Self::prepare(context, nobody, amr, origin, device)
    }

    pub(super) fn with_token(
        context: &Context,
        token: OpaqueToken,
        account: AccountId,
        amr: Methods,
        origin: SessionOrigin,
        device: &str,
    ) -> Self {
        let now = context.now();
        let (milliseconds, bytes) = random::id_parts(now);
        let id = SessionId::new(milliseconds, bytes);
        let new = accounts::NewSession {
            id,
            account,
            amr,
            origin,
            device,
        };
        let session = accounts::start(new, now, context.config.accounts.lifetimes());
        Self {
            token: Arc::new(token),
            session,
        }
    }

    /// The same session for the account that turned out to be meant.
    pub(super) fn for_account(&self, account: AccountId) -> Self {
        Self {
            session: Session {
                account,
                ..self.session.clone()
            },
            ..self.clone()
        }
    }

    /// Writes the session. May run several times.
    pub(super) fn insert(&self, change: &mut Change<'_>) -> Result<(), Error> {
        change
            .sessions()
            .insert(&self.session, Some(self.token.digest()))?;
        change.event(EventKind::SessionStarted, self.session.id)
    }

    /// The written session, for the person who signed in.
    pub(super) fn into_signed_in(self, account: Account) -> SignedIn {
        SignedIn {
            token: self.token.reveal(),
            session: self.session,
            account: Account {
                password: None,
                ..account
            },
        }
    }
}

/// The caller's live sessions, the one used last first.
pub async fn list_sessions(context: &Context, caller: &Caller) -> Result<Vec<Session>, Error> {
    let (account, now) = (caller.account.id, context.now());
    Ok(context
        .storage
        .scan(move |tx| tx.sessions().list_live(account, now))
        .await?)
}

/// The caller's sessions that were ended of late because a copy of their refresh token came back, the last one first.
pub async fn list_stolen_sessions(
    context: &Context,
    caller: &Caller,
) -> Result<Vec<Session>, Error> {
    let (account, since) = (caller.account.id, context.now() - TOLD_FOR);
    let reason = EndReason::RefreshReused;
    Ok(context
        .storage
        .scan(move |tx| tx.sessions().list_ended(account, reason, since, MOST_TOLD))
        .await?)
}

/// Ends the caller's own session.
pub async fn sign_out(context: &Context, caller: &Caller) -> Result<(), Error> {
    end(context, caller, caller.session.id, EndReason::SignedOut).await
}

/// Ends one of the caller's sessions, chosen from the list. One of somebody else is not found.
pub async fn end_session(
    context: &Context,
    caller: &Caller,
    session: SessionId,
) -> Result<(), Error> {
    end(context, caller, session, EndReason::Revoked).await
}

async fn end(
    context: &Context,
    caller: &Caller,
    id: SessionId,
    reason: EndReason,
) -> Result<(), Error> {
    let (account, at) = (caller.account.id, context.now());
    context
        .change(move |change| {
            let own = change
                .sessions()
                .find(id)?
                .is_some_and(|session| session.account == account);
            if !own {
                return Err(Error::not_found());
            }
            change.sessions().end(id, Ended { at, reason })?;
            change.event(EventKind::SessionEnded, id)
        })
        .await
}

/// Ends all of the caller's sessions, this one too, and makes every token issued before worthless.
pub async fn sign_out_everywhere(context: &Context, caller: &Caller) -> Result<(), Error> {
    let (id, now) = (caller.account.id, context.now());
    context
        .change(move |change| {
            let mut account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            account.generation += 1;
            account.updated_at = now;
            change.accounts().update(&account)?;
            end_all(
                change,
                id,
                None,
                Ended {
                    at: now,
                    reason: EndReason::Revoked,
                },
            )?;
            change.event(EventKind::AccountGeneration, id)
        })
        .await
}

/// Ends an account's sessions but one, each with its event.
pub(super) fn end_all(
    change: &mut Change<'_>,
    account: AccountId,
    except: Option<SessionId>,
    ended: Ended,
) -> Result<(), Error> {
    for session in change.sessions().end_all(account, except, ended)? {
        change.event(EventKind::SessionEnded, session)?;
    }
    Ok(())
}
