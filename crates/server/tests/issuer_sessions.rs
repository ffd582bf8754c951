//! Sessions at the issuer, for superusers and for oneself.

use accounts::Role;
use jiff::SignedDuration;
use serde_json::{Value, json};
use storage::ExternalToken;
use testkit::{Answer, Person, TestServer};

/// The closed set of fields that front ends know.
const FIELDS: [&str; 9] = [
    "created_at",
    "external_token_expires_at",
    "id",
    "jwt_expires_at",
    "jwt_jti",
    "provider",
    "refresh_expires_at",
    "revoked",
    "updated_at",
];

/// A server with a superuser and somebody else, both with access tokens.
struct World {
    server: TestServer,
    ada: Person,
    root_token: String,
    token: String,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let root = server.person_of("rootina", Role::Superadmin).await;
        let ada = server.person("ada").await;
        let root_token = server.access_token(&root).await;
        server.clock().advance(SignedDuration::from_secs(1));
        let token = server.access_token(&ada).await;
        Self {
            server,
            ada,
            root_token,
            token,
        }
    }

    async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/user/sessions/{path}");
        self.server.call(method, &path, Some(token), body).await
    }

    async fn root(&self, method: &str, path: &str) -> Answer {
        self.call(&self.root_token, method, path, None).await
    }

    async fn current(&self, token: &str) -> Answer {
        self.call(token, "GET", "get-current/", None).await
    }
}

#[track_caller]
fn detail(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.json()["detail"].clone()
}

/// The claims of an access token.
fn claims(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_session_is_told_with_the_closed_set_of_fields_and_the_id_of_its_tokens() {
    let world = World::new().await;
    let session = world.current(&world.token).await.expect(200).json();
    let mut fields: Vec<_> = session
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, FIELDS);
    let claims = claims(&world.token);
    assert_eq!(
        (&session["jwt_jti"], &session["id"]),
        (&claims["jti"], &claims["sid"])
    );
    assert_eq!(
        (
            &session["provider"],
            &session["revoked"],
            &session["external_token_expires_at"]
        ),
        (&json!("password"), &json!(false), &Value::Null)
    );
    let expires: jiff::Timestamp = session["jwt_expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires.as_second(), claims["exp"].as_i64().unwrap());
    let id = session["id"].as_str().unwrap();
    let read = world
        .root("GET", &format!("get/{id}/"))
        .await
        .expect(200)
        .json();
    assert_eq!(read, session);
}

#[tokio::test]
async fn a_missing_session_is_not_found_and_not_a_failure() {
    let world = World::new().await;
    let unknown = "0190a1b2-0000-7000-8000-000000000000";
    for (method, path) in [
        ("GET", format!("get/{unknown}/")),
        ("GET", format!("get-by-user/{unknown}/")),
        ("DELETE", format!("delete/{unknown}/")),
    ] {
        assert_eq!(
            detail(&world.root(method, &path).await, 404),
            "Session not found",
            "{path}"
        );
    }
    let nobody = world
        .root("DELETE", &format!("delete-by-user/{unknown}/"))
        .await;
    assert_eq!(detail(&nobody, 404), "User not found");
    for path in ["get/7/", "get-by-user/x/", "get/%00/"] {
        assert_eq!(
            detail(&world.root("GET", path).await, 422)[0]["type"],
            "uuid_parsing",
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_device_has_a_session_of_its_own_and_lists_are_in_order() {
    let world = World::new().await;
    world.server.clock().advance(SignedDuration::from_secs(1));
    let second = world.server.access_token(&world.ada).await;
    let listed = world.root("GET", "").await.expect(200).json();
    assert_eq!(listed["count"], 3);
    let sids: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["id"].clone())
        .collect();
    let expected: Vec<_> = [&second, &world.token, &world.root_token]
        .map(|token| claims(token)["sid"].clone())
        .into();
    assert_eq!(
        sids, expected,
        "the newest first; sessions of the pages hold no tokens"
    );
    let part = world
        .root("GET", "?skip=1&limit=1")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (part["count"].as_u64(), &part["data"][0]["id"]),
        (Some(3), &expected[1])
    );
    assert_eq!(
        detail(&world.root("GET", "?limit=101").await, 422)[0]["loc"],
        json!(["query", "limit"])
    );
    let latest = world
        .root("GET", &format!("get-by-user/{}/", world.ada.id))
        .await
        .expect(200)
        .json();
    assert_eq!(latest["id"], claims(&second)["sid"]);
    // The first device has not been overwritten by the second.
    world.current(&world.token).await.expect(200);
}

#[tokio::test]
async fn a_refresh_gives_the_session_the_id_of_the_new_pair() {
    let world = World::new().await;
    let form = [
        ("username", world.ada.email.as_str()),
        ("password", world.ada.password.as_str()),
    ];
    let login = world
        .server
        .request("POST".parse().unwrap(), "/user/login/access-token")
        .form(&form);
    let login = Answer::to(login).await.expect(200);
    let cookie = login.cookie("refresh_token").unwrap().to_owned();
    world.server.clock().advance(SignedDuration::from_secs(5));
    let refresh = world
        .server
        .request("POST".parse().unwrap(), "/user/login/refresh-token/");
    let refreshed = Answer::to(refresh.header("cookie", format!("refresh_token={cookie}")))
        .await
        .expect(200)
        .json();
    let token = refreshed["access_token"].as_str().unwrap();
    let session = world.current(token).await.expect(200).json();
    assert_eq!(session["jwt_jti"], claims(token)["jti"]);
}

#[tokio::test]
async fn a_deleted_session_is_over_at_once_and_the_others_go_on() {
    let world = World::new().await;
    let second = world.server.access_token(&world.ada).await;
    let sid = claims(&world.token)["sid"].as_str().unwrap().to_owned();
    let deleted = world
        .root("DELETE", &format!("delete/{sid}/"))
        .await
        .expect(200);
    assert_eq!(
        deleted.json(),
        json!({"message": "Session deleted successfully"})
    );
    assert_eq!(
        detail(&world.current(&world.token).await, 401),
        "Session revoked"
    );
    world.current(&second).await.expect(200);
    assert_eq!(
        detail(&world.root("DELETE", &format!("delete/{sid}/")).await, 404),
        "Session not found"
    );
    let told = world
        .root("GET", &format!("get/{sid}/"))
        .await
        .expect(200)
        .json();
    assert_eq!(told["revoked"], true);
}

#[tokio::test]
async fn deleting_by_user_ends_the_sessions_on_every_device() {
    let world = World::new().await;
    let second = world.server.access_token(&world.ada).await;
    let deleted = world
        .root("DELETE", &format!("delete-by-user/{}/", world.ada.id))
        .await
        .expect(200);
    assert_eq!(
        deleted.json(),
        json!({"message": "User deleted successfully"})
    );
    for token in [&world.token, &second] {
        assert_eq!(detail(&world.current(token).await, 401), "Session revoked");
    }
    // Those of the pages too; the person stays.
    world
        .server
        .call("GET", "/v1/session", Some(&world.ada.token), None)
        .await
        .expect(401);
    let none = world
        .root("GET", &format!("get-by-user/{}/", world.ada.id))
        .await;
    assert_eq!(detail(&none, 404), "Session not found");
    world.server.access_token(&world.ada).await;
}

#[tokio::test]
async fn outside_tokens_are_kept_for_sessions_of_that_provider_only_and_sealed() {
    let world = World::new().await;
    let path = "refresh-google-tokens/";
    let tokens = json!({"external_access_token": "ya29.outside-access", "external_refresh_token": "1//outside-refresh", "external_token_expires_at": "2026-01-05T10:00:00"});
    let refused = world
        .call(&world.token, "POST", path, Some(tokens.clone()))
        .await;
    assert_eq!(detail(&refused, 400), "The session provider is not google");
    let sid: ids::SessionId = claims(&world.token)["sid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    // As signing in by that provider leaves it.
    let first = ExternalToken {
        session: sid,
        provider: "google".to_owned(),
        sealed_access: b"sealed".to_vec(),
        sealed_refresh: None,
        expires_at: None,
        updated_at: world.server.clock().now(),
    };
    let stored = world
        .server
        .context()
        .storage
        .write(move |tx| tx.external_tokens().put(&first));
    stored.await.unwrap();
    let kept = world
        .call(&world.token, "POST", path, Some(tokens))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&kept["provider"], &kept["external_token_expires_at"]),
        (&json!("google"), &json!("2026-01-05T10:00:00Z"))
    );
    assert!(!kept.to_string().contains("outside"));
    let stored = world
        .server
        .context()
        .storage
        .read(move |tx| tx.external_tokens().find(sid))
        .await
        .unwrap()
        .unwrap();
    for sealed in [stored.sealed_access, stored.sealed_refresh.unwrap()] {
        assert!(!String::from_utf8_lossy(&sealed).contains("outside"));
    }
    for (body, kind) in [
        (json!({}), "missing"),
        (json!({"external_access_token": ""}), "string_too_short"),
        (
            json!({"external_access_token": "ya29", "external_token_expires_at": "soon"}),
            "datetime_parsing",
        ),
    ] {
        assert_eq!(
            detail(
                &world.call(&world.token, "POST", path, Some(body)).await,
                422
            )[0]["type"],
            kind
        );
    }
}
