//! API keys: made and revoked by people, used at the issuer and, by introspection, at services.

use accounts::{Role, Scopes, quota::Limits};
use jiff::SignedDuration;
use serde_json::{Value, json};
use server::{
    Context,
    actions::{
        api_keys,
        services::{self, NewService},
    },
};
use storage::{EventKind, LimitOf};
use testkit::{Answer, Person, TestServer};

const KEYS: &str = "/user/profile/api-keys/";

async fn make(server: &TestServer, token: &str, body: Value) -> Answer {
    server.call("POST", KEYS, Some(token), Some(body)).await
}

/// A key's id and text.
async fn key(server: &TestServer, token: &str, body: Value) -> (String, String) {
    let made = make(server, token, body).await.expect(201).json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("plaintext"))
}

async fn verify(server: &TestServer, key: &str) -> Answer {
    let request = server.request("GET".parse().unwrap(), "/user/profile/api-keys/verify");
    Answer::to(request.header("x-api-key", key)).await
}

/// Registers a service and gives its secret.
async fn register(server: &TestServer, id: &str, scopes: &[&str]) -> String {
    let new = NewService {
        id: id.parse().unwrap(),
        name: None,
        audience: None,
        scopes: Scopes::from_words(scopes.iter().copied()).unwrap(),
        secret: None,
    };
    let registered = services::add(server.context(), new).await.unwrap();
    registered.secret.expose().clone()
}

async fn introspect(server: &TestServer, service: (&str, &str), body: Value) -> Answer {
    let path = "/user/private/v1/api-keys/introspect";
    let request = server.request("POST".parse().unwrap(), path);
    let request = request
        .header("x-internal-client", service.0)
        .header("x-internal-token", service.1);
    Answer::to(request.json(&body)).await
}

async fn change(
    server: &TestServer,
    person: &Person,
    change: impl Fn(&mut accounts::Account) + Send + Sync + 'static,
) {
    let id = person.id.parse().unwrap();
    let changed = server.context().change(move |tx| {
        let mut account = tx.accounts().find(id)?.unwrap();
        change(&mut account);
        tx.accounts().update(&account)?;
        tx.event(EventKind::AccountChanged, id)
    });
    changed.await.unwrap();
}

/// A person with an access token.
async fn with_token(server: &TestServer, name: &str) -> (Person, String) {
    let person = server.person(name).await;
    let token = server.access_token(&person).await;
    (person, token)
}

#[tokio::test]
async fn a_key_is_shown_once_and_told_of_without_its_text_afterwards() {
    let server = TestServer::start().await;
    let (_, token) = with_token(&server, "ada").await;
    let made = make(&server, &token, json!({ "name": "build" }))
        .await
        .expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.json();
    let text = made["plaintext"].as_str().unwrap();
    assert!(text.len() == 35 && text.starts_with("ak_"), "{text}");
    assert_eq!(
        (
            &made["name"],
            &made["access_mode"],
            &made["revoked"],
            &made["audiences"],
            &made["last_used_at"]
        ),
        (
            &json!("build"),
            &json!("read_only"),
            &json!(false),
            &json!([]),
            &Value::Null
        )
    );
    assert_eq!(
        made["expires_at"], "2026-01-06T09:00:00Z",
        "a day, unless said otherwise"
    );
    let id = made["id"].as_str().unwrap();
    let listed = server
        .call("GET", KEYS, Some(&token), None)
        .await
        .expect(200);
    let one = server
        .call("GET", &format!("{KEYS}{id}"), Some(&token), None)
        .await
        .expect(200);
    assert_eq!(listed.json(), json!([one.json()]));
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("plaintext");
    assert_eq!(one.json(), expected);
    let verified = verify(&server, text).await.expect(200);
    assert_eq!(verified.json()["id"], id);
    for header in [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ] {
        assert!(verified.header(header).parse::<u64>().is_ok(), "{header}");
    }
    assert_eq!(
        (
            verified.header("x-ratelimit-limit"),
            verified.header("x-ratelimit-remaining")
        ),
        ("60", "59")
    );
    let again = server.call("GET", KEYS, Some(&token), None).await.json();
    assert!(again[0]["last_used_at"].is_string());
    let unnamed = make(&server, &token, json!({})).await.expect(201).json();
    assert!(unnamed["name"].as_str().unwrap().starts_with("key-"));
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_revoked_once() {
    let server = TestServer::start().await;
    let (_, token) = with_token(&server, "ada").await;
    let (id, text) = key(&server, &token, json!({})).await;
    verify(&server, &text).await.expect(200);
    let path = format!("{KEYS}{id}");
    let revoked = server
        .call("DELETE", &path, Some(&token), None)
        .await
        .expect(200);
    assert_eq!(
        revoked.json(),
        json!({ "message": "API key revoked successfully" })
    );
    let refused = verify(&server, &text).await.expect(401);
    assert_eq!(
        refused.json(),
        json!({ "detail": "Invalid or expired API key" })
    );
    let twice = server
        .call("DELETE", &path, Some(&token), None)
        .await
        .expect(409);
    assert_eq!(
        twice.json(),
        json!({ "detail": "API key is already revoked" })
    );
    let one = server
        .call("GET", &path, Some(&token), None)
        .await
        .expect(200)
        .json();
    assert_eq!(one["revoked"], true);
}

#[tokio::test]
async fn keys_of_others_are_not_found() {
    let server = TestServer::start().await;
    let (_, ada) = with_token(&server, "ada").await;
    let (_, bob) = with_token(&server, "bob").await;
    let (id, text) = key(&server, &ada, json!({})).await;
    let nobody = uuid::Uuid::now_v7();
    for path in [format!("{KEYS}{id}"), format!("{KEYS}{nobody}")] {
        for method in ["GET", "DELETE"] {
            let answer = server
                .call(method, &path, Some(&bob), None)
                .await
                .expect(404);
            assert_eq!(answer.json(), json!({ "detail": "API key not found" }));
        }
    }
    server
        .call("GET", &format!("{KEYS}42"), Some(&ada), None)
        .await
        .expect(422);
    verify(&server, &text).await.expect(200);
    let listed = server.call("GET", KEYS, Some(&bob), None).await.expect(200);
    assert_eq!(listed.json(), json!([]));
}

#[tokio::test]
async fn wishes_that_make_no_sense_are_refused_with_the_field() {
    let server = TestServer::start().await;
    let (_, token) = with_token(&server, "ada").await;
    for (body, field) in [
        (json!({ "name": "ab" }), "name"),
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "name": "a\u{0}bc" }), "name"),
        (json!({ "name": 7 }), "name"),
        (json!({ "ttl_hours": 0 }), "ttl_hours"),
        (json!({ "ttl_hours": -1 }), "ttl_hours"),
        (json!({ "ttl_hours": 1.5 }), "ttl_hours"),
        (json!({ "ttl_hours": u64::MAX }), "ttl_hours"),
        (json!({ "ttl_hours": i64::MAX }), "ttl_hours"),
        (json!({ "ttl_hours": "many" }), "ttl_hours"),
        (json!({ "access_mode": "admin" }), "access_mode"),
        (json!({ "audiences": "items" }), "audiences"),
        (json!({ "audiences": [7] }), "audiences"),
    ] {
        let refused = make(&server, &token, body.clone()).await.expect(422).json();
        assert_eq!(
            refused["detail"][0]["loc"],
            json!(["body", field]),
            "{body}"
        );
    }
    for audiences in [
        json!(["nobody"]),
        json!(["*"]),
        json!([""]),
        json!(["items\n"]),
    ] {
        let refused = make(&server, &token, json!({ "audiences": audiences }))
            .await
            .expect(409);
        assert!(refused.json()["detail"].is_string());
    }
    let none = server.call("GET", KEYS, Some(&token), None).await;
    assert_eq!(
        none.json(),
        json!([]),
        "a refused wish leaves no key behind"
    );
    let request = server.request("GET".parse().unwrap(), "/user/profile/api-keys/verify");
    let missing = Answer::to(request).await.expect(422).json();
    assert_eq!(missing["detail"][0]["loc"], json!(["header", "X-API-Key"]));
    for text in [
        "",
        "ak_",
        "ak_0",
        &format!("ak_{}", "0".repeat(32)),
        &format!("AK_{}", "0".repeat(32)),
        &"x".repeat(5000),
        "\u{e9}",
    ] {
        verify(&server, text).await.expect(401);
    }
}

#[tokio::test]
async fn a_person_has_so_many_usable_keys_and_no_more() {
    let server = TestServer::start_with(&[("api_keys.each", "2")]).await;
    let (ada, token) = with_token(&server, "ada").await;
    let (first, _) = key(&server, &token, json!({})).await;
    // Both at once: one of them is one too many.
    let (a, b) = tokio::join!(
        make(&server, &token, json!({})),
        make(&server, &token, json!({}))
    );
    let mut codes = [a.status, b.status];
    codes.sort_unstable();
    assert_eq!(codes, [201, 409]);
    let full = make(&server, &token, json!({})).await.expect(409).json();
    assert_eq!(
        full["detail"],
        "Maximum of 2 active API keys reached. Revoke an existing key before creating a new one."
    );
    server
        .call("DELETE", &format!("{KEYS}{first}"), Some(&token), None)
        .await
        .expect(200);
    make(&server, &token, json!({})).await.expect(201);
    // Those that expired do not count.
    server.clock().advance(SignedDuration::from_hours(24));
    let token = server.access_token(&ada).await;
    make(&server, &token, json!({})).await.expect(201);
}

#[tokio::test]
async fn a_quota_is_used_up_told_and_survives_a_restart() {
    let limits = [
        ("api_keys.per_minute", "0"),
        ("api_keys.per_hour", "5"),
        ("api_keys.per_day", "8"),
    ];
    let server = TestServer::start_with(&limits).await;
    let (_, token) = with_token(&server, "ada").await;
    let (_, text) = key(&server, &token, json!({ "ttl_hours": 100 })).await;
    for left in (0..5).rev() {
        let used = verify(&server, &text).await.expect(200);
        assert_eq!(used.header("x-ratelimit-remaining"), left.to_string());
    }
    // Stopped in order: everything is written down.
    let server = server.restart().await;
    let refused = verify(&server, &text).await.expect(429);
    assert_eq!(
        refused.json(),
        json!({ "detail": "Rate limit exceeded for period: hour" })
    );
    assert_eq!(
        (
            refused.header("retry-after"),
            refused.header("x-ratelimit-limit"),
            refused.header("x-ratelimit-remaining")
        ),
        ("3600", "5", "0")
    );
    server.clock().advance(SignedDuration::from_hours(1));
    for _ in 0..3 {
        verify(&server, &text).await.expect(200);
    }
    let refused = verify(&server, &text).await.expect(429);
    assert_eq!(
        refused.json(),
        json!({ "detail": "Rate limit exceeded for period: day" })
    );
    assert_eq!(refused.header("retry-after"), (14 * 3600).to_string());
    server.clock().advance(SignedDuration::from_hours(14));
    verify(&server, &text).await.expect(200);
}

#[tokio::test]
async fn a_key_s_own_limit_comes_before_its_account_s_and_takes_effect_at_once() {
    let server = TestServer::start().await;
    let (ada, token) = with_token(&server, "ada").await;
    let (id, text) = key(&server, &token, json!({})).await;
    let limit = async |expected: &str| {
        let used = verify(&server, &text).await.expect(200);
        assert_eq!(used.header("x-ratelimit-limit"), expected);
    };
    limit("60").await;
    let account = LimitOf::Account(ada.id.parse().unwrap());
    let own = LimitOf::Key(id.parse().unwrap());
    let minute = |most| Limits([Some(most), None, None, None]);
    api_keys::set_limits(server.context(), account, minute(30))
        .await
        .unwrap();
    limit("30").await;
    api_keys::set_limits(server.context(), own, minute(20))
        .await
        .unwrap();
    limit("20").await;
    api_keys::set_limits(server.context(), own, minute(0))
        .await
        .unwrap();
    limit("1000").await;
    api_keys::set_limits(server.context(), own, Limits::default())
        .await
        .unwrap();
    limit("30").await;
}

#[tokio::test]
async fn uses_that_come_at_once_never_exceed_the_limit() {
    let server = TestServer::start_with(&[("api_keys.per_minute", "20")]).await;
    let (_, token) = with_token(&server, "ada").await;
    let (_, text) = key(&server, &token, json!({})).await;
    let uses = futures_util::future::join_all((0..50).map(|_| verify(&server, &text))).await;
    let good = uses.iter().filter(|answer| answer.status == 200).count();
    let refused = uses.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((good, refused), (20, 30));
}

#[tokio::test]
async fn superusers_see_and_revoke_keys_of_everybody_but_never_their_text() {
    let server = TestServer::start().await;
    let (ada, token) = with_token(&server, "ada").await;
    let (id, text) = key(&server, &token, json!({})).await;
    let root = server.person("root").await;
    change(&server, &root, |account| account.role = Role::Superadmin).await;
    let root = server.access_token(&root).await;
    let path = format!("/user/api-keys/by-user/{}/", ada.id);
    server
        .call("GET", &path, Some(&token), None)
        .await
        .expect(403);
    let listed = server
        .call("GET", &path, Some(&root), None)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&listed["count"], &listed["data"][0]["status"]),
        (&json!(1), &json!("active"))
    );
    assert_eq!(listed["data"][0]["user_id"], ada.id.as_str());
    assert!(!listed.to_string().contains(&text[3..]));
    let revoke = format!("/user/api-keys/revoke/{id}/");
    server
        .call("POST", &revoke, Some(&token), None)
        .await
        .expect(403);
    server
        .call("POST", &revoke, Some(&root), None)
        .await
        .expect(200);
    server
        .call("POST", &revoke, Some(&root), None)
        .await
        .expect(409);
    verify(&server, &text).await.expect(401);
    let listed = server.call("GET", &path, Some(&root), None).await.json();
    assert_eq!(listed["data"][0]["status"], "revoked");
    let unknown = format!("/user/api-keys/revoke/{}/", uuid::Uuid::now_v7());
    server
        .call("POST", &unknown, Some(&root), None)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_key_stands_for_its_account_as_that_is_at_the_moment_and_for_no_more_than_writing() {
    let server = TestServer::start().await;
    let secret = register(&server, "items", &["api-key-introspection"]).await;
    let items = ("items", secret.as_str());
    let (ada, token) = with_token(&server, "ada").await;
    let wish = json!({ "audiences": ["items"], "access_mode": "read_write" });
    let (_, text) = key(&server, &token, wish).await;
    let asked = json!({ "api_key": text, "schema_version": "1" });
    for (role, told) in [
        (Role::User, "user"),
        (Role::Writer, "writer"),
        (Role::Superadmin, "writer"),
        (Role::Reader, "reader"),
    ] {
        change(&server, &ada, move |account| account.role = role).await;
        let answer = introspect(&server, items, asked.clone()).await.expect(200);
        assert_eq!(
            answer.json(),
            json!({
                "schema_version": "1",
                "active": true,
                "audience_id": "items",
                "principal": {
                    "user_id": ada.id,
                    "role": told,
                    "is_superuser": false,
                    "access_mode": "read_write",
                    "authentication_method": "api_key",
                    "auth_generation": 1
                },
                "key_expires_at": "2026-01-06T09:00:00Z"
            })
        );
    }
    change(&server, &ada, |account| account.active = false).await;
    let inactive = json!({ "schema_version": "1", "active": false });
    assert_eq!(
        introspect(&server, items, asked.clone())
            .await
            .expect(200)
            .json(),
        inactive
    );
    verify(&server, &text).await.expect(401);
    change(&server, &ada, |account| account.active = true).await;
    introspect(&server, items, asked.clone()).await.expect(200);
    server.clock().advance(SignedDuration::from_hours(24));
    assert_eq!(
        introspect(&server, items, asked.clone())
            .await
            .expect(200)
            .json(),
        inactive
    );
}

#[tokio::test]
async fn every_key_that_cannot_be_used_by_a_service_looks_the_same_to_it() {
    let server = TestServer::start().await;
    let secret = register(&server, "items", &["api-key-introspection"]).await;
    let items = ("items", secret.as_str());
    register(&server, "billing", &["api-key-introspection"]).await;
    register(&server, "dull", &["introspection"]).await;
    let (_, token) = with_token(&server, "ada").await;
    let (_, local) = key(&server, &token, json!({})).await;
    let (_, other) = key(&server, &token, json!({ "audiences": ["billing"] })).await;
    let (id, revoked) = key(&server, &token, json!({ "audiences": ["items"] })).await;
    server
        .call("DELETE", &format!("{KEYS}{id}"), Some(&token), None)
        .await
        .expect(200);
    let (bob, bobs) = with_token(&server, "bob").await;
    let (_, deleted) = key(&server, &bobs, json!({ "audiences": ["items"] })).await;
    introspect(&server, items, json!({ "api_key": deleted }))
        .await
        .expect(200);
    let gone = bob.id.parse().unwrap();
    let deleting = server.context().change(move |tx| {
        tx.accounts().delete(gone)?;
        tx.event(EventKind::AccountDeleted, gone)
    });
    deleting.await.unwrap();
    let unknown = format!("ak_{}", "0".repeat(32));
    for text in [
        &local,
        &other,
        &revoked,
        &deleted,
        &unknown,
        "",
        "ak_x",
        &"x".repeat(5000),
    ] {
        let answer = introspect(&server, items, json!({ "api_key": text }))
            .await
            .expect(200);
        assert_eq!(
            answer.json(),
            json!({ "schema_version": "1", "active": false }),
            "{text}"
        );
    }
    // A key for a service that may not ask is not made.
    let refused = make(&server, &token, json!({ "audiences": ["items", "dull"] }))
        .await
        .expect(409);
    assert_eq!(
        refused.json(),
        json!({ "detail": "Unknown or ineligible audience(s): dull" })
    );
}

#[tokio::test]
async fn only_services_with_the_scope_may_ask_about_keys_and_not_too_often() {
    let settings = [
        ("api_keys.introspections_per_minute", "3"),
        (
            "issuer.private_api_secret",
            "Private-Secret_0123456789-abcdef!",
        ),
    ];
    let server = TestServer::start_with(&settings).await;
    let secret = register(&server, "items", &["api-key-introspection"]).await;
    let dull = register(&server, "dull", &["introspection"]).await;
    let body = json!({ "api_key": "ak_x" });
    introspect(&server, ("items", "wrong"), body.clone())
        .await
        .expect(401);
    introspect(&server, ("dull", &dull), body.clone())
        .await
        .expect(403);
    let (_, token) = with_token(&server, "ada").await;
    let path = "/user/private/v1/api-keys/introspect";
    server
        .call("POST", path, Some(&token), Some(body.clone()))
        .await
        .expect(401);
    let shared = server.request("POST".parse().unwrap(), path).json(&body);
    let shared = shared.header("x-internal-token", "Private-Secret_0123456789-abcdef!");
    Answer::to(shared).await.expect(403);
    introspect(&server, ("items", &secret), json!({}))
        .await
        .expect(422);
    introspect(&server, ("items", &secret), json!({ "api_key": 7 }))
        .await
        .expect(422);
    let later = introspect(
        &server,
        ("items", &secret),
        json!({ "api_key": "ak_x", "schema_version": "2" }),
    )
    .await;
    assert_eq!(
        later.expect(503).json(),
        json!({ "detail": "Introspection temporarily unavailable" })
    );
    for _ in 0..3 {
        introspect(&server, ("items", &secret), body.clone())
            .await
            .expect(200);
    }
    let refused = introspect(&server, ("items", &secret), body.clone())
        .await
        .expect(429);
    assert_eq!(
        refused.json(),
        json!({ "detail": "Introspection rate limit exceeded" })
    );
    assert_eq!(refused.header("retry-after"), "60");
    server.clock().advance(SignedDuration::from_mins(1));
    introspect(&server, ("items", &secret), body)
        .await
        .expect(200);
}

#[tokio::test]
async fn questions_about_keys_that_are_not_for_a_service_cost_the_key_nothing() {
    let server = TestServer::start_with(&[("api_keys.per_minute", "2")]).await;
    let secret = register(&server, "items", &["api-key-introspection"]).await;
    let billing = register(&server, "billing", &["api-key-introspection"]).await;
    let (_, token) = with_token(&server, "ada").await;
    let (_, text) = key(&server, &token, json!({ "audiences": ["items"] })).await;
    let body = json!({ "api_key": text });
    for _ in 0..5 {
        introspect(&server, ("billing", &billing), body.clone())
            .await
            .expect(200);
    }
    introspect(&server, ("items", &secret), body.clone())
        .await
        .expect(200);
    verify(&server, &text).await.expect(200);
    let refused = introspect(&server, ("items", &secret), body)
        .await
        .expect(429);
    assert_eq!(
        refused.json(),
        json!({ "detail": "Rate limit exceeded for period: minute" })
    );
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
}

/// What another process did to the database takes effect here within a second, by the event log.
#[tokio::test]
async fn a_key_revoked_by_another_process_is_refused_here_soon() {
    let server = TestServer::start().await;
    let (_, token) = with_token(&server, "ada").await;
    let (id, text) = key(&server, &token, json!({})).await;
    verify(&server, &text).await.expect(200);
    let elsewhere: Context = server.offline_context().await;
    api_keys::revoke_any(&elsewhere, id.parse().unwrap())
        .await
        .unwrap();
    elsewhere.storage.close().await;
    server
        .eventually("the key is refused", async || {
            verify(&server, &text).await.status == 401
        })
        .await;
}

#[tokio::test]
async fn the_last_use_is_written_down() {
    let server = TestServer::start().await;
    let (_, token) = with_token(&server, "ada").await;
    let (id, text) = key(&server, &token, json!({})).await;
    let id = id.parse().unwrap();
    server.clock().advance(SignedDuration::from_secs(90));
    verify(&server, &text).await.expect(200);
    api_keys::flush(server.context()).await;
    let kept = server
        .context()
        .storage
        .read(move |tx| tx.api_keys().find(id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.last_used_at, Some(server.context().now()));
    let usage = server
        .context()
        .storage
        .read(move |tx| tx.api_keys().usage(id))
        .await
        .unwrap();
    assert_eq!(usage.0.map(|window| window.count), [1; 4]);
}

/// Gets a page, or sends a form of it with its token, as a browser that is signed in.
async fn page(
    server: &TestServer,
    person: &Person,
    path: &str,
    form: Option<&[(&str, &str)]>,
) -> Answer {
    let (accept, cookie) = ("text/html", format!("vestibule_session={}", person.token));
    let get = server.request("GET".parse().unwrap(), path);
    let shown = Answer::to(get.header("accept", accept).header("cookie", &cookie)).await;
    let Some(form) = form else { return shown };
    let (_, after) = shown
        .text
        .split_once("name=\"_csrf\" value=\"")
        .expect("a form");
    let token = after.split('"').next().unwrap();
    let mut fields = vec![("_csrf", token)];
    fields.extend_from_slice(form);
    let post = server.request("POST".parse().unwrap(), path).form(&fields);
    let post = post
        .header("accept", accept)
        .header("cookie", &cookie)
        .header("origin", server.origin());
    Answer::to(post).await
}

#[tokio::test]
async fn people_make_see_and_revoke_their_keys_on_pages() {
    const LIST: &str = "/account/api-keys";
    const NEW: &str = "/account/api-keys/new";
    let server = TestServer::start().await;
    register(&server, "items", &["api-key-introspection"]).await;
    let ada = server.person("ada").await;
    let empty = page(&server, &ada, LIST, None).await.expect(200);
    assert!(empty.text.contains("None yet"));
    let short = page(&server, &ada, NEW, Some(&[("name", "ab")]))
        .await
        .expect(422);
    assert!(short.text.contains("3 to 100 characters"));
    let wish = [
        ("name", "backup <1>"),
        ("hours", "168"),
        ("access_mode", "read_write"),
        ("service:items", "on"),
        ("service:other", "on"),
    ];
    let made = page(&server, &ada, NEW, Some(&wish)).await.expect(201);
    assert!(made.header("cache-control").contains("no-store"));
    let at = made.text.find(">ak_").expect("the key is shown") + 1;
    let text = &made.text[at..at + 35];
    let known = verify(&server, text).await.expect(200).json();
    assert_eq!(
        (
            &known["name"],
            &known["access_mode"],
            &known["audiences"],
            &known["expires_at"]
        ),
        (
            &json!("backup <1>"),
            &json!("read_write"),
            &json!(["items"]),
            &json!("2026-01-12T09:00:00Z")
        )
    );
    let listed = page(&server, &ada, LIST, None).await.expect(200);
    assert!(listed.text.contains("backup &#60;1&#62;") && listed.text.contains("Reads and writes"));
    assert!(!listed.text.contains(text), "it is shown once");
    let revoke = format!("{LIST}/{}/revoke", known["id"].as_str().unwrap());
    let bob = server.person("bob").await;
    page(&server, &bob, &revoke, None).await.expect(404);
    page(&server, &ada, &revoke, Some(&[])).await.expect(303);
    verify(&server, text).await.expect(401);
    assert!(
        page(&server, &ada, LIST, None)
            .await
            .text
            .contains("Revoked")
    );
    // Whoever finds a browser open long after makes no key with it.
    server.clock().advance(SignedDuration::from_mins(11));
    let asked = page(&server, &ada, NEW, None).await.expect(303);
    assert!(
        asked.header("location").contains("api-keys%2Fnew"),
        "{}",
        asked.header("location")
    );
}
