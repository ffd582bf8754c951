//! Sign-up, proofs of addresses, forgotten passwords and changes of address, by mail that a mail server receives.

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

#[tokio::test]
async fn where_proof_is_required_a_sign_up_is_no_account_until_the_address_is_proven() {
    let world = World::with(&[("accounts.email_verification", "required")]).await;
    world.register("ada@example.com").await.expect(202);
    let mail = world.sink.wait_for(1).await;
    assert_eq!(mail.header("subject"), "Confirm your email address");
    let count = world
        .server
        .context()
        .storage
        .read(|tx| tx.accounts().count())
        .await
        .unwrap();
    assert_eq!(count, 0);
    // Whoever knows what was typed is told to prove the address; others learn nothing.
    let waiting = world.login("ada@example.com", NEW).await;
    assert_eq!(
        (waiting.status, waiting.json()),
        (403, json!({"detail": "email_unverified"}))
    );
    assert_eq!(
        world
            .login("ada@example.com", "a wrong password")
            .await
            .status,
        400
    );

    // The link again, which replaces the first.
    world
        .post("verify-email/request", json!({"email": "ada@example.com"}))
        .await
        .expect(202);
    let again = world.sink.wait_for(2).await;
    is_refused(
        &world
            .post("verify-email/confirm", json!({"token": mail.token()}))
            .await,
    );
    let done = world
        .post("verify-email/confirm", json!({"token": again.token()}))
        .await
        .expect(200);
    assert_eq!(done.json(), json!({"status": "completed"}));
    is_refused(
        &world
            .post("verify-email/confirm", json!({"token": again.token()}))
            .await,
    );
    world.login("ada@example.com", NEW).await.expect(200);
    let made = world
        .server
        .context()
        .storage
        .read(|tx| tx.accounts().find_by_email("ada@example.com"))
        .await;
    let made = made.unwrap().expect("the account");
    assert!(made.email_verified);
    assert_eq!(
        (made.username.as_str(), made.full_name.as_deref()),
        ("ada", Some("Somebody New"))
    );
    assert_eq!(made.role, Role::User);
}

/// Typing somebody's address tells nothing afterwards either: signing in with what was typed is answered as for an
/// address that nobody has.
#[tokio::test]
async fn signing_up_with_a_taken_address_tells_nothing_and_changes_nothing() {
    let world = World::with(&[("accounts.email_verification", "required")]).await;
    let ada = world.make("ada", true).await;
    world.register(&ada).await.expect(202);
    world.register("fresh@example.com").await.expect(202);
    world.sink.wait_for(2).await;
    let mails = world.sink.received();
    let to_ada = mails
        .iter()
        .find(|mail| mail.to == [ada.clone()])
        .expect("a mail to Ada");
    assert_eq!(to_ada.header("subject"), "You have an account already");
    assert!(!to_ada.text.contains("token="));

    let (taken, fresh) = (
        world.login(&ada, NEW).await,
        world.login("fresh@example.com", NEW).await,
    );
    assert_eq!((taken.status, &taken.text), (fresh.status, &fresh.text));
    // The owner's own password works as ever.
    world.login(&ada, OLD).await.expect(200);
    // There is nothing to be mailed again.
    world
        .post("verify-email/request", json!({"email": ada}))
        .await
        .expect(202);
    world
        .post(
            "verify-email/request",
            json!({"email": "fresh@example.com"}),
        )
        .await
        .expect(202);
    assert_eq!(world.sink.wait_for(3).await.to, ["fresh@example.com"]);
}

#[tokio::test]
async fn a_sign_up_that_nobody_proves_lapses() {
    let settings = [
        ("accounts.email_verification", "required"),
        ("accounts.unverified_sign_up_kept", "2d"),
    ];
    let world = World::with(&settings).await;
    world.register("ada@example.com").await.expect(202);
    let mail = world.sink.wait_for(1).await;
    world.pass(24 * 60);
    is_refused(
        &world
            .post("verify-email/confirm", json!({"token": mail.token()}))
            .await,
    );
    world
        .post("verify-email/request", json!({"email": "ada@example.com"}))
        .await
        .expect(202);
    let again = world.sink.wait_for(2).await;
    world.pass(24 * 60);
    is_refused(
        &world
            .post("verify-email/confirm", json!({"token": again.token()}))
            .await,
    );
    assert_eq!(world.login("ada@example.com", NEW).await.status, 400);
    world.pass(1);
    let tidied = server::actions::housekeeping::tidy(world.server.context()).await;
    assert!(tidied.mail > 0, "{tidied:?}");
}

#[tokio::test]
async fn where_proof_is_optional_a_sign_up_signs_in_and_is_asked_to_prove_the_address() {
    let world = World::with(&[("accounts.email_verification", "optional")]).await;
    world.register("ada@example.com").await.expect(202);
    let mail = world.sink.wait_for(1).await;
    world.login("ada@example.com", NEW).await.expect(200);
    world
        .post("verify-email/confirm", json!({"token": mail.token()}))
        .await
        .expect(200);
    let made = world
        .server
        .context()
        .storage
        .read(|tx| tx.accounts().find_by_email("ada@example.com"))
        .await;
    assert!(made.unwrap().expect("the account").email_verified);
}

#[tokio::test]
async fn an_account_with_an_unproven_address_signs_in_once_it_is_proven() {
    let world = World::with(&[("accounts.email_verification", "required")]).await;
    let boss = world.server.person_of("boss", Role::Superadmin).await;
    // Whoever runs the server gets in: mail may be what they have to mend.
    world.login(&boss.email, &boss.password).await.expect(200);
    let made = json!({"email": "ada@example.com", "password": NEW});
    let token = world.server.access_token(&boss).await;
    let request = world
        .server
        .request(Method::POST, "/user/users/new_user/")
        .bearer_auth(token);
    Answer::to(request.json(&made)).await.expect(200);
    let refused = world.login("ada@example.com", NEW).await;
    assert_eq!(
        (refused.status, refused.json()),
        (403, json!({"detail": "email_unverified"}))
    );
    world
        .post("verify-email/request", json!({"email": "ada@example.com"}))
        .await
        .expect(202);
    let mail = world.sink.wait_for(1).await;
    world
        .post("verify-email/confirm", json!({"token": mail.token()}))
        .await
        .expect(200);
    world.login("ada@example.com", NEW).await.expect(200);
}

#[tokio::test]
async fn a_new_address_counts_once_it_is_proven_and_the_old_one_hears_of_it() {
    let world = World::new().await;
    let ada = world.server.person("ada").await;
    let answer = world
        .change_email(&ada, "ada@new.example.com")
        .await
        .expect(200);
    assert_eq!(answer.json()["user"]["email"], ada.email);
    let mail = world.sink.wait_for(1).await;
    assert_eq!(mail.to, ["ada@new.example.com"]);
    assert!(mail.token().starts_with("m8eml_"));
    world.login(&ada.email, &ada.password).await.expect(200);

    world
        .post("email-change/confirm", json!({"token": mail.token()}))
        .await
        .expect(200);
    world
        .login("ada@new.example.com", &ada.password)
        .await
        .expect(200);
    assert_eq!(world.login(&ada.email, &ada.password).await.status, 400);
    let notice = world.sink.wait_for(2).await;
    assert_eq!(notice.to, std::slice::from_ref(&ada.email));
    assert!(notice.text.contains("ada@new.example.com"));
    assert!(notice.link().contains("/email-change/undo?token=vst_u_"));
}

#[tokio::test]
async fn the_owner_of_the_old_address_takes_a_thief_s_changes_back() {
    use server::actions::accounts as actions;
    let world = World::new().await;
    let (ada, peer) = (world.server.person("ada").await, server::Peer::Local);
    let context = world.server.context();
    world
        .change_email(&ada, "thief@example.com")
        .await
        .expect(200);
    let mail = world.sink.wait_for(1).await;
    world
        .post("email-change/confirm", json!({"token": mail.token()}))
        .await
        .expect(200);
    let undo = world.sink.wait_for(2).await;
    // A second change does not take the first address its way back, nor do a new password and a sign-out everywhere.
    world
        .change_email(&ada, "thief@other.example.com")
        .await
        .expect(200);
    let mail = world.sink.wait_for(3).await;
    world
        .post("email-change/confirm", json!({"token": mail.token()}))
        .await
        .expect(200);
    let second_notice = world.sink.wait_for(4).await;
    assert_eq!(second_notice.to, ["thief@example.com"]);
    assert!(
        !second_notice.text.contains("token="),
        "{}",
        second_notice.text
    );
    let caller = world.server.caller(&ada).await;
    actions::sign_out_everywhere(context, &caller)
        .await
        .unwrap();
    world.pass(71 * 60);

    let token = undo.token();
    let found = actions::find_undo(context, &token).await.unwrap();
    assert_eq!(found, Some(("ada@example.com".into(), "ada".into())));
    let reset = actions::undo_email_change(context, &token, peer)
        .await
        .unwrap();
    assert_eq!(
        world
            .login("thief@other.example.com", &ada.password)
            .await
            .status,
        400
    );
    assert_eq!(world.login("ada", &ada.password).await.status, 400);
    assert!(
        actions::undo_email_change(context, &token, peer)
            .await
            .is_err()
    );
    world.reset(&reset, NEW).await.expect(200);
    world.login("ada@example.com", NEW).await.expect(200);
}

#[tokio::test]
async fn a_wish_for_somebody_else_s_address_is_answered_alike() {
    let world = World::new().await;
    let (ada, bob) = (
        world.server.person("ada").await,
        world.server.person("bob").await,
    );
    let taken = world.change_email(&ada, &bob.email).await;
    let free = world.change_email(&ada, "free@example.com").await;
    let without_time = |answer: &Answer| (answer.status, answer.text.clone());
    assert_eq!(without_time(&taken).0, without_time(&free).0);
    assert_eq!(taken.json()["user"]["email"], free.json()["user"]["email"]);
    assert_eq!(world.sink.wait_for(1).await.to, ["free@example.com"]);
    // Somebody takes the address meanwhile.
    let token = world.sink.received()[0].token();
    let request = json!({"email": "free@example.com", "password": NEW});
    world.post("register", request).await.expect(202);
    let context = world.server.context();
    world
        .server
        .eventually("the account is made", async || {
            let found = context
                .storage
                .read(|tx| tx.accounts().find_by_email("free@example.com"))
                .await;
            found.unwrap().is_some()
        })
        .await;
    is_refused(
        &world
            .post("email-change/confirm", json!({"token": token}))
            .await,
    );
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
