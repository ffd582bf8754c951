//! Signing up, and proving the address that one signed up with.

use accounts::Role;
use reqwest::Method;
use serde_json::json;
use testkit::Answer;

use super::{NEW, OLD, World, is_refused};

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
