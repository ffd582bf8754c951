//! The SDKs' client against the server: it knows callers by itself, and refuses them as soon as they are gone.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use secret::SecretString;
use server::actions::{services, signing_keys};
use testkit::{HeldTokens, ServiceFixture, TestServer};
use tokio::runtime::Handle;
use vestibule_client::{
    Algorithm, Check, CheckError, Client, Clock, Config, Credential, Expectations,
    IntrospectionVersion, KeySource, Refusal, RevocationSource, StalePolicy,
};

/// Far longer than anything here takes, so that only a hang fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    server: TestServer,
    service: ServiceFixture,
    held: HeldTokens,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let service = server.service("items", "event-stream introspection").await;
        let held = server.issue_tokens(&server.person("ada").await).await;
        Self {
            server,
            service,
            held,
        }
    }

    fn config(&self) -> Config {
        let url = |path: &str| self.server.url(path).parse().expect("an address");
        let (issuer, audience) = (self.held.claim("iss"), self.held.claim("aud"));
        Config {
            revocation: RevocationSource::Feed,
            introspection_url: Some(url("/user/private/v1/jti-status")),
            events_url: Some(url("/user/private/v1/events/stream")),
            credential: Some(Credential::ServiceToken {
                id: self.service.id.clone(),
                secret: SecretString::new(self.service.secret.clone()),
                url: url("/user/private/v1/service-token"),
                scopes: Vec::new(),
                renew_early: Duration::from_secs(30),
            }),
            ..Config::new(
                KeySource::Fetched(url("/user/.well-known/jwks.json")),
                Expectations::strict(Algorithm::Rs256, &issuer, &audience),
            )
        }
    }

    fn client(&self, config: Config) -> Client {
        let clock = Clock::starting_at(self.server.clock().now());
        Client::with_clock(config, &Handle::current(), clock).expect("a good configuration")
    }

    /// A client that hears of everything.
    async fn listening(&self) -> Client {
        let client = self.client(self.config());
        until(|| client.statistics().feed_is_current == Some(true)).await;
        client
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it did not become so");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn who(client: &Client, held: &HeldTokens) -> Result<(), CheckError> {
    let checked = client.check_async(&held.access, Some(StalePolicy::FailClosed));
    checked.await.map(|_| ())
}

const REVOKED: Result<(), CheckError> = Err(CheckError::Refused(Refusal::Revoked));

#[tokio::test]
async fn a_caller_is_known_without_a_question_and_refused_once_signed_out() {
    let world = World::new().await;
    let client = world.listening().await;
    assert_eq!(who(&client, &world.held).await, Ok(()));
    let Check::Known(identity) = client.check(&world.held.access, None) else {
        panic!("it was known a moment ago");
    };
    assert_eq!(identity.claims.sub, world.held.claim("sub"));
    assert_eq!(identity.claims.sid, Some(world.held.claim("sid")));
    assert_eq!(
        client.statistics().introspections,
        0,
        "the stream told of the past"
    );
    world.server.log_out(&world.held).await;
    until(|| {
        matches!(
            client.check(&world.held.access, None),
            Check::Refused(Refusal::Revoked)
        )
    })
    .await;
    // One that starts now has heard of it, too.
    let late = world.listening().await;
    assert_eq!(who(&late, &world.held).await, REVOKED);
    assert_eq!(
        client.statistics().introspections + late.statistics().introspections,
        0
    );
}

#[tokio::test]
async fn a_new_key_is_accepted_at_once_and_a_leaked_one_goes_at_once() {
    let world = World::new().await;
    let client = world.listening().await;
    assert_eq!(who(&client, &world.held).await, Ok(()));
    signing_keys::plan(world.server.context(), false)
        .await
        .expect("planned");
    world.server.clock().advance(SignedDuration::from_secs(310));
    client.advance(Duration::from_secs(310));
    signing_keys::rotate(world.server.context())
        .await
        .expect("rotated");
    let bob = world.server.person("bob").await;
    let new = world.server.issue_tokens(&bob).await;
    for held in [&world.held, &new] {
        assert_eq!(
            client.check_async(&held.access, None).await.map(|_| ()),
            Ok(())
        );
    }
    until(|| client.statistics().keys == 2).await;
    let fetches = client.statistics().key_fetches;
    signing_keys::revoke(world.server.context(), None)
        .await
        .expect("revoked");
    // The keys are asked for again without anybody having met an unknown one.
    until(|| client.statistics().key_fetches > fetches).await;
    let error = client
        .check_async(&new.access, None)
        .await
        .expect_err("its key is gone");
    assert_eq!(error, Refusal::Invalid.into());
    // What the leaked key may have been used for is not known, so all sessions are over.
    assert_eq!(
        client
            .check_async(&world.held.access, None)
            .await
            .map(|_| ()),
        REVOKED
    );
    let newest = world.server.issue_tokens(&bob).await;
    assert_eq!(
        client.check_async(&newest.access, None).await.map(|_| ()),
        Ok(())
    );
}

#[tokio::test]
async fn a_service_may_ask_about_each_token_in_either_way() {
    let world = World::new().await;
    let clients =
        [IntrospectionVersion::V1, IntrospectionVersion::V2].map(|introspection_version| {
            world.client(Config {
                revocation: RevocationSource::Introspection,
                introspection_version,
                ..world.config()
            })
        });
    for client in &clients {
        assert_eq!(who(client, &world.held).await, Ok(()));
        let (jti, sub) = (world.held.claim("jti"), world.held.claim("sub"));
        assert_eq!(client.introspect(&jti, &sub).await, Ok(true));
        assert_eq!(client.introspect("unknown", &sub).await, Ok(false));
    }
    world.server.log_out(&world.held).await;
    for client in &clients {
        assert_eq!(who(client, &world.held).await, REVOKED);
        assert_eq!(client.statistics().introspection_failures, 0);
    }
}

#[tokio::test]
async fn a_service_with_a_wrong_secret_says_so_and_lets_nobody_pass() {
    let world = World::new().await;
    let credential = Credential::Client {
        id: world.service.id.clone(),
        secret: "a mistyped secret".to_owned().into(),
    };
    let client = world.client(Config {
        credential: Some(credential),
        stale_policy: StalePolicy::FailOpen,
        ..world.config()
    });
    until(|| client.statistics().credential_is_refused).await;
    let error = client
        .check_async(&world.held.access, None)
        .await
        .expect_err("not known");
    assert!(matches!(error, CheckError::Unavailable(_)), "{error:?}");
    // With the right one it goes well, until the secret is changed.
    let client = world.listening().await;
    assert_eq!(who(&client, &world.held).await, Ok(()));
    let id = world.service.id.parse().expect("a service id");
    services::rotate_secret(world.server.context(), &id, None)
        .await
        .expect("rotated");
    until(|| client.statistics().credential_is_refused).await;
}
