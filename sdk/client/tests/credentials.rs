//! How a service proves itself to the issuer, and what it never gives away.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::*;
use serde_json::json;
use tokio::runtime::Handle;
use vestibule_client::{CheckError, Client, Config, Credential, Unavailable};

type Outcome = Result<(), CheckError>;

const UNAVAILABLE: Outcome = Err(CheckError::Unavailable(Unavailable::Revocation));

fn client(config: Config) -> Client {
    Client::new(config, &Handle::current()).expect("a good configuration")
}

async fn who(client: &Client, token: &str) -> Outcome {
    let checked = tokio::time::timeout(PATIENCE, client.check_async(token, None)).await;
    checked.expect("bounded").map(|_| ())
}

fn active(generation: u64) -> Reply {
    Reply::Json(
        json!({ "schema_version": "2", "active": true, "user_id": ADA, "auth_generation": generation }),
    )
}

#[tokio::test]
async fn a_service_token_is_exchanged_once_renewed_early_and_replaced_when_refused() {
    let (issuer, key, number) = (Issuer::start().await, key(), Arc::new(AtomicUsize::new(0)));
    let exchange = Reply::Ask(Arc::new(move |seen: &Seen| {
        assert_eq!(seen.header("x-internal-client"), Some("items"));
        assert_eq!(seen.header("x-internal-token"), Some(SECRET));
        assert_eq!(seen.json(), json!({ "scopes": ["introspection"] }));
        let number = number.fetch_add(1, Ordering::SeqCst) + 1;
        let token = format!("token-{number}");
        Reply::Json(
            json!({ "access_token": token, "token_type": "bearer", "expires_in": 300, "scope": "introspection" }),
        )
    }));
    let only = |good: &'static str| {
        Reply::Ask(Arc::new(move |seen: &Seen| {
            match seen.header("authorization") {
                Some(bearer) if bearer == good => active(1),
                _ => Reply::Answer(401, Vec::new()),
            }
        }))
    };
    issuer
        .publishes(&[&key])
        .on(EXCHANGE, exchange)
        .on(STATUS, only("Bearer token-1"));
    let credential = Credential::ServiceToken {
        id: "items".into(),
        secret: SECRET.to_owned().into(),
        url: issuer.url(EXCHANGE),
        scopes: vec!["introspection".into()],
        renew_early: Duration::from_secs(30),
    };
    let client = client(Config {
        credential: Some(credential),
        ..issuer.introspecting()
    });
    let many = (0..20).map(|caller| {
        let (client, token) = (client.clone(), token(&key, &caller.to_string()));
        tokio::spawn(async move { who(&client, &token).await })
    });
    for caller in many.collect::<Vec<_>>() {
        assert_eq!(caller.await.expect("no panic"), Ok(()));
    }
    assert_eq!(issuer.count(EXCHANGE), 1, "one exchange for everybody");
    assert!(
        issuer.seen(STATUS)[0].header("x-internal-token").is_none(),
        "the secret stays at home"
    );
    let one = token(&key, "one");
    // Thirty seconds before its end.
    client.advance(Duration::from_secs(271));
    issuer.on(STATUS, only("Bearer token-2"));
    assert_eq!(who(&client, &one).await, Ok(()));
    assert_eq!(issuer.count(EXCHANGE), 2);
    // Another secret ends all tokens: the next one is fetched by itself, and once.
    issuer.on(STATUS, only("Bearer token-3"));
    assert_eq!(who(&client, &one).await, Ok(()));
    assert_eq!(issuer.count(EXCHANGE), 3);
    // Where that does not help it is not tried for ever.
    issuer.on(STATUS, only("Bearer never"));
    assert_eq!(who(&client, &one).await, UNAVAILABLE);
    assert_eq!(issuer.count(EXCHANGE), 4);
}

#[tokio::test]
async fn a_service_token_that_cannot_be_renewed_is_used_to_its_end() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, active(1)).on(
        EXCHANGE,
        Reply::Json(json!({ "access_token": "first", "token_type": "bearer", "expires_in": 300, "scope": "" })),
    );
    let credential = Credential::ServiceToken {
        id: "items".into(),
        secret: SECRET.to_owned().into(),
        url: issuer.url(EXCHANGE),
        scopes: Vec::new(),
        renew_early: Duration::from_secs(30),
    };
    let client = client(Config {
        credential: Some(credential),
        ..issuer.introspecting()
    });
    let token = token(&key, "one");
    assert_eq!(who(&client, &token).await, Ok(()));
    assert_eq!(issuer.seen(EXCHANGE)[0].json(), json!({}));
    issuer.on(EXCHANGE, Reply::Answer(503, Vec::new()));
    client.advance(Duration::from_secs(275));
    for _ in 0..10 {
        assert_eq!(who(&client, &token).await, Ok(()));
    }
    assert!(
        issuer.count(EXCHANGE) <= 4,
        "not tried for each call: {}",
        issuer.count(EXCHANGE)
    );
    client.advance(Duration::from_secs(30));
    assert_eq!(who(&client, &token).await, UNAVAILABLE);
}

#[tokio::test]
async fn an_id_and_a_secret_are_sent_as_two_headers_and_no_redirect_takes_them_elsewhere() {
    let (issuer, thief, key) = (Issuer::start().await, Issuer::start().await, key());
    thief.on(STATUS, active(1));
    issuer.publishes(&[&key]).on(STATUS, active(1));
    let credential = Credential::Client {
        id: "items".into(),
        secret: SECRET.to_owned().into(),
    };
    let client = client(Config {
        credential: Some(credential),
        ..issuer.introspecting()
    });
    let token = token(&key, "one");
    assert_eq!(who(&client, &token).await, Ok(()));
    let request = &issuer.seen(STATUS)[0];
    assert_eq!(request.header("x-internal-client"), Some("items"));
    assert_eq!(request.header("x-internal-token"), Some(SECRET));
    issuer.on(STATUS, Reply::Redirect(thief.url(STATUS).to_string()));
    assert_eq!(who(&client, &token).await, UNAVAILABLE);
    assert_eq!(thief.count(STATUS), 0);
}
