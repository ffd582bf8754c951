//! ID tokens of outside identity providers (OpenID Connect Core §2 and §3.1.3.7).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Algorithm, KeySet, VerifyError, verify_payload};

/// What may have signed an ID token. HS256, under the client's secret, is left out: whoever learns that secret could
/// then be anybody, and a provider that signs with keys of its own gains nothing by it.
pub const ID_TOKEN_ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];
/// How long ago an ID token may have been issued: it comes straight from the provider.
const LONGEST_AGE_SECONDS: i64 = 3600;

/// What an ID token must say to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct IdExpectations<'a> {
    /// `iss`, compared exactly.
    pub issuer: &'a str,
    /// What `aud` must be or contain, and `azp` must be where there is one.
    pub client_id: &'a str,
    /// The value that was sent with the request.
    pub nonce: &'a str,
    /// The access token that came with it, to which `at_hash` binds it.
    pub access_token: &'a str,
    /// How far the clocks of provider and server may differ.
    pub leeway: Duration,
}

/// What a verified ID token says of the person.
#[derive(Debug, Clone)]
pub struct IdClaims {
    /// The provider's id of the person.
    pub sub: String,
    /// Every other claim, as it came: `email`, `email_verified`, `name`, `picture`, …
    pub rest: Map<String, Value>,
}

/// Why an ID token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// Its form, its algorithm, its key or its signature.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// A claim is missing, doubled, or of the wrong kind.
    #[error("the ID token's claims are malformed")]
    Claims,
    /// Another issuer's token.
    #[error("the ID token is from another issuer")]
    Issuer,
    /// A token for another client.
    #[error("the ID token is for another client")]
    Audience,
    /// It was good once.
    #[error("the ID token has expired")]
    Expired,
    /// It was issued in the future, or too long ago.
    #[error("the ID token was not issued just now")]
    IssuedAt,
    /// A token for another request.
    #[error("the ID token is for another request")]
    Nonce,
    /// It came with another access token than it says.
    #[error("the ID token belongs to another access token")]
    AccessToken,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nonce: Option<String>,
    at_hash: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Verifies an ID token at the instant `now`.
pub fn verify_id_token(
    token: &str,
    keys: &KeySet,
    expected: &IdExpectations<'_>,
    now: Timestamp,
) -> Result<IdClaims, IdTokenError> {
    let payload = verify_payload(token, keys, &ID_TOKEN_ALGORITHMS)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| IdTokenError::Claims)?;
    if claims.iss != expected.issuer {
        return Err(IdTokenError::Issuer);
    }
    let for_us = |audience: &String| audience == expected.client_id;
    let (is_for_us, is_shared) = match &claims.aud {
        Audience::One(audience) => (for_us(audience), false),
        Audience::Many(audiences) => (audiences.iter().any(for_us), audiences.len() > 1),
    };
    // A token for several is good only when it says that it was made for us.
    let party_fits = claims.azp.as_ref().map_or(!is_shared, for_us);
    if !is_for_us || !party_fits {
        return Err(IdTokenError::Audience);
    }
    let now = now.as_second();
    let leeway = i64::try_from(expected.leeway.as_secs()).unwrap_or(i64::MAX);
    if now >= claims.exp.saturating_add(leeway) {
        return Err(IdTokenError::Expired);
    }
    let earliest = now
        .saturating_sub(LONGEST_AGE_SECONDS)
        .saturating_sub(leeway);
    if !(earliest..=now.saturating_add(leeway)).contains(&claims.iat) {
        return Err(IdTokenError::IssuedAt);
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(IdTokenError::Nonce);
    }
    let binds = |hash: &String| *hash == access_token_hash(expected.access_token);
    if !claims.at_hash.as_ref().is_none_or(binds) {
        return Err(IdTokenError::AccessToken);
    }
    Ok(IdClaims {
        sub: claims.sub,
        rest: claims.rest,
    })
}

/// The value of `at_hash` (OpenID Connect Core §3.1.3.6) under the algorithms above, which all hash with SHA-256.
fn access_token_hash(access_token: &str) -> String {
    let hash = digest(&SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::SigningKey;

    const NOW: i64 = 1_700_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).expect("in range")
    }

    fn good() -> Value {
        json!({
            "iss": "https://id.example.com", "sub": "4711", "aud": "us", "exp": NOW + 60, "iat": NOW - 1,
            "nonce": "n", "email": "ada@example.com",
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = good();
        claims.as_object_mut().expect("an object").remove(name);
        claims
    }

    fn check(claims: &Value) -> Result<IdClaims, IdTokenError> {
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let token = key.sign(claims).expect("signed");
        verify(token.expose(), &KeySet::new([key.verifying_key()]))
    }

    fn verify(token: &str, keys: &KeySet) -> Result<IdClaims, IdTokenError> {
        let expected = IdExpectations {
            issuer: "https://id.example.com",
            client_id: "us",
            nonce: "n",
            access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
            leeway: Duration::from_secs(10),
        };
        verify_id_token(token, keys, &expected, now())
    }

    #[test]
    fn a_good_token_tells_its_claims() {
        let claims = check(&good()).expect("good");
        assert_eq!(claims.sub, "4711");
        assert_eq!(claims.rest["email"], "ada@example.com");
    }

    #[test]
    fn each_claim_is_checked() {
        use IdTokenError as E;
        for (claims, error) in [
            (with("iss", json!("https://id.example.com/")), E::Issuer),
            (with("aud", json!("them")), E::Audience),
            (with("aud", json!([])), E::Audience),
            (with("aud", json!(["us", "them"])), E::Audience),
            (with("azp", json!("them")), E::Audience),
            (with("exp", json!(NOW - 10)), E::Expired),
            (with("iat", json!(NOW + 11)), E::IssuedAt),
            (with("iat", json!(NOW - 4000)), E::IssuedAt),
            (with("nonce", json!("other")), E::Nonce),
            (without("nonce"), E::Nonce),
            (without("exp"), E::Claims),
            (without("iat"), E::Claims),
            (without("sub"), E::Claims),
            (with("sub", json!(4711)), E::Claims),
            (
                with("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
                E::AccessToken,
            ),
        ] {
            assert_eq!(check(&claims).err(), Some(error), "{claims}");
        }
    }

    #[test]
    fn what_the_specification_leaves_open_is_taken() {
        let mut shared = with("aud", json!(["us", "them"]));
        shared["azp"] = json!("us");
        // The hash of the example in OpenID Connect Core, appendix A.3.
        let bound = with("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ"));
        for claims in [
            shared,
            bound,
            with("aud", json!(["us"])),
            with("exp", json!(NOW - 9)),
        ] {
            assert!(check(&claims).is_ok(), "{claims}");
        }
    }

    #[test]
    fn unsigned_tokens_and_public_keys_taken_for_secrets_are_refused() {
        let key = SigningKey::generate(Algorithm::Rs256).expect("a key");
        let keys = KeySet::new([key.verifying_key()]);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&good()));
        let refused = Err(IdTokenError::Signature(VerifyError::Algorithm));
        assert_eq!(verify(&none, &keys).map(drop), refused);
        // The classic confusion: HMAC under the text of the public key.
        let public = keys.to_jwks()["keys"][0].to_string();
        let secret = secret::Secret::new(public.into_bytes());
        let forger = SigningKey::from_bytes(Algorithm::Hs256, &secret).expect("a secret");
        let token = forger.sign(&good()).expect("signed");
        assert_eq!(verify(token.expose(), &keys).map(drop), refused);
        let other = SigningKey::generate(Algorithm::Rs256).expect("a key");
        let token = other.sign(&good()).expect("signed");
        assert!(verify(token.expose(), &keys).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(token: String) {
            prop_assert!(verify(&token, &KeySet::new([])).is_err());
        }
    }
}
