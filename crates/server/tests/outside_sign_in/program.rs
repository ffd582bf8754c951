//! Signing in by Google for programs that keep tokens: the wire, and who tries to misuse it.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::Answer;

use crate::browser::{Browser, World, query};

const TARGET: &str = "https://app.example.com/in";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn ada() -> Value {
    json!({ "sub": "4711", "email": "ada@example.com", "email_verified": true, "name": "Ada" })
}

async fn world() -> World {
    World::with(&[
        ("issuer.redirect_prefixes", "https://app.example.com/in"),
        ("issuer.allowed_origins", "https://front.example.com"),
    ])
    .await
}

fn challenge() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn login_url(target: &str, challenge: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("redirect_target", target)
        .append_pair("code_challenge", challenge)
        .finish();
    format!("/user/google-api/login-url/?{query}")
}

/// Fetches the address at the provider, as the program's page does.
async fn begin(browser: &Browser<'_>) -> String {
    let answer = browser
        .get(&login_url(TARGET, &challenge()))
        .await
        .expect(200);
    answer.json()["url"].as_str().unwrap().to_owned()
}

async fn callback(browser: &Browser<'_>, code: &str, state: &str) -> Answer {
    let path = format!("/user/google-auth/oauth-callback/?code={code}&state={state}");
    browser.get(&path).await
}

/// The code in the address that the callback leads to.
fn auth_code(answer: &Answer) -> String {
    let location = answer.header("location");
    let code = location.strip_prefix(&format!("{TARGET}#auth_code="));
    code.unwrap_or_else(|| panic!("{location}")).to_owned()
}

async fn exchange(world: &World, body: Value) -> Answer {
    world
        .server
        .call("POST", "/user/google-api/exchange/", None, Some(body))
        .await
}

fn refused(answer: &Answer, status: u16, detail: &str) {
    assert_eq!(
        (answer.status, answer.json()["detail"].clone()),
        (status, json!(detail))
    );
}

#[tokio::test]
async fn a_person_signs_in_to_a_program_by_google() {
    let world = world().await;
    let browser = world.browser();
    let url = begin(&browser).await;
    let asked = query(&url);
    assert_eq!(asked["access_type"], "offline");
    assert_eq!(asked["prompt"], "consent");
    let own = format!("{}/user/google-auth/oauth-callback/", world.server.origin());
    assert_eq!(asked["redirect_uri"], own);
    assert_ne!(
        asked["code_challenge"],
        challenge(),
        "the server has a pair of its own"
    );
    let (code, state) = world.provider.approve(&url, &ada());
    let answer = callback(&browser, &code, &state).await.expect(307);
    let auth_code = auth_code(&answer);
    let cookies: Vec<_> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect();
    for name in ["access_token=", "refresh_token=vst_r_"] {
        let cookie = cookies
            .iter()
            .find(|cookie| cookie.starts_with(name))
            .unwrap();
        assert!(cookie.contains("; SameSite=Lax; HttpOnly"), "{cookie}");
    }
    let body = json!({ "code": auth_code, "code_verifier": VERIFIER, "client_hint": "web" });
    let answer = exchange(&world, body.clone()).await.expect(200);
    let given = answer.json();
    assert_eq!(given["version"], 1);
    assert_eq!(given["auth_provider"], "google");
    assert_eq!(
        given["user"],
        json!({ "name": "Ada", "email": "ada@example.com", "avatar": null })
    );
    let expires = world.server.clock().now().as_millisecond() + 30 * 60 * 1000;
    assert_eq!(given["expires_at"], expires);
    assert_eq!(
        answer.cookie("refresh_token"),
        None,
        "the browser has it already"
    );
    // The token is good, and the cookie renews it.
    let token = given["access_token"].as_str().unwrap();
    let me = world
        .server
        .call("GET", "/user/profile/get/me/", Some(token), None)
        .await
        .expect(200);
    assert_eq!(me.json()["provider"], "google");
    let request = world
        .server
        .request(Method::POST, "/user/login/refresh-token/");
    browser.send(request).await.expect(200);
    // The code is used up.
    refused(
        &exchange(&world, body).await,
        400,
        "Invalid or expired auth code.",
    );
}

#[tokio::test]
async fn googles_own_tokens_are_kept_sealed_with_the_session() {
    let world = world().await;
    let browser = world.browser();
    let url = begin(&browser).await;
    let (code, state) = world.provider.approve(&url, &ada());
    callback(&browser, &code, &state).await.expect(307);
    let now = world.server.clock().now();
    let held = world
        .server
        .context()
        .storage
        .read(|tx| {
            let account = tx.accounts().find_by_email("ada@example.com")?.unwrap();
            let session = tx
                .sessions()
                .list_live(account.id, account.created_at)?
                .remove(0);
            tx.external_tokens().find(session.id)
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(held.provider, "google");
    assert_eq!(
        held.expires_at,
        Some(now + jiff::SignedDuration::from_secs(3599))
    );
    let sealed = [held.sealed_access, held.sealed_refresh.unwrap()].concat();
    let text = String::from_utf8_lossy(&sealed);
    assert!(!text.contains("access-") && !text.contains("refresh-1"));
}

#[tokio::test]
async fn a_browser_that_did_not_begin_gets_no_cookies_but_the_program_gets_its_tokens() {
    let world = world().await;
    let (attacker, victim) = (world.browser(), world.browser());
    let url = begin(&attacker).await;
    let (code, state) = world.provider.approve(&url, &ada());
    let answer = callback(&victim, &code, &state).await.expect(307);
    assert_eq!(answer.cookie("refresh_token"), None);
    assert_eq!(answer.cookie("access_token"), None);
    // Without the verifier the code is worth nothing to the page that the victim lands on.
    let code = auth_code(&answer);
    let other = "x".repeat(43);
    let answer = exchange(&world, json!({ "code": code, "code_verifier": other })).await;
    refused(&answer, 400, "PKCE verification failed.");
    // A program that begins and ends elsewhere than in the browser, but has the verifier, gets both tokens.
    let url = begin(&world.browser()).await;
    let (code, state) = world.provider.approve(&url, &ada());
    let code = auth_code(&callback(&world.browser(), &code, &state).await.expect(307));
    let answer = exchange(&world, json!({ "code": code, "code_verifier": VERIFIER }))
        .await
        .expect(200);
    assert!(
        answer
            .cookie("refresh_token")
            .unwrap()
            .starts_with("vst_r_")
    );
}

#[tokio::test]
async fn a_code_is_used_up_by_a_wrong_verifier_and_lasts_a_minute() {
    let world = world().await;
    let browser = world.browser();
    for wait in [0, 60] {
        let url = begin(&browser).await;
        let (code, state) = world.provider.approve(&url, &ada());
        let code = auth_code(&callback(&browser, &code, &state).await.expect(307));
        world
            .server
            .clock()
            .advance(jiff::SignedDuration::from_secs(wait));
        if wait == 0 {
            let wrong = json!({ "code": code, "code_verifier": "y".repeat(128) });
            refused(
                &exchange(&world, wrong).await,
                400,
                "PKCE verification failed.",
            );
        }
        let right = json!({ "code": code, "code_verifier": VERIFIER });
        refused(
            &exchange(&world, right).await,
            400,
            "Invalid or expired auth code.",
        );
    }
}

#[tokio::test]
async fn of_many_exchanges_at_once_one_succeeds() {
    let world = world().await;
    let browser = world.browser();
    let url = begin(&browser).await;
    let (code, state) = world.provider.approve(&url, &ada());
    let code = auth_code(&callback(&browser, &code, &state).await.expect(307));
    let body = json!({ "code": code, "code_verifier": VERIFIER });
    let answers =
        futures_util::future::join_all((0..8).map(|_| exchange(&world, body.clone()))).await;
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(good, 1);
}

#[tokio::test]
async fn the_exchange_refuses_what_is_malformed_and_who_asks_too_often() {
    let world = world().await;
    for verifier in [
        "",
        "short",
        &"x".repeat(129),
        &format!("{}!", "x".repeat(50)),
    ] {
        let body = json!({ "code": "x", "code_verifier": verifier });
        refused(
            &exchange(&world, body).await,
            400,
            "code_verifier format invalid.",
        );
    }
    let body = json!({ "code": "x\u{0}", "code_verifier": VERIFIER });
    refused(
        &exchange(&world, body).await,
        400,
        "Invalid or expired auth code.",
    );
    exchange(&world, json!({ "code": 7 })).await.expect(422);
    for _ in 0..4 {
        exchange(&world, json!({})).await.expect(422);
    }
    let answer = exchange(&world, json!({})).await;
    refused(&answer, 429, "Too many requests.");
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn only_the_programs_own_page_may_make_the_exchange() {
    let world = world().await;
    let browser = world.browser();
    for (origin, status) in [
        ("https://app.example.com", 200),
        ("https://front.example.com", 200),
        ("https://evil.example", 400),
        ("null", 400),
    ] {
        let url = begin(&browser).await;
        let (code, state) = world.provider.approve(&url, &ada());
        let code = auth_code(&callback(&browser, &code, &state).await.expect(307));
        let request = world
            .server
            .request(Method::POST, "/user/google-api/exchange/")
            .header("origin", origin)
            .json(&json!({ "code": code, "code_verifier": VERIFIER }));
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text);
        if status == 400 {
            refused(&answer, 400, "Origin not allowed.");
        }
    }
}

#[tokio::test]
async fn a_sign_in_leads_to_allowed_targets_only() {
    let world = world().await;
    let browser = world.browser();
    for (target, detail) in [
        ("", "redirect_target is required."),
        ("https://evil.example/in", "redirect_target is not allowed."),
        (
            "https://app.example.com/inside",
            "redirect_target is not allowed.",
        ),
        (
            "http://app.example.com/in",
            "redirect_target is not allowed.",
        ),
        (
            "javascript:alert(1)//https://app.example.com/in",
            "redirect_target is not allowed.",
        ),
        (
            &format!("{TARGET}/{}", "a".repeat(2048)),
            "redirect_target is too long.",
        ),
    ] {
        refused(
            &browser.get(&login_url(target, &challenge())).await,
            400,
            detail,
        );
    }
    browser.get("/user/google-api/login-url/").await.expect(400);
    for challenge in [
        "",
        "short",
        &"x".repeat(129),
        &format!("{}=", "x".repeat(43)),
    ] {
        let answer = browser.get(&login_url(TARGET, challenge)).await;
        refused(&answer, 400, "code_challenge format invalid.");
    }
}

#[tokio::test]
async fn errors_at_the_callback_are_refusals_and_never_errors_of_ours() {
    let world = world().await;
    world.server.person("ada").await;
    let browser = world.browser();
    let path = "/user/google-auth/oauth-callback/";
    for query in [
        "",
        "?state=",
        "?state=x&code=y",
        "?code=%00&state=%FF",
        "?error=access_denied",
    ] {
        let answer = browser.get(&format!("{path}{query}")).await;
        refused(&answer, 400, "Invalid or expired state parameter");
    }
    // Declined there.
    let url = begin(&browser).await;
    let state = query(&url)["state"].clone();
    let answer = browser
        .get(&format!("{path}?error=access_denied&state={state}"))
        .await;
    refused(&answer, 400, "Token exchange with Google failed.");
    // A code that is not good.
    let url = begin(&browser).await;
    let state = query(&url)["state"].clone();
    let answer = callback(&browser, "stolen", &state).await;
    refused(&answer, 400, "Token exchange with Google failed.");
    // An address that is another account's, verified or not.
    for verified in [true, false] {
        let url = begin(&browser).await;
        let person = json!({ "sub": "1", "email": "ada@example.com", "email_verified": verified });
        let (code, state) = world.provider.approve(&url, &person);
        let answer = callback(&browser, &code, &state).await;
        refused(
            &answer,
            400,
            "Google sign-in could not be completed for this account.",
        );
    }
    // The state of a sign-in at the pages.
    let url = browser.leave("/signin/google").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let answer = callback(&browser, &code, &state).await;
    refused(&answer, 400, "Invalid or expired state parameter");
}

#[tokio::test]
async fn without_credentials_or_sessions_google_is_not_configured() {
    let bare = testkit::TestServer::start().await;
    let answer = bare
        .call("GET", &login_url(TARGET, &challenge()), None, None)
        .await;
    refused(&answer, 503, "Google OAuth is not configured.");
    let stateless = World::with(&[("issuer.mode", "stateless")]).await;
    let path = login_url(TARGET, &challenge());
    let answer = stateless.server.call("GET", &path, None, None).await;
    refused(&answer, 503, "Google OAuth is not configured.");
}

#[tokio::test]
async fn an_account_with_a_second_factor_does_not_come_in_without_it() {
    let world = world().await;
    let browser = world.browser();
    browser.sign_in("google", &ada()).await.expect(303);
    crate::attacks::add_authenticator(&world, "ada@example.com").await;
    let url = begin(&browser).await;
    let (code, state) = world.provider.approve(&url, &ada());
    let answer = callback(&browser, &code, &state).await;
    refused(
        &answer,
        400,
        "Google sign-in could not be completed for this account.",
    );
}
