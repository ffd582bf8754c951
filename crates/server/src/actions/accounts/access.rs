//! Whether an access token is good: for the issuer's own calls, and for services that ask by its `jti`.

use std::{sync::Arc, time::Duration};

use accounts::{
    Methods, Session, SessionOrigin, SessionRefusal,
    access::{self, Inactive, IssuedAccess},
};
use ids::{AccountId, SessionId};
use jiff::Timestamp;
use token::{AccessClaims, Expectations};
use uuid::Uuid;

use super::{authenticate::authenticate_session, tokens::issuer};
use crate::{Context, Error, config::TokenMode, extract::Caller};

/// How far the clocks of servers may differ.
const LEEWAY: Duration = Duration::from_secs(2);

/// An access token that is good, as services are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessStanding {
    /// Whose it is.
    pub account: AccountId,
    /// The account's generation now, which is that of the token.
    pub generation: u64,
}

/// Why an access token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessRefusal {
    /// It is none of ours, or has expired.
    Invalid,
    /// It was good, and is not any longer.
    Revoked,
    /// The account is disabled.
    AccountDisabled,
}

/// What the access token of this `jti` stands on, if it is good now; `None` for every reason why it is not, unknown
/// and unreadable ones included. Strict in all modes: where the mode says that tokens are not looked up (`stateless`,
/// `hybrid`), whoever answers version 1 of `jti-status` says "active" without asking; see [`is_access_active`].
///
/// Costs no database read when the token, its session and its account were asked for a moment ago, and takes notice
/// of what other servers did within the second that the event log takes.
pub async fn access_standing(
    context: &Context,
    jti: &str,
) -> Result<Option<AccessStanding>, Error> {
    let Ok(jti) = Uuid::try_parse(jti) else {
        return Ok(None);
    };
    let Some(issued) = context.issued_access(jti).await? else {
        return Ok(None);
    };
    Ok(match look(context, &issued).await? {
        Some((caller, Ok(()))) => Some(AccessStanding {
            account: caller.account.id,
            generation: caller.account.generation,
        }),
        _ => None,
    })
}

/// The answer of `jti-status` version 1, which names no account.
pub async fn is_access_active(context: &Context, jti: &str) -> Result<bool, Error> {
    match context.config.issuer.mode {
        TokenMode::Stateful => Ok(access_standing(context, jti).await?.is_some()),
        TokenMode::Hybrid | TokenMode::Stateless => Ok(true),
    }
}

/// Who holds this access token, if it is good and, in stateful mode, what it stands on still stands.
///
/// In stateless mode there is no session; the caller's is then what the token tells of its own sign-in, and is found
/// nowhere else.
pub async fn verify_access(
    context: &Context,
    token: &str,
) -> Result<Result<Caller, AccessRefusal>, Error> {
    let signing = context.signing().await?;
    let expected = Expectations {
        issuer: issuer(context),
        audience: None,
        leeway: LEEWAY,
        algorithms: signing.algorithms.clone(),
    };
    let Ok(claims) = token::verify(token, &signing.keys, &expected, context.now()) else {
        return Ok(Err(AccessRefusal::Invalid));
    };
    match context.config.issuer.mode {
        TokenMode::Stateful => verify_standing(context, &claims).await,
        TokenMode::Hybrid | TokenMode::Stateless => verify_account(context, &claims).await,
    }
}

async fn verify_standing(
    context: &Context,
    claims: &AccessClaims,
) -> Result<Result<Caller, AccessRefusal>, Error> {
    let Some(issued) = context.issued_access(claims.jti).await? else {
        return Ok(Err(AccessRefusal::Revoked));
    };
    let Some((caller, verdict)) = look(context, &issued).await? else {
        return Ok(Err(AccessRefusal::Revoked));
    };
    let is_its_own = caller.account.id == claims.sub
        && Some(issued.session) == claims.sid
        && issued.generation == claims.generation;
    Ok(match verdict {
        Ok(()) if !is_its_own => Err(AccessRefusal::Revoked),
        // Notes that the session was used, too.
        Ok(()) => authenticate_session(context, issued.session)
            .await?
            .ok_or(AccessRefusal::Revoked),
        Err(_) if !caller.account.active => Err(AccessRefusal::AccountDisabled),
        // The pair's record and the token's clock differ by the leeway at most.
        Err(Inactive::Expired) => Err(AccessRefusal::Invalid),
        Err(_) => Err(AccessRefusal::Revoked),
    })
}

async fn verify_account(
    context: &Context,
    claims: &AccessClaims,
) -> Result<Result<Caller, AccessRefusal>, Error> {
    let Some(account) = context.account(claims.sub).await? else {
        return Ok(Err(AccessRefusal::Revoked));
    };
    if !account.active {
        return Ok(Err(AccessRefusal::AccountDisabled));
    }
    let kept = match claims.sid {
        Some(id) => context.session(id).await?,
        None => None,
    };
    let session = kept.unwrap_or_else(|| Arc::new(told_session(claims)));
    Ok(Ok(Caller { account, session }))
}

/// The sign-in that a token tells of, where none is kept.
fn told_session(claims: &AccessClaims) -> Session {
    let at = |second| Timestamp::from_second(second).unwrap_or_default();
    Session {
        id: claims.sid.unwrap_or(SessionId::from_uuid(claims.jti)),
        account: claims.sub,
        created_by: SessionOrigin::Password,
        device: "access token".to_owned(),
        amr: Methods::from_text(&claims.amr.join(" ")).unwrap_or(Methods::NONE),
        authenticated_at: at(claims.auth_time.unwrap_or(claims.iat)),
        active_workspace: None,
        created_at: at(claims.iat),
        last_seen_at: at(claims.iat),
        idle_expires_at: at(claims.exp),
        expires_at: at(claims.exp),
        ended: None,
    }
}

/// Judges an access token by its session and account as they are now; `None` when they are gone.
async fn look(
    context: &Context,
    issued: &IssuedAccess,
) -> Result<Option<(Caller, Result<(), Inactive>)>, Error> {
    let now = context.now();
    let Some(mut session) = context.session(issued.session).await? else {
        return Ok(None);
    };
    let Some(account) = context.account(session.account).await? else {
        return Ok(None);
    };
    let mut verdict = access::check(issued, &session, &account, now);
    if verdict == Err(Inactive::Session(SessionRefusal::Expired)) {
        // Another server may have noted a use since this record was read.
        context.caches.forget_session(session.id);
        let Some(current) = context.session(session.id).await? else {
            return Ok(None);
        };
        session = current;
        verdict = access::check(issued, &session, &account, now);
    }
    Ok(Some((Caller { account, session }, verdict)))
}
