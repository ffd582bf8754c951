//! One's own account at the issuer, and the counts on dashboards.

use accounts::Role;
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::{Answer, Person, TestServer};

/// Somebody with an access token.
struct World {
    server: TestServer,
    ada: Person,
    token: String,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let ada = server.person("ada").await;
        let token = server.access_token(&ada).await;
        Self { server, ada, token }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/user{path}");
        self.server
            .call(method, &path, Some(&self.token), body)
            .await
    }

    async fn change_password(&self, current: &str, new: &str) -> Answer {
        let body = json!({"current_password": current, "new_password": new});
        self.call("PATCH", "/profile/me/password/", Some(body))
            .await
    }
}

#[track_caller]
fn detail(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.json()["detail"].clone()
}

#[tokio::test]
async fn the_profile_is_read_from_the_account_and_not_from_the_token() {
    let world = World::new().await;
    let made_at = world.server.clock().now();
    world.server.clock().advance(SignedDuration::from_mins(5));
    let body = json!({"full_name": "Ada Lovelace", "avatar": "https://example.com/a.png"});
    let updated = world.call("PATCH", "/profile/update/me/", Some(body)).await;
    let updated = updated.expect(200).json();
    assert_eq!(updated["success"], true);
    // The token was issued before, and knows neither name nor time.
    let me = world
        .call("GET", "/profile/get/me/", None)
        .await
        .expect(200)
        .json();
    assert_eq!(me, updated["user"]);
    assert_eq!(
        (&me["full_name"], &me["provider"], &me["id"]),
        (
            &json!("Ada Lovelace"),
            &json!("password"),
            &json!(world.ada.id)
        )
    );
    assert_eq!(me["created_at"], made_at.to_string());
    assert_eq!(me["updated_at"], world.server.clock().now().to_string());
}

#[tokio::test]
async fn role_flags_and_verification_are_not_one_s_own_to_change() {
    let world = World::new().await;
    let before = world.call("GET", "/profile/get/me/", None).await.json();
    let body = json!({
        "role": "superadmin", "is_superuser": true, "is_active": false, "email_verified": true,
        "provider": "google", "id": "x", "password": "a whole new passphrase", "oauth_user_id": "7",
    });
    let after = world
        .call("PATCH", "/profile/update/me/", Some(body))
        .await
        .expect(200);
    assert_eq!(after.json()["user"], before);
    world
        .server
        .post_sign_in(&world.ada.email, &world.ada.password)
        .await
        .expect(200);
}

#[tokio::test]
async fn an_address_is_changed_when_it_is_free_and_fit() {
    let world = World::new().await;
    world.server.person("eve").await;
    let change = async |email: &str| {
        let body = json!({"email": email});
        world.call("PATCH", "/profile/update/me/", Some(body)).await
    };
    let refused = change("EVE@example.com").await;
    assert_eq!(detail(&refused, 409), "User with this email already exists");
    for unfit in [
        "nobody",
        "root@localhost",
        "a@b.test",
        "a b@example.com",
        "",
    ] {
        assert_eq!(
            detail(&change(unfit).await, 422)[0]["loc"],
            json!(["body", "email"]),
            "{unfit}"
        );
    }
    let changed = change(" Countess@Example.com ").await.expect(200).json();
    assert_eq!(changed["user"]["email"], "countess@example.com");
    world
        .server
        .post_sign_in("countess@example.com", &world.ada.password)
        .await
        .expect(200);
    assert_eq!(
        world
            .server
            .post_sign_in(&world.ada.email, &world.ada.password)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_older_access_tokens() {
    let world = World::new().await;
    let new = "a whole new passphrase";
    assert_eq!(
        detail(&world.change_password("wrong", new).await, 400),
        "Incorrect password"
    );
    let same = world
        .change_password(&world.ada.password, &world.ada.password)
        .await;
    assert_eq!(
        detail(&same, 400),
        "New password cannot be the same as the current one"
    );
    // Whether it is the same is told to nobody who does not know it.
    assert_eq!(
        detail(&world.change_password("wrong one", "wrong one").await, 400),
        "Incorrect password"
    );
    for (new, kind) in [
        ("sh0rt", "string_too_short"),
        ("password1", "value_error"),
        (&"x".repeat(129), "string_too_long"),
    ] {
        let refused = world.change_password(&world.ada.password, new).await;
        let detail = detail(&refused, 422);
        assert_eq!(
            (&detail[0]["type"], &detail[0]["loc"][1]),
            (&json!(kind), &json!("new_password"))
        );
        assert!(!refused.text.contains(new), "{}", refused.text);
    }
    let changed = world
        .change_password(&world.ada.password, new)
        .await
        .expect(200);
    assert_eq!(
        changed.json(),
        json!({"message": "Password updated successfully"})
    );
    world
        .call("GET", "/profile/get/me/", None)
        .await
        .expect(401);
    world
        .server
        .call("GET", "/v1/session", Some(&world.ada.token), None)
        .await
        .expect(401);
    world
        .server
        .post_sign_in(&world.ada.email, new)
        .await
        .expect(200);
}

#[tokio::test]
async fn wrong_current_passwords_are_counted() {
    let world = World::new().await;
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(
            world
                .change_password("wrong", "a whole new passphrase")
                .await
                .status,
        );
    }
    assert_eq!(statuses[0], 400);
    assert_eq!(*statuses.last().unwrap(), 429, "{statuses:?}");
}

#[tokio::test]
async fn people_delete_themselves_and_superusers_do_not() {
    let world = World::new().await;
    let root = world.server.person_of("rootina", Role::Superadmin).await;
    let token = world.server.access_token(&root).await;
    let path = "/user/profile/delete/me/";
    let refused = world.server.call("DELETE", path, Some(&token), None).await;
    assert_eq!(
        detail(&refused, 403),
        "Super users are not allowed to delete themselves"
    );
    world.server.app(&world.ada, "notes").await;
    let refused = world.call("DELETE", "/profile/delete/me/", None).await;
    assert_eq!(
        detail(&refused, 409),
        "This account owns apps: notes. Delete them first."
    );
    world
        .server
        .call("DELETE", "/v1/apps/notes", Some(&world.ada.token), None)
        .await;
    let deleted = world
        .call("DELETE", "/profile/delete/me/", None)
        .await
        .expect(200);
    assert_eq!(
        deleted.json(),
        json!({"message": "User deleted successfully"})
    );
    world
        .call("GET", "/profile/get/me/", None)
        .await
        .expect(401);
    assert_eq!(
        world
            .server
            .post_sign_in(&world.ada.email, &world.ada.password)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn activity_counts_everybody_for_superusers_and_oneself_for_others() {
    let world = World::new().await;
    // Into the next month: nothing has happened in it yet.
    world
        .server
        .clock()
        .advance(SignedDuration::from_hours(24 * 28));
    let root = world.server.person_of("rootina", Role::Superadmin).await;
    world.server.person("eve").await;
    let (ada, root) = (
        world.server.access_token(&world.ada).await,
        world.server.access_token(&root).await,
    );
    let counts = async |token: &str, which: &str| {
        let path = format!("/user/dashboard/users/activity/{which}");
        world
            .server
            .call("GET", &path, Some(token), None)
            .await
            .expect(200)
            .json()
    };
    let expected = |people: u64, count: u64| json!({"nb_users": people, "activity": {"max": count, "min": 0, "activity": [{"model": "User", "updated": count, "added": count}]}});
    assert_eq!(counts(&ada, "").await, expected(0, 0));
    assert_eq!(counts(&root, "").await, expected(3, 2));
    assert_eq!(counts(&root, "current/").await, expected(3, 1));
    let body = Some(json!({"full_name": "Ada"}));
    world
        .server
        .call("PATCH", "/user/profile/update/me/", Some(&ada), body)
        .await
        .expect(200);
    for which in ["", "current/"] {
        let own = counts(&ada, which).await;
        assert_eq!(
            own["activity"]["activity"],
            json!([{"model": "User", "updated": 1, "added": 0}])
        );
        assert_eq!(
            (&own["nb_users"], &own["activity"]["max"]),
            (&json!(0), &json!(1))
        );
    }
}
