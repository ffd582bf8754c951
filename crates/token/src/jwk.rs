//! JSON Web Keys (RFC 7517): public keys as JSON, and back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Algorithm, VerifyingKey, key::P256_SPKI};

/// What a verifying key is made of, for printing it.
#[derive(Clone)]
pub(crate) enum Material {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// Coordinates of 32 bytes each.
    P256 { x: Vec<u8>, y: Vec<u8> },
    /// Never printed.
    Secret,
}

/// The JWK of a public key; `None` for a secret one.
pub(crate) fn print(key: &VerifyingKey) -> Option<Value> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match &key.material {
        Material::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
        Material::P256 { x, y } => {
            json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
        }
        Material::Secret => return None,
    };
    jwk["use"] = json!("sig");
    jwk["alg"] = json!(key.algorithm.as_str());
    if let Some(kid) = key.kid() {
        jwk["kid"] = json!(kid);
    }
    Some(jwk)
}

/// The usable keys of a JWK set.
pub(crate) fn parse_set(json: &str) -> Result<Vec<VerifyingKey>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_str(json)?;
    Ok(set.keys.iter().filter_map(parse).collect())
}

fn parse(jwk: &Value) -> Option<VerifyingKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let kid = text("kid").map(str::to_owned);
    let for_signatures = jwk.get("use").is_none_or(|value| value == "sig");
    let fits = |algorithm: Algorithm| {
        for_signatures
            && jwk
                .get("alg")
                .is_none_or(|value| value == algorithm.as_str())
    };
    match text("kty")? {
        "RSA" if fits(Algorithm::Rs256) => {
            let number = |name| bytes(name).map(|bytes| trimmed(&bytes).to_vec());
            VerifyingKey::rsa(number("n")?, number("e")?, kid).ok()
        }
        "EC" if fits(Algorithm::Es256) && text("crv") == Some("P-256") => {
            let point = [&[4][..], &bytes("x")?, &bytes("y")?].concat();
            VerifyingKey::p256(&point, kid).ok()
        }
        _ => None,
    }
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 appendix A.1.1), which the cryptographic library wrote.
pub(crate) fn rsa_numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, rest) = element(0x30, der)?;
    let (n, exponent) = element(0x02, sequence)?;
    let (e, nothing) = element(0x02, exponent)?;
    (rest.is_empty() && nothing.is_empty()).then(|| (trimmed(n).to_vec(), trimmed(e).to_vec()))
}

/// The DER `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7) of a public key; `None` for a secret one.
pub(crate) fn spki(material: &Material) -> Option<Vec<u8>> {
    match material {
        Material::Rsa { n, e } => {
            // A bit string says first how many bits of its last byte are unused.
            let key = [vec![0], rsa_der(n, e)].concat();
            Some(written(
                0x30,
                &[&RSA_ALGORITHM, &*written(0x03, &key)].concat(),
            ))
        }
        Material::P256 { x, y } => Some([&P256_SPKI, &[4][..], x, y].concat()),
        Material::Secret => None,
    }
}

/// The DER `RSAPublicKey` (RFC 8017 appendix A.1.1) of modulus and exponent.
pub(crate) fn rsa_der(n: &[u8], e: &[u8]) -> Vec<u8> {
    written(0x30, &[integer(n), integer(e)].concat())
}

/// The DER `AlgorithmIdentifier` of `rsaEncryption` (RFC 3279 §2.3.1).
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// A positive DER integer.
fn integer(number: &[u8]) -> Vec<u8> {
    let sign: &[u8] = match number.first() {
        Some(0x80..) => &[0],
        _ => &[],
    };
    written(0x02, &[sign, number].concat())
}

/// A DER element.
fn written(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = trimmed(&length);
    let mut element = vec![tag];
    match (digits, u8::try_from(digits.len())) {
        ([], _) => element.push(0),
        ([short @ ..0x80], _) => element.push(*short),
        (_, Ok(count)) => {
            element.push(0x80 | count);
            element.extend_from_slice(digits);
        }
        (_, Err(_)) => unreachable!("a length has at most eight bytes"),
    }
    element.extend_from_slice(content);
    element
}

/// The first DER element, which must have `tag`, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    if first < 0x80 {
        return rest.split_at_checked(first.into());
    }
    let (length, rest) = rest.split_at_checked((first & 0x7f).into())?;
    if length.len() > 4 {
        return None;
    }
    let length = length
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_that_cannot_be_used_are_left_out() {
        let set = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
            { "kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
            { "kty": "RSA", "n": "AQAB", "e": "AQAB" },
            { "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" },
            7, null, { "kty": 1 }, {},
        ]});
        assert_eq!(
            parse_set(&set.to_string()).map(|keys| keys.len()).ok(),
            Some(0)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, bytes: Vec<u8>) {
            let _ = parse_set(&text);
            let _ = rsa_numbers(&bytes);
        }
    }
}
