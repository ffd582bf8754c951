//! What happens to callers when the issuer publishes its keys slowly, wrongly, or not at all.

mod common;

use std::{sync::Arc, time::Duration};

use common::*;
use serde_json::{Value, json};
use token::KeySet;
use tokio::{runtime::Handle, sync::Notify};
use vestibule_client::{
    Check, CheckError, Client, Clock, Config, HttpError, Identity, KeySetError, KeySource, Refusal,
    Unavailable,
};

fn client(config: Config) -> Client {
    Client::new(config, &Handle::current()).expect("a good configuration")
}

async fn who(client: &Client, token: &str) -> Result<Arc<Identity>, CheckError> {
    tokio::time::timeout(PATIENCE, client.check_async(token, None))
        .await
        .expect("bounded")
}

fn refused(check: &Check) -> Option<Refusal> {
    match check {
        Check::Refused(refusal) => Some(*refusal),
        Check::Known(_) | Check::Pending => None,
    }
}

// On one thread: whoever blocked would stall everything.
#[tokio::test]
async fn a_slow_key_set_does_not_stall_whoever_checks() {
    let (issuer, key, gate) = (Issuer::start().await, key(), Arc::new(Notify::new()));
    let set: KeySet = [key.verifying_key()].into_iter().collect();
    issuer.on(
        KEYS,
        Reply::Held(gate.clone(), Box::new(Reply::Json(set.to_jwks()))),
    );
    let client = client(issuer.config());
    let token = token(&key, "one");
    let waiting = tokio::spawn({
        let (client, token) = (client.clone(), token.clone());
        async move { who(&client, &token).await }
    });
    issuer.until(KEYS, 1).await;
    for _ in 0..1000 {
        assert!(matches!(client.check(&token, None), Check::Pending));
    }
    assert_eq!(
        refused(&client.check("nonsense", None)),
        Some(Refusal::Invalid),
        "needs no key"
    );
    assert!(!waiting.is_finished());
    gate.notify_one();
    waiting
        .await
        .expect("no panic")
        .expect("the keys are there");
    assert!(matches!(client.check(&token, None), Check::Known(_)));
    assert_eq!(issuer.count(KEYS), 1, "fetched once for everybody");
}

#[tokio::test]
async fn trouble_with_the_key_set_is_unavailable_and_never_a_refusal() {
    let troubles = [
        Reply::Answer(500, b"oops".to_vec()),
        Reply::Answer(404, Vec::new()),
        Reply::Json(json!([])),
        Reply::Json(json!({})),
        Reply::Json(json!({ "keys": [] })),
        Reply::Json(json!({ "keys": {} })),
        Reply::Answer(200, b"<html>".to_vec()),
        Reply::Answer(200, vec![0xff; 100]),
        Reply::HangUp,
        Reply::BreakOff,
        Reply::Endless,
    ];
    futures_util::future::join_all(troubles.map(is_unavailable_for_a_while)).await;
}

async fn is_unavailable_for_a_while(trouble: Reply) {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.on(KEYS, trouble);
    let client = client(issuer.config());
    let error = who(&client, &token(&key, "one"))
        .await
        .expect_err("no keys");
    assert!(
        matches!(error, CheckError::Unavailable(Unavailable::Keys(_))),
        "{error:?}"
    );
    assert_eq!(
        refused(&client.check("nonsense", None)),
        Some(Refusal::Invalid)
    );
    // It is forgotten as soon as the issuer is well.
    issuer.publishes(&[&key]);
    who(&client, &token(&key, "one"))
        .await
        .expect("the keys are there");
}

#[tokio::test]
async fn a_key_set_of_more_than_a_mebibyte_is_not_read() {
    let (issuer, key) = (Issuer::start().await, key());
    let set: KeySet = [key.verifying_key()].into_iter().collect();
    let mut set = set.to_jwks();
    set["padding"] = Value::String("x".repeat(1024 * 1024));
    issuer.on(KEYS, Reply::Json(set));
    let client = client(issuer.config());
    let error = who(&client, &token(&key, "one"))
        .await
        .expect_err("too large");
    assert_eq!(
        error,
        Unavailable::Keys(KeySetError::Http(HttpError::TooLarge)).into()
    );
}

#[tokio::test]
async fn a_redirect_of_the_key_set_is_not_followed() {
    let (issuer, thief, key) = (Issuer::start().await, Issuer::start().await, key());
    thief.publishes(&[&key]);
    issuer.on(KEYS, Reply::Redirect(thief.url(KEYS).to_string()));
    let client = client(issuer.config());
    let error = who(&client, &token(&key, "one"))
        .await
        .expect_err("no keys");
    assert!(matches!(error, CheckError::Unavailable(_)));
    assert_eq!(thief.count(KEYS), 0);
}

#[tokio::test]
async fn an_issuer_without_the_tls_that_was_wanted_is_told_apart_from_an_outage() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let mut url = issuer.url(KEYS);
    url.set_scheme("https").expect("another scheme");
    let client = client(Config {
        keys: KeySource::Fetched(url),
        ..issuer.config()
    });
    let error = who(&client, &token(&key, "one"))
        .await
        .expect_err("no TLS there");
    assert_eq!(
        error,
        Unavailable::Keys(KeySetError::Http(HttpError::Insecure)).into()
    );
    assert_eq!(issuer.count(KEYS), 0);
}

#[tokio::test]
async fn one_foreign_entry_does_not_spoil_the_key_set() {
    let (issuer, key, other) = (Issuer::start().await, key(), key());
    let set: KeySet = [key.verifying_key()].into_iter().collect();
    let mut entries = vec![
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
        json!({ "kty": "PQC", "kid": "b" }),
        json!({ "kty": "RSA", "kid": "c", "n": "AQAB", "e": "AQAB" }),
        json!(7),
        Value::Null,
    ];
    let foreign: KeySet = [other.verifying_key()].into_iter().collect();
    let mut for_encryption = foreign.to_jwks()["keys"][0].clone();
    for_encryption["use"] = json!("enc");
    entries.push(for_encryption);
    entries.push(set.to_jwks()["keys"][0].clone());
    issuer.on(KEYS, Reply::Json(json!({ "keys": entries })));
    let client = client(issuer.config());
    who(&client, &token(&key, "one"))
        .await
        .expect("its key is there");
    let error = who(&client, &token(&other, "two"))
        .await
        .expect_err("that key is for encryption");
    assert_eq!(error, Refusal::Invalid.into());
    assert_eq!(client.statistics().keys, 1);
}

#[tokio::test]
async fn a_rotated_key_is_accepted_at_once_and_a_made_up_one_refused() {
    let (issuer, old, new) = (Issuer::start().await, key(), key());
    issuer.publishes(&[&old]);
    let client = client(issuer.config());
    who(&client, &token(&old, "one"))
        .await
        .expect("its key is there");
    // No window: the fetch before this was just now.
    issuer.publishes(&[&old, &new]);
    who(&client, &token(&new, "two"))
        .await
        .expect("the key was fetched");
    let error = who(&client, &token(&key(), "three"))
        .await
        .expect_err("nobody's key");
    assert_eq!(error, Refusal::Invalid.into());
}

#[tokio::test]
async fn a_token_that_is_refused_anyway_makes_nobody_fetch_keys() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(issuer.config());
    who(&client, &token(&key, "one"))
        .await
        .expect("its key is there");
    let unknown = common::key();
    let expired = sign(&unknown, &with(claims("two"), "exp", 1));
    assert_eq!(
        refused(&client.check(&expired, None)),
        Some(Refusal::Expired)
    );
    let foreign = sign(&unknown, &with(claims("two"), "aud", "another-service"));
    assert_eq!(
        refused(&client.check(&foreign, None)),
        Some(Refusal::Invalid)
    );
    assert_eq!(issuer.count(KEYS), 1);
}

#[tokio::test]
async fn a_flood_of_made_up_keys_costs_the_issuer_next_to_nothing() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(issuer.config());
    who(&client, &token(&key, "one"))
        .await
        .expect("its key is there");
    let flood = (0..200).map(|number| {
        let (client, token) = (client.clone(), token(&common::key(), &number.to_string()));
        tokio::spawn(async move { who(&client, &token).await })
    });
    for caller in flood.collect::<Vec<_>>() {
        assert_eq!(
            caller.await.expect("no panic").expect_err("nobody's key"),
            Refusal::Invalid.into()
        );
    }
    assert!(issuer.count(KEYS) <= 4, "{}", issuer.count(KEYS));
    assert_eq!(
        client.statistics().identities,
        1,
        "only verified tokens are remembered"
    );
}

#[tokio::test]
async fn a_flood_of_forged_tokens_neither_fills_nor_empties_the_memory() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(Config {
        identities: 8,
        ..issuer.config()
    });
    let known: Vec<_> = (0..4)
        .map(|number| token(&key, &number.to_string()))
        .collect();
    for token in &known {
        who(&client, token).await.expect("its key is there");
    }
    let (head, _) = known[0].rsplit_once('.').expect("three parts");
    for number in 0..1000_u64 {
        let signature = format!("{number:022x}{number:064x}");
        let refusal = refused(&client.check(&format!("{head}.{signature}"), None));
        assert_eq!(refusal, Some(Refusal::Invalid));
    }
    let (before, checked) = (client.statistics().verifications, known.len());
    assert_eq!(client.statistics().identities, checked);
    for token in &known {
        assert!(matches!(client.check(token, None), Check::Known(_)));
    }
    assert_eq!(
        client.statistics().verifications,
        before,
        "all are remembered"
    );
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_found_when_it_comes() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    issuer.go_down().await;
    let client = client(issuer.config());
    let token = token(&key, "one");
    let error = who(&client, &token).await.expect_err("nobody is there");
    assert_eq!(
        error,
        Unavailable::Keys(KeySetError::Http(HttpError::Unreachable)).into()
    );
    issuer.come_up().await;
    who(&client, &token).await.expect("it came up");
}

#[tokio::test]
async fn an_issuer_that_goes_down_takes_nobody_with_it() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(issuer.config());
    who(&client, &token(&key, "one"))
        .await
        .expect("its key is there");
    issuer.go_down().await;
    client.refresh_keys();
    until(|| client.statistics().key_fetch_failures > 0).await;
    assert!(matches!(
        client.check(&token(&key, "two"), None),
        Check::Known(_)
    ));
    assert!(client.statistics().key_set_error.is_some());
}

#[tokio::test]
async fn a_key_that_is_taken_out_ends_what_was_remembered_of_its_tokens() {
    let (issuer, leaked, new) = (Issuer::start().await, key(), key());
    issuer.publishes(&[&leaked, &new]);
    let client = client(issuer.config());
    let (bad, good) = (token(&leaked, "one"), token(&new, "two"));
    for token in [&bad, &good] {
        who(&client, token).await.expect("its key is there");
    }
    issuer.publishes(&[&new]);
    client.refresh_keys();
    until(|| client.statistics().key_fetches == 2).await;
    let error = who(&client, &bad).await.expect_err("its key is gone");
    assert_eq!(error, Refusal::Invalid.into());
    assert!(matches!(client.check(&good, None), Check::Known(_)));
}

#[tokio::test]
async fn the_key_set_is_renewed_when_the_clock_is_moved_and_tokens_expire() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(issuer.config());
    let token = token(&key, "one");
    who(&client, &token).await.expect("its key is there");
    client.advance(Duration::from_mins(5));
    issuer.until(KEYS, 2).await;
    assert!(matches!(client.check(&token, None), Check::Known(_)));
    client.advance(Duration::from_mins(25) + Duration::from_secs(2));
    assert_eq!(refused(&client.check(&token, None)), Some(Refusal::Expired));
    assert_eq!(client.statistics().identities, 0);
    // Verified afresh it is no better.
    assert_eq!(refused(&client.check(&token, None)), Some(Refusal::Expired));
}

#[tokio::test]
async fn a_client_that_is_dropped_leaves_the_issuer_alone() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let clock = Clock::system();
    let client =
        Client::with_clock(issuer.config(), &Handle::current(), clock.clone()).expect("good");
    who(&client, &token(&key, "one"))
        .await
        .expect("its key is there");
    let other = client.clone();
    drop(client);
    who(&other, &token(&key, "two"))
        .await
        .expect("a clone is the client, too");
    let tasks = Handle::current().metrics().num_alive_tasks();
    drop(other);
    clock.advance(Duration::from_hours(1));
    until(|| Handle::current().metrics().num_alive_tasks() <= tasks - 2).await;
    assert_eq!(issuer.count(KEYS), 1);
}

#[tokio::test]
async fn the_client_says_who_it_is() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(Config {
        user_agent: "items/1.0".into(),
        ..issuer.config()
    });
    who(&client, &token(&key, "one"))
        .await
        .expect("its key is there");
    let request = &issuer.seen(KEYS)[0];
    assert_eq!(request.header("user-agent"), Some("items/1.0"));
    assert!(
        request.header("x-internal-token").is_none() && request.header("authorization").is_none()
    );
}
