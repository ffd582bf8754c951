//! Whether a token is good at a given time: its signature, its claims, and what was expected of them.

use std::time::Duration;

use jiff::Timestamp;
use token::{Algorithm, KeySet, VerifyError};
use uuid::Uuid;

use crate::{
    Claims, Role,
    claims::{Checked, Raw, seconds, text, texts},
};

/// What a token must say to be accepted by a service.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// The one algorithm it may be signed with.
    pub algorithm: Algorithm,
    /// What `iss` must be, exactly; `None` does not look at it.
    pub issuer: Option<String>,
    /// What `aud` must be or contain; `None` does not look at it.
    pub audience: Option<String>,
    /// How far the clocks of issuer and service may differ; for `exp`, `nbf` and `iat` alike.
    pub leeway: Duration,
    /// Whether `iat`, `nbf`, `iss` and `aud` must be there. `exp`, `sub`, `jti` and `type` always must.
    pub strict: bool,
    /// Whether `sub` must be a UUID.
    pub uuid_subject: bool,
    /// Whether role and superuser flag must say the same.
    pub agreeing_privileges: bool,
}

impl Expectations {
    /// What services expect by default: everything that an issuer of the family sends, two seconds of leeway.
    pub fn strict(algorithm: Algorithm, issuer: &str, audience: &str) -> Self {
        Self {
            algorithm,
            issuer: Some(issuer.to_owned()),
            audience: Some(audience.to_owned()),
            leeway: STRICT_LEEWAY,
            strict: true,
            uuid_subject: true,
            agreeing_privileges: true,
        }
    }

    /// As little as can be expected: a subject, an id and an end, five seconds of leeway.
    pub const fn permissive(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            issuer: None,
            audience: None,
            leeway: PERMISSIVE_LEEWAY,
            strict: false,
            uuid_subject: true,
            agreeing_privileges: true,
        }
    }
}

/// The leeway that goes with strict validation.
pub const STRICT_LEEWAY: Duration = Duration::from_secs(2);
/// The leeway that goes with permissive validation.
pub const PERMISSIVE_LEEWAY: Duration = Duration::from_secs(5);

/// Why a token was refused. The caller may try again with another token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is no token of the issuer for this service, or is not good yet.
    #[error("the token is not valid here")]
    Invalid,
    /// It is a token of the issuer, but no access token.
    #[error("the token is not an access token")]
    WrongType,
    /// What it says of the caller cannot be read.
    #[error("the token does not say properly who the caller is")]
    InvalidPayload,
    /// Its role and its superuser flag contradict each other.
    #[error("the token's privileges contradict each other")]
    InconsistentPrivileges,
    /// Its session or its account ended, or the account's rights changed since.
    #[error("the token was revoked")]
    Revoked,
}

impl Refusal {
    /// The reason's name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::WrongType => "wrong_type",
            Self::InvalidPayload => "invalid_payload",
            Self::InconsistentPrivileges => "inconsistent_privilege_claims",
            Self::Revoked => "revoked",
        }
    }
}

/// Why a token could not be accepted with the keys at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// It is to be refused.
    Refused(Refusal),
    /// It may be good, but the key it names is not among these.
    UnknownKey,
}

/// Verifies a token at the instant `now`: signature first, then what it says.
///
/// # Errors
/// The token is refused; also when its key is not among `keys`.
pub fn verify(
    token: &str,
    keys: &KeySet,
    expected: &Expectations,
    now: Timestamp,
) -> Result<Claims, Refusal> {
    match attempt(token, keys, expected, now) {
        Ok((claims, _)) => Ok(claims),
        Err(Rejection::Refused(refusal)) => Err(refusal),
        Err(Rejection::UnknownKey) => Err(Refusal::Invalid),
    }
}

/// [`verify`], which gives the payload too and tells an unknown key from a bad token. What a token of an unknown key says is
/// looked at, although nobody vouches for it: nobody need wait for the key of a token that would be refused anyway.
pub(crate) fn attempt(
    token: &str,
    keys: &KeySet,
    expected: &Expectations,
    now: Timestamp,
) -> Result<(Claims, Vec<u8>), Rejection> {
    match token::verify_payload(token, keys, &[expected.algorithm]) {
        Ok(payload) => {
            let claims = check(&payload, expected, now).map_err(Rejection::Refused)?;
            Ok((claims, payload))
        }
        Err(VerifyError::UnknownKey) => {
            let payload = token::unverified_payload(token)
                .map_err(|_| Rejection::Refused(Refusal::Invalid))?;
            check(&payload, expected, now).map_err(Rejection::Refused)?;
            Err(Rejection::UnknownKey)
        }
        Err(_) => Err(Rejection::Refused(Refusal::Invalid)),
    }
}

/// Checks a payload whose signature was verified.
fn check(payload: &[u8], expected: &Expectations, now: Timestamp) -> Result<Claims, Refusal> {
    let mut raw: Raw = serde_json::from_slice(payload).map_err(|_| Refusal::Invalid)?;
    let missing = [&raw.exp, &raw.sub, &raw.jti, &raw.token_type]
        .into_iter()
        .any(Option::is_none);
    let strictly_missing = [&raw.iat, &raw.nbf, &raw.iss, &raw.aud]
        .into_iter()
        .any(Option::is_none);
    if missing || (expected.strict && strictly_missing) {
        return Err(Refusal::Invalid);
    }
    let checked = Checked {
        sub: raw.sub.take().and_then(text).ok_or(Refusal::Invalid)?,
        jti: raw.jti.take().and_then(text).ok_or(Refusal::Invalid)?,
        iat: optional_seconds(raw.iat.as_ref())?,
        nbf: optional_seconds(raw.nbf.as_ref())?,
        exp: raw.exp.as_ref().and_then(seconds).ok_or(Refusal::Invalid)?,
        // Where nobody expects anything of them they may be anything.
        iss: expected_by(raw.iss.take(), expected.issuer.is_some(), text)?,
        aud: expected_by(raw.aud.take(), expected.audience.is_some(), texts)?.unwrap_or_default(),
    };
    check_times(&checked, expected.leeway, now)?;
    if expected
        .audience
        .as_ref()
        .is_some_and(|audience| !checked.aud.contains(audience))
    {
        return Err(Refusal::Invalid);
    }
    if expected
        .issuer
        .as_ref()
        .is_some_and(|issuer| checked.iss.as_ref() != Some(issuer))
    {
        return Err(Refusal::Invalid);
    }
    if raw.token_type.as_ref().is_none_or(|kind| kind != "access") {
        return Err(Refusal::WrongType);
    }
    if raw
        .exp
        .as_ref()
        .and_then(serde_json::Value::as_f64)
        .is_none_or(|exp| exp.fract() != 0.0)
    {
        return Err(Refusal::InvalidPayload);
    }
    let claims = Claims::read(raw, checked).ok_or(Refusal::InvalidPayload)?;
    if expected.uuid_subject && Uuid::try_parse(&claims.sub).is_err() {
        return Err(Refusal::InvalidPayload);
    }
    if expected.agreeing_privileges && claims.is_superuser != (claims.role == Role::Superadmin) {
        return Err(Refusal::InconsistentPrivileges);
    }
    Ok(claims)
}

fn check_times(claims: &Checked, leeway: Duration, now: Timestamp) -> Result<(), Refusal> {
    let now = i128::from(now.as_millisecond());
    let leeway = i128::try_from(leeway.as_millis()).unwrap_or(i128::MAX / 2);
    let instant = |seconds: i64| i128::from(seconds) * 1000;
    let from = claims.iat.into_iter().chain(claims.nbf).max();
    if from.is_some_and(|from| instant(from) > now.saturating_add(leeway)) {
        return Err(Refusal::Invalid);
    }
    if instant(claims.exp).saturating_add(leeway) <= now {
        return Err(Refusal::Expired);
    }
    Ok(())
}

fn optional_seconds(value: Option<&serde_json::Value>) -> Result<Option<i64>, Refusal> {
    value
        .map(|value| seconds(value).ok_or(Refusal::Invalid))
        .transpose()
}

fn expected_by<T>(
    value: Option<serde_json::Value>,
    is_expected: bool,
    read: impl FnOnce(serde_json::Value) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    match value.map(read) {
        Some(None) if is_expected => Err(Refusal::Invalid),
        read => Ok(read.flatten()),
    }
}

#[cfg(test)]
mod tests;
