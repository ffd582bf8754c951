//! Pairs of tokens: what a login begins with and each refresh gives anew.

use accounts::{Account, Methods, PairedAccess, Session, SessionOrigin, access::IssuedAccess};
use ids::{AccountId, ServiceId, SessionId};
use jiff::Timestamp;
use secret::SecretString;
use token::{AccessClaims, OpaqueKind, OpaqueToken, TokenType};

use super::{
    Credentials,
    sessions::NewSession,
    sign_in::{prove, wrong_credentials},
    stateless,
};
use crate::{Context, Error, config::TokenMode, random};

/// What a login or refresh gives.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// The access JWT.
    pub access: SecretString,
    /// The refresh token.
    pub refresh: SecretString,
    /// The refresh token is refused from here on, unless used before.
    pub refresh_expires_at: Timestamp,
}

/// A login that succeeded.
#[derive(Debug)]
pub struct LoggedIn {
    /// The tokens.
    pub pair: TokenPair,
    /// Who logged in.
    pub account: AccountId,
}

/// Signs in by password and gives a pair of tokens. `client` is the service that the tokens are asked for, as it calls
/// itself; one that is not registered changes nothing.
pub async fn login(
    context: &Context,
    credentials: Credentials,
    device: &str,
    client: Option<&str>,
) -> Result<LoggedIn, Error> {
    let audience = audience_of(context, client).await?;
    let (account, amr) = prove(context, credentials).await?;
    let pair = if context.config.issuer.mode == TokenMode::Stateless {
        let grounds = Grounds {
            session: None,
            amr,
            authenticated_at: context.now(),
        };
        stateless::pair(context, &account, &grounds, audience).await?
    } else {
        let new = NewSession::prepare(context, account.id, amr, SessionOrigin::Password, device);
        first_pair(context, &account, new, audience).await?
    };
    Ok(LoggedIn {
        pair,
        account: account.id,
    })
}

/// The audience of a registered service; `None` stands for the default one.
async fn audience_of(context: &Context, client: Option<&str>) -> Result<Option<String>, Error> {
    let Some(id) = client.and_then(|client| client.parse::<ServiceId>().ok()) else {
        return Ok(None);
    };
    let services = context.services().await?;
    let service = services.get(&id).filter(|service| !service.disabled);
    Ok(service.and_then(|service| service.audience.clone()))
}

/// Begins a session with its first pair.
async fn first_pair(
    context: &Context,
    account: &Account,
    new: NewSession,
    audience: Option<String>,
) -> Result<TokenPair, Error> {
    let session = new.session.clone();
    issue_pair(context, account, session, Some(new), audience).await
}

/// Gives a session that has just begun its first pair, for the default audience.
pub(super) async fn pair_for_session(
    context: &Context,
    account: &Account,
    session: &Session,
) -> Result<TokenPair, Error> {
    issue_pair(context, account, session.clone(), None, None).await
}

/// Issues the first pair of a session, together with the session itself when it is `new`.
async fn issue_pair(
    context: &Context,
    account: &Account,
    session: Session,
    new: Option<NewSession>,
    audience: Option<String>,
) -> Result<TokenPair, Error> {
    let token = OpaqueToken::generate(OpaqueKind::Refresh, random::bytes());
    let now = context.now();
    let record = accounts::refresh::issue(
        token.digest(),
        None,
        &session,
        new_access(context, account, audience, now),
        now,
        context.config.issuer.refresh_idle.duration(),
    );
    let (inserted, id) = (record.clone(), account.id);
    context
        .change(move |change| {
            // The account may have been disabled while the password was checked.
            let account = change.accounts().find(id)?;
            if !account.is_some_and(|account| account.active) {
                return Err(wrong_credentials());
            }
            if let Some(new) = &new {
                new.insert(change)?;
            }
            Ok(change.refresh_tokens().insert(&inserted)?)
        })
        .await?;
    let issued = IssuedAccess::of(&record);
    context.caches.keep_issued(record.access.jti, issued, now);
    Ok(TokenPair {
        access: sign(context, account, &Grounds::of(&session), &record.access).await?,
        refresh: token.reveal(),
        refresh_expires_at: record.expires_at,
    })
}

/// What a pair stands on besides its account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grounds {
    /// The session, where one is kept.
    pub(super) session: Option<SessionId>,
    /// How the person proved who they are.
    pub(super) amr: Methods,
    /// When they last did.
    pub(super) authenticated_at: Timestamp,
}

impl Grounds {
    /// The session's.
    pub(super) const fn of(session: &Session) -> Self {
        Self {
            session: Some(session.id),
            amr: session.amr,
            authenticated_at: session.authenticated_at,
        }
    }
}

/// The access token of a pair that is about to be made.
pub(super) fn new_access(
    context: &Context,
    account: &Account,
    audience: Option<String>,
    now: Timestamp,
) -> PairedAccess {
    PairedAccess {
        jti: uuid::Builder::from_random_bytes(random::bytes()).into_uuid(),
        generation: account.generation,
        expires_at: now + context.config.issuer.access_token_lifetime.signed(),
        audience,
    }
}

/// Signs the access token of a pair, with what the account is now.
pub(super) async fn sign(
    context: &Context,
    account: &Account,
    grounds: &Grounds,
    paired: &PairedAccess,
) -> Result<SecretString, Error> {
    let now = context.now().as_second();
    let audience = paired.audience.as_ref();
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
        exp: paired.expires_at.as_second(),
        iat: now,
        nbf: now,
        jti: paired.jti,
        iss: issuer(context),
        aud: vec![audience.unwrap_or(&context.config.issuer.audience).clone()],
        sid: grounds.session,
        generation: paired.generation,
        amr: grounds
            .amr
            .iter()
            .map(|method| method.as_str().to_owned())
            .collect(),
        acr: Some(grounds.amr.assurance().as_str().to_owned()),
        auth_time: Some(grounds.authenticated_at.as_second()),
    };
    context.sign(claims).await
}

/// The issuer as tokens name it.
pub(super) fn issuer(context: &Context) -> String {
    context
        .config
        .issuer
        .issuer
        .clone()
        .unwrap_or_else(|| context.config.shell_origin())
}
