//! The client on the issuer's event stream: what it knows by itself, and what it asks about.

mod common;

use std::time::Duration;

use common::*;
use serde_json::{Value, json};
use token::SigningKey;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinSet,
};
use vestibule_client::{
    Check, CheckError, Client, Config, Credential, FailureMode, Refusal, RevocationSource,
    StalePolicy, Unavailable,
};

type Outcome = Result<(), CheckError>;

const REVOKED: Outcome = Err(CheckError::Refused(Refusal::Revoked));
const UNAVAILABLE: Outcome = Err(CheckError::Unavailable(Unavailable::Revocation));

struct Scene {
    issuer: Issuer,
    key: SigningKey,
    client: Client,
    streams: watch::Sender<Option<mpsc::UnboundedSender<String>>>,
    /// Says that everything was told, again and again.
    heart: JoinSet<()>,
}

impl Scene {
    /// A client that hears of everything that happened within the last `seconds`, and asks about the rest.
    async fn set(seconds: i64) -> Self {
        let mut scene = Self::connecting().await;
        scene.opens(seconds).await;
        until(|| scene.client.statistics().feed_is_current == Some(true)).await;
        scene
    }

    async fn connecting() -> Self {
        let (issuer, key, streams) = (Issuer::start().await, key(), watch::Sender::default());
        issuer
            .publishes(&[&key])
            .on(EVENTS, Reply::Stream(streams.clone()));
        issuer.on(STATUS, Reply::Json(json!({ "active": false })));
        let config = listening(&issuer);
        let client = Client::new(config, &Handle::current()).expect("a good configuration");
        Self {
            issuer,
            key,
            client,
            streams,
            heart: JoinSet::new(),
        }
    }

    async fn opens(&mut self, seconds: i64) {
        let from = self.client.now().as_second() - seconds;
        self.tell(
            "stream-opened",
            &json!({ "event_type": "stream.opened", "version": "v2", "complete_from": from }),
        )
        .await;
        let stream = self.stream().await;
        self.heart.spawn(async move {
            while stream.send(": ping\n\n".to_owned()).is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }

    async fn stream(&self) -> mpsc::UnboundedSender<String> {
        let mut streams = self.streams.subscribe();
        let stream = streams
            .wait_for(Option::is_some)
            .await
            .expect("the sender is ours");
        stream.clone().expect("waited for")
    }

    async fn say(&self, text: &str) {
        let _ = self.stream().await.send(text.to_owned());
    }

    async fn tell(&self, event: &str, payload: &Value) {
        self.say(&format!(
            "id: 1-{}\nevent: {event}\ndata: {payload}\n\n",
            self.client.statistics().revocations_kept + 1
        ))
        .await;
    }

    /// Revokes a token, and waits until that was heard.
    async fn revoke(&self, jti: &str) {
        let before = self.client.statistics().revocations_kept;
        let payload = json!({ "event_type": "session.revoked", "version": "v2", "user_id": ADA, "jti": jti, "sid": null, "event_id": jti });
        self.tell("session-revoked", &payload).await;
        until(|| self.client.statistics().revocations_kept > before).await;
    }

    fn answers(&self, active: bool) {
        let active = json!({ "schema_version": "2", "active": active, "user_id": ADA, "auth_generation": 1 });
        self.issuer.on(STATUS, Reply::Json(active));
    }

    fn questions(&self) -> usize {
        self.issuer.count(STATUS)
    }

    async fn who(&self, token: &str, policy: Option<StalePolicy>) -> Outcome {
        let checked = tokio::time::timeout(PATIENCE, self.client.check_async(token, policy)).await;
        checked.expect("bounded").map(|_| ())
    }
}

fn listening(issuer: &Issuer) -> Config {
    Config {
        revocation: RevocationSource::Feed,
        events_url: Some(issuer.url(EVENTS)),
        introspection_url: Some(issuer.url(STATUS)),
        credential: Some(Credential::Client {
            id: "items".into(),
            secret: SECRET.to_owned().into(),
        }),
        ..issuer.config()
    }
}

/// A token that was issued so many seconds ago.
fn aged(scene: &Scene, jti: &str, seconds: i64) -> String {
    let iat = scene.client.now().as_second() - seconds;
    sign(&scene.key, &with(with(claims(jti), "iat", iat), "nbf", iat))
}

#[tokio::test]
async fn a_token_that_the_feed_covers_costs_no_call() {
    let scene = Scene::set(3600).await;
    let token = aged(&scene, "one", 100);
    assert_eq!(scene.who(&token, None).await, Ok(()));
    for _ in 0..100 {
        assert!(matches!(scene.client.check(&token, None), Check::Known(_)));
    }
    assert_eq!(scene.questions(), 0);
    let statistics = scene.client.statistics();
    assert_eq!(statistics.verifications, 1);
    assert!(
        statistics
            .staleness
            .is_some_and(|staleness| staleness < Duration::from_secs(10))
    );
    let request = &scene.issuer.seen(EVENTS)[0];
    assert_eq!(request.header("x-internal-client"), Some("items"));
}

#[tokio::test]
async fn a_revocation_ends_what_was_known() {
    let scene = Scene::set(3600).await;
    let (one, two) = (aged(&scene, "one", 100), aged(&scene, "two", 100));
    for token in [&one, &two] {
        assert_eq!(scene.who(token, None).await, Ok(()));
    }
    scene.revoke("one").await;
    assert!(matches!(
        scene.client.check(&one, None),
        Check::Refused(Refusal::Revoked)
    ));
    assert_eq!(scene.who(&one, Some(StalePolicy::FailOpen)).await, REVOKED);
    assert!(matches!(scene.client.check(&two, None), Check::Known(_)));
    assert_eq!(scene.questions(), 0);
}

#[tokio::test]
async fn a_token_from_before_what_the_feed_covers_is_asked_about_once_and_then_kept() {
    let scene = Scene::set(60).await;
    scene.answers(true);
    let token = aged(&scene, "one", 1000);
    assert!(matches!(scene.client.check(&token, None), Check::Pending));
    for policy in [
        StalePolicy::FailClosed,
        StalePolicy::Introspect,
        StalePolicy::FailOpen,
    ] {
        assert_eq!(scene.who(&token, Some(policy)).await, Ok(()));
    }
    assert!(matches!(scene.client.check(&token, None), Check::Known(_)));
    assert_eq!(scene.questions(), 1);
    // What others do does not matter; what happens to it does.
    scene.revoke("two").await;
    assert!(matches!(scene.client.check(&token, None), Check::Known(_)));
    scene.revoke("one").await;
    assert!(matches!(
        scene.client.check(&token, None),
        Check::Refused(Refusal::Revoked)
    ));
    assert_eq!(scene.questions(), 1);
}

#[tokio::test]
async fn a_token_that_was_revoked_before_the_start_is_refused() {
    let scene = Scene::set(60).await;
    scene.answers(false);
    assert_eq!(scene.who(&aged(&scene, "one", 1000), None).await, REVOKED);
}

#[tokio::test]
async fn a_revocation_that_comes_while_the_issuer_is_asked_wins() {
    let scene = Scene::set(60).await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let active =
        json!({ "schema_version": "2", "active": true, "user_id": ADA, "auth_generation": 1 });
    scene.issuer.on(
        STATUS,
        Reply::Held(gate.clone(), Box::new(Reply::Json(active))),
    );
    let token = aged(&scene, "one", 1000);
    let asking = tokio::spawn({
        let (client, token) = (scene.client.clone(), token.clone());
        async move { client.check_async(&token, None).await.map(|_| ()) }
    });
    scene.issuer.until(STATUS, 1).await;
    scene.revoke("one").await;
    gate.notify_one();
    assert_eq!(asking.await.expect("no panic"), REVOKED);
}

#[tokio::test]
async fn a_gap_makes_the_keys_be_fetched_at_once() {
    let scene = Scene::set(60).await;
    scene.answers(true);
    let token = aged(&scene, "one", 1000);
    assert_eq!(scene.who(&token, None).await, Ok(()));
    assert_eq!((scene.questions(), scene.issuer.count(KEYS)), (1, 1));
    // A leaked key was taken out, and what it signed was revoked.
    scene.issuer.publishes(&[&common::key()]);
    scene.say("event: gap\ndata: {}\n\n").await;
    scene.issuer.until(KEYS, 2).await;
    until(|| scene.client.statistics().key_fetches == 2).await;
    assert_eq!(scene.who(&token, None).await, Err(Refusal::Invalid.into()));
}

#[tokio::test]
async fn a_gap_makes_tokens_be_asked_about_again() {
    let scene = Scene::set(3600).await;
    let token = aged(&scene, "one", 1000);
    assert_eq!(scene.who(&token, None).await, Ok(()));
    scene.say("event: gap\ndata: {}\n\n").await;
    until(|| matches!(scene.client.check(&token, None), Check::Pending)).await;
    scene.answers(false);
    assert_eq!(scene.who(&token, None).await, REVOKED);
    assert_eq!(scene.questions(), 1);
}

#[tokio::test]
async fn a_client_whose_stream_is_silent_is_stale() {
    let mut scene = Scene::set(3600).await;
    let token = aged(&scene, "one", 100);
    assert_eq!(scene.who(&token, None).await, Ok(()));
    scene.heart.shutdown().await;
    // What it said last may be on its way.
    scene.revoke("two").await;
    scene.client.advance(Duration::from_mins(1));
    assert_eq!(scene.client.statistics().feed_is_current, Some(false));
    assert!(
        scene
            .client
            .statistics()
            .staleness
            .is_some_and(|staleness| staleness >= Duration::from_mins(1))
    );
    assert_eq!(
        scene.who(&token, Some(StalePolicy::FailClosed)).await,
        UNAVAILABLE
    );
    assert_eq!(scene.who(&token, Some(StalePolicy::FailOpen)).await, Ok(()));
    assert_eq!(
        scene.who(&token, Some(StalePolicy::Introspect)).await,
        REVOKED
    );
    scene.say(": ping\n\n").await;
    until(|| scene.client.statistics().feed_is_current == Some(true)).await;
    assert!(matches!(
        scene.client.check(&token, Some(StalePolicy::FailClosed)),
        Check::Known(_)
    ));
}

#[tokio::test]
async fn fail_open_does_not_turn_a_mistyped_secret_or_address_into_no_revocation() {
    let (issuer, key) = (Issuer::start().await, key());
    let page = Reply::Answer(200, b"<html>".to_vec());
    let mistakes = [401, 403, 404, 307].map(|status| Reply::Answer(status, Vec::new()));
    for mistake in mistakes.into_iter().chain([page]) {
        issuer
            .publishes(&[&key])
            .on(EVENTS, mistake.clone())
            .on(STATUS, mistake);
        let config = Config {
            stale_policy: StalePolicy::FailOpen,
            failure_mode: FailureMode::FailOpen,
            ..listening(&issuer)
        };
        let client = Client::new(config, &Handle::current()).expect("a good configuration");
        // Not for a moment either.
        let error = client
            .check_async(&token(&key, "one"), None)
            .await
            .expect_err("not known");
        assert_eq!(error, Unavailable::Revocation.into());
    }
}

#[tokio::test]
async fn fail_open_opens_in_an_outage() {
    let (issuer, key) = (Issuer::start().await, key());
    let outage = Reply::Answer(503, Vec::new());
    issuer
        .publishes(&[&key])
        .on(EVENTS, outage.clone())
        .on(STATUS, outage);
    let config = Config {
        stale_policy: StalePolicy::FailOpen,
        ..listening(&issuer)
    };
    let client = Client::new(config, &Handle::current()).expect("a good configuration");
    assert!(client.check_async(&token(&key, "one"), None).await.is_ok());
    assert!(!client.statistics().credential_is_refused);
}

#[tokio::test]
async fn before_the_stream_stands_the_issuer_is_asked() {
    let mut scene = Scene::connecting().await;
    scene.answers(true);
    let token = aged(&scene, "one", 100);
    assert_eq!(scene.who(&token, None).await, Ok(()));
    assert_eq!(
        scene.who(&token, Some(StalePolicy::FailClosed)).await,
        UNAVAILABLE
    );
    assert_eq!(scene.questions(), 1);
    scene.opens(3600).await;
    until(|| scene.client.statistics().feed_is_current == Some(true)).await;
    assert_eq!(
        scene.who(&token, Some(StalePolicy::FailClosed)).await,
        Ok(())
    );
    assert_eq!(scene.questions(), 1);
}

#[tokio::test]
async fn whoever_comes_with_the_start_waits_a_moment_for_the_feed_rather_than_be_turned_away() {
    let mut scene = Scene::connecting().await;
    let token = aged(&scene, "one", 100);
    let early = tokio::spawn({
        let (client, token) = (scene.client.clone(), token.clone());
        async move {
            client
                .check_async(&token, Some(StalePolicy::FailClosed))
                .await
                .map(|_| ())
        }
    });
    scene.opens(3600).await;
    assert_eq!(early.await.expect("no panic"), Ok(()));
    assert_eq!(scene.questions(), 0);
}

#[tokio::test]
async fn a_feed_that_does_not_come_turns_callers_away_before_long() {
    let scene = Scene::connecting().await;
    let token = aged(&scene, "one", 100);
    for _ in 0..2 {
        assert_eq!(
            scene.who(&token, Some(StalePolicy::FailClosed)).await,
            UNAVAILABLE
        );
    }
}
