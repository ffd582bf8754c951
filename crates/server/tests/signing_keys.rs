//! The keys that sign access tokens: rotation, other algorithms, leaked keys, several servers, and the key set.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use serde_json::{Value, json};
use server::actions::{
    accounts::{self, verify_access},
    signing_keys::{self, Place},
};
use storage::{DatabaseUrl, testing::TestDatabase};
use testkit::{Answer, Person, TestServer};
use token::{Algorithm, KeySet, VerifyingKey, rotation::KeyState};

const SET: &str = "/user/.well-known/jwks.json";
/// Said, since a server that starts again listens on another port.
const ISSUER: (&str, &str) = ("issuer.issuer", "https://issuer.example.com");

async fn set(server: &TestServer) -> Value {
    server.call("GET", SET, None, None).await.expect(200).json()
}

fn kids(set: &Value) -> Vec<&str> {
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap()).collect()
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap_or_default().to_owned()
}

/// Whether the issuer itself accepts a token.
async fn is_good(server: &TestServer, token: &str) -> bool {
    verify_access(server.context(), token)
        .await
        .unwrap()
        .is_ok()
}

/// Whether a service with this copy of the key set finds the signature good.
fn verifies(set: &Value, token: &str) -> bool {
    let keys = KeySet::from_jwks(&set.to_string()).unwrap();
    let algorithm = keys.keys()[0].algorithm();
    token::verify_payload(token, &keys, &[algorithm]).is_ok()
}

async fn states(server: &TestServer) -> Vec<KeyState> {
    let keys = signing_keys::list(server.context()).await.unwrap();
    keys.into_iter().map(|key| key.life.state).collect()
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// Plans a key and lets it sign when it may.
async fn rotate(server: &TestServer) -> String {
    signing_keys::plan(server.context(), false).await.unwrap();
    server.clock().advance(seconds(310));
    signing_keys::rotate(server.context())
        .await
        .unwrap()
        .life
        .kid
}

async fn started(name: &str) -> (TestServer, Person, String) {
    let server = TestServer::start_with(&[ISSUER]).await;
    let person = server.person(name).await;
    let token = server.access_token(&person).await;
    (server, person, token)
}

#[tokio::test]
async fn tokens_from_before_and_after_a_rotation_are_good_everywhere_until_they_expire() {
    let (server, ada, before) = started("ada").await;
    let planned = signing_keys::plan(server.context(), false)
        .await
        .unwrap()
        .life
        .kid;
    let early = signing_keys::rotate(server.context()).await.unwrap_err();
    assert_eq!(early.code, "key_too_early");
    // A service that fetched the set as soon as the key was planned, and keeps it.
    let copy = set(&server).await;
    assert_eq!(
        kids(&copy),
        [kid(&before), planned.clone()],
        "the current one first"
    );
    server.clock().advance(seconds(310));
    signing_keys::rotate(server.context()).await.unwrap();
    let after = server.access_token(&ada).await;
    assert_eq!(kid(&after), planned);
    let fresh = set(&server).await;
    assert_eq!(kids(&fresh), [planned.clone(), kid(&before)]);
    for token in [&before, &after] {
        assert!(verifies(&copy, token) && verifies(&fresh, token) && is_good(&server, token).await);
    }
    // All the same after a restart, also one that interrupted everything.
    let server = server.restart().await;
    assert_eq!(set(&server).await, fresh);
    assert!(is_good(&server, &before).await && is_good(&server, &after).await);
    // The old key goes when its last token has expired, and not a moment before.
    server.clock().advance(seconds(1800 + 19));
    signing_keys::tend(server.context()).await.unwrap();
    assert_eq!(
        states(&server).await,
        [KeyState::Current, KeyState::Retired]
    );
    server.clock().advance(seconds(1));
    signing_keys::tend(server.context()).await.unwrap();
    assert_eq!(states(&server).await, [KeyState::Current]);
    assert_eq!(kids(&set(&server).await), [planned]);
    let kept = server
        .context()
        .storage
        .read(|tx| tx.keys().list())
        .await
        .unwrap();
    assert_eq!(kept.len(), 1, "the private half is erased with it");
}

#[tokio::test]
async fn a_shorter_token_life_does_not_end_tokens_of_a_retired_key() {
    let server = TestServer::start_with(&[ISSUER, ("issuer.access_token_lifetime", "2h")]).await;
    let ada = server.person("ada").await;
    let long = server.access_token(&ada).await;
    let server = server
        .restart_with(&[("issuer.access_token_lifetime", "5m")])
        .await;
    server.access_token(&ada).await;
    rotate(&server).await;
    server.clock().advance(seconds(3600));
    signing_keys::tend(server.context()).await.unwrap();
    assert!(kids(&set(&server).await).contains(&kid(&long).as_str()));
    assert!(is_good(&server, &long).await);
}

#[tokio::test]
async fn of_many_rotations_at_once_one_is_done() {
    let (server, ..) = started("ada").await;
    let plans = (0..8).map(|_| signing_keys::plan(server.context(), false));
    let plans = futures_util::future::join_all(plans).await;
    assert_eq!(plans.iter().filter(|plan| plan.is_ok()).count(), 1);
    let refused = plans.into_iter().find_map(Result::err).unwrap();
    assert_eq!(
        (refused.status.as_u16(), refused.code),
        (409, "key_planned")
    );
    server.clock().advance(seconds(310));
    let rotations = (0..8).map(|_| signing_keys::rotate(server.context()));
    let rotations = futures_util::future::join_all(rotations).await;
    assert_eq!(
        rotations.iter().filter(|rotation| rotation.is_ok()).count(),
        1
    );
    assert_eq!(
        states(&server).await,
        [KeyState::Current, KeyState::Retired]
    );
}

#[tokio::test]
async fn a_leaked_key_ends_with_everything_it_signed() {
    let (server, ada, leaked) = started("ada").await;
    let jti = claims(&leaked)["jti"].as_str().unwrap().to_owned();
    let is_active = async || {
        accounts::is_access_active(server.context(), &jti)
            .await
            .unwrap()
    };
    // A planned key that leaks has signed nothing: no token ends.
    let planned = signing_keys::plan(server.context(), false)
        .await
        .unwrap()
        .life
        .kid;
    signing_keys::revoke(server.context(), Some(&planned))
        .await
        .unwrap();
    assert!(is_active().await && is_good(&server, &leaked).await);
    let now = signing_keys::revoke(server.context(), None)
        .await
        .unwrap()
        .life
        .kid;
    assert!(!is_good(&server, &leaked).await);
    assert!(!is_active().await, "services that ask hear of it at once");
    let set = set(&server).await;
    assert_eq!(kids(&set), [now.as_str()]);
    assert!(!verifies(&set, &leaked));
    let fresh = server.access_token(&ada).await;
    assert_eq!(kid(&fresh), now);
    assert!(is_good(&server, &fresh).await && verifies(&set, &fresh));
    let unknown = signing_keys::revoke(server.context(), Some("none"))
        .await
        .unwrap_err();
    assert_eq!(unknown.code, "key_unknown");
}

#[tokio::test]
async fn another_algorithm_in_the_settings_is_reached_by_a_rotation() {
    let (server, ada, rsa) = started("ada").await;
    let server = server.restart_with(&[("issuer.algorithm", "ES256")]).await;
    let still = server.access_token(&ada).await;
    assert_eq!(
        header(&still)["alg"],
        "RS256",
        "services do not know a new key yet"
    );
    signing_keys::tend(server.context()).await.unwrap();
    let copy = set(&server).await;
    assert_eq!(
        (&copy["keys"][0]["kty"], &copy["keys"][1]["kty"]),
        (&json!("RSA"), &json!("EC"))
    );
    // Cut off between the steps: whoever starts next goes on.
    let server = server.restart().await;
    server.clock().advance(seconds(310));
    signing_keys::tend(server.context()).await.unwrap();
    let ec = server.access_token(&ada).await;
    assert_eq!(header(&ec)["alg"], "ES256");
    assert!(kids(&copy).contains(&kid(&ec).as_str()));
    for token in [&rsa, &still, &ec] {
        assert!(is_good(&server, token).await);
    }
    // Each key is good for its own algorithm only, however a token names them.
    let swapped = |token: &str, alg: &str, kid: &str| {
        let header =
            URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT", "kid": kid }).to_string());
        format!("{header}.{}", token.split_once('.').unwrap().1)
    };
    for (token, alg, key) in [
        (&ec, "RS256", &ec),
        (&ec, "ES256", &rsa),
        (&rsa, "ES256", &rsa),
        (&rsa, "RS256", &ec),
        (&rsa, "HS256", &rsa),
        (&rsa, "none", &rsa),
    ] {
        assert!(
            !is_good(&server, &swapped(token, alg, &kid(key))).await,
            "{alg}"
        );
    }
}

#[tokio::test]
async fn a_secret_key_is_published_nowhere_and_named_in_no_token() {
    let server = TestServer::start_with(&[ISSUER, ("issuer.algorithm", "HS256")]).await;
    let ada = server.person("ada").await;
    let first = server.access_token(&ada).await;
    assert_eq!(header(&first), json!({ "alg": "HS256", "typ": "JWT" }));
    for path in [SET, "/.well-known/jwks.json"] {
        let empty = server
            .call("GET", path, None, None)
            .await
            .expect(200)
            .json();
        assert_eq!(empty, json!({ "keys": [] }));
    }
    // The servers alone must know the next one.
    signing_keys::plan(server.context(), false).await.unwrap();
    server.clock().advance(seconds(10));
    signing_keys::rotate(server.context()).await.unwrap();
    let second = server.access_token(&ada).await;
    assert!(is_good(&server, &first).await && is_good(&server, &second).await);
    // On to a public one: nobody can make an HS256 token of its public half.
    let server = server.restart_with(&[("issuer.algorithm", "RS256")]).await;
    signing_keys::tend(server.context()).await.unwrap();
    server.clock().advance(seconds(310));
    signing_keys::tend(server.context()).await.unwrap();
    let third = server.access_token(&ada).await;
    assert_eq!(header(&third)["alg"], "RS256");
    assert!(is_good(&server, &first).await && is_good(&server, &third).await);
    assert_eq!(kids(&set(&server).await), [kid(&third)]);
}

#[tokio::test]
async fn services_that_share_a_secret_verify_with_it_and_another_one_is_reached_by_a_rotation() {
    let secret = |text: &str| {
        KeySet::new([VerifyingKey::from_secret(&text.as_bytes().to_vec().into()).unwrap()])
    };
    let verifies = |text: &str, token: &str| {
        token::verify_payload(token, &secret(text), &[Algorithm::Hs256]).is_ok()
    };
    let (first, second) = (
        "Access-Secret_Key-0123456789-abcdefXYZ!",
        "Another-Secret_Key-0123456789-abcdefXY!",
    );
    let given = |text| {
        [
            ISSUER,
            ("issuer.algorithm", "HS256"),
            ("issuer.access_secret", text),
        ]
    };
    let server = TestServer::start_with(&given(first)).await;
    let ada = server.person("ada").await;
    let old = server.access_token(&ada).await;
    assert_eq!(header(&old), json!({ "alg": "HS256", "typ": "JWT" }));
    assert!(verifies(first, &old) && !verifies(second, &old) && is_good(&server, &old).await);
    assert_eq!(set(&server).await, json!({ "keys": [] }));
    let planned = signing_keys::plan(server.context(), false)
        .await
        .unwrap_err();
    assert_eq!(
        planned.code, "key_known",
        "there is no other secret to go on to"
    );
    let server = server.restart_with(&given(second)).await;
    signing_keys::tend(server.context()).await.unwrap();
    assert!(verifies(first, &server.access_token(&ada).await));
    server.clock().advance(seconds(10));
    signing_keys::tend(server.context()).await.unwrap();
    let new = server.access_token(&ada).await;
    assert!(verifies(second, &new) && !verifies(first, &new));
    assert!(is_good(&server, &old).await && is_good(&server, &new).await);
}

#[tokio::test]
async fn the_server_rotates_by_itself_when_told_to() {
    let server = TestServer::start_with(&[("issuer.key_rotation", "90d")]).await;
    let ada = server.person("ada").await;
    let old = server.access_token(&ada).await;
    let tend = async || signing_keys::tend(server.context()).await.unwrap();
    let day = SignedDuration::from_hours(24);
    server.clock().advance(day * 90 - seconds(311));
    tend().await;
    assert_eq!(states(&server).await, [KeyState::Current]);
    server.clock().advance(seconds(1));
    tend().await;
    assert_eq!(states(&server).await, [KeyState::Current, KeyState::Next]);
    server.clock().advance(seconds(310));
    tend().await;
    tend().await;
    assert_eq!(
        states(&server).await,
        [KeyState::Current, KeyState::Retired]
    );
    assert_ne!(kids(&set(&server).await)[0], kid(&old));
}

#[tokio::test]
async fn a_key_of_another_issuer_is_taken_over_with_its_id() {
    let (server, ada, before) = started("ada").await;
    let pem = include_str!("../../token/tests/keys/rsa2048.pkcs1.pem");
    signing_keys::import(server.context(), pem, Place::Current)
        .await
        .unwrap();
    let after = server.access_token(&ada).await;
    assert_eq!(kid(&after), "3b7a4a4b73f86a80");
    assert!(is_good(&server, &before).await && is_good(&server, &after).await);
    let ec = include_str!("../../token/tests/keys/p256.sec1.pem");
    let refused = signing_keys::import(server.context(), ec, Place::Next)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "other_algorithm");
    let server = server.restart().await;
    assert_eq!(kid(&server.access_token(&ada).await), "3b7a4a4b73f86a80");
}

#[tokio::test]
async fn the_key_set_is_fetched_anew_only_when_it_changed() {
    let (server, ..) = started("ada").await;
    let mut tags = Vec::new();
    for path in [SET, "/.well-known/jwks.json"] {
        let first = server.call("GET", path, None, None).await.expect(200);
        let tag = first.header("etag").to_owned();
        assert!(
            tag.len() == 66 && tag.starts_with('"') && tag.ends_with('"'),
            "{tag}"
        );
        assert_eq!(first.header("cache-control"), "public, max-age=300");
        let get = async |asked: &str| {
            let request = server.request("GET".parse().unwrap(), path);
            Answer::to(request.header("if-none-match", asked)).await
        };
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            "*".into(),
            format!("\"x\", {tag}"),
        ] {
            let same = get(&known).await.expect(304);
            assert_eq!(
                (same.header("etag"), same.text.as_str()),
                (tag.as_str(), ""),
                "{known}"
            );
            assert_eq!(same.header("cache-control"), "public, max-age=300");
        }
        get("\"x\"").await.expect(200);
        tags.push(tag);
    }
    assert_eq!(tags[0], tags[1]);
    signing_keys::plan(server.context(), false).await.unwrap();
    let changed = server.call("GET", SET, None, None).await.expect(200);
    assert_ne!(changed.header("etag"), tags[0]);
    assert_eq!(changed.json()["keys"].as_array().unwrap().len(), 2);
    for key in changed.json()["keys"].as_array().unwrap() {
        let mut members: Vec<_> = key.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(
            members,
            ["alg", "e", "kid", "kty", "n", "use"],
            "nothing private"
        );
    }
}

/// Two nodes on one database: whatever one does, tokens of either are good at both.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_database_go_through_a_rotation_together() {
    let database = TestDatabase::postgres().await;
    let DatabaseUrl::Postgres(url) = database.url() else {
        unreachable!("it was asked for")
    };
    let key = "5a".repeat(32);
    let settings = [
        ("database.url", url.expose().as_str()),
        ("master_key", key.as_str()),
        ISSUER,
    ];
    let one = TestServer::start_with(&settings).await;
    let other = TestServer::start_with(&settings).await;
    let ada = one.person("ada").await;
    // Both make the first key at once: there is one.
    let (a, b) = tokio::join!(one.access_token(&ada), other.access_token(&ada));
    assert_eq!(kid(&a), kid(&b));
    let planned = signing_keys::plan(one.context(), false)
        .await
        .unwrap()
        .life
        .kid;
    other
        .eventually("the other server publishes it", async || {
            kids(&set(&other).await).contains(&planned.as_str())
        })
        .await;
    let copy = set(&other).await;
    for server in [&one, &other] {
        server.clock().advance(seconds(310));
    }
    signing_keys::rotate(other.context()).await.unwrap();
    // Signed here and there while the news spreads.
    let mut tokens = vec![a, b];
    while !tokens
        .iter()
        .rev()
        .take(2)
        .all(|token| kid(token) == planned)
    {
        tokens.push(other.access_token(&ada).await);
        tokens.push(one.access_token(&ada).await);
    }
    for token in &tokens {
        assert!(
            verifies(&copy, token) && is_good(&one, token).await && is_good(&other, token).await
        );
    }
    one.stop().await;
    other.stop().await;
}
