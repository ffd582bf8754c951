//! Access and refresh tokens on top of a session.

use accounts::{
    Account, EndReason, Ended, RefreshToken, Session, SessionOrigin, SessionRefusal,
    refresh::{Decision, issue, redeem},
};
use ids::SessionId;
use jiff::Timestamp;
use secret::SecretString;
use storage::EventKind;
use token::{AccessClaims, Expectations, OpaqueKind, OpaqueToken, TokenType};

use super::{
    Credentials,
    sessions::NewSession,
    sign_in::{prove, wrong_credentials},
};
use crate::{Change, Context, Error, extract::Caller, random};

/// What a login or refresh gives.
#[derive(Debug)]
pub struct TokenPair {
    /// The access JWT.
    pub access: SecretString,
    /// The refresh token.
    pub refresh: SecretString,
    /// The refresh token is refused from here on, unless used before.
    pub refresh_expires_at: Timestamp,
}

/// Why a refresh was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// No refresh token of ours, or one whose session has ended.
    Invalid,
    /// It was not used in time.
    Expired,
    /// The account is disabled or gone.
    Inactive,
    /// It was used before, most likely by a twin of this very request. The session lives on.
    LateTwin,
    /// It was used before and its successor is in use: somebody else holds it. The session has been ended.
    Reused,
}

/// Signs in by password and gives a pair of tokens.
pub async fn login(
    context: &Context,
    credentials: Credentials,
    device: &str,
) -> Result<TokenPair, Error> {
    let (account, amr) = prove(context, credentials).await?;
    let new = NewSession::prepare(context, account.id, amr, SessionOrigin::Password, device);
    let (refresh, record) = new_refresh_token(context, &new.session);
    let id = account.id;
    let (session, expires_at) = context
        .change(move |change| {
            if !change
                .accounts()
                .find(id)?
                .is_some_and(|account| account.active)
            {
                return Err(wrong_credentials());
            }
            new.insert(change)?;
            change.refresh_tokens().insert(&record)?;
            Ok((new.session.clone(), record.expires_at))
        })
        .await?;
    let access = access_token(context, &account, &session).await?;
    Ok(TokenPair {
        access,
        refresh: refresh.reveal(),
        refresh_expires_at: expires_at,
    })
}

/// Exchanges a refresh token for a new pair. Each token works once.
pub async fn refresh(
    context: &Context,
    token: &str,
) -> Result<Result<TokenPair, RefreshRefusal>, Error> {
    let Ok(token) = OpaqueToken::parse(OpaqueKind::Refresh, token) else {
        return Ok(Err(RefreshRefusal::Invalid));
    };
    let (digest, now) = (token.digest(), context.now());
    let successor = OpaqueToken::generate(OpaqueKind::Refresh, random::bytes());
    let successor_digest = successor.digest();
    let (refresh_idle, session_idle) = (
        context.config.issuer.refresh_idle.duration(),
        context.config.accounts.session_idle.duration(),
    );
    let exchanged = context
        .change(move |change| {
            let Some(old) = change.refresh_tokens().find(digest)? else {
                return Ok(Err(RefreshRefusal::Invalid));
            };
            let Some(session) = change.sessions().find(old.session)? else {
                return Ok(Err(RefreshRefusal::Invalid));
            };
            let Some(account) = change.accounts().find(session.account)? else {
                return Ok(Err(RefreshRefusal::Inactive));
            };
            let successor_used_at = change.refresh_tokens().first_successor_use(digest)?;
            match redeem(&old, successor_used_at, &session, &account, now) {
                Decision::Rotate => {}
                Decision::LateTwin => return Ok(Err(RefreshRefusal::LateTwin)),
                Decision::Reused => return end_reused(change, &session, now).map(Err),
                Decision::Expired => return Ok(Err(RefreshRefusal::Expired)),
                Decision::SessionOver(SessionRefusal::AccountDisabled) => {
                    return Ok(Err(RefreshRefusal::Inactive));
                }
                Decision::SessionOver(_) => return Ok(Err(RefreshRefusal::Invalid)),
            }
            let expires_at = session.expires_at.min(now + refresh_idle);
            change
                .refresh_tokens()
                .mark_used(digest, now, successor_digest)?;
            let next = issue(
                successor_digest,
                Some(digest),
                session.id,
                now,
                refresh_idle,
            );
            change
                .refresh_tokens()
                .insert(&RefreshToken { expires_at, ..next })?;
            change
                .sessions()
                .touch(session.id, now, session.expires_at.min(now + session_idle))?;
            Ok(Ok((
                Account {
                    password: None,
                    ..account
                },
                session,
                expires_at,
            )))
        })
        .await?;
    let (account, session, refresh_expires_at) = match exchanged {
        Ok(exchanged) => exchanged,
        Err(refusal) => return Ok(Err(refusal)),
    };
    context.caches.forget_session(session.id);
    let access = access_token(context, &account, &session).await?;
    Ok(Ok(TokenPair {
        access,
        refresh: successor.reveal(),
        refresh_expires_at,
    }))
}

/// Ends the session of a refresh token that somebody else kept a copy of.
fn end_reused(
    change: &mut Change<'_>,
    session: &Session,
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
    Ok(RefreshRefusal::Reused)
}

/// Who holds this access token, if it is good and what it stands on still stands.
pub async fn verify_access(context: &Context, token: &str) -> Result<Option<Caller>, Error> {
    let signing = context.signing().await?;
    let expected = Expectations {
        issuer: issuer(context),
        audience: context.config.issuer.audience.clone(),
        leeway: std::time::Duration::from_secs(2),
        algorithms: signing.algorithms.clone(),
    };
    let Ok(claims) = token::verify(token, &signing.keys, &expected, context.now()) else {
        return Ok(None);
    };
    let caller = super::authenticate_session(context, claims.sid).await?;
    Ok(caller.filter(|caller| {
        caller.account.id == claims.sub && caller.account.generation == claims.generation
    }))
}

/// The session a refresh token belongs to, used or not.
pub async fn session_of_refresh(
    context: &Context,
    token: &str,
) -> Result<Option<SessionId>, Error> {
    let Ok(token) = OpaqueToken::parse(OpaqueKind::Refresh, token) else {
        return Ok(None);
    };
    let digest = token.digest();
    let found = context
        .storage
        .read(move |tx| tx.refresh_tokens().find(digest))
        .await?;
    Ok(found.map(|token| token.session))
}

fn new_refresh_token(context: &Context, session: &Session) -> (OpaqueToken, RefreshToken) {
    let token = OpaqueToken::generate(OpaqueKind::Refresh, random::bytes());
    let now = context.now();
    let expires_at = session
        .expires_at
        .min(now + context.config.issuer.refresh_idle.signed());
    let record = RefreshToken {
        digest: token.digest(),
        session: session.id,
        parent: None,
        issued_at: now,
        expires_at,
        used: None,
    };
    (token, record)
}

async fn access_token(
    context: &Context,
    account: &Account,
    session: &Session,
) -> Result<SecretString, Error> {
    let signing = context.signing().await?;
    let now = context.now().as_second();
    let claims = AccessClaims {
        sub: account.id,
        token_type: TokenType::Access,
        email: account.email.clone(),
        full_name: account.full_name.clone(),
        avatar: account.avatar.clone(),
        is_active: account.active,
        email_verified: account.email_verified,
        is_superuser: account.role.is_superuser(),
        role: account.role.to_string(),
        exp: now
            + context
                .config
                .issuer
                .access_token_lifetime
                .signed()
                .as_secs(),
        iat: now,
        nbf: now,
        jti: uuid::Builder::from_random_bytes(random::bytes()).into_uuid(),
        iss: issuer(context),
        aud: vec![context.config.issuer.audience.clone()],
        sid: session.id,
        generation: account.generation,
        amr: session
            .amr
            .iter()
            .map(|method| method.as_str().to_owned())
            .collect(),
        acr: Some(session.amr.assurance().as_str().to_owned()),
        auth_time: Some(session.authenticated_at.as_second()),
    };
    signing
        .key
        .sign(&claims)
        .map_err(|cause| Error::internal(&cause))
}

fn issuer(context: &Context) -> String {
    context
        .config
        .issuer
        .issuer
        .clone()
        .unwrap_or_else(|| context.config.shell_origin())
}
