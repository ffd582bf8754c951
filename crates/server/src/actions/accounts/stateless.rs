//! Pairs of tokens where nothing is kept of a sign-in: the refresh token is a JWT of our own.
//!
//! A copy of such a token cannot be told from the original, so its use twice is not noticed; it ends with its time, or
//! when the account's generation is raised.

use accounts::{Account, Methods};
use ids::AccountId;
use jiff::Timestamp;
use secret::Secret;
use serde::{Deserialize, Serialize};
use token::{Algorithm, KeySet, SigningKey, verify_payload};
use uuid::Uuid;

use super::{
    refresh::RefreshRefusal,
    tokens::{Grounds, TokenPair, new_access, sign},
};
use crate::{Context, Error};

/// What a refresh token says. Times are whole Unix seconds.
#[derive(Debug, Serialize, Deserialize)]
struct RefreshClaims {
    sub: AccountId,
    #[serde(rename = "type")]
    token_type: String,
    exp: i64,
    /// That of the access token it was issued with.
    jti: Uuid,
    #[serde(rename = "gen")]
    generation: u64,
    /// The audience of the access tokens, unless it is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    /// How and when the person signed in.
    #[serde(default)]
    amr: String,
    auth_time: i64,
}

const REFRESH: &str = "refresh";

/// Gives a pair.
pub(super) async fn pair(
    context: &Context,
    account: &Account,
    grounds: &Grounds,
    audience: Option<String>,
) -> Result<TokenPair, Error> {
    let now = context.now();
    let paired = new_access(context, account, audience, now);
    let expires_at = now + context.config.issuer.refresh_idle.signed();
    let claims = RefreshClaims {
        sub: account.id,
        token_type: REFRESH.to_owned(),
        exp: expires_at.as_second(),
        jti: paired.jti,
        generation: paired.generation,
        aud: paired.audience.clone(),
        amr: grounds.amr.to_string(),
        auth_time: grounds.authenticated_at.as_second(),
    };
    let refresh = key(context)?
        .sign(&claims)
        .map_err(|cause| Error::internal(&cause))?;
    Ok(TokenPair {
        access: sign(context, account, grounds, &paired).await?,
        refresh,
        refresh_expires_at: expires_at,
    })
}

/// Exchanges a refresh token. The account is read anew, so that a change of its role arrives.
pub(super) async fn refresh(
    context: &Context,
    token: &str,
) -> Result<Result<TokenPair, RefreshRefusal>, Error> {
    let claims = match read(&key(context)?, token, context.now()) {
        Ok(claims) => claims,
        Err(refusal) => return Ok(Err(refusal)),
    };
    context
        .refreshes
        .count(claims.sub.as_uuid(), context.now())?;
    let id = claims.sub;
    let account = context
        .storage
        .read(move |tx| tx.accounts().find(id))
        .await?;
    let Some(account) = account.filter(|account| account.active) else {
        return Ok(Err(RefreshRefusal::Inactive));
    };
    if account.generation != claims.generation {
        return Ok(Err(RefreshRefusal::Invalid));
    }
    let grounds = Grounds {
        session: None,
        amr: Methods::from_text(&claims.amr).unwrap_or(Methods::NONE),
        authenticated_at: Timestamp::from_second(claims.auth_time).unwrap_or_default(),
    };
    pair(context, &account, &grounds, claims.aud).await.map(Ok)
}

fn read(key: &SigningKey, token: &str, now: Timestamp) -> Result<RefreshClaims, RefreshRefusal> {
    let keys = KeySet::new([key.verifying_key()]);
    let payload =
        verify_payload(token, &keys, &[Algorithm::Hs256]).map_err(|_| RefreshRefusal::Invalid)?;
    let claims: RefreshClaims =
        serde_json::from_slice(&payload).map_err(|_| RefreshRefusal::Invalid)?;
    if now.as_second() >= claims.exp {
        return Err(RefreshRefusal::Expired);
    }
    if claims.token_type != REFRESH {
        return Err(RefreshRefusal::OtherKind);
    }
    Ok(claims)
}

/// The key of refresh tokens, which signs nothing else.
fn key(context: &Context) -> Result<SigningKey, Error> {
    let bytes = context.master_key.mac_key("stateless-refresh").sign(&[]);
    SigningKey::from_bytes(Algorithm::Hs256, &Secret::new(bytes.to_vec()))
        .map_err(|cause| Error::internal(&cause))
}
