//! The whole client behind a bad wire: what it once refused as revoked it never takes again, whatever its policy is.

use secret::SecretString;
use tokio::runtime::Handle;
use vestibule_client::{
    Algorithm, CheckError, Client, Clock, Config, Credential, Expectations, FailureMode, KeySource,
    Refusal, RevocationSource, StalePolicy,
};

use crate::{breaks::random, fixture::World};

/// A client that hears of revocations over the wire, and asks about tokens over it, too, if at all.
fn client(world: &World, audience: &str, policy: StalePolicy, asks: bool) -> Client {
    let url = |path: &str| {
        format!("http://{}/user/{path}", world.proxy.address)
            .parse()
            .unwrap()
    };
    let keys = KeySource::Fetched(url(".well-known/jwks.json"));
    let expected = Expectations::strict(Algorithm::Rs256, "https://issuer.example.com", audience);
    let config = Config {
        revocation: RevocationSource::Feed,
        stale_policy: policy,
        failure_mode: FailureMode::FailClosed,
        introspection_url: asks.then(|| url("private/v1/jti-status")),
        events_url: Some(url("private/v1/events/stream")),
        credential: Some(Credential::Client {
            id: world.service.id.clone(),
            secret: SecretString::new(world.service.secret.clone()),
        }),
        // An outage here is over in a moment.
        breaker_failures: 1000,
        ..Config::new(keys, expected)
    };
    let clock = Clock::starting_at(world.server.clock().now());
    Client::with_clock(config, &Handle::current(), clock).unwrap()
}

#[tokio::test]
async fn nothing_that_was_refused_as_revoked_is_ever_accepted_again() {
    let mut world = World::new().await;
    let lasting = world.issue().await;
    let audience = lasting.claims["aud"].as_str().unwrap().to_owned();
    let clients = [
        client(&world, &audience, StalePolicy::Introspect, true),
        client(&world, &audience, StalePolicy::FailClosed, false),
        client(&world, &audience, StalePolicy::FailOpen, true),
    ];
    let mut ended: Vec<String> = Vec::new();
    for round in 0..30 {
        let held = world.issue().await;
        for client in &clients {
            // It may have to wait for its feed.
            while client.check_async(&held.access, None).await.is_err() {
                tokio::task::yield_now().await;
            }
        }
        match random(6) {
            0 => world.proxy.cut(),
            1 => world.proxy.hold(true),
            2 => world.proxy.break_after(random(1500)),
            3 => world.proxy.refuse(),
            4 if round % 5 == 0 => {
                world.server = world.server.restart().await;
                world.proxy.aim(world.server.server().public_address());
            }
            _ => {}
        }
        world.server.log_out(&held).await;
        // With the wire as bad as it is, and once it is mended.
        for is_mended in [false, true] {
            for token in &ended {
                for (number, client) in clients.iter().enumerate() {
                    let checked = client.check_async(token, None).await;
                    let refused = matches!(checked, Err(CheckError::Refused(Refusal::Revoked)));
                    assert!(
                        refused,
                        "round {round}, client {number}, mended {is_mended}: {checked:?}"
                    );
                }
            }
            world.proxy.hold(false);
            world.proxy.break_after(usize::MAX);
            world.proxy.aim(world.server.server().public_address());
        }
        for client in &clients {
            loop {
                match client.check_async(&held.access, None).await {
                    Err(CheckError::Refused(refusal)) => {
                        break assert_eq!(refusal, Refusal::Revoked);
                    }
                    _ => tokio::task::yield_now().await,
                }
            }
        }
        ended.push(held.access);
    }
    for client in &clients {
        while client.check_async(&lasting.access, None).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
