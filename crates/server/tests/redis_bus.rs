//! The Redis bus: every revocation is published, whatever Redis and the servers do meanwhile.

use std::time::Duration;

use futures_util::StreamExt as _;
use redis_fixture::RedisFixture;
use secret::SecretString;
use serde_json::Value;
use testkit::{HeldTokens, Person, TestServer};
use token::EventKey;

const KEY: &str = "Event-Signing_Key-0123456789-abcdefXYZ!";
/// What is waited for comes within this time, or the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

async fn server(redis: &RedisFixture) -> TestServer {
    let url = redis.url();
    TestServer::start_with(&[
        ("redis.url", url.as_str()),
        ("issuer.event_signing_key", KEY),
        ("issuer.issuer", "https://issuer.example.com"),
    ])
    .await
}

/// Somebody who hears every channel.
struct Subscriber(redis::aio::PubSub);

impl Subscriber {
    async fn new(redis: &RedisFixture) -> Self {
        let client = redis::Client::open(redis.url()).unwrap();
        let mut subscriber = client.get_async_pubsub().await.unwrap();
        subscriber.psubscribe("*").await.unwrap();
        Self(subscriber)
    }

    /// The next message: its channel and payload, whose signature is good.
    async fn heard(&mut self) -> (String, Value) {
        let mut messages = self.0.on_message();
        let next = tokio::time::timeout(DEADLINE, messages.next());
        let message = next.await.expect("a message in time").unwrap();
        let text: String = message.get_payload().unwrap();
        let envelope: Value = serde_json::from_str(&text).unwrap();
        let key = EventKey::new(&SecretString::new(KEY.to_owned()));
        let payload = envelope["payload"].clone();
        assert!(
            key.verify(&payload, envelope["sig"].as_str().unwrap()),
            "{text}"
        );
        assert_eq!(
            text,
            token::event_text(&payload, Some(&key)),
            "in the form that is signed"
        );
        let channel = message.get_channel_name().to_owned();
        assert_eq!(channel, payload["event_type"].as_str().unwrap());
        (channel, payload)
    }

    /// Hears the end of each of these sign-ins exactly once, in their order.
    async fn hears(&mut self, ended: &[HeldTokens]) {
        for held in ended {
            let (channel, payload) = self.heard().await;
            assert_eq!(channel, "session.revoked");
            assert_eq!(payload["jti"], held.claim("jti"), "{payload}");
        }
    }
}

async fn come_and_go(server: &TestServer, person: &Person) -> HeldTokens {
    let held = server.issue_tokens(person).await;
    server.log_out(&held).await;
    held
}

#[tokio::test]
async fn a_revocation_is_published_signed_on_the_channel_of_its_type() {
    let redis = RedisFixture::start().unwrap();
    let server = server(&redis).await;
    let mut subscriber = Subscriber::new(&redis).await;
    let ada = server.person("ada").await;
    let held = come_and_go(&server, &ada).await;
    let (channel, payload) = subscriber.heard().await;
    assert_eq!(channel, "session.revoked");
    assert_eq!(payload["user_id"], ada.id);
    assert_eq!(payload["jti"], held.claim("jti"));
    let id = ada.id.parse().unwrap();
    server::actions::accounts::delete_account(server.context(), ::accounts::Actor::Operator, id)
        .await
        .unwrap();
    let (channel, payload) = subscriber.heard().await;
    assert_eq!(channel, "user.deleted");
    assert_eq!(payload["user_id"], ada.id);
}

#[tokio::test]
async fn what_happens_while_redis_is_away_delays_nobody_and_is_published_when_it_is_back() {
    let mut redis = RedisFixture::start().unwrap();
    let server = server(&redis).await;
    let ada = server.person("ada").await;
    let mut subscriber = Subscriber::new(&redis).await;
    let held = come_and_go(&server, &ada).await;
    subscriber.hears(&[held]).await;
    redis.stop();
    let mut missed = Vec::new();
    for _ in 0..5 {
        missed.push(come_and_go(&server, &ada).await);
    }
    redis.start_again().unwrap();
    let mut subscriber = Subscriber::new(&redis).await;
    let held = come_and_go(&server, &ada).await;
    // What is published before the subscriber is back is not heard: Redis keeps nothing.
    let (_, mut payload) = subscriber.heard().await;
    let first = missed
        .iter()
        .position(|held| payload["jti"] == held.claim("jti"));
    for held in missed
        .iter()
        .chain([&held])
        .skip(first.map_or(missed.len(), |first| first + 1))
    {
        payload = subscriber.heard().await.1;
        assert_eq!(payload["jti"], held.claim("jti"));
    }
    assert_eq!(payload["jti"], held.claim("jti"));
}

#[tokio::test]
async fn a_server_that_starts_without_redis_works_and_catches_up() {
    let mut redis = RedisFixture::start().unwrap();
    redis.stop();
    let server = server(&redis).await;
    let ada = server.person("ada").await;
    come_and_go(&server, &ada).await;
    redis.start_again().unwrap();
    let mut subscriber = Subscriber::new(&redis).await;
    let last = come_and_go(&server, &ada).await;
    while subscriber.heard().await.1["jti"] != last.claim("jti") {}
}

#[tokio::test]
async fn after_a_restart_publishing_goes_on_where_it_was() {
    let redis = RedisFixture::start().unwrap();
    let server = server(&redis).await;
    let ada = server.person("ada").await;
    let mut subscriber = Subscriber::new(&redis).await;
    let before = come_and_go(&server, &ada).await;
    subscriber.hears(&[before]).await;
    let server = server.restart().await;
    let after = come_and_go(&server, &ada).await;
    // Neither again what was published, nor anything left out.
    subscriber.hears(&[after]).await;
}

#[tokio::test]
async fn of_two_servers_one_publishes_and_the_other_takes_over() {
    let redis = RedisFixture::start().unwrap();
    let url = redis.url();
    let (first, second) = TestServer::start_pair(&[
        ("redis.url", url.as_str()),
        ("issuer.event_signing_key", KEY),
        ("issuer.issuer", "https://issuer.example.com"),
    ])
    .await;
    let ada = first.person("ada").await;
    let mut subscriber = Subscriber::new(&redis).await;
    let held = come_and_go(&first, &ada).await;
    subscriber.hears(&[held]).await;
    let mut ended = Vec::new();
    for round in 0..6 {
        let server = if round % 2 == 0 { &first } else { &second };
        ended.push(come_and_go(server, &ada).await);
    }
    // Once each: the order of commit is the order of publishing.
    subscriber.hears(&ended).await;
    let database = first.stop_and_keep_database().await;
    let held = come_and_go(&second, &ada).await;
    subscriber.hears(&[held]).await;
    second.stop().await;
    drop(database);
}
