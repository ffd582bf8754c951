//! The event stream: what takes authority away reaches services, wherever and whenever they listen.

mod past;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use secret::SecretString;
use serde_json::{Value, json};
use server::actions::{accounts, services};
use storage::EventKind;
use testkit::{Answer, Heard, Listener, Person, ServiceFixture, TestServer};
use token::EventKey;

const KEY: &str = "Event-Signing_Key-0123456789-abcdefXYZ!";

struct World {
    server: TestServer,
    service: ServiceFixture,
    ada: Person,
}

impl World {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let server = TestServer::start_with(settings).await;
        Self {
            service: server.service("items", "event-stream introspection").await,
            ada: server.person("ada").await,
            server,
        }
    }

    /// A stream whose beginning was heard.
    async fn listen(&self) -> Listener {
        let mut listener = self.server.listen(&self.service, None).await;
        let opened = listener.heard().await.expect("it begins");
        assert_eq!(opened.event, "stream-opened");
        assert_eq!(opened.id.as_deref(), listener.place());
        listener
    }
}

fn revokes(heard: &Heard, held: &testkit::HeldTokens) -> bool {
    heard.event == "session-revoked" && heard.text("jti") == held.claim("jti")
}

#[tokio::test]
async fn a_logout_names_its_session_and_each_of_its_tokens() {
    let world = World::new().await;
    let server = &world.server;
    let first = server.issue_tokens(&world.ada).await;
    let second = server.refresh_tokens(&first).await;
    let mut listener = world.listen().await;
    server.log_out(&second).await;
    let mut told = [
        listener.heard().await.unwrap(),
        listener.heard().await.unwrap(),
    ];
    assert_eq!(
        told[0].id, None,
        "whoever is cut off here is told both again"
    );
    assert!(told[1].id.is_some());
    assert_ne!(told[0].text("event_id"), told[1].text("event_id"));
    told.sort_by_key(|heard| heard.text("jti") == second.claim("jti"));
    for (heard, held) in told.iter().zip([&first, &second]) {
        assert!(revokes(heard, held), "{heard:?}");
        assert_eq!(heard.text("event_type"), "session.revoked");
        assert_eq!(heard.text("version"), "v2");
        assert_eq!(heard.text("user_id"), world.ada.id);
        assert_eq!(heard.text("sid"), held.claim("sid"));
        assert_eq!(heard.data["auth_generation"], held.claims["gen"]);
    }
}

#[tokio::test]
async fn the_answer_says_that_it_is_a_stream_and_not_to_be_buffered() {
    let world = World::new().await;
    let listener = world.listen().await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(listener.headers()[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_session_of_the_pages_is_told_of_by_its_id() {
    let world = World::new().await;
    let mut listener = world.listen().await;
    let caller = world.server.caller(&world.ada).await;
    accounts::sign_out(world.server.context(), &caller)
        .await
        .unwrap();
    let heard = listener.heard().await.unwrap();
    assert_eq!(heard.event, "session-ended");
    assert_eq!(heard.text("sid"), world.ada.session.to_string());
    assert_eq!(heard.text("user_id"), world.ada.id);
    assert_eq!(heard.data["jti"], Value::Null);
}

#[tokio::test]
async fn a_sign_out_everywhere_names_the_new_generation() {
    let world = World::new().await;
    let held = world.server.issue_tokens(&world.ada).await;
    let mut listener = world.listen().await;
    let caller = world.server.caller(&world.ada).await;
    accounts::sign_out_everywhere(world.server.context(), &caller)
        .await
        .unwrap();
    let ended = listener.until(|heard| revokes(heard, &held)).await;
    assert_eq!(ended.text("sid"), held.claim("sid"));
    let everywhere = listener
        .until(|heard| heard.data["jti"].is_null() && heard.event == "session-revoked")
        .await;
    assert_eq!(everywhere.data["sid"], Value::Null);
    assert_eq!(
        everywhere.data["auth_generation"].as_u64().unwrap(),
        held.claims["gen"].as_u64().unwrap() + 1
    );
}

#[tokio::test]
async fn what_another_server_did_is_told_too() {
    let world = World::new().await;
    let mut listener = world.listen().await;
    world.server.disable(&world.ada).await;
    let heard = listener.heard().await.unwrap();
    assert_eq!(heard.event, "session-revoked");
    assert_eq!(heard.text("user_id"), world.ada.id);
    assert_eq!(heard.data["auth_generation"], 1);
}

#[tokio::test]
async fn a_deleted_account_is_told_of() {
    let world = World::new().await;
    let mut listener = world.listen().await;
    let id: ids::AccountId = world.ada.id.parse().unwrap();
    let deleted = world.server.context().change(move |change| {
        change.event(EventKind::AccountDeleted, id)?;
        change.accounts().delete(id)?;
        Ok(())
    });
    deleted.await.unwrap();
    let heard = listener.heard().await.unwrap();
    assert_eq!(
        (heard.event.as_str(), heard.text("event_type")),
        ("user-deleted", "user.deleted")
    );
    assert_eq!(heard.text("user_id"), world.ada.id);
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_was_missed_and_nothing_twice() {
    // A name of its own, since a server that comes back here has another port.
    let mut world = World::with(&[("issuer.issuer", "https://issuer.example.com")]).await;
    let mut listener = world.listen().await;
    let mut ended = Vec::new();
    for round in 0..4 {
        let held = world.server.issue_tokens(&world.ada).await;
        let place = listener.place().unwrap().to_owned();
        if round == 2 {
            // A new process on the same data: the place is good there, too.
            drop(listener);
            world.server = world.server.restart().await;
            world.server.log_out(&held).await;
        } else {
            world.server.log_out(&held).await;
            drop(listener);
        }
        listener = world.server.listen(&world.service, Some(&place)).await;
        let heard = listener.heard().await.unwrap();
        assert!(revokes(&heard, &held), "round {round}: {heard:?}");
        ended.push(heard.text("event_id").to_owned());
    }
    let all = ended.len();
    ended.sort();
    ended.dedup();
    assert_eq!(ended.len(), all);
}

#[tokio::test]
async fn a_listener_of_one_server_goes_on_at_another() {
    let world = World::new().await;
    let mut listener = world.listen().await;
    let held = world.server.issue_tokens(&world.ada).await;
    world.server.log_out(&held).await;
    let first = listener.heard().await.unwrap();
    assert_eq!(first.id.as_deref(), listener.place());
    let place = listener.place().unwrap().to_owned();
    let held = world.server.issue_tokens(&world.ada).await;
    world.server.log_out(&held).await;
    let told = |heard: &Heard| heard.text("event_id").to_owned();
    let here = listener.heard().await.unwrap();
    let mut there = world.server.listen(&world.service, Some(&place)).await;
    assert_eq!(told(&there.heard().await.unwrap()), told(&here));
}

#[tokio::test]
async fn a_place_that_cannot_be_gone_on_from_is_a_gap() {
    let world = World::new().await;
    let listener = world.listen().await;
    let (epoch, seq) = listener.place().unwrap().rsplit_once('-').unwrap();
    let future = seq.parse::<u64>().unwrap() + 1000;
    for place in [
        format!("another-{seq}"),
        format!("{epoch}-{future}"),
        epoch.to_owned(),
        "\u{e4}".to_owned(),
        "x".repeat(2000),
    ] {
        let mut gapped = world.server.listen(&world.service, Some(&place)).await;
        let gap = gapped.heard().await.unwrap();
        assert_eq!(
            (gap.event.as_str(), gap.data),
            ("gap", json!({})),
            "{place}"
        );
        // Here it goes on from.
        assert_eq!(gapped.heard().await.unwrap().event, "stream-opened");
    }
}

#[tokio::test]
async fn events_that_were_pruned_are_a_gap_and_those_after_them_are_told() {
    let world = World::new().await;
    let (server, context) = (&world.server, world.server.context());
    let old = world.listen().await.place().unwrap().to_owned();
    let held = server.issue_tokens(&world.ada).await;
    server.log_out(&held).await;
    let kept_from = context.storage.latest_event_seq().await.unwrap() + 1;
    let held = server.issue_tokens(&world.ada).await;
    server.log_out(&held).await;
    // What a server keeps in memory it need not look for; another one must.
    context
        .storage
        .write(move |tx| tx.events().prune(kept_from, 1000))
        .await
        .unwrap();
    let world = World {
        server: world.server.restart().await,
        ..world
    };
    let mut listener = world.server.listen(&world.service, Some(&old)).await;
    assert_eq!(listener.heard().await.unwrap().event, "gap");
    assert!(revokes(&listener.heard().await.unwrap(), &held));
}

#[tokio::test]
async fn events_are_signed_when_a_key_is_set() {
    let world = World::with(&[("issuer.event_signing_key", KEY)]).await;
    let held = world.server.issue_tokens(&world.ada).await;
    let mut listener = world.server.listen(&world.service, None).await;
    world.server.log_out(&held).await;
    let key = EventKey::new(&SecretString::new(KEY.to_owned()));
    for event in ["stream-opened", "session-revoked"] {
        let heard = listener.heard().await.unwrap();
        assert_eq!(heard.event, event);
        assert_eq!(heard.data.as_object().unwrap().len(), 2);
        assert!(
            key.verify(&heard.data["payload"], heard.text("sig")),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_lives_and_keeps_the_place_young() {
    let world = World::new().await;
    let mut listener = world.listen().await;
    let before = listener.place().unwrap().to_owned();
    // Nothing that services are told of.
    world.server.person("ben").await;
    let mut pinged = false;
    while !pinged || listener.place() == Some(&before) {
        let block = listener.block().await.unwrap();
        pinged |= block == ": ping";
        assert!(block == ": ping" || block.starts_with("id: "), "{block}");
    }
}

#[tokio::test]
async fn the_stream_ends_when_the_service_is_removed_disabled_or_given_another_secret() {
    let world = World::new().await;
    let (server, context) = (&world.server, world.server.context());
    // As an operator does it: beside the running server.
    let operator = server.offline_context().await;
    let other = server.service("other", "event-stream").await;
    let mut stays = server.listen(&other, None).await;
    let fresh = async |id: &str| {
        let service = server.service(id, "event-stream").await;
        (
            server.listen(&service, None).await,
            id.parse::<ids::ServiceId>().unwrap(),
        )
    };
    let (mut removed, id) = fresh("removed").await;
    services::remove(&operator, &id).await.unwrap();
    removed.ended().await;
    let (mut rotated, id) = fresh("rotated").await;
    services::rotate_secret(context, &id, None).await.unwrap();
    rotated.ended().await;
    let (mut narrowed, id) = fresh("narrowed").await;
    let scopes = Some("introspection".parse().unwrap());
    let change = services::ServiceChange {
        scopes,
        ..Default::default()
    };
    services::update(context, &id, change).await.unwrap();
    narrowed.ended().await;
    let (mut disabled, id) = fresh("disabled").await;
    let change = services::ServiceChange {
        disabled: Some(true),
        ..Default::default()
    };
    services::update(context, &id, change).await.unwrap();
    disabled.ended().await;
    server.log_out(&server.issue_tokens(&world.ada).await).await;
    stays.until(|heard| heard.event == "session-revoked").await;
}

#[tokio::test]
async fn a_signing_key_that_is_taken_out_makes_services_forget_what_they_kept() {
    let world = World::new().await;
    let mut listener = world.listen().await;
    let taken_out = world.server.context().change(|change| {
        change.event_with(EventKind::KeyRotated, "next", &json!({ "state": "next" }))?;
        change.event_with(EventKind::KeyRotated, "leaked", &json!({ "state": "gone" }))
    });
    taken_out.await.unwrap();
    let gap = listener.heard().await.unwrap();
    assert_eq!(gap.event, "gap");
    assert_eq!(gap.id.as_deref(), listener.place(), "it goes on from here");
}

#[tokio::test]
async fn open_streams_are_counted() {
    let world = World::new().await;
    let _open = world.listen().await;
    let metrics = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = metrics.get(world.server.admin_url("/metrics"));
    let text = Answer::to(metrics).await.expect(200).text;
    let counted = text
        .lines()
        .find_map(|line| line.strip_prefix("event_streams "));
    assert!(
        counted.is_some_and(|count| count.parse::<f64>().unwrap() >= 1.0),
        "{counted:?}"
    );
}

#[tokio::test]
async fn the_stream_ends_when_the_server_stops() {
    let world = World::new().await;
    let mut listener = world.listen().await;
    world.server.stop().await;
    listener.ended().await;
}

#[tokio::test]
async fn only_those_with_the_scope_may_listen() {
    let world = World::with(&[("issuer.private_api_secret", "Shared-With_Everybody-0123")]).await;
    let server = &world.server;
    let path = "/user/private/v1/events/stream";
    let get = || server.request(reqwest::Method::GET, path);
    let deaf = server.service("deaf", "introspection").await;
    let refused = Answer::to(deaf.sign(get())).await;
    assert_eq!(
        (refused.status, refused.text.as_str()),
        (403, r#"{"detail":"Forbidden"}"#)
    );
    let stranger = Answer::to(get().bearer_auth(&world.ada.token)).await;
    assert_eq!(
        (stranger.status, stranger.text.as_str()),
        (401, r#"{"detail":"Unauthorized"}"#)
    );
    let shared = get().header("x-internal-token", "Shared-With_Everybody-0123");
    assert_eq!(shared.send().await.unwrap().status(), 200);
    let asked = server.request(reqwest::Method::GET, &format!("{path}?heartbeat=0"));
    assert_eq!(Answer::to(world.service.sign(asked)).await.status, 422);
}

#[tokio::test]
async fn a_service_that_asks_back_when_it_hears_gets_the_new_answer() {
    let world = World::new().await;
    for _ in 0..10 {
        let held = world.server.issue_tokens(&world.ada).await;
        let mut listener = world.listen().await;
        assert!(world.server.is_active(&world.service, &held).await);
        world.server.log_out(&held).await;
        listener.until(|heard| revokes(heard, &held)).await;
        assert!(!world.server.is_active(&world.service, &held).await);
    }
}

#[tokio::test]
async fn a_refresh_token_used_by_a_thief_ends_in_an_event() {
    let world = World::new().await;
    let first = world.server.issue_tokens(&world.ada).await;
    let second = world.server.refresh_tokens(&first).await;
    let third = world.server.refresh_tokens(&second).await;
    world.server.clock().advance(SignedDuration::from_secs(60));
    let mut listener = world.listen().await;
    let replay = world
        .server
        .request(reqwest::Method::POST, "/user/login/refresh-token/")
        .header("cookie", format!("refresh_token={}", first.refresh));
    Answer::to(replay).await.expect(401);
    listener.until(|heard| revokes(heard, &third)).await;
    // The tokens carry what a reader checks them by.
    let payload = URL_SAFE_NO_PAD
        .decode(third.access.split('.').nth(1).unwrap())
        .unwrap();
    assert!(payload.starts_with(b"{"));
}
