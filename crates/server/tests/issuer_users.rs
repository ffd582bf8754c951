//! Accounts at the issuer, for superusers: lists, making, changing, deleting.

use accounts::Role;
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::{Answer, Person, TestServer};

/// The closed set of fields that front ends know.
const USER_FIELDS: [&str; 11] = [
    "avatar",
    "created_at",
    "email",
    "email_verified",
    "full_name",
    "id",
    "is_active",
    "is_superuser",
    "provider",
    "role",
    "updated_at",
];

const PASSWORD: &str = "a fine long passphrase";

/// A server with a superuser and their access token.
struct World {
    server: TestServer,
    root: Person,
    token: String,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let root = server.person_of("rootina", Role::Superadmin).await;
        let token = server.access_token(&root).await;
        Self {
            server,
            root,
            token,
        }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/user{path}");
        self.server
            .call(method, &path, Some(&self.token), body)
            .await
    }

    /// Makes a user. Ids sort by their millisecond, so time goes on.
    async fn create(&self, body: Value) -> Answer {
        self.server.clock().advance(SignedDuration::from_millis(1));
        self.call("POST", "/users/new_user/", Some(body)).await
    }

    async fn update(&self, id: &str, body: Value) -> Answer {
        let path = format!("/users/update/{id}/");
        self.call("PATCH", &path, Some(body)).await
    }

    async fn delete(&self, id: &str) -> Answer {
        self.call("DELETE", &format!("/users/delete/{id}/"), None)
            .await
    }
}

#[track_caller]
fn detail(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.json()["detail"].clone()
}

/// The kinds and places of a 422.
#[track_caller]
fn wrong(answer: &Answer) -> Vec<(String, String)> {
    let detail = detail(answer, 422);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    detail
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let mut keys: Vec<_> = entry
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            keys.sort_unstable();
            assert_eq!(keys, ["input", "loc", "msg", "type"]);
            let place = entry["loc"].as_array().unwrap().iter().map(text);
            (text(&entry["type"]), place.collect::<Vec<_>>().join("."))
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(kind, place)| ((*kind).to_owned(), (*place).to_owned()))
        .collect()
}

#[tokio::test]
async fn an_account_is_made_listed_and_read_with_the_closed_set_of_fields() {
    let world = World::new().await;
    let made = world
        .create(json!({
            "email": "  Ada@Example.COM ", "password": PASSWORD, "full_name": " Ada Lovelace ",
            "avatar": "https://example.com/ada.png", "role": "writer", "is_superuser": true, "unknown": [1],
        }))
        .await
        .expect(200)
        .json();
    let mut fields: Vec<_> = made
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, USER_FIELDS);
    assert_eq!(
        (
            &made["email"],
            &made["full_name"],
            &made["role"],
            &made["provider"]
        ),
        (
            &json!("ada@example.com"),
            &json!("Ada Lovelace"),
            &json!("writer"),
            &json!("password")
        )
    );
    // The flag follows from the role, whatever was asked for.
    assert_eq!(
        (
            &made["is_superuser"],
            &made["is_active"],
            &made["email_verified"]
        ),
        (&json!(false), &json!(true), &json!(false))
    );
    assert!(
        made["created_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-01-05T")
    );
    let id = made["id"].as_str().unwrap();
    let read = world.call("GET", &format!("/users/get/{id}/"), None).await;
    assert_eq!(read.expect(200).json(), made);
    let signed_in = world.server.post_sign_in("ada@example.com", PASSWORD).await;
    signed_in.expect(200);
    let listed = world.call("GET", "/users/", None).await.expect(200).json();
    assert_eq!(listed["count"], 2);
    assert_eq!(listed["data"][0]["id"], world.root.id.as_str());
    assert_eq!(listed["data"][1], made);
}

#[tokio::test]
async fn lists_have_an_order_and_an_upper_limit() {
    let world = World::new().await;
    for name in ["one", "two", "three", "four"] {
        let email = format!("{name}@example.com");
        let made = world
            .create(json!({"email": email, "password": PASSWORD}))
            .await;
        made.expect(200);
    }
    let emails = async |query: &str| -> Vec<String> {
        let listed = world.call("GET", &format!("/users/{query}"), None).await;
        let listed = listed.expect(200).json();
        assert_eq!(listed["count"], 5, "{query}");
        let email = |user: &Value| user["email"].as_str().unwrap().to_owned();
        listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(email)
            .collect()
    };
    let all = emails("").await;
    assert_eq!(
        all[1..],
        [
            "one@example.com",
            "two@example.com",
            "three@example.com",
            "four@example.com"
        ]
    );
    assert_eq!(emails("?skip=1&limit=2").await, all[1..3]);
    assert!(emails("?skip=5").await.is_empty());
    for (query, kind, field) in [
        ("limit=101", "less_than_equal", "limit"),
        ("limit=0", "greater_than_equal", "limit"),
        ("limit=many", "int_parsing", "limit"),
        ("skip=-1", "greater_than_equal", "skip"),
        ("skip=99999999999999999999999", "less_than_equal", "skip"),
    ] {
        for path in ["/users/"] {
            let answer = world.call("GET", &format!("{path}?{query}"), None).await;
            let place = format!("query.{field}");
            assert_eq!(wrong(&answer), pairs(&[(kind, &place)]), "{path}{query}");
        }
    }
}

#[tokio::test]
async fn every_wrong_field_is_named_and_no_password_is_repeated() {
    let world = World::new().await;
    let secret = "ab\u{7}cret";
    for (body, expected) in [
        (
            json!({}),
            &[("missing", "body.email"), ("missing", "body.password")][..],
        ),
        (
            json!({"email": "root@localhost", "password": secret}),
            &[
                ("value_error", "body.email"),
                ("string_too_short", "body.password"),
            ],
        ),
        (
            json!({"email": 7, "password": ["x"], "role": "Root", "is_active": "yes", "avatar": "javascript:alert(1)"}),
            &[
                ("string_type", "body.email"),
                ("value_error", "body.avatar"),
                ("bool_type", "body.is_active"),
                ("enum", "body.role"),
                ("string_type", "body.password"),
            ],
        ),
        (
            json!({"email": "a@example.com", "password": "x".repeat(129), "full_name": "n".repeat(101)}),
            &[
                ("string_too_long", "body.full_name"),
                ("string_too_long", "body.password"),
            ],
        ),
        (
            json!({"email": "a@example.com", "password": "a\u{0}b longer than that"}),
            &[("value_error", "body.password")],
        ),
        (
            json!({"email": "a\u{0}@example.com", "password": PASSWORD}),
            &[("value_error", "body.email")],
        ),
        (
            json!({"email": "a@b.test", "password": PASSWORD}),
            &[("value_error", "body.email")],
        ),
        (
            json!({"email": "a@example.com", "password": "a@example.com"}),
            &[("value_error", "body.password")],
        ),
        (
            json!({"email": "a@example.com", "password": "password1"}),
            &[("value_error", "body.password")],
        ),
    ] {
        let answer = world.create(body.clone()).await;
        assert_eq!(wrong(&answer), pairs(expected), "{body}");
        if let Some(password) = body["password"].as_str() {
            let shown = answer.text.replace("a@example.com", "");
            assert!(!shown.contains(password), "{shown}");
        }
    }
    for body in ["", "[]", "nonsense", "{\"email\": \"\u{1}"] {
        let request = world
            .server
            .request("POST".parse().unwrap(), "/user/users/new_user/");
        let answer = Answer::to(request.bearer_auth(&world.token).body(body)).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
    }
    assert_eq!(world.call("GET", "/users/", None).await.json()["count"], 1);
}

#[tokio::test]
async fn creating_a_user_without_password_is_refused_and_not_a_failure() {
    let world = World::new().await;
    for (body, expected) in [
        (
            json!({"provider": "password"}),
            ("missing", "body.password"),
        ),
        (json!({"password": null}), ("missing", "body.password")),
        (
            json!({"provider": "google"}),
            ("missing", "body.oauth_user_id"),
        ),
        (
            json!({"provider": "google", "oauth_user_id": "7", "password": PASSWORD}),
            ("value_error", "body.password"),
        ),
        (
            json!({"password": PASSWORD, "oauth_user_id": "7"}),
            ("value_error", "body.oauth_user_id"),
        ),
        (
            json!({"provider": "myspace", "password": PASSWORD}),
            ("enum", "body.provider"),
        ),
    ] {
        let mut body = body;
        body["email"] = json!("ada@example.com");
        let answer = world.create(body.clone()).await;
        assert_eq!(wrong(&answer), pairs(&[expected]), "{body}");
        assert!(!answer.text.contains(PASSWORD));
    }
    let body =
        json!({"email": "ada@example.com", "provider": "google", "oauth_user_id": "1234567890"});
    let made = world.create(body).await.expect(200).json();
    assert_eq!(made["provider"], "google");
    assert!(!made.as_object().unwrap().contains_key("oauth_user_id"));
    let body =
        json!({"email": "eve@example.com", "provider": "google", "oauth_user_id": "1234567890"});
    let refused = world.create(body).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

#[tokio::test]
async fn a_taken_address_is_told_in_the_words_of_each_call() {
    let world = World::new().await;
    let body = json!({"email": "Rootina@example.com", "password": PASSWORD, "full_name": "R"});
    let text = "The user with this email already exists in the system";
    let refused = world.create(body.clone()).await;
    assert_eq!(detail(&refused, 400), format!("{text}."));
    let refused = world.call("POST", "/users/signup/", Some(body)).await;
    assert_eq!(detail(&refused, 400), text);
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "role": "admin"});
    let ada = world
        .call("POST", "/users/signup/", Some(body))
        .await
        .expect(200)
        .json();
    assert_eq!(ada["role"], "user", "signing up gives no role");
    let refused = world
        .update(
            ada["id"].as_str().unwrap(),
            json!({"email": "rootina@example.com"}),
        )
        .await;
    assert_eq!(detail(&refused, 409), "User with this email already exists");
}

#[tokio::test]
async fn ids_that_are_no_uuids_are_refused_and_unknown_ones_are_not_found() {
    let world = World::new().await;
    let unknown = "0190a1b2-0000-7000-8000-000000000000";
    for (method, path, text) in [
        ("GET", "/users/get/{}/", "User not found"),
        (
            "PATCH",
            "/users/update/{}/",
            "The user with this id does not exist in the system",
        ),
        ("DELETE", "/users/delete/{}/", "User not found"),
    ] {
        let body = (method == "PATCH").then(|| json!({"full_name": "x"}));
        for id in ["7", "%00", "..%2f..", "'--", "%ff"] {
            let answer = world
                .call(method, &path.replace("{}", id), body.clone())
                .await;
            assert_eq!(
                wrong(&answer),
                pairs(&[("uuid_parsing", "path.user_id")]),
                "{id}"
            );
        }
        let answer = world.call(method, &path.replace("{}", unknown), body).await;
        assert_eq!(detail(&answer, 404), text);
    }
}

#[tokio::test]
async fn the_owner_s_empty_place_is_no_user() {
    let server = TestServer::start().await;
    let link = server::actions::accounts::ensure_owner(server.context())
        .await
        .unwrap();
    assert!(link.is_some());
    server.clock().advance(SignedDuration::from_millis(1));
    let root = server.person_of("rootina", Role::Superadmin).await;
    let token = server.access_token(&root).await;
    let pending = server::actions::accounts::owner(server.context())
        .await
        .unwrap();
    assert!(pending.is_pending());
    let listed = server
        .call("GET", "/user/users/", Some(&token), None)
        .await
        .expect(200)
        .json();
    assert_eq!(listed["count"], 1);
    let path = format!("/user/users/get/{}/", pending.id);
    server
        .call("GET", &path, Some(&token), None)
        .await
        .expect(404);
    // Nor is it a superuser who could take over from the last one.
    let path = format!("/user/users/update/{}/", root.id);
    let refused = server
        .call("PATCH", &path, Some(&token), Some(json!({"role": "user"})))
        .await;
    assert_eq!(detail(&refused, 409), "last_superuser_required");
}

#[tokio::test]
async fn a_change_of_role_makes_older_access_tokens_worthless_and_keeps_sessions() {
    let world = World::new().await;
    let ada = world.server.person("ada").await;
    let token = world.server.access_token(&ada).await;
    let changed = world
        .update(&ada.id, json!({"role": "writer", "is_superuser": true}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["role"], &changed["is_superuser"]),
        (&json!("writer"), &json!(false))
    );
    let me = "/user/profile/get/me/";
    world
        .server
        .call("GET", me, Some(&token), None)
        .await
        .expect(401);
    let session = world
        .server
        .call("GET", "/v1/session", Some(&ada.token), None)
        .await
        .expect(200);
    assert_eq!(session.json()["account"]["role"], "writer");
}

#[tokio::test]
async fn disabling_and_a_new_password_end_the_sessions() {
    let world = World::new().await;
    for change in [
        json!({"is_active": false}),
        json!({"password": "another fine passphrase"}),
    ] {
        let name = if change["password"].is_null() {
            "ada"
        } else {
            "bob"
        };
        world.server.clock().advance(SignedDuration::from_millis(1));
        let person = world.server.person(name).await;
        let token = world.server.access_token(&person).await;
        world.update(&person.id, change).await.expect(200);
        world
            .server
            .call("GET", "/user/profile/get/me/", Some(&token), None)
            .await
            .expect(if name == "ada" { 403 } else { 401 });
        world
            .server
            .call("GET", "/v1/session", Some(&person.token), None)
            .await
            .expect(401);
        assert_eq!(
            world
                .server
                .post_sign_in(&person.email, &person.password)
                .await
                .status,
            401
        );
    }
    world
        .server
        .post_sign_in("bob@example.com", "another fine passphrase")
        .await
        .expect(200);
    let ada = world.call("GET", "/users/?limit=2", None).await.json()["data"][1].clone();
    assert_eq!(ada["is_active"], false);
    let enabled = world
        .update(ada["id"].as_str().unwrap(), json!({"is_active": true}))
        .await
        .expect(200);
    assert_eq!(enabled.json()["is_active"], true);
}

#[tokio::test]
async fn nulls_clear_what_may_be_empty_and_mean_nothing_elsewhere() {
    let world = World::new().await;
    let made = world.create(json!({"email": "ada@example.com", "password": PASSWORD, "full_name": "Ada", "avatar": "https://example.com/a", "role": "reader"})).await.expect(200).json();
    let id = made["id"].as_str().unwrap();
    let nulls = json!({"email": null, "role": null, "password": null, "is_active": null, "oauth_user_id": null, "full_name": null, "avatar": null});
    let changed = world.update(id, nulls).await.expect(200).json();
    assert_eq!(
        (&changed["email"], &changed["role"]),
        (&made["email"], &made["role"])
    );
    assert_eq!(
        (&changed["full_name"], &changed["avatar"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_new_address_is_not_a_verified_one() {
    let world = World::new().await;
    let made = world
        .create(json!({"email": "ada@example.com", "password": PASSWORD, "email_verified": true}))
        .await
        .expect(200)
        .json();
    assert_eq!(made["email_verified"], true);
    let id = made["id"].as_str().unwrap();
    let same = world
        .update(id, json!({"email": " ADA@example.com"}))
        .await
        .expect(200)
        .json();
    assert_eq!(same["email_verified"], true);
    let other = world
        .update(id, json!({"email": "countess@example.com"}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&other["email"], &other["email_verified"]),
        (&json!("countess@example.com"), &json!(false))
    );
}

#[tokio::test]
async fn the_last_superuser_stays() {
    let world = World::new().await;
    let text = "last_superuser_required";
    for change in [json!({"role": "admin"}), json!({"is_active": false})] {
        let refused = world.update(&world.root.id, change).await;
        assert_eq!(detail(&refused, 409), text);
    }
    assert_eq!(detail(&world.delete(&world.root.id).await, 409), text);
    let second = world.server.person_of("second", Role::Superadmin).await;
    world.delete(&second.id).await.expect(200);
    assert_eq!(detail(&world.delete(&world.root.id).await, 409), text);
}

#[tokio::test]
async fn two_superusers_who_demote_each_other_or_themselves_at_once_leave_one() {
    for crosswise in [false, true] {
        let world = World::new().await;
        let second = world.server.person_of("second", Role::Superadmin).await;
        let token = world.server.access_token(&second).await;
        let demote = async |token: &str, id: &str| {
            let path = format!("/user/users/update/{id}/");
            let body = Some(json!({"role": "user"}));
            world
                .server
                .call("PATCH", &path, Some(token), body)
                .await
                .status
        };
        let (a, b) = if crosswise {
            (&second.id, &world.root.id)
        } else {
            (&world.root.id, &second.id)
        };
        let (one, two) = tokio::join!(demote(&world.token, a), demote(&token, b));
        let mut statuses = [one, two];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200, "{statuses:?}");
        // The later one holds no good token or is no superuser any longer, or is the last one.
        assert!([401, 403, 409].contains(&statuses[1]), "{statuses:?}");
        let left = world
            .server
            .context()
            .storage
            .read(|tx| tx.accounts().count_superadmins())
            .await
            .unwrap();
        assert_eq!(left, 1);
    }
}

#[tokio::test]
async fn deleting_an_account_that_owns_apps_is_refused_with_their_names() {
    let world = World::new().await;
    let ada = world.server.person("ada").await;
    world.server.app(&ada, "notes").await;
    world.server.clock().advance(SignedDuration::from_millis(1));
    world.server.app(&ada, "blog").await;
    let refused = world.delete(&ada.id).await;
    assert_eq!(
        detail(&refused, 409),
        "This account owns apps: notes, blog. Delete them first."
    );
    for slug in ["notes", "blog"] {
        let deleted = world
            .server
            .call(
                "DELETE",
                &format!("/v1/apps/{slug}"),
                Some(&ada.token),
                None,
            )
            .await;
        assert!(deleted.status < 300, "{}", deleted.text);
    }
    // What is left of them until they are purged keeps nobody here.
    let token = world.server.access_token(&ada).await;
    let deleted = world.delete(&ada.id).await.expect(200);
    assert_eq!(
        deleted.json(),
        json!({"message": "User deleted successfully"})
    );
    world
        .server
        .call("GET", "/user/profile/get/me/", Some(&token), None)
        .await
        .expect(401);
    world
        .server
        .call("GET", "/v1/session", Some(&ada.token), None)
        .await
        .expect(401);
    assert_eq!(detail(&world.delete(&ada.id).await, 404), "User not found");
}

#[tokio::test]
async fn usernames_of_accounts_made_by_address_are_derived_and_unique() {
    let world = World::new().await;
    let username = async |id: &Value| {
        let id = id.as_str().unwrap().parse().unwrap();
        let read = world
            .server
            .context()
            .storage
            .read(move |tx| tx.accounts().find(id));
        read.await.unwrap().unwrap().username
    };
    let mut names = Vec::new();
    for email in [
        "ada.lovelace@example.com",
        "ada.lovelace@example.org",
        "admin@example.com",
        "x@example.com",
    ] {
        let made = world
            .create(json!({"email": email, "password": PASSWORD}))
            .await
            .expect(200)
            .json();
        names.push(username(&made["id"]).await);
    }
    assert_eq!(names[..2], ["ada-lovelace", "ada-lovelace-2"]);
    assert!(
        names[2..].iter().all(|name| name.starts_with("user-")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_role_below_the_highest_is_refused_everywhere() {
    let world = World::new().await;
    let admin = world.server.person_of("administer", Role::Admin).await;
    let token = world.server.access_token(&admin).await;
    let text = "The user doesn't have enough privileges";
    for (method, path) in [
        ("GET", "/user/users/".to_owned()),
        ("POST", "/user/users/new_user/".to_owned()),
        ("PATCH", format!("/user/users/update/{}/", admin.id)),
        ("DELETE", format!("/user/users/delete/{}/", admin.id)),
    ] {
        let refused = world
            .server
            .call(
                method,
                &path,
                Some(&token),
                Some(json!({"role": "superadmin"})),
            )
            .await;
        assert_eq!(detail(&refused, 403), text);
    }
}
