//! An account gets another address.

use serde_json::json;
use testkit::Answer;

use super::{NEW, World, is_refused};

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
