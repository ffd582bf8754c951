//! Passkeys, by an authenticator in software: what is accepted, and every way in which one is refused.

use accounts::SessionOrigin;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use secret::SecretString;
use serde_json::{Value, json};
use server::{
    Peer,
    actions::accounts::{
        self as actions, Credentials, Finished,
        factors::{self, Challenge},
    },
};
use sha2::{Digest as _, Sha256};
use testkit::{Person, TestServer};

/// A device with one passkey.
struct Device {
    key: EcdsaKeyPair,
    credential: Vec<u8>,
    user: String,
    rp: String,
    origin: String,
    /// How often it says that it was used.
    count: u32,
    /// It makes sure who holds it.
    verifies: bool,
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A byte string of CBOR.
fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("short");
    [&[0x59], &length.to_be_bytes()[..], bytes].concat()
}

impl Device {
    /// Makes a passkey for a challenge, and the answer that registers it.
    fn register(origin: &str, options: &Value) -> (Self, String) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        let device = Self {
            credential: key.public_key().as_ref()[1..33].to_vec(),
            key,
            user: options["user"]["id"].as_str().unwrap().to_owned(),
            rp: options["rp"]["id"].as_str().unwrap().to_owned(),
            origin: origin.to_owned(),
            count: 1,
            verifies: true,
        };
        let point = device.key.public_key().as_ref();
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        let cose = [
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20][..],
            &point[1..33],
            &[0x22, 0x58, 0x20],
            &point[33..],
        ]
        .concat();
        let attested = [&[0; 16][..], &[0, 32], &device.credential, &cose].concat();
        let data = [device.data(0x40), attested].concat();
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let object = [
            &[0xa3, 0x63][..],
            b"fmt",
            &[0x64],
            b"none",
            &[0x67],
            b"attStmt",
            &[0xa0, 0x68],
            b"authData",
            &byte_string(&data),
        ]
        .concat();
        let client = device.client("webauthn.create", options);
        let answer = json!({
            "id": text(&device.credential), "rawId": text(&device.credential), "type": "public-key",
            "response": {"clientDataJSON": text(&client), "attestationObject": text(object)},
        });
        (device, answer.to_string())
    }

    /// Answers a challenge.
    fn answer(&mut self, options: &Value) -> String {
        self.count += 1;
        let data = self.data(0);
        let client = self.client("webauthn.get", options);
        let signed = [&data[..], &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let answer = json!({
            "id": text(&self.credential), "rawId": text(&self.credential), "type": "public-key",
            "response": {
                "clientDataJSON": text(&client), "authenticatorData": text(data),
                "signature": text(signature), "userHandle": self.user,
            },
        });
        answer.to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let flags = flags | 1 | u8::from(self.verifies) << 2;
        let rp = Sha256::digest(&self.rp);
        [&rp[..], &[flags], &self.count.to_be_bytes()].concat()
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        let client = json!({
            "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        client.to_string().into_bytes()
    }
}

async fn begin(server: &TestServer, person: &Person) -> Challenge {
    let caller = server.caller(person).await;
    factors::begin_passkey(server.context(), &caller)
        .await
        .unwrap()
}

/// Registers a passkey.
async fn register(server: &TestServer, person: &Person) -> Device {
    let caller = server.caller(person).await;
    let challenge = begin(server, person).await;
    let (device, answer) = Device::register(&server.origin(), &challenge.options);
    let token = challenge.token.expose();
    factors::finish_passkey(server.context(), &caller, token, &answer, "", "Test device")
        .await
        .unwrap();
    device
}

async fn challenge(server: &TestServer) -> Challenge {
    factors::begin_sign_in_by_passkey(server.context(), Peer::Local)
        .await
        .unwrap()
}

async fn sign_in(
    server: &TestServer,
    challenge: &Challenge,
    answer: &str,
) -> Result<actions::SignedIn, &'static str> {
    let token = challenge.token.expose();
    let signed_in = factors::sign_in_by_passkey(server.context(), token, answer, "test").await;
    signed_in.map_err(|error| error.code)
}

#[tokio::test]
async fn a_passkey_alone_is_two_factors() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut device = register(&server, &ada).await;
    let asked = challenge(&server).await;
    assert!(
        asked
            .options
            .get("allowCredentials")
            .is_none_or(|list| list == &json!([]))
    );
    let signed_in = sign_in(&server, &asked, &device.answer(&asked.options))
        .await
        .unwrap();
    assert_eq!(signed_in.account.id.to_string(), ada.id);
    assert_eq!(signed_in.session.amr.to_string(), "hwk user mfa");
    assert_eq!(signed_in.session.created_by, SessionOrigin::Passkey);
}

#[tokio::test]
async fn a_challenge_is_answered_once_in_time_and_in_the_browser_that_was_given_it() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut device = register(&server, &ada).await;
    let (own, other) = (challenge(&server).await, challenge(&server).await);
    let answer = device.answer(&own.options);
    assert_eq!(
        sign_in(&server, &other, &answer).await.unwrap_err(),
        "wrong_passkey"
    );
    assert!(sign_in(&server, &own, &answer).await.is_ok());
    assert_eq!(
        sign_in(&server, &own, &answer).await.unwrap_err(),
        "step_lapsed"
    );
    // A wrong answer uses the challenge up as well.
    let asked = challenge(&server).await;
    let answer = device.answer(&asked.options);
    assert_eq!(
        sign_in(&server, &asked, "{}").await.unwrap_err(),
        "wrong_passkey"
    );
    assert_eq!(
        sign_in(&server, &asked, &answer).await.unwrap_err(),
        "step_lapsed"
    );
    let late = challenge(&server).await;
    server.clock().advance(SignedDuration::from_mins(5));
    let answer = device.answer(&late.options);
    assert_eq!(
        sign_in(&server, &late, &answer).await.unwrap_err(),
        "step_lapsed"
    );
}

#[tokio::test]
async fn an_answer_from_an_app_s_origin_is_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut device = register(&server, &ada).await;
    // An app at a name below ours may ask the browser for our passkeys; the browser tells where.
    device.origin = server.origin().replace("://", "://guestbook.");
    let asked = challenge(&server).await;
    let answer = device.answer(&asked.options);
    assert_eq!(
        sign_in(&server, &asked, &answer).await.unwrap_err(),
        "wrong_passkey"
    );
}

#[tokio::test]
async fn a_device_that_did_not_make_sure_who_holds_it_is_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut device = register(&server, &ada).await;
    device.verifies = false;
    let asked = challenge(&server).await;
    let answer = device.answer(&asked.options);
    assert_eq!(
        sign_in(&server, &asked, &answer).await.unwrap_err(),
        "wrong_passkey"
    );
}

#[tokio::test]
async fn a_copied_passkey_is_refused_by_its_count_and_the_person_is_told() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut device = register(&server, &ada).await;
    device.count = 9;
    let asked = challenge(&server).await;
    sign_in(&server, &asked, &device.answer(&asked.options))
        .await
        .unwrap();
    device.count = 4;
    let asked = challenge(&server).await;
    let answer = device.answer(&asked.options);
    assert_eq!(
        sign_in(&server, &asked, &answer).await.unwrap_err(),
        "passkey_may_be_copied"
    );
    let caller = server.caller(&ada).await;
    let told = factors::list_notices(server.context(), &caller)
        .await
        .unwrap();
    assert!(told[0].1.contains("“Test device” was refused"), "{told:?}");
}

#[tokio::test]
async fn a_passkey_of_somebody_else_is_no_second_factor_and_confirms_nothing() {
    let server = TestServer::start().await;
    let (ada, mallory) = (server.person("ada").await, server.person("mallory").await);
    let mut own = register(&server, &ada).await;
    let mut stolen = register(&server, &mallory).await;
    let context = server.context();
    let credentials = Credentials {
        login: ada.email.clone(),
        password: SecretString::new(ada.password.clone()),
        otp: None,
        peer: Peer::Local,
        device: None,
    };
    let origin = SessionOrigin::Password;
    let finished = actions::sign_in(context, credentials, "test", origin)
        .await
        .unwrap();
    let Finished::SecondFactor(pending) = finished else {
        panic!("a passkey is asked for");
    };
    let waiting = pending.token.expose();
    let asked = factors::begin_second_step_by_passkey(context, waiting)
        .await
        .unwrap();
    let (token, answer) = (asked.token.expose(), stolen.answer(&asked.options));
    let refused = factors::second_step_by_passkey(context, waiting, token, &answer).await;
    assert_eq!(refused.unwrap_err().code, "wrong_passkey");
    let asked = factors::begin_second_step_by_passkey(context, waiting)
        .await
        .unwrap();
    let (token, answer) = (asked.token.expose(), own.answer(&asked.options));
    let done = factors::second_step_by_passkey(context, waiting, token, &answer)
        .await
        .unwrap();
    assert_eq!(done.session.amr.to_string(), "pwd hwk user mfa");

    server.clock().advance(SignedDuration::from_mins(11));
    let caller = server.caller(&ada).await;
    let asked = factors::begin_confirm_by_passkey(context, &caller)
        .await
        .unwrap();
    let (token, answer) = (asked.token.expose(), stolen.answer(&asked.options));
    let refused = factors::confirm_by_passkey(context, &caller, token, &answer).await;
    assert_eq!(refused.unwrap_err().code, "wrong_passkey");
    assert!(factors::begin_passkey(context, &caller).await.is_err());
    let asked = factors::begin_confirm_by_passkey(context, &caller)
        .await
        .unwrap();
    let (token, answer) = (asked.token.expose(), own.answer(&asked.options));
    factors::confirm_by_passkey(context, &caller, token, &answer)
        .await
        .unwrap();
    let caller = server.caller(&ada).await;
    factors::begin_passkey(context, &caller).await.unwrap();
}

#[tokio::test]
async fn a_registration_belongs_to_the_session_that_began_it() {
    let server = TestServer::start().await;
    let (ada, mallory) = (server.person("ada").await, server.person("mallory").await);
    let context = server.context();
    let begun = begin(&server, &mallory).await;
    let (_, answer) = Device::register(&server.origin(), &begun.options);
    let caller = server.caller(&ada).await;
    let token = begun.token.expose();
    let planted = factors::finish_passkey(context, &caller, token, &answer, "", "test").await;
    assert_eq!(planted.unwrap_err().code, "step_lapsed");
}

#[tokio::test]
async fn the_last_way_in_is_not_removed() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    register(&server, &ada).await;
    let context = server.context();
    let id = ada.id.parse().unwrap();
    context
        .storage
        .write(move |tx| {
            let account = tx.accounts().find(id)?.expect("the account exists");
            tx.accounts().update(&accounts::Account {
                password: None,
                ..account
            })
        })
        .await
        .unwrap();
    let caller = server.caller(&ada).await;
    let passkeys = factors::protection(context, &caller)
        .await
        .unwrap()
        .passkeys;
    let refused = factors::remove_passkey(context, &caller, passkeys[0].id).await;
    assert_eq!(refused.unwrap_err().code, "last_way_in");
    register(&server, &ada).await;
    factors::remove_passkey(context, &caller, passkeys[0].id)
        .await
        .unwrap();
}

#[tokio::test]
async fn nobody_fills_the_database_with_challenges() {
    let server = TestServer::start().await;
    let flood = Peer::Address("203.0.113.7:1".parse().unwrap());
    let mut refused = 0;
    for _ in 0..100 {
        let asked = factors::begin_sign_in_by_passkey(server.context(), flood).await;
        refused += u32::from(asked.is_err_and(|error| error.status.as_u16() == 429));
    }
    assert!(refused >= 30, "{refused}");
    challenge(&server).await;
}
