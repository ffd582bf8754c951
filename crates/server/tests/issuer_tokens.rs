//! The issuer's tokens: modes, algorithms, audiences, limits, and the weaknesses that such issuers are known for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use server::{
    Context,
    actions::accounts::{access_standing, is_access_active},
};
use testkit::{Answer, Person, TestServer};

const BEHIND_A_PROXY: &[(&str, &str)] = &[("server.trusted_proxies", "127.0.0.1/32, ::1")];

/// A pair of tokens as a front end holds them.
#[derive(Debug, Clone)]
struct Pair {
    access: String,
    refresh: String,
}

impl Pair {
    fn of(answer: &Answer) -> Self {
        Self {
            access: answer.json()["access_token"].as_str().unwrap().to_owned(),
            refresh: answer.cookie("refresh_token").unwrap().to_owned(),
        }
    }

    fn claims(&self) -> Value {
        let payload = self.access.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    fn jti(&self) -> String {
        self.claims()["jti"].as_str().unwrap().to_owned()
    }
}

async fn try_login(
    server: &TestServer,
    name: &str,
    password: &str,
    extra: &[(&str, &str)],
) -> Answer {
    let mut form = vec![("username", name), ("password", password)];
    form.extend_from_slice(extra);
    Answer::to(
        server
            .request(Method::POST, "/user/login/access-token")
            .form(&form),
    )
    .await
}

async fn login(server: &TestServer, person: &Person) -> Pair {
    let answer = try_login(server, &person.email, &person.password, &[]).await;
    Pair::of(&answer.expect(200))
}

async fn refresh(server: &TestServer, token: &str) -> Answer {
    let request = server.request(Method::POST, "/user/login/refresh-token/");
    Answer::to(request.header("cookie", format!("refresh_token={token}"))).await
}

async fn test_token(server: &TestServer, access: &str) -> Answer {
    let path = "/user/login/test-token/";
    server.call("POST", path, Some(access), None).await
}

async fn log_out(server: &TestServer, pair: &Pair) -> Answer {
    let request = server.request(Method::POST, "/user/login/logout/");
    let request = request.bearer_auth(&pair.access);
    Answer::to(request.header("cookie", format!("refresh_token={}", pair.refresh))).await
}

fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap().to_owned()
}

async fn is_active(context: &Context, pair: &Pair) -> bool {
    let standing = access_standing(context, &pair.jti()).await.unwrap();
    standing.is_some()
}

#[tokio::test]
async fn every_algorithm_signs_and_verifies() {
    for (algorithm, keys) in [("RS256", 1), ("ES256", 1), ("HS256", 0)] {
        for mode in ["stateful", "hybrid", "stateless"] {
            let settings = [("issuer.algorithm", algorithm), ("issuer.mode", mode)];
            let server = TestServer::start_with(&settings).await;
            let ada = server.person("ada").await;
            let pair = login(&server, &ada).await;
            let header = pair.access.split('.').next().unwrap();
            let header: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
            assert_eq!(header["alg"], algorithm);
            assert_eq!(header.get("kid").is_some(), keys == 1, "{algorithm}");
            let set = server.call("GET", "/user/.well-known/jwks.json", None, None);
            let set = set.await.expect(200).json();
            assert_eq!(set["keys"].as_array().unwrap().len(), keys, "{algorithm}");
            let me = test_token(&server, &pair.access).await.expect(200).json();
            assert_eq!(me["email"], ada.email);
            let next = Pair::of(&refresh(&server, &pair.refresh).await.expect(200));
            test_token(&server, &next.access).await.expect(200);
            assert_eq!(pair.claims().get("sid").is_some(), mode != "stateless");
        }
    }
}

#[tokio::test]
async fn the_cookie_is_as_the_contract_writes_it() {
    let settings = [
        ("issuer.refresh_cookie_max_age", "1h"),
        ("server.public_url", "https://auth.example.com"),
    ];
    let server = TestServer::start_with(&settings).await;
    let ada = server.person("ada").await;
    let form = [("username", &ada.email), ("password", &ada.password)];
    let request = server.client().post(server.url("/user/login/access-token"));
    let request = request.header("host", "auth.example.com").form(&form);
    let answer = Answer::to(request).await.expect(200);
    let refresh = answer.cookie("refresh_token").unwrap();
    assert_eq!(
        answer.header("set-cookie"),
        format!("refresh_token={refresh}; HttpOnly; Max-Age=3600; Path=/; SameSite=strict; Secure")
    );
}

#[tokio::test]
async fn stateful_access_ends_with_its_session_and_with_the_account() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (first, second) = (login(&server, &ada).await, login(&server, &ada).await);
    test_token(&server, &first.access).await.expect(200);
    log_out(&server, &first).await.expect(200);
    let over = test_token(&server, &first.access).await.expect(401);
    assert_eq!(detail(&over), "Session revoked");
    assert!(!is_active(server.context(), &first).await);
    // Several sessions of a person live side by side.
    test_token(&server, &second.access).await.expect(200);
    assert!(is_active(server.context(), &second).await);
    server.disable(&ada).await;
    server
        .eventually("the event is applied", async || {
            test_token(&server, &second.access).await.status == 403
        })
        .await;
    let disabled = test_token(&server, &second.access).await;
    assert_eq!(detail(&disabled), "Inactive user");
    assert!(!is_active(server.context(), &second).await);
}

#[tokio::test]
async fn hybrid_access_lives_until_it_expires_but_its_session_refreshes_no_more() {
    let server = TestServer::start_with(&[("issuer.mode", "hybrid")]).await;
    let ada = server.person("ada").await;
    let pair = login(&server, &ada).await;
    log_out(&server, &pair).await.expect(200);
    test_token(&server, &pair.access).await.expect(200);
    assert!(
        is_access_active(server.context(), &pair.jti())
            .await
            .unwrap()
    );
    refresh(&server, &pair.refresh).await.expect(401);
    server.clock().advance(SignedDuration::from_mins(31));
    let late = test_token(&server, &pair.access).await.expect(403);
    assert_eq!(detail(&late), "Could not validate credentials.");
}

#[tokio::test]
async fn stateless_pairs_keep_nothing_and_end_with_time_or_generation() {
    let server = TestServer::start_with(&[("issuer.mode", "stateless")]).await;
    let ada = server.person("ada").await;
    let sessions = async || {
        let list = server.call("GET", "/v1/session", Some(&ada.token), None);
        list.await.expect(200);
        let caller = server.caller(&ada).await;
        let list = server::actions::accounts::list_sessions(server.context(), &caller);
        list.await.unwrap().len()
    };
    let before = sessions().await;
    let pair = login(&server, &ada).await;
    assert_eq!(sessions().await, before, "no session is kept");
    assert_eq!(pair.refresh.split('.').count(), 3);
    // Replay is not noticed.
    refresh(&server, &pair.refresh).await.expect(200);
    let next = Pair::of(&refresh(&server, &pair.refresh).await.expect(200));
    let out = log_out(&server, &next).await.expect(200);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    test_token(&server, &next.access).await.expect(200);
    // A token of another kind, of another server, cut off or expired is none.
    for wrong in [&next.access, "a.b.c", "", &pair.refresh[..40]] {
        refresh(&server, wrong).await.expect(401);
    }
    server.clock().advance(SignedDuration::from_hours(24 * 31));
    let late = refresh(&server, &pair.refresh).await.expect(401);
    assert_eq!(detail(&late), "Refresh token expired");
    let fresh = login(&server, &ada).await;
    let person = Person {
        token: server.sign_in(&ada).await,
        ..ada.clone()
    };
    let caller = server.caller(&person).await;
    server::actions::accounts::sign_out_everywhere(server.context(), &caller)
        .await
        .unwrap();
    refresh(&server, &fresh.refresh).await.expect(401);
}

#[tokio::test]
async fn a_password_is_changed_by_access_token_in_every_mode() {
    for mode in ["stateful", "hybrid", "stateless"] {
        let server = TestServer::start_with(&[("issuer.mode", mode)]).await;
        let ada = server.person("ada").await;
        let (pair, other) = (login(&server, &ada).await, login(&server, &ada).await);
        let body =
            json!({"current_password": ada.password, "new_password": "quite another passphrase"});
        let path = "/user/profile/me/password/";
        let changed = server.call("PATCH", path, Some(&pair.access), Some(body));
        changed.await.expect(200);
        // All other sign-ins end; without sessions, all do.
        refresh(&server, &other.refresh).await.expect(401);
        let own = refresh(&server, &pair.refresh).await.status;
        assert_eq!(own, if mode == "stateless" { 401 } else { 200 }, "{mode}");
    }
}

/// Contract §10, issuer 1.
#[tokio::test]
async fn wrong_passwords_by_an_attacker_do_not_lock_the_owner_out() {
    let server = TestServer::start_with(BEHIND_A_PROXY).await;
    let ada = server.person("ada").await;
    let from = async |network: &str, device: Option<&str>, password: &str| {
        let form = [("username", ada.email.as_str()), ("password", password)];
        let request = server.request(Method::POST, "/user/login/access-token");
        let request = request.header("x-forwarded-for", network).form(&form);
        let cookie = format!("vestibule_device={}", device.unwrap_or_default());
        Answer::to(request.header("cookie", cookie)).await
    };
    let known = from("192.0.2.1", None, &ada.password).await.expect(200);
    let device = known.cookie("vestibule_device").unwrap().to_owned();
    for _ in 0..5 {
        let wrong = from("198.51.100.7", None, "a wrong guess")
            .await
            .expect(400);
        assert_eq!(detail(&wrong), "Invalid credentials or inactive user");
    }
    let sixth = from("198.51.100.7", None, "a wrong guess")
        .await
        .expect(429);
    assert_eq!(
        detail(&sixth),
        "Too many login attempts. Try again in 15 minutes."
    );
    let wait: i64 = sixth.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait));
    // The owner comes from elsewhere, or from the attacker's own network with a browser that is known.
    from("203.0.113.9", None, &ada.password).await.expect(200);
    from("198.51.100.7", Some(&device), &ada.password)
        .await
        .expect(200);
    // Many networks together do not shut the owner out of a familiar network or browser either.
    for number in 0..120 {
        from(&format!("198.51.{number}.7"), None, "a wrong guess").await;
    }
    from("192.0.2.1", None, &ada.password).await.expect(200);
    from("198.51.99.7", Some(&device), &ada.password)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_success_forgets_the_failures_before_it() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    for _ in 0..3 {
        for _ in 0..4 {
            try_login(&server, &ada.email, "a wrong guess", &[])
                .await
                .expect(400);
        }
        login(&server, &ada).await;
    }
}

#[tokio::test]
async fn the_eleventh_refresh_within_five_minutes_waits() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (mut pair, other) = (login(&server, &ada).await, login(&server, &ada).await);
    for _ in 0..10 {
        pair = Pair::of(&refresh(&server, &pair.refresh).await.expect(200));
    }
    let refused = refresh(&server, &pair.refresh).await.expect(429);
    assert_eq!(
        detail(&refused),
        "Too many refresh attempts. Try again later."
    );
    assert_eq!(refused.header("retry-after"), "300");
    assert!(
        refused.cookie("refresh_token").is_none(),
        "the token is still good"
    );
    refresh(&server, &other.refresh).await.expect(200);
    server.clock().advance(SignedDuration::from_mins(5));
    refresh(&server, &pair.refresh).await.expect(200);
}

/// Contract §10, issuer 2.
#[tokio::test]
async fn a_late_replay_of_a_refresh_token_ends_its_session_and_tells_the_person() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let stolen = login(&server, &ada).await;
    let second = Pair::of(&refresh(&server, &stolen.refresh).await.expect(200));
    let third = Pair::of(&refresh(&server, &second.refresh).await.expect(200));
    server.clock().advance(SignedDuration::from_secs(31));
    let theft = refresh(&server, &stolen.refresh).await.expect(401);
    assert!(detail(&theft).contains("reuse"));
    refresh(&server, &third.refresh).await.expect(401);
    let over = test_token(&server, &third.access).await.expect(401);
    assert_eq!(detail(&over), "Session revoked");
    let page = server.request(Method::GET, "/account/sessions");
    let page = page.header("cookie", format!("vestibule_session={}", ada.token));
    let page = Answer::to(page).await.expect(200);
    assert!(page.text.contains("Ended for your safety"), "{}", page.text);
}

/// Contract §10, issuer 3.
#[tokio::test]
async fn a_second_device_leaves_the_first_signed_in_and_ending_all_ends_both() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (first, second) = (login(&server, &ada).await, login(&server, &ada).await);
    let first = Pair::of(&refresh(&server, &first.refresh).await.expect(200));
    let second = Pair::of(&refresh(&server, &second.refresh).await.expect(200));
    assert_ne!(first.claims()["sid"], second.claims()["sid"]);
    let caller = server.caller(&ada).await;
    server::actions::accounts::sign_out_everywhere(server.context(), &caller)
        .await
        .unwrap();
    for pair in [first, second] {
        refresh(&server, &pair.refresh).await.expect(401);
        test_token(&server, &pair.access).await.expect(401);
    }
}

/// Contract §10, issuer 5.
#[tokio::test]
async fn a_refresh_ends_the_access_token_before_it_after_a_grace() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada).await;
    // Known on this server before the refresh.
    assert!(is_active(server.context(), &first).await);
    let second = Pair::of(&refresh(&server, &first.refresh).await.expect(200));
    assert!(
        is_active(server.context(), &first).await,
        "requests in flight go on"
    );
    server.clock().advance(SignedDuration::from_secs(31));
    assert!(!is_active(server.context(), &first).await);
    let over = test_token(&server, &first.access).await.expect(401);
    assert_eq!(detail(&over), "Session revoked");
    test_token(&server, &second.access).await.expect(200);
}

#[tokio::test]
async fn another_server_s_refresh_and_sign_out_reach_this_one() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let other = server.offline_context().await;
    let pair = login(&server, &ada).await;
    assert!(is_active(server.context(), &pair).await);
    let exchanged = server::actions::accounts::refresh(&other, &pair.refresh).await;
    exchanged.unwrap().expect("it is exchanged");
    server.clock().advance(SignedDuration::from_secs(31));
    assert!(!is_active(server.context(), &pair).await);
    let pair = login(&server, &ada).await;
    assert!(is_active(server.context(), &pair).await);
    server::actions::accounts::sign_out_by_refresh(&other, &pair.refresh, None)
        .await
        .unwrap();
    server
        .eventually("the sign-out is noticed", async || {
            !is_active(server.context(), &pair).await
        })
        .await;
}

#[tokio::test]
async fn a_token_that_was_asked_for_before_is_answered_for_without_the_database() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let pair = login(&server, &ada).await;
    // A context that follows no tail believes what it knows.
    let context = server.offline_context().await;
    assert!(is_active(&context, &pair).await);
    context.storage.close().await;
    assert!(is_active(&context, &pair).await);
    let unknown = uuid::Uuid::from_u128(1).to_string();
    assert!(access_standing(&context, &unknown).await.is_err());
    let nonsense = access_standing(&context, "'; DROP TABLE session; --").await;
    assert_eq!(nonsense.unwrap(), None);
}

/// Contract §10, issuer 7.
#[tokio::test]
async fn test_token_reads_the_account_and_not_the_claims() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let pair = login(&server, &ada).await;
    let caller = server.caller(&ada).await;
    let name = Some("Ada Lovelace".to_owned());
    server::actions::accounts::change_full_name(server.context(), &caller, name)
        .await
        .unwrap();
    let me = test_token(&server, &pair.access).await.expect(200).json();
    assert_eq!(me["full_name"], "Ada Lovelace");
    assert_eq!(pair.claims()["full_name"], Value::Null);
    let mut fields: Vec<_> = me.as_object().unwrap().keys().cloned().collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "avatar",
            "created_at",
            "email",
            "email_verified",
            "full_name",
            "id",
            "is_active",
            "is_superuser",
            "provider",
            "role",
            "updated_at"
        ]
    );
}

/// Contract §10, issuer 8.
#[tokio::test]
async fn long_passwords_work_whole() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let long = format!("{}{}", "ä long passphrase ".repeat(6), "x".repeat(20));
    assert!(long.len() > 72);
    let caller = server.caller(&ada).await;
    let (current, new) = (
        secret::Secret::new(ada.password.clone()),
        secret::Secret::new(long.clone()),
    );
    server::actions::accounts::change_password(server.context(), &caller, &current, new)
        .await
        .unwrap();
    try_login(&server, &ada.email, &long, &[]).await.expect(200);
    // The first 72 bytes alone are another password.
    let start: String = long.chars().take(71).collect();
    try_login(&server, &ada.email, &start, &[])
        .await
        .expect(400);
    let longest = "a".repeat(10_000);
    try_login(&server, &ada.email, &longest, &[])
        .await
        .expect(400);
}

#[tokio::test]
async fn a_changed_role_arrives_with_the_next_refresh_and_ends_the_old_access_token_at_once() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let pair = login(&server, &ada).await;
    let (id, now) = (
        ada.id.parse::<ids::AccountId>().unwrap(),
        server.clock().now(),
    );
    let changed = server.context().change(move |change| {
        let mut account = change.accounts().find(id)?.unwrap();
        account.role = accounts::Role::Writer;
        account.generation += 1;
        account.updated_at = now;
        change.accounts().update(&account)?;
        change.event(storage::EventKind::AccountGeneration, id)
    });
    changed.await.unwrap();
    assert!(!is_active(server.context(), &pair).await);
    test_token(&server, &pair.access).await.expect(401);
    let next = Pair::of(&refresh(&server, &pair.refresh).await.expect(200));
    assert_eq!(next.claims()["role"], "writer");
    assert!(is_active(server.context(), &next).await);
}

#[tokio::test]
async fn a_registered_service_gets_its_own_audience_for_the_whole_chain() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let new = server::actions::services::NewService {
        id: "reports".parse().unwrap(),
        name: None,
        audience: Some("https://reports.example.com".into()),
        scopes: accounts::Scopes::default(),
        secret: None,
    };
    server::actions::services::add(server.context(), new)
        .await
        .unwrap();
    let sign_in = async |client: &str| {
        let extra = [("client_id", client), ("grant_type", "password")];
        let answer = try_login(&server, &ada.email, &ada.password, &extra).await;
        Pair::of(&answer.expect(200))
    };
    let pair = sign_in("reports").await;
    assert_eq!(pair.claims()["aud"], "https://reports.example.com");
    test_token(&server, &pair.access).await.expect(200);
    let next = Pair::of(&refresh(&server, &pair.refresh).await.expect(200));
    assert_eq!(next.claims()["aud"], "https://reports.example.com");
    for unknown in ["nobody", "", "../../etc/passwd", "\u{7f}"] {
        assert_eq!(sign_in(unknown).await.claims()["aud"], "vestibule");
    }
}

#[tokio::test]
async fn front_ends_of_allowed_origins_may_call_with_the_cookie_and_others_may_not() {
    let settings = [(
        "issuer.allowed_origins",
        "https://app.example.com, http://localhost:5173",
    )];
    let server = TestServer::start_with(&settings).await;
    let ask = async |method: Method, origin: &str| {
        let request = server.request(method, "/user/login/refresh-token/");
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        Answer::to(request).await
    };
    for origin in ["https://app.example.com", "http://localhost:5173"] {
        let preflight = ask(Method::OPTIONS, origin).await.expect(204);
        let real = ask(Method::POST, origin).await.expect(401);
        for answer in [preflight, real] {
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert_eq!(answer.header("access-control-allow-credentials"), "true");
        }
    }
    for origin in [
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "null",
        "https://app.example.com:444",
    ] {
        for method in [Method::OPTIONS, Method::POST] {
            let answer = ask(method, origin).await;
            assert!(
                answer.headers.get("access-control-allow-origin").is_none(),
                "{origin}"
            );
        }
    }
    let other = server.request(Method::GET, "/v1/session");
    let other = Answer::to(other.header("origin", "https://app.example.com")).await;
    assert!(other.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn wrong_calls_are_told_in_the_issuer_s_words() {
    let server = TestServer::start().await;
    let path = "/user/login/test-token/";
    let none = server.call("POST", path, None, None).await.expect(401);
    assert_eq!(none.json(), json!({"detail": "Not authenticated"}));
    assert_eq!(none.header("www-authenticate"), "Bearer");
    for credential in ["Bearer", "Bearer ", "Bearer x", "bearer a.b.c"] {
        let request = server.request(Method::POST, path);
        let answer = Answer::to(request.header("authorization", credential)).await;
        assert_eq!(answer.status, 403, "{credential}");
        assert_eq!(detail(&answer), "Could not validate credentials.");
        assert!(answer.headers.get("www-authenticate").is_none());
    }
    let basic = server
        .request(Method::POST, path)
        .basic_auth("a", Some("b"));
    Answer::to(basic).await.expect(401);
}
