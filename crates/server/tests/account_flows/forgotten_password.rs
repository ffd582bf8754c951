//! A forgotten password is replaced by mail.

use accounts::Role;
use reqwest::Method;
use serde_json::json;
use testkit::{Answer, TestServer};

use super::{NEW, World, is_refused};

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_mail_and_every_session_ends() {
    let world = World::new().await;
    let ada = world.server.person("ada").await;
    let access = world.server.access_token(&ada).await;
    world.ask_reset("  ADA@Example.com ").await;
    let mail = world.sink.wait_for(1).await;
    assert_eq!(mail.to, ["ada@example.com"]);
    assert_eq!(mail.header("subject"), "Set a new password");
    assert_eq!(mail.header("auto-submitted"), "auto-generated");
    assert!(
        mail.link()
            .starts_with(&format!("{}/reset?token=m8rst_", world.server.origin()))
    );
    assert_eq!(mail.token().len(), 49);

    // A password that is refused leaves the link good for a better one.
    assert_eq!(world.reset(&mail.token(), "short").await.status, 422);
    let done = world.reset(&mail.token(), NEW).await.expect(200);
    assert_eq!(done.json(), json!({"status": "completed"}));
    assert!(!world.is_signed_in(&ada.token).await);
    let stale = world
        .server
        .request(Method::GET, "/user/profile/get/me/")
        .bearer_auth(access);
    assert_eq!(Answer::to(stale).await.status, 401);
    assert_eq!(world.login(&ada.email, &ada.password).await.status, 400);
    world.login(&ada.email, NEW).await.expect(200);

    let notice = world.sink.wait_for(2).await;
    assert_eq!(notice.header("subject"), "Your password was changed");
    is_refused(&world.reset(&mail.token(), "yet another password").await);
}

#[tokio::test]
async fn every_account_state_is_answered_alike() {
    for verification in ["optional", "required"] {
        let world = World::with(&[("accounts.email_verification", verification)]).await;
        world.make("plain", false).await;
        world.make("proven", true).await;
        let gone = world.make("disabled", true).await;
        let disabled = world.server.context().storage.write(move |tx| {
            let mut account = tx.accounts().find_by_email(&gone)?.expect("the account");
            account.active = false;
            tx.accounts().update(&account)
        });
        disabled.await.unwrap();
        world.register("waiting@example.com").await.expect(202);
        world.sink.wait_for(1).await;

        let mut answers = Vec::new();
        for (number, name) in ["nobody", "plain", "disabled", "proven", "waiting"]
            .iter()
            .enumerate()
        {
            let address = format!("192.0.2.{}", number + 10);
            let email = format!("{name}@example.com");
            for (path, body) in [
                ("register", json!({"email": email, "password": NEW})),
                ("verify-email/request", json!({"email": email})),
                ("password-reset/request", json!({"email": email})),
            ] {
                let answer = world.post_from(&address, path, body).await;
                let headers: Vec<String> = answer
                    .headers
                    .iter()
                    .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
                    .map(|(name, value)| format!("{name}: {value:?}"))
                    .collect();
                answers.push((answer.status, answer.text, headers));
            }
        }
        assert_eq!(answers[0].0, 202);
        assert_eq!(answers[0].1, r#"{"status":"accepted"}"#);
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
    }
}

/// The answer takes the same time because the same is done: whatever exists, one row is written that says that
/// somebody asked, and no account is looked at.
#[tokio::test]
async fn the_same_work_is_done_before_every_answer() {
    let settings = [
        ("accounts.password_reset", "on"),
        ("accounts.email_verification", "required"),
    ];
    let server = TestServer::start_with(&settings).await;
    server.person_of("ada", Role::Superadmin).await;
    // The task that sends stops, so that what the answer left behind can be seen.
    server.context().stopping.cancel();
    let open = async || {
        let count = server
            .context()
            .storage
            .read(|tx| tx.outbox().count_open())
            .await;
        let last = server.context().storage.latest_event_seq().await;
        (count.unwrap(), last.unwrap())
    };
    let context = server.context();
    let (before, events) = open().await;
    for (asked, email) in ["ada@example.com", "nobody@example.com"]
        .into_iter()
        .enumerate()
    {
        use server::actions::accounts as actions;
        let peer = server::Peer::Local;
        actions::request_password_reset(context, email, peer)
            .await
            .unwrap();
        actions::request_verification(context, email, peer)
            .await
            .unwrap();
        let registration = actions::Registration {
            email: email.into(),
            username: None,
            full_name: None,
            password: NEW.to_owned().into(),
        };
        actions::register(context, registration, peer)
            .await
            .unwrap();
        let done = 3 * (asked as u64 + 1);
        assert_eq!(open().await, (before + done, events));
    }
}

#[tokio::test]
async fn a_token_works_once_whoever_comes_first() {
    let world = World::new().await;
    let ada = world.server.person("ada").await;
    world.ask_reset(&ada.email).await;
    let token = world.sink.wait_for(1).await.token();
    let tries = (0..8).map(|number| {
        let password = format!("{NEW} {number}");
        let (world, token) = (&world, &token);
        async move { (world.reset(token, &password).await.status, password) }
    });
    let outcomes = futures_util::future::join_all(tries).await;
    let won: Vec<_> = outcomes
        .iter()
        .filter(|(status, _)| *status == 200)
        .collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    world.login(&ada.email, &won[0].1).await.expect(200);
}

#[tokio::test]
async fn a_token_is_refused_when_late_replaced_of_another_purpose_or_generation() {
    let world = World::with(&[("accounts.email_verification", "optional")]).await;
    let ada = world.server.person("ada").await;
    world.ask_reset(&ada.email).await;
    let first = world.sink.wait_for(1).await.token();
    world.ask_reset(&ada.email).await;
    let second = world.sink.wait_for(2).await.token();
    is_refused(&world.reset(&first, NEW).await);

    let as_proof = second.replace("m8rst_", "m8vfy_");
    for (path, token) in [
        ("verify-email/confirm", &second),
        ("verify-email/confirm", &as_proof),
        ("email-change/confirm", &second),
    ] {
        is_refused(&world.post(path, json!({"token": token})).await);
    }
    for token in [
        "",
        "m8rst_",
        "x",
        &format!("{second}A"),
        &second[..48],
        "m8rst_\0",
    ] {
        is_refused(&world.reset(token, NEW).await);
    }

    world.pass(30);
    is_refused(&world.reset(&second, NEW).await);

    world.ask_reset(&ada.email).await;
    let third = world.sink.wait_for(3).await.token();
    let caller = world.server.caller(&ada).await;
    server::actions::accounts::sign_out_everywhere(world.server.context(), &caller)
        .await
        .unwrap();
    is_refused(&world.reset(&third, NEW).await);

    world.pass(30);
    world.ask_reset(&ada.email).await;
    let fourth = world.sink.wait_for(4).await.token();
    world.server.disable(&ada).await;
    is_refused(&world.reset(&fourth, NEW).await);
}
