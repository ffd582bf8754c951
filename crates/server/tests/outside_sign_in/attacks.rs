//! What attackers, and providers that are not well, do.

use serde_json::{Value, json};
use server::actions::accounts::{NewAccount, create_account};

use crate::{
    browser::{World, query},
    provider::{CLIENT, Mood, Signing, Tamper},
};

fn ada() -> Value {
    json!({ "sub": "4711", "email": "ada@example.com", "email_verified": true })
}

#[tokio::test]
async fn a_forged_or_used_state_is_refused_and_never_an_error_of_ours() {
    let world = World::new().await;
    let browser = world.browser();
    let url = browser.leave("/signin/own").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let forged = "A".repeat(43);
    for state in ["", "x", &forged, &format!("{state}A"), "\u{0}", "ä"] {
        let answer = browser
            .come_back("own", &[("code", &code), ("state", state)])
            .await;
        assert_eq!(answer.status, 400, "{state:?}");
        assert!(answer.text.contains("Begin it again"), "{}", answer.text);
    }
    let back = [("code", code.as_str()), ("state", state.as_str())];
    browser.come_back("own", &back).await.expect(303);
    browser.come_back("own", &back).await.expect(400);
    browser.get("/signin/own/callback").await.expect(400);
    browser
        .get("/signin/nobody/callback?state=x")
        .await
        .expect(400);
    browser.get("/signin/nobody").await.expect(404);
}

#[tokio::test]
async fn a_state_is_good_for_ten_minutes() {
    let world = World::new().await;
    let browser = world.browser();
    let url = browser.leave("/signin/own").await;
    let (code, state) = world.provider.approve(&url, &ada());
    world
        .server
        .clock()
        .advance(jiff::SignedDuration::from_mins(10));
    let answer = browser
        .come_back("own", &[("code", &code), ("state", &state)])
        .await;
    answer.expect(400);
}

#[tokio::test]
async fn nobody_is_signed_in_as_the_attacker_by_an_address_they_were_sent() {
    let world = World::new().await;
    let (attacker, victim) = (world.browser(), world.browser());
    let url = attacker.leave("/signin/own").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let back = [("code", code.as_str()), ("state", state.as_str())];
    let answer = victim.come_back("own", &back).await.expect(400);
    assert!(answer.text.contains("another browser"), "{}", answer.text);
    assert_eq!(victim.username().await, "");
    // Nor when the victim is on a trip of their own.
    let url = attacker.leave("/signin/own").await;
    let (code, state) = world.provider.approve(&url, &ada());
    victim.leave("/signin/own").await;
    let back = [("code", code.as_str()), ("state", state.as_str())];
    victim.come_back("own", &back).await.expect(400);
    assert_eq!(victim.username().await, "");
}

#[tokio::test]
async fn a_code_is_of_no_use_on_another_trip() {
    let world = World::new().await;
    let (victim, attacker) = (world.browser(), world.browser());
    let url = victim.leave("/signin/own").await;
    let (stolen, _) = world.provider.approve(&url, &ada());
    // The attacker has the victim's code, and a state of their own.
    let url = attacker.leave("/signin/own").await;
    let state = query(&url)["state"].clone();
    let back = [("code", stolen.as_str()), ("state", state.as_str())];
    attacker.come_back("own", &back).await.expect(400);
    assert_eq!(attacker.username().await, "");
}

#[tokio::test]
async fn each_trip_has_a_state_a_nonce_and_a_challenge_of_its_own() {
    let world = World::new().await;
    let browser = world.browser();
    let (one, two) = (
        query(&browser.leave("/signin/own").await),
        query(&browser.leave("/signin/own").await),
    );
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(one[name], two[name], "{name}");
        assert!(one[name].len() >= 43, "{name}");
    }
    let callback = format!("{}/signin/own/callback", world.server.origin());
    assert_eq!(one["redirect_uri"], callback);
}

#[tokio::test]
async fn an_id_token_that_does_not_fit_is_not_believed() {
    let world = World::new().await;
    let now = world.server.clock().now().as_second();
    let set = |name: &'static str, value: Value| -> (String, Tamper) {
        (
            format!("{name} = {value}"),
            Box::new(move |claims| claims[name] = value.clone()),
        )
    };
    for (what, tamper) in [
        set("nonce", json!("another")),
        set("nonce", json!(null)),
        set("aud", json!("another-client")),
        set("aud", json!([CLIENT, "another-client"])),
        set("azp", json!("another-client")),
        set("iss", json!("https://accounts.google.com")),
        set("exp", json!(now - 11)),
        set("iat", json!(now + 11)),
        set("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        set("sub", json!("")),
        set("sub", json!(4711)),
        set("sub", json!("x".repeat(300))),
    ] {
        world.provider.behavior().tamper = Some(tamper);
        let browser = world.browser();
        let answer = browser.sign_in("own", &ada()).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        assert_eq!(browser.username().await, "", "{what}");
    }
}

#[tokio::test]
async fn an_id_token_that_is_not_signed_by_the_provider_is_not_believed() {
    let world = World::new().await;
    world.browser().sign_in("own", &ada()).await.expect(303);
    for signing in [
        Signing::Unsigned,
        Signing::PublicKeyAsSecret,
        Signing::Stranger,
    ] {
        world.provider.behavior().signing = signing;
        let browser = world.browser();
        let answer = browser.sign_in("own", &ada()).await;
        assert_eq!(answer.status, 400, "{signing:?}: {}", answer.text);
        assert_eq!(browser.username().await, "", "{signing:?}");
    }
    let fetches = world.provider.behavior().key_fetches;
    assert!(
        fetches <= 2,
        "forged tokens made the keys be fetched {fetches} times"
    );
}

#[tokio::test]
async fn an_unverified_address_takes_nothing_over() {
    let world = World::new().await;
    let person = world.server.person("ada").await;
    let mallory = json!({ "sub": "666", "email": "ada@example.com", "email_verified": false });
    for provider in ["own", "plain"] {
        let browser = world.browser();
        world.provider.behavior().emails =
            json!([{ "email": "ada@example.com", "primary": true, "verified": false }]);
        let mut mallory = mallory.clone();
        mallory["id"] = json!(666);
        let answer = browser.sign_in(provider, &mallory).await.expect(403);
        assert!(answer.text.contains("not verified"), "{}", answer.text);
        assert_eq!(browser.username().await, "");
        assert!(!browser.cookies.borrow().contains_key("vestibule_joining"));
    }
    assert!(!person.id.is_empty());
}

#[tokio::test]
async fn an_identity_that_waits_is_of_no_use_to_somebody_else() {
    let world = World::new().await;
    world.server.person("ada").await;
    let mallory = world.server.person("mallory").await;
    let browser = world.browser();
    browser.sign_in("own", &ada()).await.expect(303);
    let finish = "/account/connections/finish";
    browser
        .sign_in_by_password("mallory", &mallory.password, finish)
        .await
        .expect(303);
    let page = browser.get(finish).await.expect(403);
    assert!(page.text.contains("another account"), "{}", page.text);
    let refused = browser.submit("/account", finish, &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let elsewhere = world.browser();
    let answer = elsewhere.sign_in("own", &ada()).await.expect(303);
    assert!(
        answer.header("location").starts_with("/signin"),
        "nothing was joined"
    );
}

#[tokio::test]
async fn an_old_session_joins_nothing_without_a_fresh_proof() {
    let world = World::new().await;
    let person = world.server.person("ada").await;
    let browser = world.browser();
    browser
        .sign_in_by_password("ada", &person.password, "/")
        .await
        .expect(303);
    world
        .server
        .clock()
        .advance(jiff::SignedDuration::from_mins(11));
    browser.sign_in("own", &ada()).await.expect(303);
    let finish = "/account/connections/finish";
    let refused = browser.submit("/account", finish, &[]).await;
    assert_ne!(refused.header("location"), "/account/connections");
    let page = browser.get("/account/connections").await.expect(200);
    assert!(page.text.contains("Not connected"), "{}", page.text);
    let connect = browser.get("/account/connections/own/connect").await;
    assert!(
        !connect
            .header("location")
            .starts_with(world.provider.issuer())
    );
}

#[tokio::test]
async fn an_identity_of_somebody_else_is_not_connected() {
    let world = World::new().await;
    world.browser().sign_in("own", &ada()).await.expect(303);
    let ben = world.server.person("ben").await;
    let browser = world.browser();
    browser
        .sign_in_by_password("ben", &ben.password, "/")
        .await
        .expect(303);
    let url = browser.leave("/account/connections/own/connect").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let answer = browser
        .come_back("own", &[("code", &code), ("state", &state)])
        .await;
    assert_eq!(answer.status, 409, "{}", answer.text);
}

#[tokio::test]
async fn an_identity_is_connected_only_by_whoever_asked_for_it() {
    let world = World::new().await;
    let ben = world.server.person("ben").await;
    let browser = world.browser();
    browser
        .sign_in_by_password("ben", &ben.password, "/")
        .await
        .expect(303);
    let url = browser.leave("/account/connections/own/connect").await;
    let (code, state) = world.provider.approve(&url, &ada());
    // The session ended meanwhile.
    browser.cookies.borrow_mut().remove("vestibule_session");
    let answer = browser
        .come_back("own", &[("code", &code), ("state", &state)])
        .await;
    answer.expect(400);
}

#[tokio::test]
async fn a_disabled_account_stays_out() {
    let world = World::new().await;
    world.browser().sign_in("own", &ada()).await.expect(303);
    let write = world.server.context().storage.write(|tx| {
        let mut account = tx.accounts().find_by_email("ada@example.com")?.unwrap();
        account.active = false;
        tx.accounts().update(&account)
    });
    write.await.unwrap();
    let browser = world.browser();
    let answer = browser.sign_in("own", &ada()).await.expect(403);
    assert!(answer.text.contains("disabled"), "{}", answer.text);
    assert_eq!(browser.username().await, "");
}

#[tokio::test]
async fn a_provider_cannot_speak_for_another() {
    let world = World::new().await;
    let browser = world.browser();
    // By another's way back.
    let url = browser.leave("/signin/own").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let back = [("code", code.as_str()), ("state", state.as_str())];
    browser.come_back("plain", &back).await.expect(400);
    // By naming another issuer (RFC 9207).
    let url = browser.leave("/signin/own").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let back = [
        ("code", code.as_str()),
        ("state", state.as_str()),
        ("iss", "https://evil.example"),
    ];
    browser.come_back("own", &back).await.expect(400);
    assert_eq!(browser.username().await, "");
    let url = browser.leave("/signin/own").await;
    let (code, state) = world.provider.approve(&url, &ada());
    let back = [
        ("code", code.as_str()),
        ("state", state.as_str()),
        ("iss", world.provider.issuer()),
    ];
    browser.come_back("own", &back).await.expect(303);
    // By leaving the name out although it always says it.
    let world = World::new().await;
    world.provider.behavior().announces_issuer = true;
    let browser = world.browser();
    browser.sign_in("own", &ada()).await.expect(400);
    // By publishing a document of another.
    let world = World::new().await;
    world.provider.behavior().issuer_in_discovery = Some("https://accounts.google.com".into());
    world.browser().get("/signin/own").await.expect(400);
}

#[tokio::test]
async fn a_provider_that_is_not_well_gives_a_page_and_no_error_of_ours() {
    for mood in [
        Mood::Down,
        Mood::Slow,
        Mood::Huge,
        Mood::Garbled,
        Mood::Redirecting,
    ] {
        let world = World::new().await;
        // Before anything is known of it.
        world.provider.behavior().mood = mood;
        let answer = world.browser().get("/signin/own").await;
        assert!(
            matches!(answer.status, 400 | 503),
            "{mood:?}: {}",
            answer.status
        );
        assert!(answer.text.contains("<html"), "{mood:?}: {}", answer.text);
        // In the middle of a trip.
        let world = World::new().await;
        let browser = world.browser();
        let url = browser.leave("/signin/own").await;
        let (code, state) = world.provider.approve(&url, &ada());
        world.provider.behavior().mood = mood;
        let answer = browser
            .come_back("own", &[("code", &code), ("state", &state)])
            .await;
        assert!(
            matches!(answer.status, 400 | 503),
            "{mood:?}: {}",
            answer.status
        );
        assert!(answer.text.contains("<html"), "{mood:?}: {}", answer.text);
        assert_eq!(browser.username().await, "");
    }
}

#[tokio::test]
async fn somebody_who_declined_there_is_told_so_here() {
    let world = World::new().await;
    let browser = world.browser();
    for (error, says) in [
        ("access_denied", "declined"),
        ("login_required", "more was needed"),
        ("server_error", "did not work"),
        ("<script>alert(1)</script>", "did not work"),
    ] {
        let url = browser.leave("/signin/own").await;
        let state = query(&url)["state"].clone();
        let back = [("error", error), ("state", state.as_str())];
        let answer = browser.come_back("own", &back).await.expect(400);
        assert!(answer.text.contains(says), "{error}: {}", answer.text);
        assert!(!answer.text.contains("<script>alert"));
    }
}

#[tokio::test]
async fn a_sign_in_never_leads_to_another_site() {
    let world = World::new().await;
    for next in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ] {
        let browser = world.browser();
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let url = browser.leave(&format!("/signin/own?next={encoded}")).await;
        let (code, state) = world.provider.approve(&url, &ada());
        let answer = browser
            .come_back("own", &[("code", &code), ("state", &state)])
            .await;
        assert_eq!(answer.expect(303).header("location"), "/", "{next}");
    }
}

#[tokio::test]
async fn what_binds_a_trip_to_a_browser_is_hidden_from_scripts() {
    let world = World::with(&[("server.public_url", "https://home.example.com")]).await;
    let answer = world
        .server
        .call("GET", "/signin/own", None, None)
        .await
        .expect(303);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-vestibule_browser="), "{cookie}");
    for part in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{part} is missing in {cookie}");
    }
}

#[tokio::test]
async fn an_account_somebody_made_beforehand_with_the_victims_address_gains_nothing() {
    let world = World::new().await;
    // Mallory signs up with Ada's address, which is not verified, and waits for Ada to come by her provider.
    let new = NewAccount {
        email: "ada@example.com".into(),
        username: "mallory".into(),
        full_name: None,
        password: "a long and quiet walk".to_owned().into(),
    };
    create_account(world.server.context(), new, accounts::Role::User)
        .await
        .unwrap();
    let browser = world.browser();
    let answer = browser.sign_in("own", &ada()).await.expect(303);
    assert!(answer.header("location").starts_with("/signin"));
    assert_eq!(
        browser.username().await,
        "",
        "Ada does not end up in Mallory's account"
    );
}

/// Gives an account an authenticator app, as far as a sign-in cares.
pub(crate) async fn add_authenticator(world: &World, email: &'static str) {
    let now = world.server.clock().now();
    let write = world.server.context().storage.write(move |tx| {
        let account = tx.accounts().find_by_email(email)?.unwrap().id;
        tx.authenticators().insert(&accounts::totp::Authenticator {
            account,
            sealed_secret: vec![1],
            created_at: now,
            confirmed_at: None,
            last_step: 0,
        })?;
        tx.authenticators().confirm(account, now)
    });
    write.await.unwrap();
}

#[tokio::test]
async fn a_second_factor_is_asked_for_after_a_provider_too() {
    let world = World::new().await;
    world.browser().sign_in("own", &ada()).await.expect(303);
    add_authenticator(&world, "ada@example.com").await;
    let browser = world.browser();
    let answer = browser.sign_in("own", &ada()).await.expect(303);
    assert!(
        answer
            .header("location")
            .starts_with("/signin/second-factor")
    );
    assert_eq!(browser.username().await, "");
}

#[tokio::test]
async fn one_network_cannot_fill_the_database_with_trips() {
    let world = World::new().await;
    let mut refused = None;
    for _ in 0..200 {
        let answer = world.server.call("GET", "/signin/own", None, None).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        answer.expect(303);
    }
    let refused = refused.expect("a limit");
    assert!(!refused.header("retry-after").is_empty());
}
