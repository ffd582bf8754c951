//! Exchanging refresh tokens of sessions: each for one successor, and a lost race or answer signs nobody out.

use accounts::{
    Account, EndReason, Ended, PairedAccess, RefreshToken, Session, SessionRefusal,
    access::IssuedAccess,
    refresh::{self as rule, Decision, issue, redeem},
};
use ids::AccountId;
use jiff::Timestamp;
use storage::EventKind;
use token::{OpaqueKind, OpaqueToken};

use super::{
    stateless,
    tokens::{Grounds, TokenPair, new_access, sign},
};
use crate::{
    Change, Context, Error,
    config::TokenMode,
    mail::{Letter, NewMail},
};

/// Why a refresh was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// No refresh token of ours, or one whose session has ended.
    Invalid,
    /// It was not used in time.
    Expired,
    /// A token of another kind.
    OtherKind,
    /// The account is disabled or gone.
    Inactive,
    /// It was used before, most likely by a twin of this very request. The session lives on.
    LateTwin,
    /// It was used before and its successor is in use: somebody else holds it. The session has been ended.
    Reused,
}

impl RefreshRefusal {
    /// Whether the token will never work again, so that whoever holds it may as well drop it. A late twin's holder has
    /// been given a newer one in its place.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::LateTwin)
    }
}

/// Exchanges a refresh token for a new pair. Each token works once.
pub async fn refresh(
    context: &Context,
    token: &str,
) -> Result<Result<TokenPair, RefreshRefusal>, Error> {
    if context.config.issuer.mode == TokenMode::Stateless {
        return stateless::refresh(context, token).await;
    }
    let Ok(token) = OpaqueToken::parse(OpaqueKind::Refresh, token) else {
        return Ok(Err(RefreshRefusal::Invalid));
    };
    // Twins of this request wait until it is answered: then it is known that it was.
    let turn = context.refreshes.turn(token.digest()).await;
    let exchanged = exchange(context, &token, turn.is_answered()).await?;
    let Exchanged {
        account,
        grounds,
        record,
        previous,
    } = match exchanged {
        Ok(exchanged) => exchanged,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let now = context.now();
    context
        .caches
        .keep_issued(record.access.jti, IssuedAccess::of(&record), now);
    if let Some((jti, issued)) = previous {
        context.caches.keep_issued(jti, issued, now);
    }
    let access = sign(context, &account, &grounds, &record.access).await?;
    turn.answered(context);
    Ok(Ok(TokenPair {
        access,
        refresh: successor_of(context, &token).reveal(),
        refresh_expires_at: record.expires_at,
    }))
}

/// The one token that another can be exchanged for. Since it follows from the token itself, it can be given again when
/// the answer was lost; without the token and the master key nobody can tell it.
fn successor_of(context: &Context, token: &OpaqueToken) -> OpaqueToken {
    let key = context.master_key.mac_key("refresh-successor");
    let random = key.sign(&[token.reveal().expose().as_bytes()]);
    OpaqueToken::generate(OpaqueKind::Refresh, random)
}

/// A pair that was committed.
struct Exchanged {
    account: Account,
    grounds: Grounds,
    record: RefreshToken,
    /// The access token of the pair that went before, which is superseded now.
    previous: Option<(uuid::Uuid, IssuedAccess)>,
}

async fn exchange(
    context: &Context,
    token: &OpaqueToken,
    is_answered: bool,
) -> Result<Result<Exchanged, RefreshRefusal>, Error> {
    let (digest, now) = (token.digest(), context.now());
    let successor = successor_of(context, token).digest();
    let lifetimes = context.config.accounts.lifetimes();
    let refresh_idle = context.config.issuer.refresh_idle.duration();
    let shared = context.clone();
    let mut is_counted = false;
    let work = move |change: &mut Change<'_>| {
        let found = change.refresh_tokens().find_whole(digest)?;
        let Some((old, session, account)) = found else {
            return Ok(Err(RefreshRefusal::Invalid));
        };
        // All attempts count, each once, however often this closure is run.
        if !is_counted {
            shared.refreshes.count(session.id.as_uuid(), now)?;
            is_counted = true;
        }
        let successor_used_at = match old.used {
            Some(_) => change.refresh_tokens().first_successor_use(digest)?,
            None => None,
        };
        let account = Account {
            password: None,
            ..account
        };
        let renewed = || {
            let audience = old.access.audience.clone();
            new_access(&shared, &account, audience, now)
        };
        match redeem(&old, successor_used_at, &session, &account, now) {
            Decision::Rotate => {}
            Decision::LateTwin if rule::is_answer_lost(&old, is_answered, now) => {
                return again(change, successor, &session, &account, renewed(), now);
            }
            Decision::LateTwin => return Ok(Err(RefreshRefusal::LateTwin)),
            Decision::Reused => {
                return end_reused(change, &shared, &session, &account, now).map(Err);
            }
            Decision::Expired => return Ok(Err(RefreshRefusal::Expired)),
            Decision::SessionOver(SessionRefusal::AccountDisabled) => {
                return Ok(Err(RefreshRefusal::Inactive));
            }
            Decision::SessionOver(_) => return Ok(Err(RefreshRefusal::Invalid)),
        }
        let record = issue(
            successor,
            Some(digest),
            &session,
            renewed(),
            now,
            refresh_idle,
        );
        change.refresh_tokens().mark_used(digest, now, successor)?;
        change.refresh_tokens().insert(&record)?;
        if let Some(touch) = accounts::touch(&session, now, lifetimes) {
            change
                .sessions()
                .touch(session.id, touch.last_seen_at, touch.idle_expires_at)?;
        }
        let superseded = IssuedAccess {
            superseded_at: Some(now),
            ..IssuedAccess::of(&old)
        };
        Ok(Ok(Exchanged {
            account,
            grounds: Grounds::of(&session),
            record,
            previous: Some((old.access.jti, superseded)),
        }))
    };
    context.change(work).await
}

/// Gives the successor of a token once more, since the answer that it was in did not arrive. Its access token stays if
/// it will do for a while, since the answer may have arrived after all.
fn again(
    change: &mut Change<'_>,
    successor: [u8; 32],
    session: &Session,
    account: &Account,
    renewed: PairedAccess,
    now: Timestamp,
) -> Result<Result<Exchanged, RefreshRefusal>, Error> {
    let Some(mut record) = change.refresh_tokens().find(successor)? else {
        return Ok(Err(RefreshRefusal::LateTwin));
    };
    if record.used.is_some() || now >= record.expires_at {
        return Ok(Err(RefreshRefusal::LateTwin));
    }
    if !rule::will_do(&record.access, account, now) {
        change.refresh_tokens().renew_access(successor, &renewed)?;
        record.access = renewed;
    }
    Ok(Ok(Exchanged {
        account: account.clone(),
        grounds: Grounds::of(session),
        record,
        previous: None,
    }))
}

/// Ends the session of a refresh token that somebody else kept a copy of, and tells the person by mail.
fn end_reused(
    change: &mut Change<'_>,
    told_by: &Context,
    session: &Session,
    account: &Account,
    now: Timestamp,
) -> Result<RefreshRefusal, Error> {
    change.sessions().end(
        session.id,
        Ended {
            at: now,
            reason: EndReason::RefreshReused,
        },
    )?;
    change.event(EventKind::SessionEnded, session.id)?;
    let letter = Letter::SessionStolen {
        username: account.username.clone(),
        device: session.device.clone(),
    };
    // Made here, not beforehand: refreshes are many and thefts are few.
    NewMail::prepare(told_by).insert_notice(change, &account.email, &letter)?;
    Ok(RefreshRefusal::Reused)
}

/// Ends the session that a refresh token belongs to, used or not. `holder` is who is known to ask; a session of
/// somebody else is left alone. One that is over, and a token that is none, are as good as signed out.
pub async fn sign_out_by_refresh(
    context: &Context,
    token: &str,
    holder: Option<AccountId>,
) -> Result<(), Error> {
    let Ok(token) = OpaqueToken::parse(OpaqueKind::Refresh, token) else {
        return Ok(());
    };
    let (digest, at) = (token.digest(), context.now());
    context
        .change(move |change| {
            let Some(token) = change.refresh_tokens().find(digest)? else {
                return Ok(());
            };
            let session = change.sessions().find(token.session)?;
            let is_theirs = |session: &Session| {
                session.ended.is_none() && holder.is_none_or(|holder| session.account == holder)
            };
            let Some(session) = session.filter(is_theirs) else {
                return Ok(());
            };
            let reason = EndReason::SignedOut;
            change.sessions().end(session.id, Ended { at, reason })?;
            change.event(EventKind::SessionEnded, session.id)
        })
        .await
}
