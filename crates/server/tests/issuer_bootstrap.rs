//! How the first superuser comes about: by the settings, or by the command line.

use accounts::Role;
use secret::SecretString;
use serde_json::json;
use server::actions::accounts::{self as actions, NewAccount};
use testkit::{Answer, TestServer};

const PASSWORD: &str = "the first passphrase of all";
const SETTINGS: [(&str, &str); 2] = [
    ("issuer.first_superuser", " Admin@Example.com "),
    ("issuer.first_superuser_password", PASSWORD),
];

async fn login(server: &TestServer, email: &str, password: &str) -> Answer {
    let form = [("username", email), ("password", password)];
    let request = server.request("POST".parse().unwrap(), "/user/login/access-token");
    Answer::to(request.form(&form)).await
}

async fn may_list_users(server: &TestServer, email: &str, password: &str) -> u16 {
    let answer = login(server, email, password).await.expect(200).json();
    let token = answer["access_token"].as_str().unwrap().to_owned();
    server
        .call("GET", "/user/users/", Some(&token), None)
        .await
        .status
}

#[tokio::test]
async fn the_settings_make_a_superuser_once() {
    let server = TestServer::start_with(&SETTINGS).await;
    assert_eq!(actions::ensure_owner(server.context()).await.unwrap(), None);
    assert_eq!(
        may_list_users(&server, "admin@example.com", PASSWORD).await,
        200
    );
    let owner = actions::owner(server.context()).await.unwrap();
    assert_eq!(
        (owner.username.as_str(), owner.role),
        ("admin", Role::Superadmin)
    );
    // Later starts ignore the settings, whatever has become of the account.
    let token = login(&server, "admin@example.com", PASSWORD).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"current_password": PASSWORD, "new_password": "another passphrase by now"});
    server
        .call(
            "PATCH",
            "/user/profile/me/password/",
            Some(&token),
            Some(body),
        )
        .await
        .expect(200);
    let server = server.restart().await;
    assert_eq!(actions::ensure_owner(server.context()).await.unwrap(), None);
    assert_eq!(
        login(&server, "admin@example.com", PASSWORD).await.status,
        400
    );
    assert_eq!(
        may_list_users(&server, "admin@example.com", "another passphrase by now").await,
        200
    );
    let count = server
        .context()
        .storage
        .read(|tx| tx.accounts().count())
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn the_settings_take_the_place_that_a_setup_link_was_open_for() {
    let directory = TestServer::start().await;
    let link = actions::ensure_owner(directory.context())
        .await
        .unwrap()
        .expect("a link");
    let token = link.split_once("token=").unwrap().1.to_owned();
    let mut config = directory.context().config.clone();
    config.issuer.first_superuser = accounts::Email::parse("root@example.com").ok();
    config.issuer.first_superuser_password = Some(SecretString::new(PASSWORD.to_owned()));
    let context = server::Context::open(config, directory.clock().clone())
        .await
        .unwrap();
    assert_eq!(actions::ensure_owner(&context).await.unwrap(), None);
    assert_eq!(
        may_list_users(&directory, "root@example.com", PASSWORD).await,
        200
    );
    let account = NewAccount {
        email: "thief@example.com".to_owned(),
        username: "thief".to_owned(),
        full_name: None,
        password: SecretString::new(PASSWORD.to_owned()),
    };
    let late = actions::complete_setup(directory.context(), &token, account, "test").await;
    assert_eq!(late.unwrap_err().code, "link_used_up");
}

#[tokio::test]
async fn settings_that_cannot_be_followed_stop_the_start() {
    for settings in [
        &[SETTINGS[0]][..],
        &[SETTINGS[1]],
        &[
            SETTINGS[0],
            ("issuer.first_superuser_password", "password1"),
        ],
    ] {
        let server = TestServer::start_with(settings).await;
        let error = actions::ensure_owner(server.context()).await.unwrap_err();
        assert_eq!(error.code, "misconfigured");
        assert!(
            error.message.contains("issuer.first_superuser"),
            "{}",
            error.message
        );
        assert!(!error.message.contains("password1"));
    }
    let server =
        TestServer::start_with(&[("issuer.first_superuser", "ada@example.com"), SETTINGS[1]]).await;
    server.person("ada").await;
    let error = actions::ensure_owner(server.context()).await.unwrap_err();
    assert!(
        error.message.contains("belongs to an account"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn an_account_made_by_the_command_line_with_the_highest_role_is_a_superuser() {
    let server = TestServer::start().await;
    // As `vestibule account create --role superadmin` does, beside the running server.
    let beside = server.offline_context().await;
    let account = NewAccount {
        email: "ops@example.com".to_owned(),
        username: "ops".to_owned(),
        full_name: None,
        password: SecretString::new(PASSWORD.to_owned()),
    };
    actions::create_account(&beside, account, Role::Superadmin)
        .await
        .unwrap();
    assert_eq!(
        may_list_users(&server, "ops@example.com", PASSWORD).await,
        200
    );
}
