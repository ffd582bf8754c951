//! Streams that begin in the past.

use jiff::SignedDuration;
use secret::SecretString;
use storage::EventKind;
use testkit::{Answer, Heard, TestServer};
use token::EventKey;

use crate::{KEY, World, revokes};

fn passes(server: &TestServer, minutes: i64) {
    server.clock().advance(SignedDuration::from_mins(minutes));
}

fn now(server: &TestServer) -> i64 {
    server.clock().now().as_second()
}

#[tokio::test]
async fn whoever_asks_for_the_past_is_told_of_it_and_from_when_on_nothing_is_missing() {
    let world = World::with(&[("issuer.event_signing_key", KEY)]).await;
    let server = &world.server;
    let held = [
        server.issue_tokens(&world.ada).await,
        server.issue_tokens(&world.ada).await,
        server.issue_tokens(&world.ada).await,
    ];
    for held in &held {
        passes(server, 9);
        server.log_out(held).await;
    }
    let revoked = |heard: &Heard, held: &testkit::HeldTokens| {
        heard.event == "session-revoked" && heard.data["payload"]["jti"] == held.claim("jti")
    };
    for (since, from) in [(0, 2), (15 * 60, 1), (3600, 0), (86_400, 0)] {
        let mut listener = server.listen_since(&world.service, None, Some(since)).await;
        let opened = listener.heard().await.unwrap();
        assert_eq!(opened.event, "stream-opened");
        let payload = &opened.data["payload"];
        assert_eq!(payload["complete_from"], now(server) - i64::from(since));
        assert_eq!(
            payload["event_id"],
            listener.place().unwrap(),
            "where it goes on from"
        );
        let key = EventKey::new(&SecretString::new(KEY.to_owned()));
        assert!(key.verify(payload, opened.text("sig")));
        for held in &held[from..] {
            let heard = listener.heard().await.unwrap();
            assert!(revoked(&heard, held), "{since}: {heard:?}");
        }
        // Then comes what happens, as ever.
        let next = server.issue_tokens(&world.ada).await;
        server.log_out(&next).await;
        assert!(revoked(
            &listener.until(|heard| revoked(heard, &next)).await,
            &next
        ));
        passes(server, 1);
    }
}

#[tokio::test]
async fn whoever_is_cut_off_amid_the_past_goes_on_from_there() {
    let world = World::new().await;
    let server = &world.server;
    let mut ended = Vec::new();
    for _ in 0..5 {
        let held = server.issue_tokens(&world.ada).await;
        server.log_out(&held).await;
        ended.push(held);
    }
    let mut listener = server.listen_since(&world.service, None, Some(60)).await;
    assert_eq!(listener.heard().await.unwrap().event, "stream-opened");
    for (index, held) in ended.iter().enumerate() {
        let heard = listener.heard().await.unwrap();
        assert!(revokes(&heard, held), "{index}: {heard:?}");
        // The past is only told where there is no place.
        let place = listener.place().unwrap().to_owned();
        listener = server
            .listen_since(&world.service, Some(&place), Some(60))
            .await;
    }
}

#[tokio::test]
async fn a_long_past_of_which_nothing_is_told_shows_that_it_goes_on() {
    let world = World::new().await;
    for _ in 0..3 {
        let filler = world.server.context().change(|change| {
            for _ in 0..500 {
                change.event(EventKind::AccountChanged, "somebody")?;
            }
            Ok(())
        });
        filler.await.unwrap();
    }
    // A server that does not have it in memory.
    let world = World {
        server: world.server.restart().await,
        ..world
    };
    let server = &world.server;
    let held = server.issue_tokens(&world.ada).await;
    server.log_out(&held).await;
    let mut listener = server.listen_since(&world.service, None, Some(60)).await;
    assert_eq!(listener.heard().await.unwrap().event, "stream-opened");
    let mut places = Vec::new();
    loop {
        let block = listener.block().await.unwrap();
        assert_ne!(block, ": ping", "before everything was told");
        if block.contains("session-revoked") {
            break;
        }
        assert!(block.starts_with("id: "), "{block}");
        places.push(listener.place().unwrap().to_owned());
    }
    assert!(!places.is_empty());
    // It goes on from such a place as from any other.
    let place = places.pop().unwrap();
    let mut listener = server.listen(&world.service, Some(&place)).await;
    assert!(revokes(&listener.heard().await.unwrap(), &held));
}

#[tokio::test]
async fn a_place_that_cannot_be_gone_on_from_is_a_gap_and_the_past_is_told_where_it_is_asked_for() {
    let world = World::new().await;
    let server = &world.server;
    let held = server.issue_tokens(&world.ada).await;
    server.log_out(&held).await;
    let mut listener = server
        .listen_since(&world.service, Some("another-7"), Some(60))
        .await;
    assert_eq!(listener.heard().await.unwrap().event, "gap");
    let opened = listener.heard().await.unwrap();
    assert_eq!(opened.data["complete_from"], now(server) - 60);
    assert!(revokes(&listener.heard().await.unwrap(), &held));
}

#[tokio::test]
async fn a_log_that_does_not_reach_so_far_back_says_how_far_it_does() {
    let world = World::new().await;
    let (server, context) = (&world.server, world.server.context());
    let first = server.issue_tokens(&world.ada).await;
    server.log_out(&first).await;
    passes(server, 10);
    let kept_from = context.storage.latest_event_seq().await.unwrap() + 1;
    let held = server.issue_tokens(&world.ada).await;
    server.log_out(&held).await;
    let pruned = context
        .storage
        .write(move |tx| tx.events().prune(kept_from, 1000));
    assert!(pruned.await.unwrap() > 0);
    passes(server, 10);
    // A server that does not have it in memory either.
    let world = World {
        server: world.server.restart().await,
        ..world
    };
    let server = &world.server;
    let mut listener = server.listen_since(&world.service, None, Some(3600)).await;
    let from = listener.heard().await.unwrap().data["complete_from"]
        .as_i64()
        .unwrap();
    // Since the oldest event, and as much later as the clocks of two nodes may differ.
    assert_eq!(from, now(server) - 600 + 60);
    assert!(revokes(&listener.heard().await.unwrap(), &held));
    // So far it does reach.
    let mut listener = server.listen_since(&world.service, None, Some(300)).await;
    assert_eq!(
        listener.heard().await.unwrap().data["complete_from"],
        now(server) - 300
    );
}

#[tokio::test]
async fn only_a_number_of_seconds_up_to_a_day_may_be_asked_for() {
    let world = World::new().await;
    for since in ["", "-1", "86401", "1.5", "soon", "99999999999", "+1 "] {
        let path = "/user/private/v1/events/stream";
        let request = world
            .server
            .request(reqwest::Method::GET, path)
            .query(&[("since", since)]);
        let answer = Answer::to(world.service.sign(request)).await.expect(422);
        assert!(answer.text.contains("since"), "{}", answer.text);
    }
}
