//! The private API: who gets an answer, and which.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use server::actions::{accounts, services};
use testkit::{Answer, HeldTokens, Person, ServiceFixture, TestServer};

const SHARED: &str = "Shared-With_Everybody-0123456789";
const STATUS: &str = "/user/private/v1/jti-status";
const EXCHANGE: &str = "/user/private/v1/service-token";

async fn server_with_secret() -> TestServer {
    TestServer::start_with(&[("issuer.private_api_secret", SHARED)]).await
}

fn post(server: &TestServer, path: &str, body: &Value) -> RequestBuilder {
    server.request(Method::POST, path).json(body)
}

async fn ask(server: &TestServer, service: &ServiceFixture, body: &Value) -> Answer {
    Answer::to(service.sign(post(server, STATUS, body))).await
}

async fn exchange(server: &TestServer, service: &ServiceFixture, body: &Value) -> Answer {
    Answer::to(service.sign(post(server, EXCHANGE, body))).await
}

fn second(held: &HeldTokens, expected: &str) -> Value {
    json!({ "jti": held.claim("jti"), "expected_user_id": expected, "schema_version": "2" })
}

async fn everybody(server: &TestServer) -> (ServiceFixture, Person, HeldTokens) {
    let service = server.service("items", "introspection").await;
    let ada = server.person("ada").await;
    let held = server.issue_tokens(&ada).await;
    (service, ada, held)
}

#[tokio::test]
async fn the_first_question_names_a_token_and_gets_a_boolean() {
    let server = TestServer::start().await;
    let (service, _, held) = everybody(&server).await;
    let question = json!({ "jti": held.claim("jti") });
    let answer = ask(&server, &service, &question).await.expect(200);
    assert_eq!(answer.text, r#"{"active":true}"#);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    server.log_out(&held).await;
    let answer = ask(&server, &service, &question).await.expect(200);
    assert_eq!(answer.text, r#"{"active":false}"#);
    for jti in [
        "unknown",
        "550e8400-e29b-41d4-a716-446655440000",
        "\u{0}",
        &"x".repeat(10_000),
    ] {
        let answer = ask(&server, &service, &json!({ "jti": jti }))
            .await
            .expect(200);
        assert_eq!(answer.text, r#"{"active":false}"#, "{jti:?}");
    }
}

#[tokio::test]
async fn the_second_question_names_the_account_too_and_gets_its_generation() {
    let server = TestServer::start().await;
    let (service, ada, held) = everybody(&server).await;
    let answer = ask(&server, &service, &second(&held, &ada.id))
        .await
        .expect(200);
    assert_eq!(
        answer.json(),
        json!({ "schema_version": "2", "active": true, "user_id": ada.id, "auth_generation": 1 })
    );
    let inactive = json!({ "schema_version": "2", "active": false });
    let ben = server.person("ben").await;
    let mut other_version = second(&held, &ada.id);
    other_version["schema_version"] = "3".into();
    for question in [
        second(&held, &ben.id),
        second(&held, "ada"),
        second(&held, ""),
        other_version,
    ] {
        let answer = ask(&server, &service, &question).await.expect(200);
        assert_eq!(answer.json(), inactive, "{question}");
    }
    let mut unversioned = second(&held, &ada.id);
    unversioned
        .as_object_mut()
        .unwrap()
        .remove("schema_version");
    let answer = ask(&server, &service, &unversioned).await.expect(200);
    assert_eq!(answer.json()["active"], true);
    server.log_out(&held).await;
    let answer = ask(&server, &service, &second(&held, &ada.id))
        .await
        .expect(200);
    assert_eq!(answer.json(), inactive);
}

/// Weakness 5 of issuers of this kind: old tokens outlived what ended their authority.
#[tokio::test]
async fn what_ends_authority_ends_access_tokens_at_once() {
    let server = TestServer::start().await;
    let service = server.service("items", "introspection").await;
    let context = server.context();
    for deed in [
        "sign out everywhere",
        "disable",
        "delete",
        "end the session",
    ] {
        let person = server.person(&deed.replace(' ', "-")).await;
        let held = server.issue_tokens(&person).await;
        assert!(server.is_active(&service, &held).await, "before {deed}");
        let caller = server.caller(&person).await;
        match deed {
            "sign out everywhere" => accounts::sign_out_everywhere(context, &caller)
                .await
                .unwrap(),
            "disable" => {
                // Another server does this one; here it is known by the event log.
                server.disable(&person).await;
                server
                    .eventually("it is inactive", async || {
                        !server.is_active(&service, &held).await
                    })
                    .await;
            }
            "delete" => {
                let id = person.id.parse().unwrap();
                accounts::delete_account(context, ::accounts::Actor::Operator, id)
                    .await
                    .unwrap();
            }
            _ => {
                let session = held.claim("sid").parse().unwrap();
                accounts::end_session(context, &caller, session)
                    .await
                    .unwrap();
            }
        }
        assert!(!server.is_active(&service, &held).await, "after {deed}");
    }
}

#[tokio::test]
async fn a_refresh_ends_the_access_token_before_it_once_requests_in_flight_are_through() {
    let server = TestServer::start().await;
    let (service, _, first) = everybody(&server).await;
    let second = server.refresh_tokens(&first).await;
    assert!(
        server.is_active(&service, &first).await,
        "requests in flight"
    );
    server.clock().advance(jiff::SignedDuration::from_secs(31));
    assert!(!server.is_active(&service, &first).await);
    assert!(server.is_active(&service, &second).await);
}

#[tokio::test]
async fn a_question_that_is_none_is_422() {
    let server = TestServer::start().await;
    let service = server.service("items", "introspection").await;
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "{",
        r#"{"jti":""}"#,
        r#"{"jti":null}"#,
        r#"{"jti":7}"#,
        r#"{"jti":["x"]}"#,
        r#"["550e8400-e29b-41d4-a716-446655440000"]"#,
        r#"{"jti":"x","expected_user_id":7}"#,
        r#"{"jti":"x","schema_version":2}"#,
        "\u{0}",
    ] {
        let request = server.request(Method::POST, STATUS).body(body);
        let answer = Answer::to(service.sign(request)).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
        let entry = &answer.json()["detail"][0];
        assert!(
            entry["type"].is_string() && entry["msg"].is_string(),
            "{entry}"
        );
        assert_eq!(entry["loc"], json!(["body", "jti"]));
    }
}

/// Weakness 11: every answer used to wait for a ping. Here even the records are in memory.
#[tokio::test]
async fn a_question_that_was_asked_before_needs_no_database() {
    let server = TestServer::start().await;
    let (service, ada, held) = everybody(&server).await;
    assert!(server.is_active(&service, &held).await);
    server.context().storage.close().await;
    let answer = ask(&server, &service, &second(&held, &ada.id)).await;
    assert_eq!(
        (answer.status, &answer.json()["active"]),
        (200, &json!(true))
    );
    let unknown = ask(
        &server,
        &service,
        &json!({ "jti": "550e8400-e29b-41d4-a716-446655440000" }),
    )
    .await;
    assert_eq!(unknown.status, 503);
    assert_eq!(
        unknown.json(),
        json!({ "detail": "Authentication service temporarily unavailable" })
    );
}

#[tokio::test]
async fn the_shared_secret_alone_opens_when_it_is_configured() {
    let server = server_with_secret().await;
    let held = server.issue_tokens(&server.person("ada").await).await;
    let question = json!({ "jti": held.claim("jti") });
    let with = async |token: &str| {
        let request = post(&server, STATUS, &question).header("x-internal-token", token);
        Answer::to(request).await
    };
    assert_eq!(with(SHARED).await.expect(200).text, r#"{"active":true}"#);
    for token in [
        "",
        "wrong",
        &SHARED[1..],
        &format!("{SHARED}x"),
        &SHARED.to_lowercase(),
    ] {
        let answer = with(token).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (401, r#"{"detail":"Unauthorized"}"#)
        );
    }
    // Whose keys they are cannot be told of somebody who is nobody in particular.
    let as_client = post(&server, STATUS, &question)
        .header("x-internal-client", "items")
        .header("x-internal-token", SHARED);
    Answer::to(as_client).await.expect(401);
    let no_service = post(&server, EXCHANGE, &json!({})).header("x-internal-token", SHARED);
    let answer = Answer::to(no_service).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json(),
        json!({ "detail": "Service-token exchange not enabled" })
    );
}

#[tokio::test]
async fn without_a_configured_secret_and_services_nobody_gets_an_answer() {
    let server = TestServer::start().await;
    for headers in [
        &[][..],
        &[("x-internal-token", "")],
        &[("x-internal-token", "None")],
        &[("x-internal-client", "items"), ("x-internal-token", "")],
        &[("authorization", "Bearer x.y.z")],
    ] {
        for path in [STATUS, EXCHANGE, "/user/private/users/"] {
            let mut request = post(&server, path, &json!({ "jti": "x" }));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = Answer::to(request).await;
            assert_eq!(
                (answer.status, answer.text.as_str()),
                (401, r#"{"detail":"Unauthorized"}"#),
                "{path} {headers:?}"
            );
        }
    }
}

/// Weakness 14: one secret, known to every service, which none of them could be told apart by.
#[tokio::test]
async fn each_service_has_a_secret_of_its_own_that_can_be_taken_back() {
    let server = TestServer::start().await;
    let (items, _, held) = everybody(&server).await;
    let carts = server.service("carts", "introspection").await;
    let crossed = ServiceFixture {
        id: carts.id.clone(),
        secret: items.secret.clone(),
    };
    let question = json!({ "jti": held.claim("jti") });
    assert_eq!(ask(&server, &crossed, &question).await.status, 401);
    services::remove(server.context(), &items.id.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(ask(&server, &items, &question).await.status, 401);
    assert_eq!(ask(&server, &carts, &question).await.status, 200);
}

#[tokio::test]
async fn an_unknown_service_and_a_wrong_secret_cannot_be_told_apart() {
    let server = TestServer::start().await;
    let (items, ..) = everybody(&server).await;
    let mut seen = Vec::new();
    for (id, secret) in [
        ("items", "wrong-secret-of-some-length"),
        ("nobody", &items.secret),
        ("items", ""),
        ("", &items.secret),
        ("\u{e4}", &items.secret),
        ("items", &"x".repeat(4000)),
    ] {
        let service = ServiceFixture {
            id: id.into(),
            secret: secret.into(),
        };
        let answer = ask(&server, &service, &json!({ "jti": "x" })).await;
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        seen.push((answer.status, answer.text, names));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].0, 401);
}

#[tokio::test]
async fn each_question_needs_its_scope() {
    let server = TestServer::start().await;
    let none = server.service("none", "other").await;
    for (path, body) in [
        (STATUS, json!({ "jti": "x" })),
        ("/user/private/users/", json!({})),
    ] {
        let answer = Answer::to(none.sign(post(&server, path, &body))).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (403, r#"{"detail":"Forbidden"}"#),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_service_token_stands_for_its_service_and_may_only_be_narrower() {
    let server = TestServer::start().await;
    let service = server.service("items", "introspection event-stream").await;
    let answer = exchange(&server, &service, &json!({})).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut body = answer.json();
    let token = body["access_token"].take().as_str().unwrap().to_owned();
    assert_eq!(
        body,
        json!({ "access_token": null, "token_type": "bearer", "expires_in": 300, "scope": "event-stream introspection" })
    );
    let by_token = async |token: &str, path: &str, body: &Value| {
        Answer::to(post(&server, path, body).bearer_auth(token)).await
    };
    let question = json!({ "jti": "x" });
    by_token(&token, STATUS, &question).await.expect(200);
    assert_eq!(
        by_token(&token, EXCHANGE, &json!({})).await.status,
        403,
        "a token begets no further one"
    );

    let narrow = exchange(&server, &service, &json!({ "scopes": ["event-stream"] }))
        .await
        .expect(200)
        .json();
    assert_eq!(narrow["scope"], "event-stream");
    let narrow = narrow["access_token"].as_str().unwrap();
    assert_eq!(by_token(narrow, STATUS, &question).await.status, 403);
    for scopes in [
        json!(["introspection", "user-create"]),
        json!(["not a scope"]),
    ] {
        let answer = exchange(&server, &service, &json!({ "scopes": scopes })).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (403, r#"{"detail":"Forbidden"}"#)
        );
    }
    for body in [
        json!({ "scopes": "introspection" }),
        json!({ "scopes": [1] }),
        json!([]),
    ] {
        assert_eq!(
            exchange(&server, &service, &body).await.status,
            422,
            "{body}"
        );
    }
    server.clock().advance(jiff::SignedDuration::from_secs(300));
    assert_eq!(by_token(&token, STATUS, &question).await.status, 401);
}

#[tokio::test]
async fn a_service_token_ends_with_the_secret_it_was_exchanged_for() {
    let server = TestServer::start().await;
    let service = server.service("items", "introspection user-create").await;
    let token = exchange(&server, &service, &json!({}))
        .await
        .expect(200)
        .json();
    let token = token["access_token"].as_str().unwrap();
    let status = async || {
        let request = post(&server, STATUS, &json!({ "jti": "x" })).bearer_auth(token);
        Answer::to(request).await.status
    };
    assert_eq!(status().await, 200);
    let id = "items".parse().unwrap();
    let scopes = Some("user-create".parse().unwrap());
    let change = services::ServiceChange {
        scopes,
        ..Default::default()
    };
    services::update(server.context(), &id, change)
        .await
        .unwrap();
    assert_eq!(status().await, 403, "what the service lost its tokens lose");
    services::rotate_secret(server.context(), &id, None)
        .await
        .unwrap();
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn tokens_of_people_open_nothing_here_and_tokens_of_services_open_nothing_else() {
    let server = TestServer::start().await;
    let (service, ada, held) = everybody(&server).await;
    for token in [&held.access, &ada.token] {
        let request = post(&server, STATUS, &json!({ "jti": "x" })).bearer_auth(token);
        assert_eq!(Answer::to(request).await.status, 401);
    }
    let token = exchange(&server, &service, &json!({}))
        .await
        .expect(200)
        .json();
    let token = token["access_token"].as_str().unwrap();
    assert_eq!(
        server
            .call("GET", "/v1/session", Some(token), None)
            .await
            .status,
        401
    );
    assert_eq!(
        server
            .call("GET", "/user/profile/get/me/", Some(token), None)
            .await
            .status,
        403
    );
    let logout = server
        .request(Method::POST, "/user/login/logout/")
        .bearer_auth(token);
    assert_eq!(Answer::to(logout).await.status, 403);
}

#[tokio::test]
async fn an_operator_s_change_beside_the_running_server_counts_within_a_second() {
    let server = TestServer::start().await;
    let operator = server.offline_context().await;
    let new = services::NewService {
        id: "items".parse().unwrap(),
        name: None,
        audience: None,
        scopes: "introspection".parse().unwrap(),
        secret: Some("An-Imported_Secret-0123".to_owned().into()),
    };
    services::add(&operator, new).await.unwrap();
    let service = ServiceFixture {
        id: "items".into(),
        secret: "An-Imported_Secret-0123".into(),
    };
    let status = async || ask(&server, &service, &json!({ "jti": "x" })).await.status;
    server
        .eventually("the service is known", async || status().await == 200)
        .await;
    services::remove(&operator, &"items".parse().unwrap())
        .await
        .unwrap();
    server
        .eventually("the service is gone", async || status().await == 401)
        .await;
}

#[tokio::test]
async fn a_service_may_make_accounts_of_the_lowest_role() {
    let server = TestServer::start().await;
    let service = server.service("form", "user-create").await;
    let body = json!({ "email": " Made@Example.com ", "password": "a passphrase that is long enough", "full_name": "Made",
        "role": "superadmin", "is_superuser": true });
    let create = async |body: &Value| {
        Answer::to(service.sign(post(&server, "/user/private/users/", body))).await
    };
    let made = create(&body).await.expect(200).json();
    assert_eq!(
        (&made["email"], &made["role"], &made["is_superuser"]),
        (&json!("made@example.com"), &json!("user"), &json!(false))
    );
    assert_eq!(
        (&made["full_name"], &made["email_verified"]),
        (&json!("Made"), &json!(false))
    );
    assert!(made.get("hashed_password").is_none() && made.get("password").is_none());
    let again = create(&body).await;
    assert_eq!(again.status, 409);
    assert_eq!(
        again.json(),
        json!({ "detail": "The user with this email already exists in the system." })
    );
    for body in [
        json!({}),
        json!({ "email": "x@example.com" }),
        json!({ "email": "x", "password": "a passphrase that is long enough" }),
        json!({ "email": "x@example.com", "password": "short" }),
        json!({ "email": "x@example.com", "password": "x".repeat(129) }),
        json!({ "email": "x@example.com", "password": 7 }),
    ] {
        let refused = create(&body).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
    }
}
