//! Sign-up, proofs of addresses, forgotten passwords and changes of address, by mail that a mail server receives.

mod forgotten_password;
mod new_address;
mod sign_up;

use accounts::Role;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, MailSink, Person, TestServer};

const NEW: &str = "another long password";
/// The password of accounts that [`World::make`] makes.
const OLD: &str = "the password before";

/// A server with a mail server beside it.
struct World {
    server: TestServer,
    sink: MailSink,
}

impl World {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let sink = MailSink::start().await;
        let own = sink.settings();
        let mut all: Vec<(&str, &str)> =
            own.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        all.push(("server.trusted_proxies", "127.0.0.1"));
        all.extend(settings);
        let server = TestServer::start_with(&all).await;
        Self { server, sink }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_from("192.0.2.1", path, body).await
    }

    /// Posts as a client at an address, through a trusted proxy.
    async fn post_from(&self, address: &str, path: &str, body: Value) -> Answer {
        let request = self
            .server
            .request(Method::POST, &format!("/user/account/{path}"))
            .header("x-forwarded-for", address);
        Answer::to(request.json(&body)).await
    }

    async fn ask_reset(&self, email: &str) {
        let answer = self
            .post("password-reset/request", json!({"email": email}))
            .await;
        assert_eq!(answer.expect(202).json(), json!({"status": "accepted"}));
    }

    async fn reset(&self, token: &str, password: &str) -> Answer {
        let body = json!({"token": token, "new_password": password});
        self.post("password-reset/confirm", body).await
    }

    async fn register(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": NEW, "full_name": "Somebody New"});
        self.post("register", body).await
    }

    async fn login(&self, login: &str, password: &str) -> Answer {
        let form = [("username", login), ("password", password)];
        let request = self
            .server
            .request(Method::POST, "/user/login/access-token");
        Answer::to(request.form(&form)).await
    }

    /// Whether a session token is good.
    async fn is_signed_in(&self, token: &str) -> bool {
        let answer = self
            .server
            .call("GET", "/v1/session", Some(token), None)
            .await;
        answer.status == 200
    }

    fn pass(&self, minutes: i64) {
        self.server
            .clock()
            .advance(SignedDuration::from_mins(minutes));
    }

    /// Makes an account that nobody signed in to yet, with the password [`OLD`].
    async fn make(&self, username: &str, is_proven: bool) -> String {
        let email = format!("{username}@example.com");
        let new = server::actions::accounts::NewAccount {
            email: email.clone(),
            username: username.to_owned(),
            full_name: None,
            password: OLD.to_owned().into(),
        };
        let context = self.server.context();
        let made = server::actions::accounts::create_account(context, new, Role::User).await;
        let id = made.expect("the account is made").id;
        let stored = context.storage.write(move |tx| {
            let mut account = tx.accounts().find(id)?.expect("the account");
            account.email_verified = is_proven;
            tx.accounts().update(&account)
        });
        stored.await.unwrap();
        email
    }

    async fn change_email(&self, person: &Person, new: &str) -> Answer {
        let login = self.login(&person.username, &person.password).await;
        let token = login.expect(200).json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let request = self
            .server
            .request(Method::PATCH, "/user/profile/update/me/");
        Answer::to(request.bearer_auth(token).json(&json!({"email": new}))).await
    }
}

#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(answer.json(), json!({"detail": "challenge_invalid"}));
}

#[tokio::test]
async fn what_is_switched_off_is_not_found_whatever_is_sent() {
    let server = TestServer::start_with(&[("accounts.sign_up", "invite-only")]).await;
    for path in [
        "register",
        "verify-email/request",
        "verify-email/confirm",
        "password-reset/request",
        "password-reset/confirm",
        "email-change/confirm",
    ] {
        for body in [
            json!({}),
            json!([1]),
            json!({"email": "ada@example.com", "token": "x"}),
        ] {
            let answer = server
                .call("POST", &format!("/user/account/{path}"), None, Some(body))
                .await;
            assert_eq!(
                (answer.status, answer.json()),
                (404, json!({"detail": "feature_unavailable"})),
                "{path}"
            );
        }
    }
    let answer = server
        .call("GET", "/user/account/capabilities", None, None)
        .await
        .expect(200);
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    let nothing = json!({
        "register": null, "verify_email_request": null, "verify_email_confirm": null,
        "password_reset_request": null, "password_reset_confirm": null,
        "email_change_request": null, "email_change_confirm": null,
    });
    let expected = json!({
        "login_providers": ["password"], "public_signup": false, "email_verification": "off",
        "password_reset": false, "email_change_confirmation": false,
        "unverified_signup_expiry_days": null, "paths": nothing,
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn with_mail_the_capabilities_tell_where_to_ask() {
    let world = World::with(&[("accounts.email_verification", "required")]).await;
    let answer = world
        .server
        .call("GET", "/user/account/capabilities", None, None)
        .await;
    let told = answer.expect(200).json();
    assert_eq!(told["public_signup"], true);
    assert_eq!(told["email_verification"], "required");
    assert_eq!(told["unverified_signup_expiry_days"], 7);
    assert_eq!(
        told["paths"]["password_reset_request"],
        "/account/password-reset/request"
    );
}

#[tokio::test]
async fn front_ends_get_the_token_in_the_fragment() {
    let world = World::with(&[(
        "accounts.reset_page",
        "https://www.example.com/account/reset?lang=de",
    )])
    .await;
    let ada = world.server.person("ada").await;
    world.ask_reset(&ada.email).await;
    let link = world.sink.wait_for(1).await.link();
    assert!(
        link.starts_with("https://www.example.com/account/reset?lang=de#token=m8rst_"),
        "{link}"
    );
}

#[tokio::test]
async fn too_many_requests_from_one_place_are_refused_whatever_exists() {
    let world = World::new().await;
    world.server.person("ada").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            world
                .post("password-reset/request", json!({"email": email}))
                .await
                .expect(202);
        }
        let refused = world
            .post("password-reset/request", json!({"email": email}))
            .await;
        assert_eq!(
            (refused.status, refused.json()),
            (429, json!({"detail": "rate_limited"}))
        );
        assert_eq!(refused.header("retry-after"), "180");
    }
    // From one network, whatever the address.
    for number in 0..20 {
        let email = format!("somebody-{number}@example.com");
        world
            .post("password-reset/request", json!({"email": email}))
            .await
            .expect(202);
    }
    let refused = world
        .post(
            "password-reset/request",
            json!({"email": "last@example.com"}),
        )
        .await;
    assert_eq!(refused.status, 429);
    // Others are not concerned, and waiting helps.
    world
        .post_from(
            "198.51.100.7",
            "password-reset/request",
            json!({"email": "ada@example.com"}),
        )
        .await
        .expect(202);
    world.pass(3);
    world
        .post(
            "password-reset/request",
            json!({"email": "ada@example.com"}),
        )
        .await
        .expect(202);
}

/// Somebody who asks for mail to Ada's address from everywhere all day neither floods her mailbox nor keeps her from a
/// link that works.
#[tokio::test]
async fn an_attacker_who_asks_all_day_does_not_keep_the_owner_from_her_link() {
    let world = World::new().await;
    let ada = world.server.person("ada").await;
    let attack = async |round: u32| {
        for number in 0..20 {
            let address = format!("198.51.{}.{number}", round + 1);
            let body = json!({"email": ada.email});
            world
                .post_from(&address, "password-reset/request", body)
                .await
                .expect(202);
        }
    };
    let mut mails = 3;
    attack(0).await;
    world.sink.wait_for(mails).await;
    for round in 1..6 {
        world.pass(10);
        attack(round).await;
        mails += 1;
        world.sink.wait_for(mails).await;
    }
    // Ada asks too. Nothing more is sent, for the newest message says all of it.
    world.ask_reset(&ada.email).await;
    assert_eq!(world.sink.received().len(), mails);
    let newest = world.sink.wait_for(mails).await;
    world.reset(&newest.token(), NEW).await.expect(200);
    world.login(&ada.email, NEW).await.expect(200);
}

#[tokio::test]
async fn nothing_typed_gets_into_a_header_or_to_another_address() {
    let world = World::new().await;
    world.server.person("ada").await;
    for email in [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\nBcc: eve@example.com",
        "ada@example.com%0aBcc: eve@example.com",
        "ada@example.com,eve@example.com",
        "\"ada@example.com\r\n\"@example.com",
        "<ada@example.com>",
        "ada@example.com\0",
    ] {
        let answer = world
            .post("password-reset/request", json!({"email": email}))
            .await;
        assert_eq!(answer.status, 422, "{email:?}: {}", answer.text);
        assert!(answer.json()["detail"].is_array());
        let body = json!({"email": email, "password": NEW});
        assert_eq!(world.post("register", body).await.status, 422, "{email:?}");
    }
    let hostile_name = json!({"email": "new@example.com", "password": NEW, "full_name": "A\r\nBcc: eve@example.com"});
    assert_eq!(world.post("register", hostile_name).await.status, 422);
    assert_eq!(world.sink.received().len(), 0);
}

#[tokio::test]
async fn bad_bodies_are_refused_and_nothing_breaks() {
    let world = World::with(&[("accounts.email_verification", "optional")]).await;
    for path in [
        "register",
        "verify-email/request",
        "verify-email/confirm",
        "password-reset/request",
        "password-reset/confirm",
        "email-change/confirm",
    ] {
        for body in [
            json!(null),
            json!([]),
            json!({}),
            json!({"email": 1, "token": 1}),
            json!({"email": {}, "password": []}),
        ] {
            let answer = world.post(path, body).await;
            assert_eq!(answer.status, 422, "{path}: {}", answer.text);
        }
    }
    let long = "x".repeat(10_000);
    let body = json!({"email": "ada@example.com", "password": long});
    assert_eq!(world.post("register", body).await.status, 422);
    let body = json!({"email": format!("{long}@example.com"), "password": NEW});
    assert_eq!(world.post("register", body).await.status, 422);
    is_refused(&world.reset(&long, NEW).await);
}

/// With proofs on, an app is shared with whoever proves an address, not with whoever typed it at sign-up.
#[tokio::test]
async fn sharing_with_an_unproven_address_asks_for_its_proof_first() {
    let world = World::with(&[("accounts.email_verification", "optional")]).await;
    let owner = world.server.person("owner").await;
    let app = world.server.app(&owner, "notes").await;
    world.register("ben@example.com").await.expect(202);
    let mail = world.sink.wait_for(1).await;
    let login = json!({"login": "ben@example.com", "password": NEW, "device": "test"});
    let session = world
        .server
        .call("POST", "/v1/session", None, Some(login))
        .await
        .expect(200)
        .json();
    let token = session["token"]
        .as_str()
        .expect("a session token")
        .to_owned();

    let body = json!({"addresses": ["ben@example.com"]});
    let shared = world
        .server
        .call(
            "POST",
            "/v1/apps/notes/people",
            Some(&owner.token),
            Some(body),
        )
        .await;
    assert!(shared.expect(200).text.contains("/invite/vst_i_"));
    let see = async || {
        world
            .server
            .call("GET", "/v1/apps/notes", Some(&token), None)
            .await
            .status
    };
    assert_eq!(see().await, 404);
    // Proving the address is as good as the invitation's link.
    world
        .post("verify-email/confirm", json!({"token": mail.token()}))
        .await
        .expect(200);
    assert_eq!(see().await, 200);
    drop(app);
}

/// Contract §10, issuer 8: an account that another program made, with a password longer than bcrypt reads.
#[tokio::test]
async fn a_password_hashed_elsewhere_signs_in_and_is_hashed_anew() {
    let world = World::new().await;
    let ada = world.server.person("ada").await;
    let typed = format!("{}tail that bcrypt never sees", "a".repeat(72));
    let foreign = "$2b$04$F3MIq3HncoF4aaVwEa0nh.gHRWDUanjLIbsAiA97KkC3RNrgSrH0q";
    let stored = |hash: &'static str| {
        let id: ids::AccountId = ada.id.parse().unwrap();
        world.server.context().storage.write(move |tx| {
            let mut account = tx.accounts().find(id)?.expect("Ada");
            account.password = Some(hash.to_owned().into());
            tx.accounts().update(&account)
        })
    };
    stored(foreign).await.unwrap();
    assert_eq!(
        world.login(&ada.email, "a wrong password").await.status,
        400
    );
    world.login(&ada.email, &typed).await.expect(200);
    let kept = world
        .server
        .context()
        .storage
        .read(|tx| tx.accounts().find_by_username("ada"))
        .await;
    let kept = kept.unwrap().unwrap().password.unwrap();
    assert!(kept.expose().starts_with("$argon2id$"));
    world.login(&ada.email, &typed).await.expect(200);
    assert_eq!(world.login(&ada.email, &"a".repeat(72)).await.status, 400);
}
