//! The issuer's tokens: login, refresh, reuse, logout and the key set.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use serde_json::Value;
use testkit::{Answer, Person, TestServer};

async fn login(server: &TestServer, username: &str, password: &str) -> Answer {
    let form = [
        ("username", username),
        ("password", password),
        ("grant_type", "password"),
    ];
    Answer::to(
        server
            .request("POST".parse().unwrap(), "/user/login/access-token")
            .form(&form),
    )
    .await
}

async fn refresh(server: &TestServer, token: &str) -> Answer {
    let request = server.request("POST".parse().unwrap(), "/user/login/refresh-token/");
    Answer::to(request.header("cookie", format!("refresh_token={token}"))).await
}

fn refresh_cookie(answer: &Answer) -> String {
    answer
        .cookie("refresh_token")
        .expect("a refresh cookie")
        .to_owned()
}

fn part(jwt: &str, index: usize) -> Value {
    serde_json::from_slice(
        &URL_SAFE_NO_PAD
            .decode(jwt.split('.').nth(index).unwrap())
            .unwrap(),
    )
    .unwrap()
}

fn access_token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_login_gives_a_signed_access_token_and_a_refresh_cookie() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let answer = login(
        &server,
        &format!(" {} ", ada.email.to_uppercase()),
        &ada.password,
    )
    .await
    .expect(200);
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 2);
    assert_eq!(body["token_type"], "bearer");
    let cookie = answer.header("set-cookie").to_lowercase();
    for part in [
        "refresh_token=vst_r_",
        "httponly",
        "samesite=strict",
        "path=/",
        "max-age=",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (header, claims) = (
        part(&access_token(&answer), 0),
        part(&access_token(&answer), 1),
    );
    assert_eq!(
        (header["alg"].as_str(), header["typ"].as_str()),
        (Some("RS256"), Some("JWT"))
    );
    assert_eq!(claims["sub"], ada.id.as_str());
    assert_eq!(
        (claims["type"].as_str(), claims["role"].as_str()),
        (Some("access"), Some("user"))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        1800
    );
    for claim in [
        "jti",
        "nbf",
        "iss",
        "aud",
        "email",
        "is_superuser",
        "is_active",
        "email_verified",
        "sid",
        "gen",
    ] {
        assert!(!claims[claim].is_null(), "{claim} is missing");
    }

    for path in ["/user/.well-known/jwks.json", "/.well-known/jwks.json"] {
        let keys = server.call("GET", path, None, None).await.expect(200);
        assert!(keys.header("cache-control").contains("max-age="));
        let key = keys.json()["keys"][0].clone();
        assert_eq!(
            (&key["kid"], &key["alg"], &key["use"]),
            (&header["kid"], &"RS256".into(), &"sig".into())
        );
        assert!(key.get("d").is_none(), "no private member");
        let again = server
            .request("GET".parse().unwrap(), path)
            .header("if-none-match", keys.header("etag"));
        Answer::to(again).await.expect(304);
    }
}

#[tokio::test]
async fn the_signing_key_survives_a_restart() {
    let server = TestServer::start().await;
    let before = server
        .call("GET", "/.well-known/jwks.json", None, None)
        .await
        .expect(200)
        .json();
    let server = server.restart().await;
    assert_eq!(
        server
            .call("GET", "/.well-known/jwks.json", None, None)
            .await
            .expect(200)
            .json(),
        before
    );
}

#[tokio::test]
async fn refused_logins_are_alike_and_in_the_issuer_s_words() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    for (name, password) in [
        (ada.email.as_str(), "wrong password"),
        ("nobody@example.com", "wrong password"),
    ] {
        let answer = login(&server, name, password).await.expect(400);
        assert_eq!(
            answer.json()["detail"],
            "Invalid credentials or inactive user"
        );
    }
    let missing = login(&server, "", "x").await.expect(422).json();
    assert_eq!(
        missing["detail"][0]["loc"],
        serde_json::json!(["body", "username"])
    );
    login(&server, "a\0b", "x").await.expect(422);
    let none = server
        .request("POST".parse().unwrap(), "/user/login/access-token")
        .body("{}");
    Answer::to(none).await.expect(422);
    assert_eq!(
        server
            .call("GET", "/user/none", None, None)
            .await
            .expect(404)
            .json()["detail"],
        "Not Found"
    );
}

#[tokio::test]
async fn a_refresh_rotates_and_carries_fresh_claims() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    server.clock().advance(SignedDuration::from_mins(20));
    let second = refresh(&server, &refresh_cookie(&first)).await.expect(200);
    assert_ne!(refresh_cookie(&first), refresh_cookie(&second));
    let (before, after) = (
        part(&access_token(&first), 1),
        part(&access_token(&second), 1),
    );
    assert_eq!(before["sid"], after["sid"]);
    assert_ne!(before["jti"], after["jti"]);
    assert_eq!(
        after["iat"].as_i64().unwrap() - before["iat"].as_i64().unwrap(),
        1200
    );
    refresh(&server, &refresh_cookie(&second)).await.expect(200);
}

#[tokio::test]
async fn a_late_twin_is_refused_and_signs_nobody_out() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    let second = refresh(&server, &refresh_cookie(&first)).await.expect(200);
    let twin = refresh(&server, &refresh_cookie(&first)).await.expect(401);
    assert!(
        twin.json()["detail"]
            .as_str()
            .unwrap()
            .starts_with("Token reuse detected")
    );
    assert!(
        twin.cookie("refresh_token").is_none(),
        "the browser keeps the cookie it has"
    );
    refresh(&server, &refresh_cookie(&second)).await.expect(200);
}

#[tokio::test]
async fn concurrent_refreshes_leave_exactly_one_line_alive() {
    let settings = [("issuer.refresh_attempts", "100")];
    let server = std::sync::Arc::new(TestServer::start_with(&settings).await);
    let ada = server.person("ada").await;
    let first = refresh_cookie(&login(&server, &ada.email, &ada.password).await.expect(200));
    let twins = (0..20).map(|_| {
        let (server, token) = (server.clone(), first.clone());
        tokio::spawn(async move { refresh(&server, &token).await })
    });
    let mut winners = Vec::new();
    for twin in twins.collect::<Vec<_>>() {
        let answer = twin.await.unwrap();
        if answer.status == 200 {
            winners.push(refresh_cookie(&answer));
        }
    }
    assert_eq!(winners.len(), 1);
    refresh(&server, &winners[0]).await.expect(200);
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_session_once_its_successor_was_used() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    let second = refresh(&server, &refresh_cookie(&first)).await.expect(200);
    let third = refresh(&server, &refresh_cookie(&second)).await.expect(200);
    server.clock().advance(SignedDuration::from_secs(31));
    let stolen = refresh(&server, &refresh_cookie(&first)).await.expect(401);
    assert!(stolen.json()["detail"].as_str().unwrap().contains("reuse"));
    refresh(&server, &refresh_cookie(&third)).await.expect(401);
    // Other sessions of the person go on.
    server
        .call("GET", "/v1/session", Some(&ada.token), None)
        .await
        .expect(200);
}

#[tokio::test]
async fn unreadable_unknown_and_expired_refresh_tokens_are_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let missing = server
        .call("POST", "/user/login/refresh-token/", None, None)
        .await
        .expect(401);
    assert_eq!(missing.json()["detail"], "Refresh token missing");
    for token in [
        "nonsense",
        "vst_r_",
        &format!("vst_r_{}", "A".repeat(43)),
        ada.token.as_str(),
    ] {
        assert_eq!(
            refresh(&server, token).await.expect(401).json()["detail"],
            "Invalid refresh token"
        );
    }
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    server.clock().advance(SignedDuration::from_hours(24 * 31));
    refresh(&server, &refresh_cookie(&first)).await.expect(401);
}

#[tokio::test]
async fn a_disabled_account_refreshes_no_more() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    server.disable(&ada).await;
    refresh(&server, &refresh_cookie(&first)).await.expect(401);
}

async fn logout(server: &TestServer, access: Option<&str>, refresh: Option<&str>) -> Answer {
    let mut request = server.request("POST".parse().unwrap(), "/user/login/logout/");
    if let Some(access) = access {
        request = request.bearer_auth(access);
    }
    if let Some(refresh) = refresh {
        request = request.header("cookie", format!("refresh_token={refresh}"));
    }
    Answer::to(request).await
}

#[tokio::test]
async fn logging_out_needs_an_access_token_and_ends_the_session() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    let (access, cookie) = (access_token(&first), refresh_cookie(&first));
    let none = logout(&server, None, Some(&cookie)).await.expect(401);
    assert_eq!(none.json()["detail"], "Not authenticated");
    assert_eq!(none.header("www-authenticate"), "Bearer");
    assert!(
        none.cookie("refresh_token").is_none(),
        "another site may have caused that request"
    );
    let done = logout(&server, Some(&access), Some(&cookie))
        .await
        .expect(200);
    assert_eq!(
        done.json(),
        serde_json::json!({"success": true, "msg": "Logged out successfully"})
    );
    assert_eq!(
        done.header("set-cookie"),
        "refresh_token=; HttpOnly; Max-Age=0; Path=/; SameSite=strict"
    );
    refresh(&server, &cookie).await.expect(401);
    let again = logout(&server, Some(&access), None).await.expect(401);
    assert_eq!(again.json()["detail"], "Session revoked");
}

/// Contract §10, issuer 4.
#[tokio::test]
async fn logging_out_works_without_the_refresh_cookie() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    logout(&server, Some(&access_token(&first)), None)
        .await
        .expect(200);
    refresh(&server, &refresh_cookie(&first)).await.expect(401);
}

/// Contract §10, issuer 6.
#[tokio::test]
async fn the_cookie_is_deleted_on_error_paths_too() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    let (access, cookie) = (access_token(&first), refresh_cookie(&first));
    let deletion = "refresh_token=; HttpOnly; Max-Age=0; Path=/; SameSite=strict";
    let refused = logout(&server, Some(&forged(&access)), Some(&cookie))
        .await
        .expect(403);
    assert_eq!(refused.header("set-cookie"), deletion);
    // Whoever holds the refresh token meant to sign out.
    let over = refresh(&server, &cookie).await.expect(401);
    assert_eq!(over.header("set-cookie"), deletion);
    let nonsense = refresh(&server, "nonsense").await.expect(401);
    assert_eq!(nonsense.header("set-cookie"), deletion);
}

/// The token with another role and its old signature.
fn forged(jwt: &str) -> String {
    let mut claims = part(jwt, 1);
    claims["role"] = "superadmin".into();
    let mut parts: Vec<String> = jwt.split('.').map(str::to_owned).collect();
    parts[1] = URL_SAFE_NO_PAD.encode(claims.to_string());
    parts.join(".")
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_refresh() {
    let server = TestServer::start().await;
    let ada: Person = server.person("ada").await;
    let first = login(&server, &ada.email, &ada.password).await.expect(200);
    let caller = server.caller(&ada).await;
    let current = secret::Secret::new(ada.password.clone());
    let change = server::actions::accounts::change_password(
        server.context(),
        &caller,
        &current,
        secret::Secret::new("an entirely new passphrase".into()),
    );
    change.await.unwrap();
    refresh(&server, &refresh_cookie(&first)).await.expect(401);
    server
        .call("GET", "/v1/session", Some(&ada.token), None)
        .await
        .expect(200);
}
