//! The worked examples of the family's issuers, each claim in every state, and texts that nobody foresaw.

use proptest::prelude::*;
use secret::Secret;
use serde_json::{Value, json};
use token::{SigningKey, VerifyingKey};

use super::*;

const KEY: &str = "Access-Secret_Key-0123456789-abcdefXYZ!";
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "item-service";
/// Signed by another implementation.
const PUBLISHED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI1NTBlODQwMC1lMjliLTQxZDQtYTcxNi00NDY2NTU0NDAwMDAiLCJ0eXBlIjoiYWNjZXNzIiwiZW1haWwiOiJhZGFAZXhhbXBsZS5jb20iLCJmdWxsX25hbWUiOiJBZGEgTG92ZWxhY2UiLCJhdmF0YXIiOm51bGwsImlzX2FjdGl2ZSI6dHJ1ZSwiZW1haWxfdmVyaWZpZWQiOnRydWUsImlzX3N1cGVydXNlciI6ZmFsc2UsInJvbGUiOiJ3cml0ZXIiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMCwibmJmIjoxNzAwMDAwMDAwLCJqdGkiOiIwYjdkN2YwZS02YTRlLTRkMGYtOWE1My0wZDlmM2I2ZjJjMTEiLCJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20iLCJhdWQiOiJpdGVtLXNlcnZpY2UifQ.PMdgmOYYgDYIulXm27MVZFKrqCkcBNhjzgBV0YpUBBU";
const REFRESH: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI1NTBlODQwMC1lMjliLTQxZDQtYTcxNi00NDY2NTU0NDAwMDAiLCJ0eXBlIjoicmVmcmVzaCIsImV4cCI6NDEwMjQ0NDgwMCwianRpIjoiMGI3ZDdmMGUtNmE0ZS00ZDBmLTlhNTMtMGQ5ZjNiNmYyYzExIn0.VBXc7Wxsfq15L0XxdMf90kaFCckqM1OBUG1Jcxo2wtE";

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("in range")
}

fn secret(text: &str) -> KeySet {
    let key =
        VerifyingKey::from_secret(&Secret::new(text.as_bytes().to_vec())).expect("long enough");
    KeySet::alone(key)
}

fn expected() -> Expectations {
    Expectations::strict(Algorithm::Hs256, ISSUER, AUDIENCE)
}

fn claims() -> Value {
    json!({
        "sub": "550e8400-e29b-41d4-a716-446655440000", "type": "access", "email": "ada@example.com",
        "full_name": "Ada Lovelace", "avatar": null, "is_active": true, "email_verified": true,
        "is_superuser": false, "role": "writer", "exp": 4_102_444_800_i64, "iat": 1_700_000_000, "nbf": 1_700_000_000,
        "jti": "0b7d7f0e-6a4e-4d0f-9a53-0d9f3b6f2c11", "iss": ISSUER, "aud": AUDIENCE,
    })
}

fn signed(claims: &Value) -> String {
    let key = SigningKey::from_bytes(Algorithm::Hs256, &Secret::new(KEY.as_bytes().to_vec()))
        .expect("long enough");
    key.sign(claims).expect("signs").expose().clone()
}

fn judged(claims: &Value, expected: &Expectations) -> Result<Claims, Refusal> {
    verify(&signed(claims), &secret(KEY), expected, now())
}

/// The outcome with one claim changed; `None` leaves it out.
fn with(name: &str, value: impl Into<Option<Value>>) -> Result<Claims, Refusal> {
    judged(&changed(name, value), &expected())
}

fn changed(name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    match value.into() {
        Some(value) => {
            members.insert(name.to_owned(), value);
        }
        None => {
            members.remove(name);
        }
    }
    claims
}

#[test]
fn the_published_token_is_accepted() {
    let claims = verify(PUBLISHED, &secret(KEY), &expected(), now()).expect("good");
    assert_eq!(claims, crate::test_tokens::claims());
}

#[test]
fn the_published_refresh_token_is_no_access_token() {
    let keys = secret("Refresh-Secret_Key-0123456789-abcdefXY!");
    let permissive = Expectations::permissive(Algorithm::Hs256);
    assert_eq!(
        verify(REFRESH, &keys, &permissive, now()),
        Err(Refusal::WrongType)
    );
    assert_eq!(
        verify(REFRESH, &keys, &expected(), now()),
        Err(Refusal::Invalid),
        "it lacks claims"
    );
    assert_eq!(
        verify(REFRESH, &secret(KEY), &permissive, now()),
        Err(Refusal::Invalid),
        "signature"
    );
}

#[test]
fn only_the_one_algorithm_is_taken() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm).expect("system random source");
        let expected = Expectations::strict(algorithm, ISSUER, AUDIENCE);
        let keys = KeySet::new([key.verifying_key()]);
        let token = key.sign(&claims()).expect("signs");
        assert!(verify(token.expose(), &keys, &expected, now()).is_ok());
        assert_eq!(
            verify(PUBLISHED, &keys, &expected, now()),
            Err(Refusal::Invalid)
        );
        // The public half, which everybody knows, taken for the secret of HS256.
        let pem = key.verifying_key().to_public_pem().expect("asymmetric");
        let forger = SigningKey::from_bytes(Algorithm::Hs256, &Secret::new(pem.into_bytes()))
            .expect("long enough");
        let forged = forger.sign(&claims()).expect("signs");
        assert_eq!(
            verify(forged.expose(), &keys, &expected, now()),
            Err(Refusal::Invalid)
        );
    }
    let (_, payload) = PUBLISHED.split_once('.').expect("three parts");
    let (payload, _) = payload.split_once('.').expect("three parts");
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    assert_eq!(
        verify(&unsigned, &secret(KEY), &expected(), now()),
        Err(Refusal::Invalid)
    );
}

#[test]
fn a_single_key_verifies_whatever_key_the_token_names() {
    let key = SigningKey::generate(Algorithm::Es256).expect("system random source");
    let pem = key.verifying_key().to_public_pem().expect("asymmetric");
    let alone = KeySet::alone(VerifyingKey::from_pem(&pem).expect("its own text"));
    let expected = Expectations::strict(Algorithm::Es256, ISSUER, AUDIENCE);
    let token = key.sign(&claims()).expect("signs");
    assert!(verify(token.expose(), &alone, &expected, now()).is_ok());
}

#[test]
fn claims_that_are_demanded_cannot_be_left_out() {
    for name in ["sub", "type", "jti", "exp", "iat", "nbf", "iss", "aud"] {
        assert_eq!(with(name, None), Err(Refusal::Invalid), "{name}");
        assert_eq!(
            with(name, Value::Null),
            Err(Refusal::Invalid),
            "{name} null"
        );
    }
    assert_eq!(with("email", None), Err(Refusal::InvalidPayload));
    let permissive = Expectations::permissive(Algorithm::Hs256);
    for name in ["iat", "nbf", "iss", "aud"] {
        assert!(judged(&changed(name, None), &permissive).is_ok(), "{name}");
    }
    for name in ["iat", "nbf"] {
        assert_eq!(
            judged(&changed(name, Value::Null), &permissive),
            Err(Refusal::Invalid),
            "{name} null"
        );
    }
    for name in ["iss", "aud"] {
        for odd in [Value::Null, json!(5), json!([1])] {
            assert!(
                judged(&changed(name, odd), &permissive).is_ok(),
                "nobody looks at {name}"
            );
        }
    }
    for name in ["sub", "type", "jti", "exp"] {
        assert_eq!(
            judged(&changed(name, None), &permissive),
            Err(Refusal::Invalid),
            "{name}"
        );
    }
}

#[test]
fn what_the_token_does_not_say_of_the_caller_is_assumed_at_its_lowest() {
    let mut least = claims();
    let members = least.as_object_mut().expect("an object");
    for name in [
        "role",
        "is_superuser",
        "is_active",
        "email_verified",
        "full_name",
        "avatar",
    ] {
        members.remove(name);
    }
    let claims = judged(&least, &expected()).expect("good");
    assert_eq!((claims.role, claims.is_superuser), (Role::User, false));
    assert_eq!((claims.is_active, claims.email_verified), (true, false));
    assert_eq!((claims.full_name, claims.avatar), (None, None));
}

#[test]
fn times_are_looked_at_with_the_leeway() {
    let outcome = |name: &str, at: i64| with(name, json!(at)).map(|_| ());
    assert_eq!(outcome("exp", NOW - 1), Ok(()));
    assert_eq!(outcome("exp", NOW - 2), Err(Refusal::Expired));
    for name in ["iat", "nbf"] {
        assert_eq!(outcome(name, NOW + 2), Ok(()));
        assert_eq!(outcome(name, NOW + 3), Err(Refusal::Invalid));
    }
    let permissive = Expectations::permissive(Algorithm::Hs256);
    assert!(judged(&changed("exp", json!(NOW - 4)), &permissive).is_ok());
    assert_eq!(
        judged(&changed("exp", json!(NOW - 5)), &permissive),
        Err(Refusal::Expired)
    );
    assert!(judged(&changed("nbf", json!(NOW + 5)), &permissive).is_ok());
    assert_eq!(
        judged(&changed("nbf", json!(NOW + 6)), &permissive),
        Err(Refusal::Invalid)
    );
}

#[test]
fn numbers_that_are_no_times_are_refused() {
    assert_eq!(
        with("exp", json!(4_102_444_800.5)),
        Err(Refusal::InvalidPayload)
    );
    assert!(with("exp", json!(4_102_444_800.0)).is_ok());
    assert_eq!(with("exp", json!(1e300)), Err(Refusal::Invalid));
    for value in [json!("4102444800"), json!(true), json!([1]), json!({})] {
        for name in ["exp", "iat", "nbf"] {
            assert_eq!(
                with(name, value.clone()),
                Err(Refusal::Invalid),
                "{name} {value}"
            );
        }
    }
    assert!(
        with("iat", json!(1_700_000_000.25)).is_ok(),
        "a time of issue may have a fraction"
    );
    assert_eq!(with("exp", json!(i64::MIN)), Err(Refusal::Expired));
    assert!(with("exp", json!(i64::MAX)).is_ok());
}

#[test]
fn issuer_and_audience_are_compared_exactly() {
    for issuer in [
        json!("https://auth.example.com/"),
        json!("https://AUTH.example.com"),
        json!([ISSUER]),
        json!(5),
    ] {
        assert_eq!(with("iss", issuer), Err(Refusal::Invalid));
    }
    assert!(with("aud", json!(["another", AUDIENCE])).is_ok());
    for audience in [
        json!([]),
        json!("item"),
        json!(["another"]),
        json!([AUDIENCE, 1]),
        json!({ "a": AUDIENCE }),
    ] {
        assert_eq!(with("aud", audience), Err(Refusal::Invalid));
    }
}

#[test]
fn the_type_is_compared_exactly() {
    for kind in [
        json!("Access"),
        json!("refresh"),
        json!(""),
        json!(5),
        json!(["access"]),
    ] {
        assert_eq!(with("type", kind), Err(Refusal::WrongType));
    }
}

#[test]
fn a_subject_that_is_no_uuid_is_an_invalid_payload() {
    for subject in ["", "ada", "550e8400-e29b-41d4-a716", "1"] {
        assert_eq!(
            with("sub", json!(subject)),
            Err(Refusal::InvalidPayload),
            "{subject}"
        );
        let lenient = Expectations {
            uuid_subject: false,
            ..expected()
        };
        assert!(judged(&changed("sub", json!(subject)), &lenient).is_ok());
    }
    assert_eq!(with("sub", json!(5)), Err(Refusal::Invalid));
}

#[test]
fn an_id_may_be_empty_but_must_be_a_text() {
    assert!(with("jti", json!("")).is_ok());
    assert_eq!(with("jti", json!(5)), Err(Refusal::Invalid));
}

#[test]
fn contradictory_privileges_are_refused() {
    for (role, flag, agree) in [
        ("user", true, false),
        ("admin", true, false),
        ("superadmin", false, false),
        ("superadmin", true, true),
        ("admin", false, true),
    ] {
        let mut claims = changed("role", json!(role));
        claims["is_superuser"] = json!(flag);
        let outcome = judged(&claims, &expected()).map(|_| ());
        assert_eq!(
            outcome,
            if agree {
                Ok(())
            } else {
                Err(Refusal::InconsistentPrivileges)
            },
            "{role} {flag}"
        );
        let lenient = Expectations {
            agreeing_privileges: false,
            ..expected()
        };
        assert!(judged(&claims, &lenient).is_ok());
    }
}

#[test]
fn switches_are_read_from_the_words_that_issuers_write() {
    let verified = |value: Value| with("email_verified", value).map(|claims| claims.email_verified);
    for value in [
        json!(true),
        json!(1),
        json!(1.0),
        json!("yes"),
        json!("Y"),
        json!("TRUE"),
        json!("on"),
    ] {
        assert_eq!(verified(value.clone()), Ok(true), "{value}");
    }
    for value in [
        json!(false),
        json!(0),
        json!("no"),
        json!("false"),
        json!("off"),
    ] {
        assert_eq!(verified(value.clone()), Ok(false), "{value}");
    }
    for value in [
        json!(2),
        json!(-1),
        json!("maybe"),
        json!(" true"),
        Value::Null,
        json!([]),
    ] {
        assert_eq!(
            verified(value.clone()),
            Err(Refusal::InvalidPayload),
            "{value}"
        );
    }
}

#[test]
fn claims_of_the_wrong_kind_are_an_invalid_payload() {
    for (name, value) in [
        ("role", json!("Writer")),
        ("role", json!("boss")),
        ("role", Value::Null),
        ("full_name", json!(5)),
        ("avatar", json!([])),
        ("tenant_id", json!(5)),
        ("sid", json!(5)),
        ("gen", json!(-1)),
        ("gen", json!("3")),
        ("gen", json!(1.5)),
        ("amr", json!([1])),
        ("acr", json!(1)),
        ("auth_time", json!("now")),
    ] {
        assert_eq!(
            with(name, value.clone()),
            Err(Refusal::InvalidPayload),
            "{name} {value}"
        );
    }
}

#[test]
fn the_claims_of_our_own_issuer_are_read_and_unknown_ones_passed_over() {
    let mut claims = claims();
    for (name, value) in [
        ("sid", json!("a session")),
        ("gen", json!(7)),
        ("tenant_id", json!("t")),
        ("amr", json!(["pwd", "otp"])),
        ("acr", json!("urn:vestibule:acr:2")),
        ("auth_time", json!(1_700_000_000)),
        ("more", json!({ "nested": [1] })),
    ] {
        claims[name] = value;
    }
    let claims = judged(&claims, &expected()).expect("good");
    assert_eq!(
        (claims.sid.as_deref(), claims.generation),
        (Some("a session"), Some(7))
    );
    assert_eq!(
        (claims.tenant_id.as_deref(), claims.auth_time),
        (Some("t"), Some(1_700_000_000))
    );
    assert_eq!(
        (claims.amr.len(), claims.acr.as_deref()),
        (2, Some("urn:vestibule:acr:2"))
    );
}

#[test]
fn an_address_has_to_be_plausible() {
    for good in [
        "ada@example.com",
        "a+b@x.co",
        " ada@example.com ",
        "ü@example.com",
        "ada@exämple.com",
        "o'hara@b.example",
    ] {
        assert!(with("email", json!(good)).is_ok(), "{good}");
    }
    for bad in [
        "",
        "@",
        "ada",
        "root@localhost",
        "a@x",
        "a b@x.com",
        "Ada <ada@x.com>",
        "a@[127.0.0.1]",
        ".a@x.com",
        "a..b@x.com",
        "\"a\"@x.com",
        "a@x_y.com",
        "a@-x.com",
        "a@x.com.",
        "a@x..com",
        "a@x.123",
        "a@b@c.com",
        "a@1.2.3.4",
        "a\n@x.com",
        "a\0@x.com",
    ] {
        assert_eq!(
            with("email", json!(bad)),
            Err(Refusal::InvalidPayload),
            "{bad:?}"
        );
    }
    assert_eq!(with("email", json!(5)), Err(Refusal::InvalidPayload));
}

#[test]
fn a_claim_that_is_named_twice_is_refused() {
    let twice = format!("{{\"role\":\"superadmin\",{}", &claims().to_string()[1..]);
    assert_eq!(
        check(twice.as_bytes(), &expected(), now()),
        Err(Refusal::Invalid)
    );
}

#[test]
fn the_first_thing_that_is_wrong_is_the_reason() {
    let both = |one: (&str, Value), other: (&str, Value)| {
        let mut claims = changed(one.0, one.1);
        claims[other.0] = other.1;
        judged(&claims, &expected()).expect_err("two faults")
    };
    let past = || ("exp", json!(1));
    assert_eq!(both(past(), ("type", json!("refresh"))), Refusal::Expired);
    assert_eq!(both(past(), ("aud", json!("x"))), Refusal::Expired);
    assert_eq!(both(past(), ("iss", json!("x"))), Refusal::Expired);
    assert_eq!(
        both(past(), ("iat", json!(4_102_444_800_i64))),
        Refusal::Invalid
    );
    assert_eq!(
        both(("email", json!(5)), ("type", json!("refresh"))),
        Refusal::WrongType
    );
}

#[test]
fn a_token_of_an_unknown_key_is_refused_at_once_when_it_would_be_anyway() {
    let key = SigningKey::generate(Algorithm::Es256).expect("system random source");
    let expected = Expectations::strict(Algorithm::Es256, ISSUER, AUDIENCE);
    let attempted = |claims: &Value| {
        let token = key.sign(claims).expect("signs");
        attempt(token.expose(), &KeySet::default(), &expected, now()).map(|_| ())
    };
    assert_eq!(attempted(&claims()), Err(Rejection::UnknownKey));
    assert_eq!(
        attempted(&changed("exp", json!(1))),
        Err(Rejection::Refused(Refusal::Expired))
    );
    assert_eq!(
        attempted(&changed("iss", json!("x"))),
        Err(Rejection::Refused(Refusal::Invalid))
    );
}

/// Any JSON value, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("access")),
        Just(json!("superadmin")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{0,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

const NAMES: [&str; 21] = [
    "sub",
    "jti",
    "type",
    "exp",
    "iat",
    "nbf",
    "iss",
    "aud",
    "email",
    "role",
    "is_superuser",
    "is_active",
    "email_verified",
    "full_name",
    "avatar",
    "tenant_id",
    "sid",
    "gen",
    "amr",
    "acr",
    "auth_time",
];

proptest! {
    #[test]
    fn any_text_is_no_token(text in ".{0,200}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,60}", 0..5)) {
        prop_assert!(verify(&text, &secret(KEY), &expected(), now()).is_err());
        prop_assert!(verify(&parts.join("."), &secret(KEY), &expected(), now()).is_err());
    }

    #[test]
    fn any_payload_is_read_or_refused_without_a_panic(payload: Vec<u8>) {
        let _ = check(&payload, &Expectations::permissive(Algorithm::Hs256), now());
    }

    #[test]
    fn any_claim_may_be_anything_and_what_passes_keeps_its_promises(name in prop::sample::select(&NAMES[..]), value in any_json()) {
        if let Ok(claims) = with(name, value) {
            prop_assert!(Uuid::try_parse(&claims.sub).is_ok());
            prop_assert_eq!(claims.iss.as_deref(), Some(ISSUER));
            prop_assert!(claims.aud.iter().any(|audience| audience == AUDIENCE));
            prop_assert_eq!(claims.is_superuser, claims.role == Role::Superadmin);
            prop_assert!(claims.exp > NOW - 2 && claims.iat.is_some_and(|iat| iat <= NOW + 2));
            prop_assert!(claims.email.contains('@'));
        }
    }

    #[test]
    fn a_changed_token_is_refused(at in 0..PUBLISHED.len(), to in "[A-Za-z0-9_.-]") {
        let mut token = PUBLISHED.to_owned();
        token.replace_range(at..=at, &to);
        let outcome = verify(&token, &secret(KEY), &expected(), now());
        prop_assert!(outcome.is_err() || token == PUBLISHED);
    }
}
