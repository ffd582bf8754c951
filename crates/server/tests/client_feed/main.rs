//! The SDKs' feed against the server: whatever ends a token here is known there, and no break between the two loses it.

mod agreement;
mod breaks;
mod client;
mod fixture;

use std::time::Duration;

use ::accounts::Role;
use jiff::SignedDuration;
use serde_json::json;
use server::actions::{accounts, services};
use testkit::TestServer;
use vestibule_client::{FeedState, Judgement, feed::Trouble};

use fixture::{Follower, World, claims};

#[tokio::test]
async fn whatever_ends_a_token_is_judged_so_and_nothing_else() {
    let world = World::new().await;
    let server = &world.server;
    let root = server.person_of("rootina", Role::Superadmin).await;
    let root = server.access_token(&root).await;
    let update = async |person: &testkit::Person, body| {
        let path = format!("/user/users/update/{}/", person.id);
        server
            .call("PATCH", &path, Some(&root), Some(body))
            .await
            .expect(200);
    };
    let others = server.issue_tokens(&server.person("other").await).await;
    for deed in [
        "logout",
        "role",
        "password",
        "disable",
        "delete",
        "everywhere",
        "refresh",
    ] {
        server.clock().advance(SignedDuration::from_millis(1));
        let person = server.person(&format!("person-{deed}")).await;
        let held = server.issue_tokens(&person).await;
        let second = server.issue_tokens(&person).await;
        assert_eq!(world.follower.judge(&held), Judgement::Good, "{deed}");
        let applied = world.follower.feed.status().applied;
        match deed {
            "logout" => server.log_out(&held).await,
            "role" => update(&person, json!({"role": "writer"})).await,
            "password" => update(&person, json!({"password": "another fine passphrase"})).await,
            "disable" => update(&person, json!({"is_active": false})).await,
            "delete" => {
                let path = format!("/user/users/delete/{}/", person.id);
                server
                    .call("DELETE", &path, Some(&root), None)
                    .await
                    .expect(200);
            }
            "everywhere" => {
                let caller = server.caller(&person).await;
                accounts::sign_out_everywhere(server.context(), &caller)
                    .await
                    .unwrap();
            }
            // The one exception: the old token is good for requests that are on their way.
            _ => _ = server.refresh_tokens(&held).await,
        }
        if deed == "refresh" {
            server.log_out(&others).await;
            world.follower.until_applied(applied + 1).await;
            assert_eq!(world.follower.judge(&held), Judgement::Good);
            continue;
        }
        world.follower.until_revoked(&held).await;
        let survives = deed == "logout";
        let judged = if survives {
            Judgement::Good
        } else {
            Judgement::Revoked
        };
        assert_eq!(world.follower.judge(&second), judged, "{deed}");
        assert_eq!(world.follower.judge(&others), Judgement::Good, "{deed}");
    }
    assert_eq!(world.follower.judge(&others), Judgement::Revoked);
}

#[tokio::test]
async fn tokens_of_a_new_role_are_good_where_those_of_the_old_are_not() {
    let world = World::new().await;
    let server = &world.server;
    let root = server.person_of("rootina", Role::Superadmin).await;
    let root = server.access_token(&root).await;
    let held = server.issue_tokens(&world.ada).await;
    let path = format!("/user/users/update/{}/", world.ada.id);
    let body = json!({"role": "writer"});
    server
        .call("PATCH", &path, Some(&root), Some(body))
        .await
        .expect(200);
    world.follower.until_revoked(&held).await;
    let renewed = server.refresh_tokens(&held).await;
    assert_eq!(renewed.claim("role"), "writer");
    assert_eq!(world.follower.judge(&renewed), Judgement::Good);
}

#[tokio::test]
async fn a_service_that_starts_knows_what_was_ended_before() {
    let mut world = World::new().await;
    let (ended, lives) = (world.issue().await, world.issue().await);
    world.server.log_out(&ended).await;
    for restarted in [false, true] {
        if restarted {
            // Nothing of it is in the memory of this server.
            world.server = world.server.restart().await;
            world.proxy.aim(world.server.server().public_address());
        }
        let late = world.follow().await;
        assert_eq!(late.judge(&ended), Judgement::Revoked);
        assert_eq!(late.judge(&lives), Judgement::Good);
    }
}

#[tokio::test]
async fn a_token_from_before_what_was_asked_for_is_not_known() {
    let world = World::new().await;
    let (ended, lives) = (world.issue().await, world.issue().await);
    world.server.log_out(&ended).await;
    world.server.clock().advance(SignedDuration::from_hours(3));
    let late = world.follow().await;
    assert_eq!(late.judge(&ended), Judgement::Unknown);
    assert_eq!(late.judge(&lives), Judgement::Unknown);
    let fresh = world.issue().await;
    assert_eq!(late.judge(&fresh), Judgement::Good);
}

#[tokio::test]
async fn a_signing_key_that_is_taken_out_makes_the_feed_forget_but_not_forgive() {
    let world = World::new().await;
    let (ended, lives) = (world.issue().await, world.issue().await);
    world.server.log_out(&ended).await;
    world.follower.until_revoked(&ended).await;
    let taken_out = world.server.context().change(|change| {
        change.event_with(
            storage::EventKind::KeyRotated,
            "leaked",
            &json!({ "state": "gone" }),
        )
    });
    taken_out.await.unwrap();
    world.follower.until(|status| status.gaps == 1).await;
    assert_eq!(world.follower.judge(&ended), Judgement::Revoked);
    assert_eq!(world.follower.judge(&lives), Judgement::Unknown);
    let asked = Some(world.follower.standing.version());
    assert_eq!(
        world.follower.standing.judge(&claims(&lives), asked),
        Judgement::Good
    );
}

#[tokio::test]
async fn a_service_that_may_not_listen_is_told_so_and_is_never_current() {
    let world = World::new().await;
    let deaf = world.server.service("deaf", "introspection").await;
    let follower = Follower::start(&world.server, &world.proxy, &deaf);
    follower
        .until(|status| status.state == FeedState::Trouble(Trouble::Refused))
        .await;
    assert!(follower.feed.is_refused() && !follower.feed.is_current());
    // One that loses the right while it listens is cut off, and told the same when it comes back.
    let id = world.service.id.parse().unwrap();
    services::remove(world.server.context(), &id).await.unwrap();
    world
        .follower
        .until(|status| status.state == FeedState::Trouble(Trouble::Refused))
        .await;
}

#[tokio::test]
async fn a_service_that_listens_with_short_lived_tokens_renews_them() {
    let world = World::new().await;
    let (server, proxy) = (&world.server, &world.proxy);
    let follower = Follower::start_with_tokens(server, proxy, &world.service);
    follower.until_current().await;
    for (round, does_it_know) in (2..).zip([true, false]) {
        // Past the token's end, as the service knows, or finds out by being refused.
        server.clock().advance(SignedDuration::from_secs(400));
        if does_it_know {
            follower.clock.advance(Duration::from_secs(400));
        }
        proxy.cut();
        follower
            .until(|status| status.connections >= round && status.is_current)
            .await;
        let held = world.issue().await;
        server.log_out(&held).await;
        follower.until_revoked(&held).await;
    }
}

#[tokio::test]
async fn signed_events_are_believed_by_those_who_hold_the_key() {
    const KEY: &str = "Event-Signing_Key-0123456789-abcdefXYZ!";
    let world = World::with(&[("issuer.event_signing_key", KEY)], Some(KEY)).await;
    let held = world.issue().await;
    world.server.log_out(&held).await;
    world.follower.until_revoked(&held).await;
    let stranger = Follower::start_with(
        &world.server,
        &world.proxy,
        &world.service,
        Some("another key"),
    );
    stranger.until(|status| status.refused > 0).await;
    assert_eq!(stranger.judge(&held), Judgement::Unknown);
}

#[tokio::test]
async fn two_servers_on_one_database_are_one_issuer() {
    let (first, second) =
        TestServer::start_pair(&[("issuer.issuer", "https://issuer.example.com")]).await;
    let world = World::on(first, None).await;
    for round in 0..6 {
        let server = if round % 2 == 0 {
            &world.server
        } else {
            &second
        };
        let held = server.issue_tokens(&world.ada).await;
        assert_eq!(world.follower.judge(&held), Judgement::Good);
        server.log_out(&held).await;
        world.follower.until_revoked(&held).await;
    }
    // It goes on at the other server from where it was at this one.
    let connections = world.follower.feed.status().connections;
    world.proxy.refuse();
    let missed = second.issue_tokens(&world.ada).await;
    second.log_out(&missed).await;
    world.proxy.aim(second.server().public_address());
    world.follower.until_revoked(&missed).await;
    let status = world.follower.feed.status();
    assert!(
        status.connections > connections && status.gaps == 0,
        "{status:?}"
    );
    second.stop().await;
}
