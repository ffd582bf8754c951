//! Introspection: what is asked, how often, what counts as an answer, and what happens without one.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::*;
use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::Notify};
use vestibule_client::{
    Check, CheckError, Client, Config, FailureMode, IntrospectionVersion, Refusal,
    RevocationSource, StalePolicy, Unavailable,
    messages::{Ended, Revocation},
};

type Outcome = Result<(), CheckError>;

const REVOKED: Outcome = Err(CheckError::Refused(Refusal::Revoked));
const UNAVAILABLE: Outcome = Err(CheckError::Unavailable(Unavailable::Revocation));

fn client(config: Config) -> Client {
    Client::new(config, &Handle::current()).expect("a good configuration")
}

async fn who(client: &Client, token: &str) -> Outcome {
    who_by(client, token, None).await
}

async fn who_by(client: &Client, token: &str, policy: Option<StalePolicy>) -> Outcome {
    let checked = tokio::time::timeout(PATIENCE, client.check_async(token, policy)).await;
    checked.expect("bounded").map(|_| ())
}

fn active(generation: u64) -> Reply {
    Reply::Json(
        json!({ "schema_version": "2", "active": true, "user_id": ADA, "auth_generation": generation }),
    )
}

fn inactive() -> Reply {
    Reply::Json(json!({ "schema_version": "2", "active": false }))
}

#[tokio::test]
async fn the_second_version_of_the_question_names_the_account() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, active(1));
    let client = client(issuer.introspecting());
    let token = token(&key, "one");
    assert!(matches!(client.check(&token, None), Check::Pending));
    assert_eq!(who(&client, &token).await, Ok(()));
    let request = &issuer.seen(STATUS)[0];
    assert_eq!(
        request.json(),
        json!({ "jti": "one", "expected_user_id": ADA, "schema_version": "2" })
    );
    assert_eq!(request.header("x-internal-token"), Some(SECRET));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(
        matches!(client.check(&token, None), Check::Pending),
        "nothing is kept unless that is wanted"
    );
    issuer.on(STATUS, inactive());
    assert_eq!(who(&client, &token).await, REVOKED);
}

#[tokio::test]
async fn the_first_version_is_asked_where_the_issuer_knows_no_more() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer
        .publishes(&[&key])
        .on(STATUS, Reply::Json(json!({ "active": true })));
    let config = Config {
        introspection_version: IntrospectionVersion::V1,
        ..issuer.introspecting()
    };
    let client = client(config);
    let token = token(&key, "one");
    assert_eq!(who(&client, &token).await, Ok(()));
    assert_eq!(issuer.seen(STATUS)[0].json(), json!({ "jti": "one" }));
    assert_eq!(client.introspect("one", "").await, Ok(true));
    issuer.on(STATUS, Reply::Json(json!({ "active": "false" })));
    assert_eq!(
        who(&client, &token).await,
        UNAVAILABLE,
        "a text is no answer"
    );
    issuer.on(STATUS, Reply::Json(json!({ "active": false })));
    assert_eq!(who(&client, &token).await, REVOKED);
    assert_eq!(client.introspect("one", "").await, Ok(false));
}

#[tokio::test]
async fn many_requests_with_one_token_share_the_questions() {
    let (issuer, key, gate) = (Issuer::start().await, key(), Arc::new(Notify::new()));
    issuer
        .publishes(&[&key])
        .on(STATUS, Reply::Held(gate.clone(), Box::new(active(1))));
    let client = client(issuer.introspecting());
    let token = token(&key, "one");
    let ask = || {
        let (client, token) = (client.clone(), token.clone());
        tokio::spawn(async move { who(&client, &token).await })
    };
    let first = ask();
    issuer.until(STATUS, 1).await;
    let others: Vec<_> = (0..100).map(|_| ask()).collect();
    // All of them are waiting by now, which is seen by the tasks having nothing more to do.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    assert_eq!(first.await.expect("no panic"), Ok(()));
    // Those who came while the question was under way get the answer to a later one.
    issuer.until(STATUS, 2).await;
    gate.notify_one();
    for other in others {
        assert_eq!(other.await.expect("no panic"), Ok(()));
    }
    assert_eq!(issuer.count(STATUS), 2);
}

#[tokio::test]
async fn nobody_gets_an_answer_that_is_older_than_the_request() {
    let (issuer, key, gate) = (Issuer::start().await, key(), Arc::new(Notify::new()));
    issuer
        .publishes(&[&key])
        .on(STATUS, Reply::Held(gate.clone(), Box::new(active(1))));
    let client = client(issuer.introspecting());
    let token = token(&key, "one");
    let early = tokio::spawn({
        let (client, token) = (client.clone(), token.clone());
        async move { who(&client, &token).await }
    });
    issuer.until(STATUS, 1).await;
    // Revoked while the first question, whose answer is decided, is under way.
    issuer.on(STATUS, inactive());
    let late = tokio::spawn(async move { who(&client, &token).await });
    tokio::task::yield_now().await;
    gate.notify_one();
    assert_eq!(early.await.expect("no panic"), Ok(()));
    assert_eq!(late.await.expect("no panic"), REVOKED);
}

#[tokio::test]
async fn a_request_that_is_given_up_disturbs_nobody() {
    let (issuer, key, gate) = (Issuer::start().await, key(), Arc::new(Notify::new()));
    issuer
        .publishes(&[&key])
        .on(STATUS, Reply::Held(gate.clone(), Box::new(active(1))));
    let client = client(issuer.introspecting());
    let token = token(&key, "one");
    let given_up = tokio::spawn({
        let (client, token) = (client.clone(), token.clone());
        async move { who(&client, &token).await }
    });
    issuer.until(STATUS, 1).await;
    given_up.abort();
    assert!(given_up.await.expect_err("aborted").is_cancelled());
    let other = tokio::spawn({
        let (client, token) = (client.clone(), token.clone());
        async move { who(&client, &token).await }
    });
    tokio::task::yield_now().await;
    issuer.on(STATUS, active(1));
    gate.notify_one();
    assert_eq!(other.await.expect("no panic"), Ok(()));
    assert_eq!(who(&client, &token).await, Ok(()));
}

#[tokio::test]
async fn an_active_answer_is_kept_where_that_is_wanted_and_no_longer() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, active(1));
    let client = client(Config {
        introspection_kept: Duration::from_secs(10),
        ..issuer.introspecting()
    });
    let token = token(&key, "one");
    for _ in 0..10 {
        assert_eq!(who(&client, &token).await, Ok(()));
    }
    assert!(matches!(client.check(&token, None), Check::Known(_)));
    assert_eq!(issuer.count(STATUS), 1);
    issuer.on(STATUS, inactive());
    client.advance(Duration::from_secs(10));
    assert_eq!(who(&client, &token).await, REVOKED);
    assert_eq!(issuer.count(STATUS), 2);
}

#[tokio::test]
async fn a_revoked_token_that_keeps_coming_does_not_make_as_many_questions() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, inactive());
    let client = client(issuer.introspecting());
    let token = token(&key, "one");
    for _ in 0..100 {
        assert_eq!(who(&client, &token).await, REVOKED);
    }
    // One a second; the test may take some.
    assert!(issuer.count(STATUS) <= 10, "{}", issuer.count(STATUS));
    issuer.on(STATUS, active(1));
    client.advance(Duration::from_secs(1));
    assert_eq!(
        who(&client, &token).await,
        Ok(()),
        "the issuer may have been mistaken"
    );
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_question_lets_nobody_pass_even_when_failures_open() {
    let answers = [
        json!({ "active": true }),
        json!({ "schema_version": "2", "active": true, "user_id": "550e8400-e29b-41d4-a716-446655440001", "auth_generation": 1 }),
        json!({ "schema_version": "2", "active": true, "user_id": ADA, "auth_generation": 0 }),
        json!({ "schema_version": "3", "active": true, "user_id": ADA, "auth_generation": 1 }),
        json!({ "schema_version": "2", "active": "true", "user_id": ADA, "auth_generation": 1 }),
        json!([]),
        Value::Null,
    ];
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(Config {
        failure_mode: FailureMode::FailOpen,
        breaker_failures: 1000,
        ..issuer.introspecting()
    });
    let token = token(&key, "one");
    for answer in answers {
        issuer.on(STATUS, Reply::Json(answer.clone()));
        assert_eq!(who(&client, &token).await, UNAVAILABLE, "{answer}");
    }
    issuer.on(STATUS, Reply::Answer(200, vec![b' '; 9000]));
    assert_eq!(who(&client, &token).await, UNAVAILABLE, "too large");
    issuer.on(STATUS, Reply::Json(json!({ "active": false })));
    assert_eq!(who(&client, &token).await, REVOKED, "no needs no form");
}

#[tokio::test]
async fn fail_open_does_not_turn_a_mistyped_secret_into_no_revocation() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]);
    let client = client(Config {
        failure_mode: FailureMode::FailOpen,
        breaker_failures: 2,
        ..issuer.introspecting()
    });
    let token = token(&key, "one");
    for status in [401, 403, 404, 422, 307] {
        issuer.on(STATUS, Reply::Answer(status, b"{}".to_vec()));
        for _ in 0..5 {
            // The breaker, which opens on the way, does not open the door.
            assert_eq!(who(&client, &token).await, UNAVAILABLE, "{status}");
        }
        assert_eq!(
            client.statistics().credential_is_refused,
            matches!(status, 401 | 403)
        );
        client.advance(Duration::from_secs(5));
    }
    // An outage is what fail-open is for.
    issuer.on(STATUS, Reply::Answer(503, Vec::new()));
    assert_eq!(who(&client, &token).await, Ok(()));
    issuer.go_down().await;
    client.advance(Duration::from_secs(5));
    assert_eq!(who(&client, &token).await, Ok(()));
}

#[tokio::test]
async fn fail_closed_is_unavailable_while_the_issuer_does_not_answer() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, active(1));
    let client = client(Config {
        breaker_failures: 1000,
        ..issuer.introspecting()
    });
    let token = token(&key, "one");
    assert_eq!(who(&client, &token).await, Ok(()));
    for trouble in [
        Reply::Answer(503, Vec::new()),
        Reply::HangUp,
        Reply::BreakOff,
    ] {
        issuer.on(STATUS, trouble);
        assert_eq!(who(&client, &token).await, UNAVAILABLE);
    }
    issuer.go_down().await;
    assert_eq!(who(&client, &token).await, UNAVAILABLE);
    issuer.come_up().await;
    issuer.on(STATUS, active(1));
    assert_eq!(who(&client, &token).await, Ok(()));
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_nobody_for_long() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, Reply::Silent);
    let mut config = issuer.introspecting();
    config.timeouts.whole = Duration::from_millis(200);
    let client = client(config);
    assert_eq!(who(&client, &token(&key, "one")).await, UNAVAILABLE);
    assert_eq!(
        issuer.count(STATUS),
        1,
        "what took too long once is not tried again"
    );
}

#[tokio::test]
async fn a_question_is_asked_once_more_when_the_connection_failed_and_only_then() {
    let (issuer, key, times) = (Issuer::start().await, key(), Arc::new(AtomicUsize::new(0)));
    let once = move |reply: Reply| {
        let times = times.clone();
        times.store(0, Ordering::SeqCst);
        Reply::Ask(Arc::new(move |_| {
            match times.fetch_add(1, Ordering::SeqCst) {
                0 => reply.clone(),
                _ => active(1),
            }
        }))
    };
    issuer.publishes(&[&key]).on(STATUS, once(Reply::HangUp));
    let client = client(issuer.introspecting());
    let token = token(&key, "one");
    assert_eq!(who(&client, &token).await, Ok(()));
    assert_eq!(issuer.count(STATUS), 2);
    issuer.on(STATUS, once(Reply::Answer(500, Vec::new())));
    assert_eq!(who(&client, &token).await, UNAVAILABLE);
    assert_eq!(issuer.count(STATUS), 3);
}

#[tokio::test]
async fn an_issuer_in_trouble_is_left_alone_for_a_while() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer
        .publishes(&[&key])
        .on(STATUS, Reply::Answer(503, Vec::new()));
    let client = client(issuer.introspecting());
    let token = token(&key, "one");
    for _ in 0..50 {
        assert_eq!(who(&client, &token).await, UNAVAILABLE);
    }
    // Five, and one more for each pause that the test itself takes.
    assert!(issuer.count(STATUS) <= 10, "{}", issuer.count(STATUS));
    issuer.on(STATUS, active(1));
    client.advance(Duration::from_secs(5));
    assert_eq!(who(&client, &token).await, Ok(()));
    assert_eq!(who(&client, &token).await, Ok(()), "it is trusted again");
}

#[tokio::test]
async fn a_token_of_an_older_generation_than_the_answer_is_revoked() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, active(3));
    let client = client(issuer.introspecting());
    let of_generation = |generation: u64| sign(&key, &with(claims("one"), "gen", generation));
    assert_eq!(who(&client, &of_generation(2)).await, REVOKED);
    assert_eq!(who(&client, &of_generation(3)).await, Ok(()));
    assert_eq!(
        who(&client, &of_generation(4)).await,
        UNAVAILABLE,
        "who answers is behind"
    );
}

#[tokio::test]
async fn a_stale_feed_leaves_the_decision_to_the_route() {
    let (issuer, key) = (Issuer::start().await, key());
    issuer.publishes(&[&key]).on(STATUS, active(1));
    let config = Config {
        revocation: RevocationSource::ByHand,
        ..issuer.introspecting()
    };
    let client = client(config);
    let token = token(&key, "one");
    assert_eq!(who(&client, &token).await, Ok(()));
    assert_eq!(issuer.count(STATUS), 0, "the feed knows");
    client.set_stale(true);
    assert_eq!(client.statistics().feed_is_current, Some(false));
    assert_eq!(
        who_by(&client, &token, Some(StalePolicy::FailClosed)).await,
        UNAVAILABLE
    );
    assert_eq!(
        who_by(&client, &token, Some(StalePolicy::FailOpen)).await,
        Ok(())
    );
    assert!(matches!(
        client.check(&token, Some(StalePolicy::FailOpen)),
        Check::Known(_)
    ));
    assert_eq!(issuer.count(STATUS), 0);
    for asked in 1..=2 {
        assert_eq!(who(&client, &token).await, Ok(()));
        assert_eq!(
            issuer.count(STATUS),
            asked,
            "nothing is kept while the feed is stale"
        );
    }
    issuer.on(STATUS, inactive());
    assert_eq!(who(&client, &token).await, REVOKED);
    client.set_stale(false);
    client.tell(&Revocation {
        user: ADA.into(),
        ended: Ended::Session {
            jti: Some("one".into()),
            sid: None,
        },
        generation: None,
        event_id: None,
    });
    for policy in [
        StalePolicy::FailClosed,
        StalePolicy::Introspect,
        StalePolicy::FailOpen,
    ] {
        assert_eq!(who_by(&client, &token, Some(policy)).await, REVOKED);
        client.set_stale(true);
        assert_eq!(
            who_by(&client, &token, Some(policy)).await,
            REVOKED,
            "old news stays true"
        );
        client.set_stale(false);
    }
}

#[test]
fn when_the_runtime_ends_nobody_waits_for_ever() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads");
    let key = key();
    let (issuer, client) = runtime.block_on(async {
        let issuer = Issuer::start().await;
        issuer.publishes(&[&key]).on(STATUS, Reply::Silent);
        let client = client(issuer.introspecting());
        until(|| client.statistics().keys == 1).await;
        (issuer, client)
    });
    let token = token(&key, "one");
    let asking = std::thread::spawn({
        let (client, token) = (client.clone(), token.clone());
        // Any executor will do.
        move || futures_executor(client.check_async(&token, None)).map(|_| ())
    });
    runtime.block_on(issuer.until(STATUS, 1));
    runtime.shutdown_background();
    assert_eq!(asking.join().expect("no panic"), UNAVAILABLE);
    assert_eq!(
        futures_executor(client.check_async(&token, None)).map(|_| ()),
        UNAVAILABLE
    );
    drop(client);
}

/// An executor without timers, I/O or tokio.
fn futures_executor<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("nothing to start")
        .block_on(future)
}
