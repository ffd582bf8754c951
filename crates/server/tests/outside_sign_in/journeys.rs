//! What people do.

use serde_json::{Value, json};

use crate::browser::World;

fn ada() -> Value {
    json!({
        "sub": "4711", "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
        "picture": "https://pictures.example.com/ada.png", "preferred_username": "ada",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut person = ada();
    person[name] = value;
    person
}

#[tokio::test]
async fn a_new_person_comes_in_and_has_an_account() {
    let world = World::new().await;
    let browser = world.browser();
    let page = browser.get("/signin?next=/account").await.expect(200);
    assert!(page.text.contains("Continue with Own"), "{}", page.text);
    let url = browser.leave("/signin/own?next=/account").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let answer = browser
        .come_back("own", &[("code", &code), ("state", &state)])
        .await;
    assert_eq!(answer.expect(303).header("location"), "/account");
    assert_eq!(browser.username().await, "ada");
    let page = browser.get("/account").await.expect(200);
    assert!(page.text.contains("Ada Lovelace") && page.text.contains("ada@example.com"));
    let account = world
        .server
        .context()
        .storage
        .read(|tx| tx.accounts().find_by_email("ada@example.com"))
        .await
        .unwrap()
        .unwrap();
    assert!(account.email_verified && account.password.is_none());
    assert_eq!(account.provider, "own");
    assert_eq!(
        account.avatar.as_deref(),
        Some("https://pictures.example.com/ada.png")
    );
}

#[tokio::test]
async fn a_known_identity_comes_back_whatever_became_of_its_address() {
    let world = World::new().await;
    world.browser().sign_in("own", &ada()).await.expect(303);
    for changed in [
        with("email", json!("ada.new@example.com")),
        with("email_verified", json!(false)),
        json!({ "sub": "4711" }),
    ] {
        let browser = world.browser();
        browser.sign_in("own", &changed).await.expect(303);
        assert_eq!(browser.username().await, "ada");
    }
}

#[tokio::test]
async fn somebody_else_with_the_same_name_gets_another_username() {
    let world = World::new().await;
    world.browser().sign_in("own", &ada()).await.expect(303);
    let browser = world.browser();
    let mut other = with("sub", json!("4712"));
    other["email"] = json!("another.ada@example.com");
    browser.sign_in("own", &other).await.expect(303);
    let name = browser.username().await;
    assert!(name.starts_with("ada-"), "{name}");
}

#[tokio::test]
async fn an_address_with_an_account_is_joined_after_signing_in_to_it() {
    let world = World::new().await;
    let person = world.server.person("ada").await;
    let browser = world.browser();
    let answer = browser.sign_in("own", &ada()).await.expect(303);
    assert_eq!(
        answer.header("location"),
        "/signin?next=/account/connections/finish"
    );
    assert_eq!(
        browser.username().await,
        "",
        "nobody is signed in by that alone"
    );
    let answer = browser
        .sign_in_by_password("ada", &person.password, "/account/connections/finish")
        .await;
    assert_eq!(
        answer.expect(303).header("location"),
        "/account/connections/finish"
    );
    let page = browser.get("/account/connections/finish").await.expect(200);
    assert!(page.text.contains("Connect Own?") && page.text.contains("ada@example.com"));
    let finish = "/account/connections/finish";
    let answer = browser.submit(finish, finish, &[]).await.expect(303);
    assert_eq!(answer.header("location"), "/account/connections");
    let page = browser.get("/account/connections").await.expect(200);
    assert!(page.text.contains("Disconnect"), "{}", page.text);
    let elsewhere = world.browser();
    elsewhere.sign_in("own", &ada()).await.expect(303);
    assert_eq!(elsewhere.username().await, "ada");
}

#[tokio::test]
async fn somebody_who_is_signed_in_connects_an_identity_with_another_address() {
    let world = World::new().await;
    let person = world.server.person("ben").await;
    let browser = world.browser();
    browser
        .sign_in_by_password("ben", &person.password, "/")
        .await
        .expect(303);
    let url = browser.leave("/account/connections/own/connect").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let answer = browser
        .come_back("own", &[("code", &code), ("state", &state)])
        .await;
    let finish = "/account/connections/finish";
    assert_eq!(answer.expect(303).header("location"), finish);
    browser.submit(finish, finish, &[]).await.expect(303);
    let elsewhere = world.browser();
    elsewhere.sign_in("own", &ada()).await.expect(303);
    assert_eq!(elsewhere.username().await, "ben");
}

#[tokio::test]
async fn an_identity_is_let_go_but_not_the_last_way_in() {
    let world = World::new().await;
    let browser = world.browser();
    browser.sign_in("own", &ada()).await.expect(303);
    let ask = "/account/connections/own/disconnect?subject=4711";
    let action = "/account/connections/own/disconnect";
    let answer = browser.submit(ask, action, &[("subject", "4711")]).await;
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.text.contains("only way into your account"));
    // With a password it may go.
    let person = world.server.person("ben").await;
    let browser = world.browser();
    browser
        .sign_in_by_password("ben", &person.password, "/")
        .await
        .expect(303);
    let url = browser.leave("/account/connections/own/connect").await;
    let (code, state) = world.provider.approve(&url, &with("sub", json!("4712")));
    browser
        .come_back("own", &[("code", &code), ("state", &state)])
        .await
        .expect(303);
    let finish = "/account/connections/finish";
    browser.submit(finish, finish, &[]).await.expect(303);
    let ask = "/account/connections/own/disconnect?subject=4712";
    browser
        .submit(ask, action, &[("subject", "4712")])
        .await
        .expect(303);
    let page = browser.get("/account/connections").await.expect(200);
    assert!(page.text.contains("Not connected"), "{}", page.text);
}

#[tokio::test]
async fn where_accounts_are_by_invitation_the_invited_address_comes_in() {
    let world = World::with(&[("accounts.sign_up", "invite-only")]).await;
    let answer = world.browser().sign_in("own", &ada()).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(answer.text.contains("by invitation"), "{}", answer.text);
    // The invitation of an app, made where it is kept.
    let owner = world.server.person("owner").await;
    let write = world.server.context().storage.write(move |tx| {
        let owner = tx.accounts().find_by_username("owner")?.unwrap();
        let now = owner.created_at;
        let group = ids::GroupId::new(1, [1; 10]);
        let app = apps::App {
            id: ids::AppId::new(1, [1; 10]),
            slug: "notes".parse().unwrap(),
            name: "Notes".into(),
            owner: owner.id,
            is_public: false,
            requires_auth: true,
            newcomers: apps::Newcomers::OwnGroup,
            default_group: group,
            live_version: None,
            created_at: now,
            updated_at: now,
        };
        tx.apps().insert(&app)?;
        tx.invites().insert(&apps::Invite {
            id: ids::InviteId::new(1, [1; 10]),
            app: app.id,
            email: "ada@example.com".into(),
            token_digest: [7; 32],
            mode: apps::DataMode::Join,
            created_by: owner.id,
            created_at: now,
            expires_at: now + jiff::SignedDuration::from_hours(1),
            accepted_at: None,
            revoked_at: None,
        })
    });
    write.await.unwrap();
    let browser = world.browser();
    browser.sign_in("own", &ada()).await.expect(303);
    assert_eq!(browser.username().await, "ada");
    let mut other = with("sub", json!("4712"));
    other["email"] = json!("ben@example.com");
    world.browser().sign_in("own", &other).await.expect(403);
    assert!(!owner.id.is_empty());
    let closed = World::with(&[("accounts.sign_up", "closed")]).await;
    closed.browser().sign_in("own", &ada()).await.expect(403);
}

#[tokio::test]
async fn a_person_may_be_told_of_at_the_user_information_endpoint() {
    let world = World::new().await;
    world.provider.behavior().userinfo = true;
    let browser = world.browser();
    browser.sign_in("own", &ada()).await.expect(303);
    assert_eq!(browser.username().await, "ada");
}

#[tokio::test]
async fn a_provider_without_openid_connect_is_asked_for_the_person_and_their_addresses() {
    let world = World::new().await;
    let person =
        json!({ "id": 583_231, "login": "octo-cat", "name": null, "email": "public@example.com" });
    let entry = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified });
    world.provider.behavior().emails = json!([
        entry("public@example.com", false, false),
        entry("octocat@example.com", true, true),
    ]);
    let browser = world.browser();
    browser.sign_in("plain", &person).await.expect(303);
    assert_eq!(browser.username().await, "octo-cat");
    let page = browser.get("/account").await;
    assert!(page.text.contains("octocat@example.com"), "{}", page.text);
    world.provider.behavior().emails = json!([entry("other@example.com", true, false)]);
    let other = json!({ "id": 7, "login": "other" });
    let answer = world.browser().sign_in("plain", &other).await.expect(403);
    assert!(answer.text.contains("not verified"), "{}", answer.text);
}

#[tokio::test]
async fn a_trip_that_began_at_one_server_process_ends_at_another() {
    // The port changes, so the way back is told beforehand.
    let world = World::with(&[("server.public_url", "http://localhost:9")]).await;
    let browser = world.browser();
    let url = browser.leave("/signin/own").await;
    let cookies = browser.cookies.borrow().clone();
    let (code, state) = world.provider.approve(&url, &ada());
    let World { server, provider } = world;
    let world = World {
        server: server.restart().await,
        provider,
    };
    let browser = world.browser();
    browser.cookies.replace(cookies);
    browser
        .come_back("own", &[("code", &code), ("state", &state)])
        .await
        .expect(303);
    assert_eq!(browser.username().await, "ada");
}

#[tokio::test]
async fn keys_that_the_provider_changed_are_fetched_again_once() {
    let world = World::new().await;
    world.browser().sign_in("own", &ada()).await.expect(303);
    world.provider.rotate();
    world.browser().sign_in("own", &ada()).await.expect(303);
    world.browser().sign_in("own", &ada()).await.expect(303);
    assert_eq!(world.provider.behavior().key_fetches, 2);
}

#[tokio::test]
async fn an_account_without_a_password_gets_its_first_one() {
    let world = World::new().await;
    let browser = world.browser();
    browser.sign_in("own", &ada()).await.expect(303);
    let page = browser.get("/account/password").await.expect(200);
    assert!(!page.text.contains("current_password"), "{}", page.text);
    let new = [("new_password", "a long and quiet walk")];
    browser
        .submit("/account/password", "/account/password", &new)
        .await
        .expect(303);
    let elsewhere = world.browser();
    elsewhere
        .sign_in_by_password("ada", "a long and quiet walk", "/")
        .await
        .expect(303);
    assert_eq!(elsewhere.username().await, "ada");
    // Now it is asked for.
    let page = browser.get("/account/password").await.expect(200);
    assert!(page.text.contains("current_password"), "{}", page.text);
    let ask = "/account/connections/own/disconnect?subject=4711";
    let action = "/account/connections/own/disconnect";
    browser
        .submit(ask, action, &[("subject", "4711")])
        .await
        .expect(303);
}

#[tokio::test]
async fn somebody_without_a_password_confirms_by_signing_in_there_once_more() {
    let world = World::new().await;
    let browser = world.browser();
    browser.sign_in("own", &ada()).await.expect(303);
    world
        .server
        .clock()
        .advance(jiff::SignedDuration::from_mins(11));
    let wanted = "/account/connections/own/disconnect?subject=4711";
    let answer = browser.get(wanted).await.expect(303);
    let confirm = answer.header("location").to_owned();
    assert!(confirm.starts_with("/confirm?next="), "{confirm}");
    let page = browser.get(&confirm).await.expect(200);
    assert!(page.text.contains("Continue with Own"), "{}", page.text);
    browser.sign_in("own", &ada()).await.expect(303);
    browser.get(wanted).await.expect(200);
}
