//! What services prove themselves with: a secret of which only a keyed digest is kept, and short tokens made for it.
//!
//! A token is signed under a key that depends on the service's secret, so a new secret ends all tokens of the old one.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use secret::{Secret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{MacKey, jws};

/// The audience of every service token. Clients never look at it; it keeps these tokens from passing for others.
const AUDIENCE: &str = "fa-auth-m8/internal-service";
const TYPE: &str = "service";

/// The keys behind services' secrets and tokens.
#[derive(Clone)]
pub struct ServiceKeys {
    secrets: MacKey,
    tokens: MacKey,
}

/// What a service token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceClaims {
    /// The service's id.
    pub service: String,
    /// What its holder may ask: scopes with single spaces between them.
    pub scope: String,
    /// Refused before.
    pub issued_at: Timestamp,
    /// Refused from here on.
    pub expires_at: Timestamp,
    /// Tells one token from another.
    pub jti: Uuid,
}

/// Why a service token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServiceTokenError {
    /// It is no service token at all.
    #[error("not a service token")]
    Malformed,
    /// It was signed under another key, or the service has no secret, or another one by now.
    #[error("not a service token of this server")]
    Forged,
    /// It is not good at this time.
    #[error("the service token is not good now")]
    Expired,
}

/// The payload as it is written.
#[derive(Serialize, Deserialize)]
struct Wire {
    sub: String,
    scope: String,
    #[serde(rename = "type")]
    kind: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

impl ServiceKeys {
    pub(crate) const fn new(secrets: MacKey, tokens: MacKey) -> Self {
        Self { secrets, tokens }
    }

    /// What is kept of a service's secret.
    pub fn digest(&self, service: &str, secret: &str) -> [u8; 32] {
        self.secrets.sign(&[service.as_bytes(), secret.as_bytes()])
    }

    /// Whether a secret is the one whose digest was kept. A service that is unknown (`None`) takes the same time as one
    /// that is known.
    pub fn verify_secret(&self, service: &str, secret: &str, kept: Option<[u8; 32]>) -> bool {
        let parts = [service.as_bytes(), secret.as_bytes()];
        let is_equal = self.secrets.verify(&parts, &kept.unwrap_or([0; 32]));
        is_equal & kept.is_some()
    }

    /// Makes a token for a service whose secret has this digest.
    pub fn mint(&self, claims: &ServiceClaims, digest: [u8; 32]) -> SecretString {
        let wire = Wire {
            sub: claims.service.clone(),
            scope: claims.scope.clone(),
            kind: TYPE.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: claims.issued_at.as_second(),
            nbf: claims.issued_at.as_second(),
            exp: claims.expires_at.as_second(),
            jti: claims.jti,
        };
        let mut token = jws::HS256_HEADER.to_owned();
        token.push('.');
        let payload = serde_json::to_vec(&wire).expect("texts and numbers always become JSON");
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let key = self.token_key(&claims.service, digest);
        let signature = hmac::sign(&key, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Secret::new(token)
    }

    /// Verifies a token. `digest_of` gives the digest of the named service's secret; for an unknown service (`None`)
    /// the token is refused after the same work.
    pub fn verify(
        &self,
        token: &str,
        digest_of: impl FnOnce(&str) -> Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<ServiceClaims, ServiceTokenError> {
        let malformed = ServiceTokenError::Malformed;
        let parts = jws::split(token).map_err(|_| malformed)?;
        // Only we make these tokens, and always with this header.
        if parts.header_text != jws::HS256_HEADER {
            return Err(malformed);
        }
        let wire: Wire = serde_json::from_slice(&parts.payload).map_err(|_| malformed)?;
        let digest = digest_of(&wire.sub);
        let key = self.token_key(&wire.sub, digest.unwrap_or([0; 32]));
        let verified = hmac::verify(&key, parts.signed.as_bytes(), &parts.signature);
        if verified.is_err() || digest.is_none() {
            return Err(ServiceTokenError::Forged);
        }
        if wire.kind != TYPE || wire.aud != AUDIENCE {
            return Err(malformed);
        }
        let second = now.as_second();
        if second >= wire.exp || second < wire.nbf {
            return Err(ServiceTokenError::Expired);
        }
        let timestamp = |seconds| Timestamp::from_second(seconds).map_err(|_| malformed);
        Ok(ServiceClaims {
            service: wire.sub,
            scope: wire.scope,
            issued_at: timestamp(wire.iat)?,
            expires_at: timestamp(wire.exp)?,
            jti: wire.jti,
        })
    }

    fn token_key(&self, service: &str, digest: [u8; 32]) -> hmac::Key {
        let key = Secret::new(self.tokens.sign(&[service.as_bytes(), &digest]));
        hmac::Key::new(hmac::HMAC_SHA256, key.expose())
    }
}

impl fmt::Debug for ServiceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MasterKey;

    fn keys() -> ServiceKeys {
        MasterKey::from_bytes([5; 32]).service_keys()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn claims() -> ServiceClaims {
        ServiceClaims {
            service: "items".into(),
            scope: "event-stream introspection".into(),
            issued_at: at(1000),
            expires_at: at(1300),
            jti: Uuid::from_bytes([1; 16]),
        }
    }

    #[test]
    fn a_secret_is_that_of_one_service_only() {
        let keys = keys();
        let kept = keys.digest("items", "a secret");
        assert!(keys.verify_secret("items", "a secret", Some(kept)));
        assert!(!keys.verify_secret("items", "a secre", Some(kept)));
        assert!(!keys.verify_secret("other", "a secret", Some(kept)));
        assert!(!keys.verify_secret("items", "a secret", None));
        assert_ne!(
            kept,
            MasterKey::from_bytes([6; 32])
                .service_keys()
                .digest("items", "a secret"),
            "without the master key a stolen table tells nothing"
        );
    }

    #[test]
    fn a_token_is_good_from_its_issue_until_it_expires() {
        let (keys, digest) = (keys(), keys().digest("items", "a secret"));
        let token = keys.mint(&claims(), digest);
        let verify = |at| keys.verify(token.expose(), |id| (id == "items").then_some(digest), at);
        assert_eq!(verify(at(999)), Err(ServiceTokenError::Expired));
        assert_eq!(verify(at(1000)), Ok(claims()));
        assert_eq!(verify(at(1299)), Ok(claims()));
        assert_eq!(verify(at(1300)), Err(ServiceTokenError::Expired));
    }

    #[test]
    fn a_new_secret_ends_the_tokens_of_the_old_one() {
        let (keys, digest) = (keys(), keys().digest("items", "a secret"));
        let token = keys.mint(&claims(), digest);
        let other = keys.digest("items", "another secret");
        for kept in [Some(other), None] {
            let refused = keys.verify(token.expose(), |_| kept, at(1000));
            assert_eq!(refused, Err(ServiceTokenError::Forged));
        }
    }

    #[test]
    fn a_token_signed_for_an_unknown_service_with_the_empty_digest_is_refused() {
        let keys = keys();
        let token = keys.mint(&claims(), [0; 32]);
        let refused = keys.verify(token.expose(), |_| None, at(1000));
        assert_eq!(refused, Err(ServiceTokenError::Forged));
    }

    #[test]
    fn an_unsigned_token_and_one_with_a_header_of_its_own_are_refused() {
        let (keys, digest) = (keys(), keys().digest("items", "a secret"));
        let token = keys.mint(&claims(), digest);
        let payload = token.expose().split('.').nth(1).unwrap();
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"x"}"#,
        ] {
            let header = URL_SAFE_NO_PAD.encode(header);
            for signature in ["", "AAAA"] {
                let forged = format!("{header}.{payload}.{signature}");
                let refused = keys.verify(&forged, |_| Some(digest), at(1000));
                assert_eq!(refused, Err(ServiceTokenError::Malformed));
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_verification_panic(text in "[A-Za-z0-9_.-]{0,200}|.*") {
            prop_assert!(keys().verify(&text, |_| Some([0; 32]), at(1000)).is_err());
        }
    }
}
