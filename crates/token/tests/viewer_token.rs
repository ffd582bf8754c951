//! Viewer tokens: what the server believes of one, and what the app does.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{AccountId, AppId, GroupId, SessionId};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use token::{
    MasterKey,
    viewer::{LIFETIME, ViewerClaims, ViewerError, ViewerRole, mint, verify, verify_cap},
};
use uuid::Uuid;

const NOW: i64 = 1_700_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn master() -> MasterKey {
    MasterKey::from_bytes([1; 32])
}

fn app(number: u8) -> AppId {
    AppId::new(1, [number; 10])
}

fn claims() -> ViewerClaims {
    ViewerClaims {
        issuer: "http://localhost:8080".into(),
        app: app(1),
        account: AccountId::new(1, [2; 10]),
        email: "ada@example.com".into(),
        username: "ada".into(),
        verified: true,
        group: GroupId::new(1, [3; 10]),
        role: ViewerRole::Member,
        session: SessionId::new(1, [4; 10]),
        issued_at: at(NOW),
        expires_at: at(NOW) + LIFETIME,
        jti: Uuid::from_u128(9),
    }
}

fn minted(claims: &ViewerClaims) -> String {
    let token = mint(
        claims,
        &master().viewer_key(claims.app),
        &master().viewer_cap_key(),
    );
    token.expose().clone()
}

/// The token with another payload, signed as the app itself could sign it.
fn forged_by_the_app(change: impl FnOnce(&mut Value)) -> String {
    let token = minted(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let payload = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
    let mut payload: Value = serde_json::from_slice(&payload).expect("JSON");
    change(&mut payload);
    let signed = format!(
        "{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(payload.to_string())
    );
    let hex = master().viewer_key(app(1)).to_hex();
    let key = hex::decode(hex.expose()).expect("hexadecimal");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let signature = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn trusted(token: &str, second: i64) -> Result<(), ViewerError> {
    verify_cap(
        token,
        app(1),
        &master().viewer_cap_key(),
        at(second),
        Duration::ZERO,
    )
    .map(|_| ())
}

#[test]
fn the_app_reads_back_what_was_minted() {
    let read = verify(
        &minted(&claims()),
        app(1),
        &master().viewer_key(app(1)),
        at(NOW),
    );
    assert_eq!(read, Ok(claims()));
}

#[test]
fn the_server_believes_account_group_role_and_session() {
    let token = minted(&claims());
    let viewer = verify_cap(
        &token,
        app(1),
        &master().viewer_cap_key(),
        at(NOW),
        Duration::ZERO,
    );
    let viewer = viewer.expect("a fresh token");
    assert_eq!(viewer.account, claims().account);
    assert_eq!(viewer.group, claims().group);
    assert_eq!(viewer.role, ViewerRole::Member);
    assert_eq!(viewer.session, claims().session);
    assert_eq!(viewer.jti, claims().jti);
}

#[test]
fn an_app_cannot_forge_what_the_server_believes() {
    assert_eq!(trusted(&forged_by_the_app(|_| ()), NOW), Ok(()));
    let other = json!("00000000-0000-7000-8000-000000000000");
    for (name, value) in [
        ("sub", other.clone()),
        ("grp", other.clone()),
        ("sid", other.clone()),
        ("jti", other.clone()),
        ("aud", other),
        ("role", json!("owner")),
        ("exp", json!(NOW + 100_000)),
        ("cap", json!("AAAA")),
        ("cap", json!("")),
    ] {
        let token = forged_by_the_app(|payload| payload[name] = value.clone());
        assert_eq!(trusted(&token, NOW), Err(ViewerError::Forged), "{name}");
    }
    let bare = forged_by_the_app(|payload| {
        payload.as_object_mut().expect("an object").remove("cap");
    });
    assert_eq!(trusted(&bare, NOW), Err(ViewerError::Malformed));
}

#[test]
fn a_token_of_one_app_is_refused_by_another() {
    let token = minted(&claims());
    let other = verify_cap(
        &token,
        app(2),
        &master().viewer_cap_key(),
        at(NOW),
        Duration::ZERO,
    );
    assert_eq!(other, Err(ViewerError::OtherApp));
    let other = verify(&token, app(2), &master().viewer_key(app(2)), at(NOW));
    assert_eq!(other, Err(ViewerError::Forged));
}

#[test]
fn a_token_ends_on_the_second_unless_there_is_grace() {
    let token = minted(&claims());
    let end = NOW + 900;
    assert_eq!(trusted(&token, end - 1), Ok(()));
    assert_eq!(trusted(&token, end), Err(ViewerError::Expired));
    let key = master().viewer_cap_key();
    let graced = |second| verify_cap(&token, app(1), &key, at(second), Duration::from_mins(15));
    assert!(graced(end + 899).is_ok());
    assert_eq!(graced(end + 900), Err(ViewerError::Expired));
    // The app allows for clocks that differ.
    let seen_by_app = |second| verify(&token, app(1), &master().viewer_key(app(1)), at(second));
    assert!(seen_by_app(end + 29).is_ok());
    assert_eq!(seen_by_app(end + 30), Err(ViewerError::Expired));
}

#[test]
fn another_header_is_refused() {
    let token = minted(&claims());
    let (_, rest) = token.split_once('.').expect("three parts");
    for header in [
        r#"{"alg":"none","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        "{}",
    ] {
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
        assert_eq!(
            trusted(&token, NOW),
            Err(ViewerError::Malformed),
            "{header}"
        );
    }
}

proptest! {
    #[test]
    fn names_of_any_kind_survive(email: String, username: String) {
        prop_assume!(email.len() + username.len() < 1500);
        let claims = ViewerClaims { email, username, ..claims() };
        let token = minted(&claims);
        prop_assert_eq!(trusted(&token, NOW), Ok(()));
        let read = verify(&token, app(1), &master().viewer_key(app(1)), at(NOW));
        prop_assert_eq!(read, Ok(claims));
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text: String, payload: Vec<u8>) {
        prop_assert!(trusted(&text, NOW).is_err());
        let header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
        let token = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(payload));
        prop_assert!(trusted(&token, NOW).is_err());
    }
}
