//! Breaks of the connection and of the server: nothing that was ended is ever good again.

use std::hash::{BuildHasher as _, RandomState};

use serde_json::json;
use storage::EventKind;
use testkit::HeldTokens;
use vestibule_client::{FeedState, Judgement, feed::Trouble};

use crate::fixture::World;

/// A number below `most`, another each time.
pub(crate) fn random(most: usize) -> usize {
    usize::try_from(RandomState::new().hash_one(0) >> 33).unwrap() % most
}

#[tokio::test]
async fn a_server_that_restarts_is_gone_on_with_from_where_it_was() {
    let mut world = World::new().await;
    for round in 0..4 {
        let (before, during) = (world.issue().await, world.issue().await);
        let lives = world.issue().await;
        world.server.log_out(&before).await;
        if round % 2 == 0 {
            world.proxy.refuse();
        }
        world.server.log_out(&during).await;
        world.server = world.server.restart().await;
        let after = world.issue().await;
        world.server.log_out(&after).await;
        world.proxy.aim(world.server.server().public_address());
        for held in [&before, &during, &after] {
            world.follower.until_revoked(held).await;
        }
        assert_eq!(
            world.follower.judge(&lives),
            Judgement::Good,
            "round {round}"
        );
    }
    assert_eq!(world.follower.feed.status().gaps, 0);
}

#[tokio::test]
async fn no_cut_loses_a_revocation_wherever_it_falls() {
    let world = World::new().await;
    let (mut ended, mut living): (Vec<HeldTokens>, Vec<HeldTokens>) = (Vec::new(), Vec::new());
    for round in 0..24 {
        // Sometimes amid the head, sometimes amid a frame, sometimes with what is sent.
        let bytes = [usize::MAX, random(600), 600 + random(3000)][round % 3];
        world.proxy.break_after(bytes);
        world.proxy.cut();
        let seen = world.follower.feed.status().connections;
        let held = [
            world.issue().await,
            world.issue().await,
            world.issue().await,
        ];
        if random(2) == 0 {
            world
                .follower
                .until(|status| status.connections > seen || bytes < 600)
                .await;
        }
        for held in held {
            if random(4) == 0 {
                living.push(held);
            } else {
                world.server.log_out(&held).await;
                ended.push(held);
            }
        }
        // Whenever it is known that everything was told, all of it is known.
        if round % 6 == 5 {
            world.proxy.break_after(usize::MAX);
            world.proxy.cut();
            for held in &ended {
                world.follower.until_revoked(held).await;
            }
        }
    }
    let status = world.follower.feed.status();
    assert!(status.connections > 4 && status.gaps == 0, "{status:?}");
    world.follower.until_current().await;
    for held in &ended {
        assert_eq!(world.follower.judge(held), Judgement::Revoked);
    }
    for held in &living {
        assert_eq!(world.follower.judge(held), Judgement::Good);
    }
}

#[tokio::test]
async fn a_stream_that_lags_is_not_current_and_given_up() {
    let world = World::new().await;
    let held = world.issue().await;
    world.proxy.hold(true);
    world.server.log_out(&held).await;
    world.follower.until(|status| !status.is_current).await;
    assert_ne!(
        world.follower.judge(&held),
        Judgement::Revoked,
        "it cannot know"
    );
    world
        .follower
        .until(|status| status.state == FeedState::Trouble(Trouble::Silent))
        .await;
    world.proxy.hold(false);
    world.follower.until_revoked(&held).await;
    world.follower.until_current().await;
}

#[tokio::test]
async fn a_place_that_was_pruned_is_asked_about_not_believed() {
    let mut world = World::new().await;
    let (ended, pruned, lives) = (
        world.issue().await,
        world.issue().await,
        world.issue().await,
    );
    world.server.log_out(&ended).await;
    world.follower.until_revoked(&ended).await;
    world.proxy.refuse();
    world.server.log_out(&pruned).await;
    let context = world.server.context();
    let next = context.storage.latest_event_seq().await.unwrap() + 1;
    let filler =
        context.change(|change| change.event_with(EventKind::AccountChanged, "x", &json!({})));
    filler.await.unwrap();
    let pruning = context
        .storage
        .write(move |tx| tx.events().prune(next, 10_000));
    pruning.await.unwrap();
    // What the server keeps in memory it need not look for.
    world.server = world.server.restart().await;
    world.proxy.aim(world.server.server().public_address());
    world
        .follower
        .until(|status| status.gaps == 1 && status.is_current)
        .await;
    assert_eq!(world.follower.judge(&ended), Judgement::Revoked);
    assert_eq!(world.follower.judge(&pruned), Judgement::Unknown);
    assert_eq!(world.follower.judge(&lives), Judgement::Unknown);
}

#[tokio::test]
async fn a_dead_wire_is_noticed_and_a_new_one_is_found() {
    let world = World::new().await;
    let held = world.issue().await;
    // Connections that stand and carry nothing, and others that break at once.
    world.proxy.hold(true);
    world.proxy.cut();
    world.server.log_out(&held).await;
    world.follower.until(|status| !status.is_current).await;
    world.proxy.hold(false);
    world.proxy.break_after(1);
    world.proxy.cut();
    world
        .follower
        .until(|status| matches!(status.state, FeedState::Trouble(_)))
        .await;
    world.proxy.break_after(usize::MAX);
    world.proxy.cut();
    world.follower.until_revoked(&held).await;
}
