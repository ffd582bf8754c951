//! Verifying access tokens (RFC 7519 §7.2, RFC 8725).

use std::time::Duration;

use jiff::Timestamp;

use crate::{AccessClaims, Algorithm, JwsError, KeySet, jws};

/// What a token must say to be accepted here.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// `iss`, compared exactly.
    pub issuer: String,
    /// What `aud` must be or contain; `None` for the issuer itself, which is an audience of all that it issues.
    pub audience: Option<String>,
    /// How far the clocks of issuer and verifier may differ; for `exp`, `nbf` and `iat` alike.
    pub leeway: Duration,
    /// What may have signed. Usually one.
    pub algorithms: Vec<Algorithm>,
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is no signed token.
    #[error(transparent)]
    Malformed(#[from] JwsError),
    /// It is unsigned, or signed with something that is not accepted here.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// It names a key that is not in the set, or one for another algorithm.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature is not that of the key.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing, doubled, or of the wrong kind.
    #[error("the token's claims are malformed")]
    Claims,
    /// Another issuer's token.
    #[error("the token is from another issuer")]
    Issuer,
    /// A token for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It says that it was issued, or becomes good, in the future.
    #[error("the token is not good yet")]
    NotYet,
    /// Its role and its superuser flag contradict each other.
    #[error("the token's privileges contradict each other")]
    Privileges,
}

const ROLES: [&str; 5] = ["user", "reader", "writer", "admin", "superadmin"];

/// Verifies an access token at the instant `now`.
pub fn verify(
    token: &str,
    keys: &KeySet,
    expected: &Expectations,
    now: Timestamp,
) -> Result<AccessClaims, VerifyError> {
    let payload = verify_payload(token, keys, &expected.algorithms)?;
    let claims: AccessClaims = serde_json::from_slice(&payload).map_err(|_| VerifyError::Claims)?;
    check_times(&claims, expected.leeway, now)?;
    if claims.iss != expected.issuer {
        return Err(VerifyError::Issuer);
    }
    let is_for_us = |audience| claims.aud.contains(audience);
    if !expected.audience.as_ref().is_none_or(is_for_us) {
        return Err(VerifyError::Audience);
    }
    if !ROLES.contains(&claims.role.as_str()) {
        return Err(VerifyError::Claims);
    }
    if claims.is_superuser != (claims.role == "superadmin") {
        return Err(VerifyError::Privileges);
    }
    Ok(claims)
}

/// Verifies the signature alone and gives the payload. The claims in it have not been looked at.
pub fn verify_payload(
    token: &str,
    keys: &KeySet,
    algorithms: &[Algorithm],
) -> Result<Vec<u8>, VerifyError> {
    let parts = jws::split(token)?;
    let header = parts.header()?;
    let algorithm = Algorithm::from_name(&header.alg)
        .filter(|algorithm| algorithms.contains(algorithm))
        .ok_or(VerifyError::Algorithm)?;
    // A key serves its own algorithm only, so an RSA public key is never taken for an HMAC secret (RFC 8725 §3.1).
    let mut candidates = keys
        .find(header.kid.as_deref())
        .filter(|key| key.algorithm() == algorithm)
        .peekable();
    if candidates.peek().is_none() {
        return Err(VerifyError::UnknownKey);
    }
    if !candidates.any(|key| key.verify_bytes(&parts.signature, parts.signed.as_bytes())) {
        return Err(VerifyError::Signature);
    }
    Ok(parts.payload)
}

/// A token's payload, for which nobody vouches: the signature is not looked at. It helps to say why a token is refused, and
/// never to accept one.
pub fn unverified_payload(token: &str) -> Result<Vec<u8>, VerifyError> {
    let parts = jws::split(token)?;
    parts.header()?;
    Ok(parts.payload)
}

fn check_times(claims: &AccessClaims, leeway: Duration, now: Timestamp) -> Result<(), VerifyError> {
    let now = now.as_second();
    let leeway = i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX);
    if now >= claims.exp.saturating_add(leeway) {
        return Err(VerifyError::Expired);
    }
    let latest = now.saturating_add(leeway);
    if claims.nbf > latest || claims.iat > latest {
        return Err(VerifyError::NotYet);
    }
    Ok(())
}
