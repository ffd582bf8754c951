//! Signing keys and verifying keys.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsDer,
    hmac,
    rand::{SecureRandom, SystemRandom},
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secret::{Secret, SecretBytes, SecretString};
use serde::Serialize;

use crate::{
    Algorithm,
    jwk::{self, Material},
    pem,
};

/// Why a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes or the text are no key of the algorithm.
    #[error(
        "not a usable {0} key; expected RSA of 2048 to 8192 bits, EC on P-256, or at least 32 secret bytes"
    )]
    Rejected(Algorithm),
    /// The text is no PEM block that holds a private key.
    #[error(
        "not a private key in PEM form; expected PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY"
    )]
    NotPem,
    /// The text is no PEM block that holds a public key.
    #[error("not a public key in PEM form; expected PUBLIC KEY or RSA PUBLIC KEY")]
    NotPublicPem,
    /// The private key is behind a passphrase.
    #[error("the private key is encrypted; decrypt it first, for example with `openssl pkey`")]
    Encrypted,
    /// It cannot be told which key is meant.
    #[error("there is more than one private key in it; expected one")]
    Several,
    /// It is a private key, but of another kind or too weak.
    #[error("not a usable private key; expected RSA of 2048 to 8192 bits, or EC on P-256")]
    OtherKind,
    /// The system could not make or use a key.
    #[error("the cryptographic library failed")]
    Library,
}

/// The first bytes of every P-256 `SubjectPublicKeyInfo` (RFC 5480 §2); the uncompressed point follows.
pub(crate) const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
const HMAC_MINIMUM_BYTES: usize = 32;

/// A key that signs tokens. It is parsed once and kept.
pub struct SigningKey {
    signer: Signer,
    verifying: VerifyingKey,
    /// The encoded header of every token it signs.
    header: String,
}

enum Signer {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Hmac(Box<hmac::Key>, SecretBytes),
}

impl SigningKey {
    /// Makes a new key from the system's random source: RSA of 2048 bits, EC on P-256, or 32 secret bytes.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let signer = match algorithm {
            Algorithm::Rs256 => Signer::Rsa(
                rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(|_| KeyError::Library)?,
            ),
            Algorithm::Es256 => Signer::Ec(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .map_err(|_| KeyError::Library)?,
            ),
            Algorithm::Hs256 => {
                let mut bytes = vec![0; HMAC_MINIMUM_BYTES];
                SystemRandom::new()
                    .fill(&mut bytes)
                    .map_err(|_| KeyError::Library)?;
                return Self::from_bytes(algorithm, &Secret::new(bytes));
            }
        };
        Self::new(signer)
    }

    /// Reads a key as [`Self::to_bytes`] gives it: PKCS#8 DER, or the secret bytes themselves for HS256.
    pub fn from_bytes(algorithm: Algorithm, bytes: &SecretBytes) -> Result<Self, KeyError> {
        let rejected = KeyError::Rejected(algorithm);
        let der = bytes.expose();
        Self::new(match algorithm {
            Algorithm::Rs256 => Signer::Rsa(rsa::KeyPair::from_pkcs8(der).map_err(|_| rejected)?),
            Algorithm::Es256 => Signer::Ec(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map_err(|_| rejected)?,
            ),
            Algorithm::Hs256 if der.len() < HMAC_MINIMUM_BYTES => return Err(rejected),
            Algorithm::Hs256 => Signer::Hmac(
                Box::new(hmac::Key::new(hmac::HMAC_SHA256, der)),
                bytes.clone(),
            ),
        })
    }

    /// Reads an RSA or P-256 private key from PEM: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1
    /// (`EC PRIVATE KEY`), not encrypted. The kind of key decides the algorithm. Blocks that are no private key are
    /// skipped; more than one private key is refused.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        // Tools write parameters, certificates and remarks beside the key.
        let mut keys = pem::blocks(text).filter(|block| block.label.ends_with("PRIVATE KEY"));
        let block = keys.next().ok_or(KeyError::NotPem)?;
        if keys.next().is_some() {
            return Err(KeyError::Several);
        }
        if block.is_encrypted() {
            return Err(KeyError::Encrypted);
        }
        let der = block.decode().ok_or(KeyError::NotPem)?;
        match block.label {
            "PRIVATE KEY" => Self::from_bytes(Algorithm::Es256, &der)
                .or_else(|_| Self::from_bytes(Algorithm::Rs256, &der))
                .map_err(|_| KeyError::OtherKind),
            "RSA PRIVATE KEY" => rsa::KeyPair::from_der(der.expose())
                .map_err(|_| KeyError::OtherKind)
                .and_then(|pair| Self::new(Signer::Rsa(pair))),
            "EC PRIVATE KEY" => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.expose())
                    .map_err(|_| KeyError::OtherKind)
                    .and_then(|pair| Self::new(Signer::Ec(pair)))
            }
            _ => Err(KeyError::NotPem),
        }
    }

    /// The key for keeping: PKCS#8 DER, or the secret bytes themselves for HS256.
    pub fn to_bytes(&self) -> Result<SecretBytes, KeyError> {
        match &self.signer {
            Signer::Rsa(pair) => {
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> =
                    pair.as_der().map_err(|_| KeyError::Library)?;
                Ok(Secret::new(der.as_ref().to_vec()))
            }
            Signer::Ec(pair) => {
                let der = pair.to_pkcs8v1().map_err(|_| KeyError::Library)?;
                Ok(Secret::new(der.as_ref().to_vec()))
            }
            Signer::Hmac(_, secret) => Ok(secret.clone()),
        }
    }

    /// The key as PKCS#8 PEM. An HS256 key has no such form and is [`KeyError::Rejected`].
    pub fn to_pem(&self) -> Result<SecretString, KeyError> {
        match self.signer {
            Signer::Hmac(..) => Err(KeyError::Rejected(Algorithm::Hs256)),
            Signer::Rsa(_) | Signer::Ec(_) => Ok(pem::encode("PRIVATE KEY", &self.to_bytes()?)),
        }
    }

    /// The public half as `SubjectPublicKeyInfo` in PEM, which is what [`VerifyingKey::from_pem`] reads. An HS256 key has
    /// no such half and is [`KeyError::Rejected`].
    pub fn to_public_pem(&self) -> Result<String, KeyError> {
        self.verifying.to_public_pem()
    }

    /// What the key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm
    }

    /// The key's id: the first 16 hexadecimal digits of SHA-256 over the DER of its public half
    /// (`SubjectPublicKeyInfo`). A secret HS256 key has none.
    pub fn kid(&self) -> Option<&str> {
        self.verifying.kid()
    }

    /// The key that verifies what this one signs.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// Signs `claims` as a JWT.
    pub fn sign(&self, claims: &impl Serialize) -> Result<SecretString, KeyError> {
        let payload = serde_json::to_vec(claims).map_err(|_| KeyError::Library)?;
        let mut token = String::with_capacity(self.header.len() + payload.len() * 4 / 3 + 400);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let random = SystemRandom::new();
        let message = token.as_bytes();
        let signature = match &self.signer {
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::Library)?;
                signature
            }
            Signer::Ec(pair) => pair
                .sign(&random, message)
                .map_err(|_| KeyError::Library)?
                .as_ref()
                .to_vec(),
            Signer::Hmac(key, _) => hmac::sign(key, message).as_ref().to_vec(),
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(Secret::new(token))
    }

    fn new(signer: Signer) -> Result<Self, KeyError> {
        let verifying = match &signer {
            Signer::Rsa(pair) => VerifyingKey::from_rsa(pair.public_key())?,
            Signer::Ec(pair) => VerifyingKey::from_p256_point(pair.public_key().as_ref())?,
            Signer::Hmac(_, secret) => VerifyingKey::from_secret(secret)?,
        };
        let algorithm = verifying.algorithm;
        let header = match verifying.kid() {
            Some(kid) => format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":"{kid}"}}"#),
            None => format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#),
        };
        Ok(Self {
            signer,
            verifying,
            header: URL_SAFE_NO_PAD.encode(header),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {:?}, …)", self.algorithm(), self.kid())
    }
}

/// A key that verifies tokens: public for RS256 and ES256, secret for HS256. It is tied to one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) material: Material,
    verifier: Verifier,
}

/// A key that was parsed once; parsing it anew costs a tenth of a verification.
#[derive(Clone)]
enum Verifier {
    Public(Arc<ParsedPublicKey>),
    Hmac(Arc<hmac::Key>),
}

impl VerifyingKey {
    /// Reads a public key from the DER of its `SubjectPublicKeyInfo`: RSA of 2048 to 8192 bits, or EC on P-256.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        if let Some(point) = der.strip_prefix(&P256_SPKI) {
            return Self::from_p256_point(point);
        }
        let rejected = KeyError::Rejected(Algorithm::Rs256);
        Self::from_rsa(&rsa::PublicKey::from_der(der).map_err(|_| rejected)?)
    }

    /// Reads an RSA or P-256 public key from PEM: `PUBLIC KEY` (RFC 5280 §4.1.2.7) or `RSA PUBLIC KEY` (RFC 8017
    /// appendix A.1.1). The kind of key decides the algorithm. A private key is refused: who verifies must not hold
    /// one.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = pem::blocks(text).next().ok_or(KeyError::NotPublicPem)?;
        let der = block.decode().ok_or(KeyError::NotPublicPem)?;
        match block.label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::from_spki(der.expose()),
            _ => Err(KeyError::NotPublicPem),
        }
    }

    /// Takes the secret of HS256, at least 32 bytes (RFC 7518 §3.2). It gets no kid.
    pub fn from_secret(secret: &SecretBytes) -> Result<Self, KeyError> {
        if secret.expose().len() < HMAC_MINIMUM_BYTES {
            return Err(KeyError::Rejected(Algorithm::Hs256));
        }
        Ok(Self {
            algorithm: Algorithm::Hs256,
            kid: None,
            material: Material::Secret,
            verifier: Verifier::Hmac(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))),
        })
    }

    /// The key as `SubjectPublicKeyInfo` in PEM, which is what [`Self::from_pem`] reads. A secret HS256 key is
    /// [`KeyError::Rejected`].
    pub fn to_public_pem(&self) -> Result<String, KeyError> {
        let der = jwk::spki(&self.material).ok_or(KeyError::Rejected(self.algorithm))?;
        let pem = pem::encode("PUBLIC KEY", &Secret::new(der));
        Ok(pem.expose().clone())
    }

    /// What the key verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's id, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether `signature`, in base64url as a token carries it, is this key's over `message`.
    pub fn verify_signature(&self, signature: &str, message: &[u8]) -> bool {
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|signature| self.verify_bytes(&signature, message))
    }

    /// The same for the signature's bytes.
    pub(crate) fn verify_bytes(&self, signature: &[u8], message: &[u8]) -> bool {
        match &self.verifier {
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
            Verifier::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    fn from_rsa(key: &rsa::PublicKey) -> Result<Self, KeyError> {
        let rejected = KeyError::Rejected(Algorithm::Rs256);
        let (n, e) = jwk::rsa_numbers(key.as_ref()).ok_or(rejected)?;
        if !RSA_BYTES.contains(&n.len()) {
            return Err(rejected);
        }
        let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
            key.as_der().map_err(|_| KeyError::Library)?;
        Self::rsa(n, e, Some(kid(spki.as_ref())))
    }

    /// From the numbers of a JWK, big-endian.
    pub(crate) fn rsa(n: Vec<u8>, e: Vec<u8>, kid: Option<String>) -> Result<Self, KeyError> {
        // An exponent of 1 would make every message its own signature.
        let exponent_is_sound =
            matches!(e.as_slice(), [one] if *one >= 3) || (2..=4).contains(&e.len());
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !RSA_BYTES.contains(&n.len()) || !exponent_is_sound || !odd(&n) || !odd(&e) {
            return Err(KeyError::Rejected(Algorithm::Rs256));
        }
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, jwk::rsa_der(&n, &e))
            .map_err(|_| KeyError::Rejected(Algorithm::Rs256))?;
        Ok(Self {
            algorithm: Algorithm::Rs256,
            kid,
            verifier: Verifier::Public(Arc::new(key)),
            material: Material::Rsa { n, e },
        })
    }

    fn from_p256_point(point: &[u8]) -> Result<Self, KeyError> {
        let spki = [&P256_SPKI, point].concat();
        Self::p256(point, Some(kid(&spki)))
    }

    /// From an uncompressed point (SEC 1 §2.3.3), which must be on the curve.
    pub(crate) fn p256(point: &[u8], kid: Option<String>) -> Result<Self, KeyError> {
        let rejected = KeyError::Rejected(Algorithm::Es256);
        let (&[4], coordinates) = point.split_first_chunk::<1>().ok_or(rejected)? else {
            return Err(rejected);
        };
        if coordinates.len() != 64 {
            return Err(rejected);
        }
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| rejected)?;
        let (x, y) = coordinates.split_at(32);
        Ok(Self {
            algorithm: Algorithm::Es256,
            kid,
            material: Material::P256 {
                x: x.to_vec(),
                y: y.to_vec(),
            },
            verifier: Verifier::Public(Arc::new(key)),
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {:?})", self.algorithm, self.kid)
    }
}

fn kid(spki: &[u8]) -> String {
    let mut text = hex::encode(digest(&SHA256, spki));
    text.truncate(16);
    text
}

/// The keys that a verifier accepts.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    /// Which key a token names is not looked at.
    any_kid: bool,
}

impl KeySet {
    /// A set of these keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            any_kid: false,
        }
    }

    /// The one key of a verifier that was given it by hand, as a file or a secret. Whatever a token says about its key
    /// is not looked at: an issuer may name its keys as it likes, and here there is nothing to choose.
    pub fn alone(key: VerifyingKey) -> Self {
        Self {
            keys: vec![key],
            any_kid: true,
        }
    }

    /// Reads a JWK set (RFC 7517 §5). Entries that we could not verify with, or that are not for signatures, are left
    /// out, as §5 asks.
    ///
    /// # Errors
    /// The text is no JSON object with `keys`.
    pub fn from_jwks(json: &str) -> Result<Self, serde_json::Error> {
        jwk::parse_set(json).map(Self::new)
    }

    /// The public keys as a JWK set. Secret keys are never in it.
    pub fn to_jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self.keys.iter().filter_map(jwk::print).collect();
        serde_json::json!({ "keys": keys })
    }

    /// The keys.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The key a token names. A token without `kid` matches a key without one only.
    pub(crate) fn find(&self, kid: Option<&str>) -> impl Iterator<Item = &VerifyingKey> {
        self.keys
            .iter()
            .filter(move |key| self.any_kid || key.kid() == kid)
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self::new(keys)
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Hs256];

    #[test]
    fn the_kid_is_that_of_the_published_vector() {
        let der = STANDARD
            .decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaEHRQt3Iry1GcMJobfW3K9zY22HM/1dJl9ZKMTGkvNXhttj9kv+SnUcKkBXAVOQhFxlwz2Mz7HVPyiFMR+NxYw==")
            .expect("base64");
        let key = VerifyingKey::from_spki(&der).expect("P-256");
        assert_eq!(key.kid(), Some("fd92ea097db0775f"));
    }

    #[test]
    fn a_key_survives_being_kept() {
        for algorithm in ALL {
            let key = SigningKey::generate(algorithm).expect("system random source");
            let kept = key.to_bytes().expect("exportable");
            let read = SigningKey::from_bytes(algorithm, &kept).expect("its own bytes");
            assert_eq!(read.kid(), key.kid());
            assert_eq!(read.algorithm(), algorithm);
            if algorithm != Algorithm::Hs256 {
                let pem = key.to_pem().expect("asymmetric");
                let read = SigningKey::from_pem(pem.expose()).expect("its own text");
                assert_eq!((read.kid(), read.algorithm()), (key.kid(), algorithm));
            }
        }
    }

    #[test]
    fn a_jwk_set_names_public_keys_only_and_gives_the_same_keys_back() {
        let keys: KeySet = ALL
            .iter()
            .map(|algorithm| SigningKey::generate(*algorithm).expect("system random source"))
            .map(|key| key.verifying_key())
            .collect();
        let jwks = keys.to_jwks();
        let entries = jwks["keys"].as_array().expect("an array");
        assert_eq!(entries.len(), 2);
        for entry in entries {
            assert_eq!(entry["use"], "sig");
            assert!(entry["kid"].is_string() && entry["alg"].is_string());
            assert!(entry.get("d").is_none() && entry.get("k").is_none());
        }
        let read = KeySet::from_jwks(&jwks.to_string()).expect("our own text");
        let kids: Vec<_> = read.keys().iter().map(VerifyingKey::kid).collect();
        let expected: Vec<_> = keys.keys()[..2].iter().map(VerifyingKey::kid).collect();
        assert_eq!(kids, expected);
    }

    #[test]
    fn weak_and_foreign_keys_are_refused() {
        let short = Secret::new(vec![1; 31]);
        assert!(SigningKey::from_bytes(Algorithm::Hs256, &short).is_err());
        assert!(VerifyingKey::from_secret(&short).is_err());
        let ec = SigningKey::generate(Algorithm::Es256).and_then(|key| key.to_bytes());
        let ec = ec.expect("system random source");
        assert!(SigningKey::from_bytes(Algorithm::Rs256, &ec).is_err());
        assert!(
            SigningKey::from_pem("-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----").is_err()
        );
        assert!(
            VerifyingKey::rsa(vec![0xff; 128], vec![3], None).is_err(),
            "1024 bits"
        );
        assert!(
            VerifyingKey::rsa(vec![0xff; 256], vec![1], None).is_err(),
            "exponent 1"
        );
        let off_the_curve = [&[4][..], &[1; 64]].concat();
        assert!(VerifyingKey::p256(&off_the_curve, None).is_err());
    }

    #[test]
    fn a_public_key_survives_pem_and_a_private_one_is_not_taken_for_it() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let key = SigningKey::generate(algorithm).expect("system random source");
            let pem = key.to_public_pem().expect("asymmetric");
            let from_numbers = KeySet::new([key.verifying_key()]).to_jwks().to_string();
            let from_numbers = KeySet::from_jwks(&from_numbers).expect("our own text");
            assert_eq!(
                from_numbers.keys()[0].to_public_pem().as_ref(),
                Ok(&pem),
                "the numbers of a JWK are enough"
            );
            let read = VerifyingKey::from_pem(&pem).expect("its own text");
            assert_eq!((read.kid(), read.algorithm()), (key.kid(), algorithm));
            let private = key.to_pem().expect("asymmetric");
            assert_eq!(
                VerifyingKey::from_pem(private.expose()).err(),
                Some(KeyError::NotPublicPem)
            );
        }
        assert!(VerifyingKey::from_pem("no key").is_err());
    }

    #[test]
    fn a_key_given_by_hand_verifies_whatever_the_token_calls_it() {
        let key = SigningKey::generate(Algorithm::Es256).expect("system random source");
        let token = key.sign(&serde_json::json!({})).expect("asymmetric");
        let renamed = VerifyingKey {
            kid: Some("another".to_owned()),
            ..key.verifying_key()
        };
        let verify =
            |keys: &KeySet| crate::verify_payload(token.expose(), keys, &[Algorithm::Es256]);
        assert!(verify(&KeySet::alone(renamed.clone())).is_ok());
        assert!(verify(&KeySet::new([renamed])).is_err());
    }

    #[test]
    fn debug_output_hides_the_key() {
        let key = SigningKey::from_bytes(Algorithm::Hs256, &Secret::new(vec![b'x'; 32]))
            .expect("32 bytes");
        assert_eq!(format!("{key:?}"), "SigningKey(HS256, None, …)");
    }
}
