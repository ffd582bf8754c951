//! Apps over the control API: who sees what, flags, sharing, invitations and their end.

use serde_json::{Value, json};
use testkit::TestServer;

#[tokio::test]
async fn only_owner_and_members_know_that_an_app_exists() {
    let server = TestServer::start().await;
    let (owner, member, stranger) = (
        server.person("owner").await,
        server.person("member").await,
        server.person("stranger").await,
    );
    let app = server.app(&owner, "notes").await;
    server.join(&app, &member).await;

    let list = async |token: &str| {
        server
            .call("GET", "/v1/apps", Some(token), None)
            .await
            .expect(200)
            .json()
    };
    let slugs = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|app| app["slug"].clone())
            .collect::<Vec<_>>()
    };
    let mine = list(&owner.token).await;
    assert_eq!(
        (slugs(&mine["mine"]), slugs(&mine["shared"])),
        (vec!["notes".into()], vec![])
    );
    let shared = list(&member.token).await;
    assert_eq!(
        (slugs(&shared["mine"]), slugs(&shared["shared"])),
        (vec![], vec!["notes".into()])
    );
    assert_eq!(
        list(&stranger.token).await,
        json!({"mine": [], "shared": []})
    );

    let get = async |token: &str, slug: &str| {
        server
            .call("GET", &format!("/v1/apps/{slug}"), Some(token), None)
            .await
    };
    let info = get(&owner.token, "notes").await.expect(200).json();
    assert_eq!(
        info["url"],
        server.origin().replace("localhost", "notes.localhost")
    );
    assert_eq!(
        (&info["is_public"], &info["requires_auth"]),
        (&json!(false), &json!(true))
    );
    get(&member.token, "notes").await.expect(200);
    let hidden = get(&stranger.token, "notes").await.expect(404);
    let unknown = get(&stranger.token, "nothing").await.expect(404);
    assert_eq!(hidden.text, unknown.text);
}

#[tokio::test]
async fn flags_change_apart_from_each_other_and_by_the_owner_only() {
    let server = TestServer::start().await;
    let (owner, member) = (server.person("owner").await, server.person("member").await);
    let app = server.app(&owner, "notes").await;
    server.join(&app, &member).await;
    let patch = async |token: &str, body: Value| {
        server
            .call("PATCH", "/v1/apps/notes", Some(token), Some(body))
            .await
    };
    patch(&member.token, json!({"is_public": true}))
        .await
        .expect(403);
    let info = patch(&owner.token, json!({"is_public": true}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&info["is_public"], &info["requires_auth"]),
        (&json!(true), &json!(true))
    );
    let info = patch(
        &owner.token,
        json!({"requires_auth": false, "name": "Our notes"}),
    )
    .await
    .expect(200)
    .json();
    assert_eq!(
        (&info["is_public"], &info["requires_auth"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(info["name"], "Our notes");
    patch(&owner.token, json!({"unknown": 1})).await.expect(422);
    patch(&owner.token, json!({"newcomers": "sometimes"}))
        .await
        .expect(400);
    patch(&owner.token, json!({"name": "x".repeat(200)}))
        .await
        .expect(400);
    assert_eq!(
        patch(&owner.token, json!({})).await.expect(200).json()["name"],
        "Our notes"
    );
}

#[tokio::test]
async fn sharing_takes_many_addresses_and_says_what_became_of_each() {
    let server = TestServer::start().await;
    let (owner, member) = (server.person("owner").await, server.person("member").await);
    server.app(&owner, "notes").await;
    let addresses = json!([format!(
        "{}, new@example.org;\nNEW@example.org  nonsense",
        member.email.to_uppercase()
    )]);
    let body = json!({"addresses": addresses, "mode": "join"});
    let results = server
        .call(
            "POST",
            "/v1/apps/notes/people",
            Some(&owner.token),
            Some(body),
        )
        .await
        .expect(200)
        .json();
    let outcome = |address: &str| {
        let results = results.as_array().unwrap();
        let found = results
            .iter()
            .find(|r| r["address"].as_str().unwrap().eq_ignore_ascii_case(address));
        found.unwrap_or_else(|| panic!("{address} in {results:?}"))["outcome"].clone()
    };
    assert_eq!(outcome(&member.email), "added");
    assert_eq!(outcome("new@example.org"), "invited");
    assert_eq!(outcome("nonsense"), "invalid");
    server
        .call("GET", "/v1/apps/notes", Some(&member.token), None)
        .await
        .expect(200);
    let people = server
        .call("GET", "/v1/apps/notes/people", Some(&owner.token), None)
        .await
        .expect(200)
        .json();
    assert_eq!(people["members"][0]["username"], "member");
    assert_eq!(people["invites"][0]["email"], "new@example.org");
    server
        .call("GET", "/v1/apps/notes/people", Some(&member.token), None)
        .await
        .expect(403);
}

async fn invite(server: &TestServer, owner: &str, email: &str) -> String {
    let body = json!({"addresses": [email]});
    let results = server
        .call("POST", "/v1/apps/notes/people", Some(owner), Some(body))
        .await
        .expect(200)
        .json();
    results[0]["link"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn an_invited_address_gets_in_by_signing_up_with_it() {
    let server = TestServer::start_with(&[("accounts.sign_up", "invite-only")]).await;
    let owner = server.person("owner").await;
    server.app(&owner, "notes").await;
    assert!(server.try_sign_up("uninvited", None).await.is_err());
    let token = invite(&server, &owner.token, "newbie@example.com").await;
    let newbie = server.try_sign_up("newbie", Some(&token)).await.unwrap();
    server
        .call("GET", "/v1/apps/notes", Some(&newbie.token), None)
        .await
        .expect(200);
    let people = server
        .call("GET", "/v1/apps/notes/people", Some(&owner.token), None)
        .await
        .expect(200)
        .json();
    assert_eq!(people["invites"], json!([]));
}

#[tokio::test]
async fn an_invitation_is_for_its_address_only_and_can_be_taken_back() {
    let server = TestServer::start().await;
    let (owner, other) = (server.person("owner").await, server.person("other").await);
    server.app(&owner, "notes").await;
    let token = invite(&server, &owner.token, "somebody@example.com").await;
    let caller = server.caller(&other).await;
    assert!(
        server::actions::apps::accept_invite(server.context(), &caller, &token)
            .await
            .is_err()
    );
    let people = server
        .call("GET", "/v1/apps/notes/people", Some(&owner.token), None)
        .await
        .expect(200)
        .json();
    let id = people["invites"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/apps/notes/people/invites/{id}");
    server
        .call("DELETE", &path, Some(&other.token), None)
        .await
        .expect(404);
    server
        .call("DELETE", &path, Some(&owner.token), None)
        .await
        .expect(204);
    server
        .call("DELETE", &path, Some(&owner.token), None)
        .await
        .expect(404);
    let late = server.person("somebody").await;
    server
        .call("GET", "/v1/apps/notes", Some(&late.token), None)
        .await
        .expect(404);
}

#[tokio::test]
async fn one_s_own_copy_is_a_group_apart() {
    let server = TestServer::start().await;
    let (owner, a, b) = (
        server.person("owner").await,
        server.person("aa1").await,
        server.person("bb1").await,
    );
    let app = server.app(&owner, "notes").await;
    let body = json!({"addresses": [a.email, b.email], "mode": "own_copy"});
    server
        .call(
            "POST",
            "/v1/apps/notes/people",
            Some(&owner.token),
            Some(body),
        )
        .await
        .expect(200);
    let groups = [
        server.group(&app, &owner).await,
        server.group(&app, &a).await,
        server.group(&app, &b).await,
    ];
    assert!(groups[0] != groups[1] && groups[1] != groups[2] && groups[0] != groups[2]);
}

#[tokio::test]
async fn a_removed_member_loses_the_app_and_the_owner_cannot_be_removed() {
    let server = TestServer::start().await;
    let (owner, member) = (server.person("owner").await, server.person("member").await);
    let app = server.app(&owner, "notes").await;
    server.join(&app, &member).await;
    let remove = async |id: &str| {
        server
            .call(
                "DELETE",
                &format!("/v1/apps/notes/people/{id}"),
                Some(&owner.token),
                None,
            )
            .await
    };
    remove(&owner.id).await.expect(404);
    remove(&member.id).await.expect(204);
    server
        .eventually("the app is gone for the member", async || {
            server
                .call("GET", "/v1/apps/notes", Some(&member.token), None)
                .await
                .status
                == 404
        })
        .await;
    remove(&member.id).await.expect(404);
    remove("not-an-id").await.expect(404);
}

#[tokio::test]
async fn a_deleted_app_is_gone_for_all_and_its_slug_is_free_after_a_week() {
    let server = TestServer::start().await;
    let (owner, member) = (server.person("owner").await, server.person("member").await);
    let app = server.app(&owner, "notes").await;
    server.join(&app, &member).await;
    server
        .call("DELETE", "/v1/apps/notes", Some(&member.token), None)
        .await
        .expect(403);
    server
        .call("DELETE", "/v1/apps/notes", Some(&owner.token), None)
        .await
        .expect(204);
    for person in [&owner, &member] {
        server
            .eventually("the app is gone", async || {
                server
                    .call("GET", "/v1/apps/notes", Some(&person.token), None)
                    .await
                    .status
                    == 404
            })
            .await;
    }
    server
        .clock()
        .advance(jiff::SignedDuration::from_hours(24 * 8));
    server.app(&member, "notes").await;
}
