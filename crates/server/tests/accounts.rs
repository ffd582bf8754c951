//! How accounts come to be: the first owner, sign-up, links, the command line; and changing a password.

use std::collections::HashSet;

use accounts::{Role, SessionOrigin};
use jiff::SignedDuration;
use secret::SecretString;
use server::actions::accounts::{self as actions, Finished, NewAccount};
use testkit::TestServer;

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn new_account(name: &str) -> NewAccount {
    NewAccount {
        email: format!("{name}@example.com"),
        username: name.to_owned(),
        full_name: None,
        password: secret("correct horse battery"),
    }
}

/// The token at the end of a link.
fn token(link: &str) -> &str {
    link.rsplit('=').next().unwrap()
}

#[tokio::test]
async fn the_first_start_makes_an_owner_who_completes_the_account_once() {
    let server = TestServer::start().await;
    let context = server.context();
    let link = actions::ensure_owner(context)
        .await
        .unwrap()
        .expect("a setup link");
    assert!(
        link.starts_with(&format!("{}/setup?token=vst_l_", server.origin())),
        "{link}"
    );
    // A lost link is replaced by the next start.
    let second = actions::ensure_owner(context)
        .await
        .unwrap()
        .expect("another link");
    assert_ne!(link, second);

    let weak = NewAccount {
        password: secret("short"),
        ..new_account("boss")
    };
    assert!(
        actions::complete_setup(context, token(&second), weak, "test")
            .await
            .is_err()
    );
    let signed_in = actions::complete_setup(context, token(&second), new_account("boss"), "test")
        .await
        .unwrap();
    assert_eq!(signed_in.account.role, Role::Superadmin);
    assert_eq!(signed_in.session.created_by, SessionOrigin::Link);
    let who = server
        .call("GET", "/v1/session", Some(signed_in.token.expose()), None)
        .await
        .expect(200)
        .json();
    assert_eq!(who["account"]["username"], "boss");

    for used in [&link, &second] {
        assert!(
            actions::complete_setup(context, token(used), new_account("thief"), "test")
                .await
                .is_err()
        );
    }
    assert_eq!(actions::ensure_owner(context).await.unwrap(), None);
}

#[tokio::test]
async fn a_setup_link_lapses() {
    let server = TestServer::start().await;
    let link = actions::ensure_owner(server.context())
        .await
        .unwrap()
        .unwrap();
    server.clock().advance(SignedDuration::from_hours(24 * 40));
    let late =
        actions::complete_setup(server.context(), token(&link), new_account("boss"), "test").await;
    assert!(late.is_err());
}

#[tokio::test]
async fn the_sign_up_policy_is_kept() {
    for (policy, allowed) in [("open", true), ("invite-only", false), ("closed", false)] {
        let server = TestServer::start_with(&[("accounts.sign_up", policy)]).await;
        assert_eq!(
            server.try_sign_up("newbie", None).await.is_ok(),
            allowed,
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_taken_address_or_username_is_not_given_twice() {
    let server = TestServer::start().await;
    server.person("ada").await;
    let same_name = NewAccount {
        email: "other@example.com".into(),
        ..new_account("ada")
    };
    let same_email = NewAccount {
        username: "other".into(),
        ..new_account("ada")
    };
    let odd_case = NewAccount {
        email: " ADA@Example.COM ".into(),
        username: "other".into(),
        ..new_account("ada")
    };
    for (account, field) in [
        (same_name, "username"),
        (same_email, "email"),
        (odd_case, "email"),
    ] {
        let error = actions::create_account(server.context(), account, Role::User)
            .await
            .unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.extra["field"].as_str()),
            (409, Some(field)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn unfit_addresses_names_and_passwords_are_refused_by_field() {
    let server = TestServer::start().await;
    for (email, username, password, field) in [
        ("no-address", "fine", "correct horse battery", "email"),
        ("root@localhost", "fine", "correct horse battery", "email"),
        ("a@b.test", "fine", "correct horse battery", "email"),
        ("fine@example.com", "x", "correct horse battery", "username"),
        (
            "fine@example.com",
            "-fine",
            "correct horse battery",
            "username",
        ),
        (
            "fine@example.com",
            "fine\0",
            "correct horse battery",
            "username",
        ),
        ("fine@example.com", "fine", "short", "password"),
        ("fine@example.com", "fine", &"x".repeat(5000), "password"),
    ] {
        let account = NewAccount {
            email: email.into(),
            username: username.into(),
            full_name: None,
            password: secret(password),
        };
        let error = actions::create_account(server.context(), account, Role::User)
            .await
            .unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.extra["field"].as_str()),
            (422, Some(field)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn concurrent_sign_ups_with_one_address_give_one_account() {
    let server = std::sync::Arc::new(TestServer::start().await);
    let attempts = (0..8).map(|number| {
        let server = server.clone();
        tokio::spawn(async move {
            let account = NewAccount {
                username: format!("ada{number}"),
                ..new_account("ada")
            };
            actions::create_account(server.context(), account, Role::User).await
        })
    });
    let mut made = HashSet::new();
    for attempt in attempts.collect::<Vec<_>>() {
        if let Ok(account) = attempt.await.unwrap() {
            made.insert(account.id);
        }
    }
    assert_eq!(made.len(), 1);
}

#[tokio::test]
async fn a_sign_in_link_works_once_and_not_for_long() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let context = server.context();
    let id = ada.id.parse().unwrap();
    let link = actions::create_sign_in_link(context, id).await.unwrap();
    assert!(
        link.starts_with(&format!("{}/link?token=vst_l_", server.origin())),
        "{link}"
    );
    let finished = actions::sign_in_by_link(context, token(&link), "test")
        .await
        .unwrap();
    let Finished::SignedIn(signed_in) = finished else {
        panic!("no second factor is asked for");
    };
    assert_eq!(signed_in.account.id, id);
    assert!(
        actions::sign_in_by_link(context, token(&link), "test")
            .await
            .is_err()
    );
    let late = actions::create_sign_in_link(context, id).await.unwrap();
    server.clock().advance(SignedDuration::from_hours(2));
    assert!(
        actions::sign_in_by_link(context, token(&late), "test")
            .await
            .is_err()
    );
    // A link of one kind is none of the other.
    let link = actions::create_sign_in_link(context, id).await.unwrap();
    assert!(
        actions::complete_setup(context, token(&link), new_account("boss"), "test")
            .await
            .is_err()
    );
    assert!(
        actions::sign_in_by_link(context, "vst_l_nonsense", "test")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn changing_the_password_keeps_this_session_and_ends_the_others() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let other = server.sign_in(&ada).await;
    let caller = server.caller(&ada).await;
    let wrong = actions::change_password(
        server.context(),
        &caller,
        &secret("a wrong one"),
        secret("another fine one"),
    )
    .await;
    assert!(wrong.is_err());
    let weak = actions::change_password(
        server.context(),
        &caller,
        &secret(&ada.password),
        secret("weak"),
    )
    .await;
    assert!(weak.is_err());
    let generation = caller.account.generation;
    actions::change_password(
        server.context(),
        &caller,
        &secret(&ada.password),
        secret("another fine one"),
    )
    .await
    .unwrap();
    server
        .call("GET", "/v1/session", Some(&ada.token), None)
        .await
        .expect(200);
    server
        .call("GET", "/v1/session", Some(&other), None)
        .await
        .expect(401);
    let body =
        |password: &str| serde_json::json!({"login": "ada", "password": password, "device": "x"});
    server
        .call("POST", "/v1/session", None, Some(body(&ada.password)))
        .await
        .expect(401);
    server
        .call("POST", "/v1/session", None, Some(body("another fine one")))
        .await
        .expect(200);
    assert!(server.caller(&ada).await.account.generation > generation);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_own_account_only() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.person("ada").await, server.person("eve").await);
    let other = server.sign_in(&ada).await;
    let (ada_caller, eve_caller) = (server.caller(&ada).await, server.caller(&eve).await);
    let sessions = actions::list_sessions(server.context(), &ada_caller)
        .await
        .unwrap();
    assert_eq!(sessions.len(), 2);
    let second = sessions
        .iter()
        .find(|session| session.id != ada_caller.session.id)
        .unwrap()
        .id;
    assert!(
        actions::end_session(server.context(), &eve_caller, second)
            .await
            .is_err()
    );
    actions::end_session(server.context(), &ada_caller, second)
        .await
        .unwrap();
    server
        .call("GET", "/v1/session", Some(&other), None)
        .await
        .expect(401);
    let third = server.sign_in(&ada).await;
    actions::sign_out_everywhere(server.context(), &ada_caller)
        .await
        .unwrap();
    for token in [&ada.token, &third] {
        server
            .call("GET", "/v1/session", Some(token), None)
            .await
            .expect(401);
    }
    server
        .call("GET", "/v1/session", Some(&eve.token), None)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_full_hash_queue_answers_429_and_token_checks_go_on() {
    let settings = [
        ("accounts.hash_threads", "1"),
        ("accounts.hash_queue", "1"),
        ("accounts.argon2_memory_kib", "65536"),
        ("accounts.argon2_passes", "3"),
    ];
    let server = std::sync::Arc::new(TestServer::start_with(&settings).await);
    let ada = server.person("ada").await;
    let guesses = (0..12).map(|number| {
        let server = server.clone();
        tokio::spawn(async move {
            let body = serde_json::json!({"login": format!("nobody{number}"), "password": "guess", "device": "x"});
            server.call("POST", "/v1/session", None, Some(body)).await
        })
    });
    let guesses: Vec<_> = guesses.collect();
    server
        .call("GET", "/v1/session", Some(&ada.token), None)
        .await
        .expect(200);
    let mut busy = 0;
    for guess in guesses {
        let answer = guess.await.unwrap();
        assert!(matches!(answer.status, 401 | 429), "{answer:?}");
        if answer.status == 429 {
            busy += 1;
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
    }
    assert!(busy > 0);
}

#[tokio::test]
async fn an_account_is_made_on_the_data_directory_beside_a_running_server() {
    let server = TestServer::start().await;
    let offline = server.offline_context().await;
    actions::create_account(&offline, new_account("cli"), Role::Admin)
        .await
        .unwrap();
    let body =
        serde_json::json!({"login": "cli", "password": "correct horse battery", "device": "x"});
    let answer = server
        .call("POST", "/v1/session", None, Some(body))
        .await
        .expect(200)
        .json();
    assert_eq!(answer["account"]["role"], "admin");
}
