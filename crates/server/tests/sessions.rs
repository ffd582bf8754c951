//! Signing in and out over the control API, and everything that ends a session.

use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::{Answer, TestServer};

async fn sign_in(server: &TestServer, login: &str, password: &str) -> Answer {
    let body = json!({"login": login, "password": password, "device": "test"});
    server.call("POST", "/v1/session", None, Some(body)).await
}

async fn whoami(server: &TestServer, token: &str) -> Answer {
    server.call("GET", "/v1/session", Some(token), None).await
}

#[tokio::test]
async fn a_person_signs_in_by_email_or_username_in_any_case() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    for login in [&*ada.email, "ada", " ADA ", &ada.email.to_uppercase()] {
        let answer = sign_in(&server, login, &ada.password)
            .await
            .expect(200)
            .json();
        assert!(answer["token"].as_str().unwrap().starts_with("vst_s_"));
        assert_eq!(answer["account"]["username"], "ada");
        let who = whoami(&server, answer["token"].as_str().unwrap())
            .await
            .expect(200)
            .json();
        assert_eq!(who["account"]["id"], ada.id.as_str());
    }
}

#[tokio::test]
async fn unknown_wrong_and_inactive_are_answered_alike() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let gone = server.person("gone").await;
    server.disable(&gone).await;
    let strip = |answer: Answer| {
        let mut headers = answer.headers.clone();
        for name in ["date", "x-request-id"] {
            headers.remove(name);
        }
        (answer.status, format!("{headers:?}"), answer.text)
    };
    let wrong = strip(sign_in(&server, &ada.email, "not the password").await);
    assert_eq!(wrong.0, 401);
    for (login, password) in [
        ("nobody@example.com", "not the password"),
        ("nobody", "not the password"),
        (gone.email.as_str(), gone.password.as_str()),
        (gone.email.as_str(), "not the password"),
    ] {
        assert_eq!(
            strip(sign_in(&server, login, password).await),
            wrong,
            "{login}"
        );
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_owner_on_a_known_device_is_not_locked_out() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut slowed = None;
    for _ in 0..60 {
        let answer = sign_in(&server, &ada.email, "a wrong guess").await;
        if answer.status == 429 {
            slowed = Some(answer);
            break;
        }
    }
    let slowed = slowed.expect("guessing is slowed down");
    let seconds: i64 = slowed.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&seconds));
    whoami(&server, &ada.token).await.expect(200);
    // After the wait at the latest the right password works, however many guesses there were.
    server.clock().advance(SignedDuration::from_secs(seconds));
    sign_in(&server, &ada.email, &ada.password)
        .await
        .expect(200);
}

#[tokio::test]
async fn an_unknown_login_is_slowed_down_like_a_known_one() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut statuses = Vec::new();
    for login in [ada.email.as_str(), "nobody@example.com"] {
        let mut seen = Vec::new();
        for _ in 0..30 {
            seen.push(sign_in(&server, login, "a wrong guess").await.status);
        }
        statuses.push(seen);
        server.clock().advance(SignedDuration::from_hours(48));
    }
    assert_eq!(statuses[0], statuses[1]);
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    server
        .call("DELETE", "/v1/session", Some(&ada.token), None)
        .await
        .expect(204);
    whoami(&server, &ada.token).await.expect(401);
    server
        .call("DELETE", "/v1/session", Some(&ada.token), None)
        .await
        .expect(401);
}

#[tokio::test]
async fn nobody_is_believed_from_memory_while_the_database_does_not_answer() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    whoami(&server, &ada.token).await.expect(200);
    server.context().storage.close().await;
    server
        .eventually("it fails closed", async || {
            whoami(&server, &ada.token).await.status == 503
        })
        .await;
    let ready = server.client().get(server.admin_url("/readyz"));
    Answer::to(ready).await.expect(503);
    server
        .eventually("the age of what is known is told", async || {
            let metrics = server.client().get(server.admin_url("/metrics"));
            Answer::to(metrics)
                .await
                .text
                .contains("event_tail_age_seconds")
        })
        .await;
}

#[tokio::test]
async fn a_disabled_account_is_refused_within_a_second() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    whoami(&server, &ada.token).await.expect(200);
    server.disable(&ada).await;
    server
        .eventually("the token is refused", async || {
            whoami(&server, &ada.token).await.status == 401
        })
        .await;
}

#[tokio::test]
async fn an_unused_session_ends_and_a_used_one_slides() {
    let server = TestServer::start_with(&[
        ("accounts.session_idle", "10d"),
        ("accounts.session_lifetime", "25d"),
    ])
    .await;
    let (used, unused) = (server.person("used").await, server.person("unused").await);
    for _ in 0..3 {
        server.clock().advance(SignedDuration::from_hours(24 * 7));
        whoami(&server, &used.token).await.expect(200);
    }
    whoami(&server, &unused.token).await.expect(401);
    server.clock().advance(SignedDuration::from_hours(24 * 5));
    whoami(&server, &used.token).await.expect(401);
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let server = server.restart().await;
    whoami(&server, &ada.token).await.expect(200);
}

#[tokio::test]
async fn every_sign_in_makes_a_new_token_and_none_can_be_chosen() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let chosen = format!("vst_s_{}", "A".repeat(43));
    let request = server
        .request("POST".parse().unwrap(), "/v1/session")
        .bearer_auth(&chosen);
    let request = request.header("cookie", format!("vestibule_session={chosen}"));
    let body = json!({"login": "ada", "password": ada.password, "device": "x"});
    let given = Answer::to(request.json(&body)).await.expect(200).json()["token"].clone();
    assert_ne!(given, Value::from(chosen.as_str()));
    assert_ne!(given, Value::from(ada.token.as_str()));
    whoami(&server, &chosen).await.expect(401);
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing_unless_our_own_page_asked() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let delete = |pairs: &[(&'static str, String)]| {
        let mut request = server.request("DELETE".parse().unwrap(), "/v1/session");
        request = request.header("cookie", format!("vestibule_session={}", ada.token));
        for (name, value) in pairs {
            request = request.header(*name, value);
        }
        Answer::to(request)
    };
    let app_origin = server.origin().replace("localhost", "notes.localhost");
    assert_eq!(delete(&[]).await.expect(403).code(), "csrf");
    delete(&[("origin", "https://elsewhere.example".into())])
        .await
        .expect(403);
    delete(&[
        ("origin", app_origin),
        ("sec-fetch-site", "same-site".into()),
    ])
    .await
    .expect(403);
    whoami(&server, &ada.token).await.expect(200);
    delete(&[
        ("origin", server.origin()),
        ("sec-fetch-site", "same-origin".into()),
    ])
    .await
    .expect(204);
    whoami(&server, &ada.token).await.expect(401);
}

#[tokio::test]
async fn the_browser_confirms_a_command_line_s_sign_in() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let begin = async || {
        let body = json!({"device": "laptop"});
        server
            .call("POST", "/v1/cli-login", None, Some(body))
            .await
            .expect(200)
            .json()
    };
    let poll = async |secret: &Value| {
        server
            .call(
                "POST",
                "/v1/cli-login/poll",
                None,
                Some(json!({"poll_secret": secret})),
            )
            .await
    };
    let asked = begin().await;
    poll(&asked["poll_secret"]).await.expect(202);
    let url = asked["url"].as_str().unwrap();
    let request = url
        .strip_prefix(&format!("{}/cli-login/", server.origin()))
        .expect("a page of the shell");
    let caller = server.caller(&ada).await;
    let shown = server::actions::accounts::cli_login::find(server.context(), request).unwrap();
    assert_eq!(
        (shown.code.as_str(), shown.device.as_str()),
        (asked["code"].as_str().unwrap(), "laptop")
    );
    server::actions::accounts::cli_login::approve(server.context(), &caller, request)
        .await
        .unwrap();
    let token = poll(&asked["poll_secret"]).await.expect(200).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        whoami(&server, &token).await.expect(200).json()["account"]["username"],
        "ada"
    );

    let denied = begin().await;
    let request = denied["url"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    server::actions::accounts::cli_login::deny(server.context(), &caller, &request)
        .await
        .unwrap();
    poll(&denied["poll_secret"]).await.expect(403);
    assert!(
        server::actions::accounts::cli_login::approve(server.context(), &caller, &request)
            .await
            .is_err()
    );

    let lapsed = begin().await;
    server.clock().advance(SignedDuration::from_mins(11));
    poll(&lapsed["poll_secret"]).await.expect(410);
    let request = lapsed["url"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        server::actions::accounts::cli_login::approve(server.context(), &caller, &request)
            .await
            .is_err()
    );
    poll(&json!("nonsense")).await.expect(410);
}
