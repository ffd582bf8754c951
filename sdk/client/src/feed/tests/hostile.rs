//! What is forged, silent, endless, or no stream at all.

use std::io::Write as _;

use super::*;

fn signed(payload: &Value, key: &str) -> Value {
    let key = EventKey::new(&SecretString::new(key.to_owned()));
    serde_json::from_str(&event_text(payload, Some(&key))).unwrap()
}

async fn with_key(accept_unsigned: bool) -> World {
    World::with(|config| {
        let key = SecretString::new(KEY.to_owned());
        config.event_key = Some(Arc::new(EventKey::new(&key)));
        config.accept_unsigned = accept_unsigned;
    })
    .await
}

#[tokio::test]
async fn what_is_forged_is_not_believed_is_counted_and_moves_no_place() {
    for (forged, why) in [
        (signed(&revoked("t1"), "another key"), Refused::Signature),
        (revoked("t1"), Refused::Unsigned),
        (json!({"event_type": "session.revoked"}), Refused::Unsigned),
        (
            signed(&json!({"event_type": "session.revoked", "user_id": 7}), KEY),
            Refused::Malformed,
        ),
    ] {
        let world = with_key(false).await;
        let mut heard = world.listens().await;
        heard
            .send(&frame("log-2", &signed(&revoked("t2"), KEY)))
            .await;
        heard.send(PING).await;
        world.until_applied(1).await;
        heard.send(&frame("log-3", &forged)).await;
        world
            .until(|status| status.refused == 1 && status.last_refused == Some(why))
            .await;
        assert_ne!(world.judge("t1"), Judgement::Revoked);
        assert_ne!(
            world.judge("t1"),
            Judgement::Good,
            "it may have been a true one"
        );
        drop(heard);
        assert!(world.listens().await.head.contains("last-event-id: log-2"));
    }
}

#[tokio::test]
async fn a_service_with_a_wrong_event_key_takes_no_token_for_good_unasked() {
    let world = with_key(false).await;
    let mut heard = world.listens().await;
    let theirs = |payload: &Value| signed(payload, "the issuer's key");
    let opened = json!({"event_type": "stream.opened", "version": "v1", "event_id": "log-1", "complete_from": NOW - 3600});
    heard
        .send(&format!(
            "id: log-1\nevent: stream-opened\ndata: {}\n\n",
            theirs(&opened)
        ))
        .await;
    heard.send(PING).await;
    world.until(|status| status.refused == 1).await;
    assert_eq!(world.judge("t1"), Judgement::Unknown);
    let asked = world.standing.version();
    heard.send(&frame("log-2", &theirs(&revoked("t1")))).await;
    world.until(|status| status.refused == 2).await;
    assert_eq!(
        world.standing.judge(&token("t1"), Some(asked)),
        Judgement::Unknown,
        "it is asked about again"
    );
}

#[tokio::test]
async fn while_signing_is_introduced_messages_without_a_signature_are_believed() {
    let world = with_key(true).await;
    let mut heard = world.listens().await;
    heard.send(&frame("log-2", &revoked("t1"))).await;
    heard
        .send(&frame("log-3", &signed(&revoked("t2"), KEY)))
        .await;
    heard
        .send(&frame("log-4", &signed(&revoked("t3"), "another key")))
        .await;
    world
        .until(|status| status.applied == 2 && status.refused == 1)
        .await;
    assert_eq!(
        (world.judge("t1"), world.judge("t2")),
        (Judgement::Revoked, Judgement::Revoked)
    );
    assert_ne!(world.judge("t3"), Judgement::Revoked);
}

/// Contract, consumer side, 17, on the stream.
#[tokio::test]
async fn a_recorded_stream_that_is_sent_again_changes_nothing() {
    let world = with_key(false).await;
    let everywhere = json!({"event_type": "session.revoked", "version": "v1", "user_id": test_tokens::claims().sub, "jti": null});
    let recording = frame("log-2", &signed(&revoked("t1"), KEY))
        + &frame("log-3", &signed(&everywhere, KEY))
        + PING;
    let mut heard = world.listens().await;
    heard.send(&recording).await;
    world.until_applied(2).await;
    world.clock.advance(Duration::from_mins(10));
    let since = |iat| Claims {
        iat: Some(iat),
        ..token("t9")
    };
    for again in 2..5 {
        heard.send(&recording).await;
        world.until_applied(again * 2).await;
        assert_eq!(world.judge("t1"), Judgement::Revoked);
        assert_eq!(
            world.standing.judge(&since(NOW + 300), None),
            Judgement::Good,
            "issued after it was told"
        );
    }
}

#[tokio::test]
async fn a_silent_connection_is_stale_soon_and_given_up_and_none_is_waited_for_in_vain() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(&(opened() + PING)).await;
    world.until_current().await;
    world.clock.advance(Duration::from_secs(1));
    assert!(world.feed.is_current(), "a heartbeat may be late");
    world.clock.advance(Duration::from_secs(1));
    assert!(!world.feed.is_current());
    assert!(world.feed.staleness() >= Duration::from_secs(2));
    heard.send(PING).await;
    world.until_current().await;
    assert!(world.feed.staleness() < Duration::from_secs(2));
    // Bytes alone are no sign of life: a line that never ends, byte by byte.
    let drip = async {
        loop {
            heard.send("x").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        () = world.until_state(FeedState::Trouble(Trouble::Silent)) => {}
    }
    assert!(!world.feed.is_current());
    let mut heard = world.listens().await;
    heard.send(PING).await;
    world.until_current().await;
}

#[tokio::test]
async fn comments_that_are_no_heartbeat_make_nothing_current() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(": connected\n\n:\n\n").await;
    heard.send(&frame("log-2", &revoked("t1"))).await;
    world.until_applied(1).await;
    assert!(!world.feed.is_current());
    assert_eq!(world.feed.status().state, FeedState::CatchingUp);
}

#[tokio::test]
async fn what_is_no_stream_is_said_clearly_and_never_followed() {
    let page = "content-type: text/html\r\n";
    let stream = "content-type: text/event-stream\r\n";
    for (status, headers, trouble) in [
        ("401 Unauthorized", stream, Trouble::Refused),
        ("403 Forbidden", stream, Trouble::Refused),
        ("404 Not Found", stream, Trouble::Disabled),
        ("500 Internal Server Error", stream, Trouble::Status(500)),
        (
            "307 Temporary Redirect",
            "location: http://127.0.0.1:1/\r\ncontent-type: text/event-stream\r\n",
            Trouble::Status(307),
        ),
        ("204 No Content", stream, Trouble::Status(204)),
        ("200 OK", page, Trouble::NoStream),
        ("200 OK", "", Trouble::NoStream),
        (
            "200 OK",
            "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n",
            Trouble::NoStream,
        ),
    ] {
        let world = World::new().await;
        let mut heard = world.called().await;
        heard.answer(status, headers).await;
        heard.send(&(opened() + PING)).await;
        world.until_state(FeedState::Trouble(trouble)).await;
        assert!(!world.feed.is_current());
        assert_eq!(world.feed.is_refused(), trouble == Trouble::Refused);
        assert_eq!(world.judge("t1"), Judgement::Unknown);
        assert!(!trouble.to_string().is_empty());
    }
}

#[tokio::test]
async fn a_stream_may_say_more_of_its_type() {
    let world = World::new().await;
    let mut heard = world.called().await;
    heard
        .answer(
            "200 OK",
            "content-type: Text/Event-Stream; charset=utf-8\r\n",
        )
        .await;
    heard.send(&(opened() + PING)).await;
    world.until_current().await;
}

#[tokio::test]
async fn an_endless_line_ends_the_connection_and_nothing_is_lost() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard
        .send(&(opened() + &frame("log-2", &revoked("t1")) + PING))
        .await;
    world.until_current().await;
    heard.send(&format!("data: {}", "x".repeat(100_000))).await;
    world
        .until_state(FeedState::Trouble(Trouble::TooLong))
        .await;
    let mut heard = world.listens().await;
    assert!(heard.head.contains("last-event-id: log-2"));
    heard.send(&(frame("log-3", &revoked("t2")) + PING)).await;
    world.until_applied(2).await;
}

#[tokio::test]
async fn random_bytes_do_no_harm() {
    let world = World::new().await;
    for round in 0..5_u8 {
        let mut heard = world.listens().await;
        let noise: Vec<u8> = (0..5000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2] ^ round)
            .collect();
        let _ = heard.stream.write_all(&noise).await;
    }
    let mut heard = world.listens().await;
    heard.send(&(opened() + PING)).await;
    world.until_current().await;
}

#[tokio::test]
async fn a_process_that_was_stopped_for_a_while_does_not_take_old_heartbeats_for_new_ones() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(&(opened() + PING)).await;
    world.until_current().await;
    let mut stream = heard.stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let issuer = std::thread::spawn(move || {
        for _ in 0..8 {
            stream.write_all(PING.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(500));
        }
        stream
    });
    // Nothing runs here, the feed included.
    let stream = issuer.join().unwrap();
    world.until_state(FeedState::Trouble(Trouble::Silent)).await;
    assert!(!world.feed.is_current());
    drop(stream);
    world.listens().await.send(PING).await;
    world.until_current().await;
}
