//! What is told, in which order, and what is known after a break.

use super::*;

#[tokio::test]
async fn it_asks_for_heartbeats_and_the_past_with_its_credential() {
    let world = World::new().await;
    let heard = world.called().await;
    let first = heard.head.lines().next().unwrap();
    assert_eq!(
        first,
        "get /user/private/v1/events/stream?heartbeat=1&since=7200 http/1.1"
    );
    for header in [
        "accept: text/event-stream",
        "x-internal-client: items",
        "x-internal-token: secret-0123",
    ] {
        assert!(heard.head.contains(header), "{header}: {}", heard.head);
    }
    assert!(!heard.head.contains("last-event-id"));
}

#[tokio::test]
async fn a_revocation_is_applied_the_moment_it_is_told() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(&(opened() + PING)).await;
    world.until_current().await;
    assert_eq!(world.judge("t1"), Judgement::Good);
    heard.send(&frame("log-2", &revoked("t1"))).await;
    world.until_applied(1).await;
    assert_eq!(
        (world.judge("t1"), world.judge("t2")),
        (Judgement::Revoked, Judgement::Good)
    );
}

#[tokio::test]
async fn the_past_counts_as_known_only_when_all_of_it_was_told() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(&opened()).await;
    heard.send(&frame("log-2", &revoked("t1"))).await;
    world.until_applied(1).await;
    assert!(!world.feed.is_current());
    assert_eq!(
        (world.judge("t1"), world.judge("t2")),
        (Judgement::Revoked, Judgement::Unknown)
    );
    // Cut off amid the past, it goes on from there, and knows as much in the end.
    drop(heard);
    let mut heard = world.listens().await;
    assert!(
        heard.head.contains("last-event-id: log-2"),
        "{}",
        heard.head
    );
    heard.send(&(frame("log-3", &revoked("t3")) + PING)).await;
    world.until_current().await;
    assert_eq!(
        (world.judge("t3"), world.judge("t2")),
        (Judgement::Revoked, Judgement::Good)
    );
    assert_eq!(
        world.standing.covers_from().unwrap().as_second(),
        NOW - 3600
    );
}

#[tokio::test]
async fn it_goes_on_from_the_last_place_it_heard_of() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(&opened()).await;
    for (text, place) in [
        (frame("log-2", &revoked("t1")), "log-2"),
        // Of one event in several frames only the last names the place.
        (
            frame("log-3", &revoked("t2"))
                + &frame("log-4", &revoked("t3")).replace("id: log-4\n", ""),
            "log-3",
        ),
        ("id: log-5\n\n".into(), "log-5"),
        (
            r#"id: log-6
event: later-invention
data: {"event_type": "later.invention"}

"#
            .into(),
            "log-6",
        ),
        // Not yet a frame.
        ("id: log-7\nevent: x\n".into(), "log-6"),
    ] {
        heard.send(PING).await;
        heard.send(&text).await;
        drop(heard);
        heard = world.listens().await;
        assert!(
            heard.head.contains(&format!("last-event-id: {place}\r\n")),
            "{place}: {}",
            heard.head
        );
    }
    assert_eq!(world.feed.status().applied, 3);
    assert_eq!(world.gaps.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_place_that_cannot_be_sent_back_is_forgotten_with_all_that_hangs_on_it() {
    for place in ["log 2", "l\u{f6}g-2", "", &"x".repeat(2000)] {
        let world = World::new().await;
        let mut heard = world.listens().await;
        heard.send(&(opened() + PING)).await;
        world.until_current().await;
        let asked = world.standing.version();
        heard.send(&frame(place, &revoked("t1"))).await;
        world.until_applied(1).await;
        drop(heard);
        let mut heard = world.listens().await;
        assert!(!heard.head.contains("last-event-id"), "{}", heard.head);
        heard.send(PING).await;
        world
            .until(|status| status.connections == 2 && status.state == FeedState::Following)
            .await;
        assert_eq!(world.judge("t1"), Judgement::Revoked);
        assert_eq!(
            world.standing.judge(&token("t2"), Some(asked)),
            Judgement::Unknown,
            "something may have been missed"
        );
    }
}

#[tokio::test]
async fn after_a_gap_tokens_are_asked_about_anew_but_none_is_good_again() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard
        .send(&(opened() + &frame("log-2", &revoked("t1")) + PING))
        .await;
    world.until_current().await;
    assert_eq!(world.judge("t2"), Judgement::Good);
    heard.send("id: log-9\nevent: gap\ndata: {}\n\n").await;
    world.until(|status| status.gaps == 1).await;
    assert_eq!(
        (world.judge("t1"), world.judge("t2")),
        (Judgement::Revoked, Judgement::Unknown)
    );
    let asked = Some(world.standing.version());
    assert_eq!(
        world.standing.judge(&token("t2"), asked),
        Judgement::Good,
        "one question settles it"
    );
    assert_eq!(
        world.gaps.load(Ordering::SeqCst),
        1,
        "the key set may have changed"
    );
    drop(heard);
    assert!(world.listens().await.head.contains("last-event-id: log-9"));
}

#[tokio::test]
async fn a_gap_that_is_followed_by_the_past_leaves_nothing_open() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send("id: log-0\nevent: gap\ndata: {}\n\n").await;
    heard
        .send(&(opened() + &frame("log-2", &revoked("t1")) + PING))
        .await;
    world.until_current().await;
    assert_eq!(
        (world.judge("t1"), world.judge("t2")),
        (Judgement::Revoked, Judgement::Good)
    );
}

/// An original issuer: no place at the beginning, no past, a heartbeat each 15 seconds.

#[tokio::test]
async fn an_issuer_with_its_own_rhythm_is_given_its_time_but_not_after_the_connection_broke() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(PING).await;
    world.until_current().await;
    assert_eq!(world.judge("t1"), Judgement::Unknown, "it is from before");
    let asked = Some(world.standing.version());
    assert_eq!(world.standing.judge(&token("t1"), asked), Judgement::Good);
    world.clock.advance(Duration::from_secs(20));
    assert!(world.feed.is_current());
    world.clock.advance(Duration::from_secs(10));
    assert!(!world.feed.is_current());
    // Whatever it tells says that it is there.
    heard.send(&frame("e-1", &revoked("t2"))).await;
    world.until_current().await;
    world.clock.advance(Duration::from_secs(10));
    assert!(world.feed.is_current());
    drop(heard);
    world.until(|status| !status.is_current).await;
    // The place is known, so nothing is missed.
    let mut heard = world.listens().await;
    assert!(heard.head.contains("last-event-id: e-1"));
    heard.send(PING).await;
    world.until_current().await;
    assert_eq!(world.standing.judge(&token("t1"), asked), Judgement::Good);
}

#[tokio::test]
async fn without_a_place_to_go_on_from_a_break_may_have_hidden_anything() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(PING).await;
    world.until_current().await;
    let asked = Some(world.standing.version());
    drop(heard);
    let mut heard = world.listens().await;
    heard.send(PING).await;
    world
        .until(|status| status.connections == 2 && status.is_current)
        .await;
    assert_eq!(
        world.standing.judge(&token("t1"), asked),
        Judgement::Unknown
    );
}

#[tokio::test]
async fn a_feed_that_is_dropped_hangs_up() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(PING).await;
    world.until_current().await;
    drop(world.feed);
    heard.ended().await;
}

#[test]
fn pauses_grow_to_half_a_minute_and_are_never_the_same() {
    let span = |failures, trouble| {
        let pauses: Vec<_> = (0..50).map(|_| pause(failures, trouble)).collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap())
    };
    let (shortest, longest) = span(1, Trouble::Ended);
    assert!(shortest >= Duration::from_millis(50) && longest <= Duration::from_millis(100));
    let (shortest, longest) = span(4, Trouble::Unreachable);
    assert!(shortest >= Duration::from_millis(400) && longest <= Duration::from_millis(800));
    for (failures, trouble) in [
        (12, Trouble::Unreachable),
        (u32::MAX, Trouble::Ended),
        (1, Trouble::Refused),
        (1, Trouble::Disabled),
    ] {
        let (shortest, longest) = span(failures, trouble);
        assert!(shortest >= Duration::from_secs(15) && longest <= Duration::from_secs(30));
    }
}

#[tokio::test]
async fn what_broke_is_current_for_a_second_at_most() {
    let world = World::new().await;
    let mut heard = world.listens().await;
    heard.send(&(opened() + PING)).await;
    world.until_current().await;
    drop(heard);
    // It comes back, but is told nothing.
    let _silent = world.listens().await;
    world.clock.advance(Duration::from_secs(1));
    assert!(!world.feed.is_current());
}
