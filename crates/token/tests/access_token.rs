//! Access tokens: what is accepted, and every way in which one is refused.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{AccountId, SessionId};
use jiff::Timestamp;
use proptest::prelude::*;
use secret::Secret;
use serde_json::{Value, json};
use token::{
    AccessClaims, Algorithm, Expectations, JwsError, KeySet, SigningKey, TokenType, VerifyError,
    VerifyingKey, verify, verify_payload,
};
use uuid::Uuid;

const NOW: i64 = 1_700_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn claims() -> AccessClaims {
    AccessClaims {
        sub: AccountId::new(1, [1; 10]),
        token_type: TokenType::Access,
        email: "ada@example.com".into(),
        full_name: Some("Ada \"Countess\" Lovelace".into()),
        avatar: None,
        is_active: true,
        email_verified: true,
        is_superuser: false,
        role: "writer".into(),
        exp: NOW + 1800,
        iat: NOW,
        nbf: NOW,
        jti: Uuid::from_u128(7),
        iss: "https://auth.example.com".into(),
        aud: vec!["item-service".into()],
        sid: Some(SessionId::new(1, [2; 10])),
        generation: 3,
        amr: vec!["pwd".into(), "otp".into(), "mfa".into()],
        acr: Some("urn:vestibule:acr:2".into()),
        auth_time: Some(NOW - 60),
    }
}

fn expectations(algorithm: Algorithm) -> Expectations {
    Expectations {
        issuer: "https://auth.example.com".into(),
        audience: Some("item-service".into()),
        leeway: Duration::from_secs(2),
        algorithms: vec![algorithm],
    }
}

fn hs256() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Hs256, &Secret::new(vec![5; 32])).expect("32 bytes")
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::new([key.verifying_key()])
}

/// Verifies claims that are the good ones but for what `change` does to them.
fn changed(change: impl FnOnce(&mut Value)) -> Result<AccessClaims, VerifyError> {
    let mut value = serde_json::to_value(claims()).expect("JSON");
    change(&mut value);
    let token = hs256().sign(&value).expect("signed");
    verify(
        token.expose(),
        &keys(&hs256()),
        &expectations(Algorithm::Hs256),
        at(NOW + 1),
    )
}

/// A token under HS256 with any header and payload, signed by the key of [`hs256`].
fn crafted(header: &str, payload: &[u8]) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[5; 32]);
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn with_header(header: &str) -> Result<Vec<u8>, VerifyError> {
    verify_payload(
        &crafted(header, b"{}"),
        &keys(&hs256()),
        &[Algorithm::Hs256],
    )
}

#[test]
fn each_algorithm_signs_what_its_key_verifies() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Hs256] {
        let key = SigningKey::generate(algorithm).expect("system random source");
        let token = key.sign(&claims()).expect("signed");
        let verified = verify(
            token.expose(),
            &keys(&key),
            &expectations(algorithm),
            at(NOW),
        );
        assert_eq!(verified, Ok(claims()), "{algorithm}");

        let mut altered = token.expose().clone().into_bytes();
        let last = altered.len() - 10;
        altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).expect("ASCII");
        let refused = verify(&altered, &keys(&key), &expectations(algorithm), at(NOW));
        assert_eq!(refused, Err(VerifyError::Signature), "{algorithm}");
    }
}

#[test]
fn a_public_key_read_from_a_jwk_set_verifies() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm).expect("system random source");
        let token = key.sign(&claims()).expect("signed");
        let read = KeySet::from_jwks(&keys(&key).to_jwks().to_string()).expect("our own text");
        assert!(verify(token.expose(), &read, &expectations(algorithm), at(NOW)).is_ok());
    }
}

#[test]
fn the_worked_example_of_the_issuer_contract_verifies() {
    let secret = b"Access-Secret_Key-0123456789-abcdefXYZ!".to_vec();
    let keys = KeySet::new([VerifyingKey::from_secret(&Secret::new(secret)).expect("long enough")]);
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI1NTBlODQwMC1lMjliLTQxZDQtYTcxNi00NDY2NTU0NDAwMDAiLCJ0eXBlIjoiYWNjZXNzIiwiZW1haWwiOiJhZGFAZXhhbXBsZS5jb20iLCJmdWxsX25hbWUiOiJBZGEgTG92ZWxhY2UiLCJhdmF0YXIiOm51bGwsImlzX2FjdGl2ZSI6dHJ1ZSwiZW1haWxfdmVyaWZpZWQiOnRydWUsImlzX3N1cGVydXNlciI6ZmFsc2UsInJvbGUiOiJ3cml0ZXIiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMCwibmJmIjoxNzAwMDAwMDAwLCJqdGkiOiIwYjdkN2YwZS02YTRlLTRkMGYtOWE1My0wZDlmM2I2ZjJjMTEiLCJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20iLCJhdWQiOiJpdGVtLXNlcnZpY2UifQ.PMdgmOYYgDYIulXm27MVZFKrqCkcBNhjzgBV0YpUBBU";
    let payload = verify_payload(token, &keys, &[Algorithm::Hs256]).expect("a good signature");
    let payload: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(payload["role"], "writer");
}

#[test]
fn times_are_checked_with_leeway_and_to_the_second() {
    let token = hs256().sign(&claims()).expect("signed");
    let check = |second| {
        verify(
            token.expose(),
            &keys(&hs256()),
            &expectations(Algorithm::Hs256),
            at(second),
        )
        .map(|_| ())
    };
    assert_eq!(check(NOW - 3), Err(VerifyError::NotYet));
    assert_eq!(check(NOW - 2), Ok(()));
    assert_eq!(check(NOW + 1801), Ok(()));
    assert_eq!(check(NOW + 1802), Err(VerifyError::Expired));
}

#[test]
fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    assert!(changed(|_| ()).is_ok());
    let issuer = changed(|claims| claims["iss"] = json!("https://auth.example.com/"));
    assert_eq!(issuer, Err(VerifyError::Issuer));
    assert_eq!(
        changed(|claims| claims["aud"] = json!("other")),
        Err(VerifyError::Audience)
    );
    assert_eq!(
        changed(|claims| claims["aud"] = json!([])),
        Err(VerifyError::Audience)
    );
    assert!(changed(|claims| claims["aud"] = json!(["other", "item-service"])).is_ok());
}

#[test]
fn claims_of_the_wrong_kind_are_refused() {
    for (name, value) in [
        ("exp", json!("1700001800")),
        ("exp", json!(1_700_001_800.5)),
        ("exp", json!(null)),
        ("sub", json!("ada")),
        ("type", json!("refresh")),
        ("type", json!("Access")),
        ("is_superuser", json!(1)),
        ("aud", json!(7)),
        ("role", json!("Writer")),
        ("role", json!("root")),
        ("jti", json!("")),
        ("gen", json!(-1)),
    ] {
        let refused = changed(|claims| claims[name] = value.clone());
        assert_eq!(refused, Err(VerifyError::Claims), "{name} = {value}");
    }
    for name in [
        "exp", "iat", "nbf", "sub", "jti", "iss", "aud", "type", "gen", "role",
    ] {
        let refused = changed(|claims| {
            claims.as_object_mut().expect("an object").remove(name);
        });
        assert_eq!(refused, Err(VerifyError::Claims), "without {name}");
    }
    assert!(changed(|claims| claims["extra"] = json!({"any": 1})).is_ok());
}

#[test]
fn a_claim_that_is_named_twice_is_refused() {
    let good = serde_json::to_string(&claims()).expect("JSON");
    let doubled = good.replacen('{', r#"{"aud":"item-service","#, 1);
    let token = crafted(r#"{"alg":"HS256"}"#, doubled.as_bytes());
    let refused = verify(
        &token,
        &keys(&hs256()),
        &expectations(Algorithm::Hs256),
        at(NOW),
    );
    assert_eq!(refused, Err(VerifyError::Claims));
}

#[test]
fn a_superuser_flag_that_contradicts_the_role_is_refused() {
    let flagged = changed(|claims| claims["is_superuser"] = json!(true));
    assert_eq!(flagged, Err(VerifyError::Privileges));
    let unflagged = changed(|claims| claims["role"] = json!("superadmin"));
    assert_eq!(unflagged, Err(VerifyError::Privileges));
}

#[test]
fn an_unsigned_token_is_refused() {
    for alg in [
        "none", "None", "NONE", "hs256", "HS512", "PS256", "EdDSA", "",
    ] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        assert_eq!(with_header(&header), Err(VerifyError::Algorithm), "{alg}");
    }
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
        URL_SAFE_NO_PAD.encode("{}")
    );
    let refused = verify_payload(&unsigned, &keys(&hs256()), &[Algorithm::Hs256]);
    assert_eq!(refused, Err(VerifyError::Signature));
}

#[test]
fn a_public_key_is_never_taken_for_a_shared_secret() {
    // The classic confusion: a token signed by HMAC with the text of the public key as its secret.
    let key = SigningKey::generate(Algorithm::Rs256).expect("system random source");
    let public = keys(&key).to_jwks().to_string();
    let forger = SigningKey::from_bytes(Algorithm::Hs256, &Secret::new(public.into_bytes()));
    let token = forger
        .and_then(|forger| forger.sign(&claims()))
        .expect("signed");
    for algorithms in [
        vec![Algorithm::Rs256],
        vec![Algorithm::Rs256, Algorithm::Hs256],
    ] {
        let refused = verify_payload(token.expose(), &keys(&key), &algorithms).err();
        assert!(matches!(
            refused,
            Some(VerifyError::Algorithm | VerifyError::UnknownKey)
        ));
    }
    // And one that names the key.
    let kid = key.kid().expect("RSA keys have one");
    let token = crafted(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), b"{}");
    let refused = verify_payload(&token, &keys(&key), &[Algorithm::Rs256, Algorithm::Hs256]);
    assert_eq!(refused, Err(VerifyError::UnknownKey));
}

#[test]
fn a_token_does_not_choose_its_own_key() {
    let stranger = SigningKey::generate(Algorithm::Es256).expect("system random source");
    let ours = SigningKey::generate(Algorithm::Es256).expect("system random source");
    let token = stranger.sign(&claims()).expect("signed");
    let refused = verify_payload(token.expose(), &keys(&ours), &[Algorithm::Es256]);
    assert_eq!(refused, Err(VerifyError::UnknownKey));
    // Keys in the header, and addresses of keys, are ignored.
    for extra in [
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""jku":"https://evil.example/jwks""#,
        r#""x5u":"https://evil.example/cert""#,
    ] {
        assert!(with_header(&format!(r#"{{"alg":"HS256",{extra}}}"#)).is_ok());
    }
    assert_eq!(
        with_header(r#"{"alg":"HS256","kid":"../../etc"}"#),
        Err(VerifyError::UnknownKey)
    );
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    for extra in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""enc":"A256GCM""#,
        r#""zip":"DEF""#,
        r#""b64":false"#,
        r#""typ":"refresh+jwt""#,
    ] {
        let refused = with_header(&format!(r#"{{"alg":"HS256",{extra}}}"#));
        assert_eq!(
            refused,
            Err(VerifyError::Malformed(JwsError::Unsupported)),
            "{extra}"
        );
    }
    for header in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"alg":1}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
    ] {
        assert_eq!(
            with_header(header),
            Err(VerifyError::Malformed(JwsError::Header)),
            "{header}"
        );
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        assert!(with_header(&format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#)).is_ok());
    }
}

#[test]
fn a_token_has_one_spelling_and_a_largest_size() {
    let token = hs256().sign(&claims()).expect("signed");
    let good = token.expose();
    let check = |token: &str| verify_payload(token, &keys(&hs256()), &[Algorithm::Hs256]);
    assert!(check(good).is_ok());
    let (message, _) = good.rsplit_once('.').expect("three parts");
    for bad in [
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}.x"),
        message.to_owned(),
        String::new(),
        "..".to_owned(),
        good.replace('.', " "),
    ] {
        assert!(
            matches!(check(&bad), Err(VerifyError::Malformed(_))),
            "{bad:?}"
        );
    }
    let long = crafted(r#"{"alg":"HS256"}"#, &[b' '; 8192]);
    assert_eq!(
        check(&long),
        Err(VerifyError::Malformed(JwsError::TooLarge))
    );
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text: String, header: String, payload: Vec<u8>) {
        let keys = keys(&hs256());
        let expected = expectations(Algorithm::Hs256);
        prop_assert!(verify(&text, &keys, &expected, at(NOW)).is_err());
        prop_assert!(verify(&crafted(&header, &payload), &keys, &expected, at(NOW)).is_err());
        let signed = crafted(r#"{"alg":"HS256"}"#, &payload);
        prop_assert!(verify(&signed, &keys, &expected, at(NOW)).is_err());
    }

    #[test]
    fn any_altered_character_is_noticed(at_index in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.-]") {
        let token = hs256().sign(&claims()).expect("signed");
        let good = token.expose();
        let index = at_index.index(good.len());
        let altered = format!("{}{with}{}", &good[..index], &good[index + 1..]);
        let verified = verify(&altered, &keys(&hs256()), &expectations(Algorithm::Hs256), at(NOW));
        prop_assert_eq!(verified.is_ok(), altered == *good);
    }
}
