//! What nobody can use any more is cleared away, and nothing else is.

use std::fs;

use apps::{Release, ReleaseState};
use jiff::{SignedDuration, Timestamp};
use runtime::EnvironmentSpec;
use serde_json::json;
use server::actions::{
    accounts::create_sign_in_link,
    housekeeping::{Tidied, tidy},
};
use storage::EventKind;
use testkit::{Answer, AppFixture, Person, TestServer};

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

async fn whoami(server: &TestServer, token: &str) -> u16 {
    server
        .call("GET", "/v1/session", Some(token), None)
        .await
        .status
}

async fn login(server: &TestServer, person: &Person) -> String {
    let form = [("username", &person.email), ("password", &person.password)];
    let request = server
        .request(reqwest::Method::POST, "/user/login/access-token")
        .form(&form);
    let answer = Answer::to(request).await.expect(200);
    answer.cookie("refresh_token").expect("a cookie").to_owned()
}

#[tokio::test]
async fn ended_sessions_used_up_links_and_old_events_go_and_the_rest_stays() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    create_sign_in_link(server.context(), ada.id.parse().unwrap())
        .await
        .unwrap();
    login(&server, &ada).await;
    let untouched = tidy(server.context()).await;
    assert_eq!(untouched, Tidied::default(), "nothing is old yet");
    server.clock().advance(days(38));
    let fresh = server.sign_in(&ada).await;
    let tidied = tidy(server.context()).await;
    assert_eq!((tidied.links, tidied.sessions), (1, 2), "{tidied:?}");
    // Events go once the tail has come to them.
    let kinds = async || {
        let events = server.context().storage.events_after(0, 10).await;
        let events = events.unwrap().into_iter();
        events.map(|event| event.kind).collect::<Vec<_>>()
    };
    server
        .eventually("old events go", async || {
            tidy(server.context()).await;
            kinds().await == [EventKind::SessionStarted]
        })
        .await;
    assert_eq!(tidy(server.context()).await, Tidied::default());
    assert_eq!(whoami(&server, &ada.token).await, 401);
    assert_eq!(whoami(&server, &fresh).await, 200);
    // What happens later is still told in order, without a gap.
    server.disable(&ada).await;
    server
        .eventually("she is refused", async || {
            whoami(&server, &fresh).await == 401
        })
        .await;
}

#[tokio::test]
async fn a_refresh_token_of_a_session_that_goes_on_is_cleared_away_when_it_is_old() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut token = login(&server, &ada).await;
    for _ in 0..2 {
        server.clock().advance(days(20));
        let request = server.request(reqwest::Method::POST, "/user/login/refresh-token/");
        let request = request.header("cookie", format!("refresh_token={token}"));
        let answer = Answer::to(request).await.expect(200);
        token = answer.cookie("refresh_token").expect("a cookie").to_owned();
    }
    let tidied = tidy(server.context()).await;
    assert_eq!(tidied.refresh_tokens, 1, "{tidied:?}");
}

#[tokio::test]
async fn an_api_key_is_listed_for_a_week_after_its_end() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let token = server.access_token(&ada).await;
    for hours in [24, 24 * 30] {
        let body = json!({"ttl_hours": hours});
        server
            .call("POST", "/user/profile/api-keys/", Some(&token), Some(body))
            .await
            .expect(201);
    }
    server.clock().advance(days(7));
    assert_eq!(tidy(server.context()).await.api_keys, 0);
    server.clock().advance(days(2));
    assert_eq!(tidy(server.context()).await.api_keys, 1);
}

#[tokio::test]
async fn a_deleted_app_is_erased_after_a_week() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let app = server.app(&ada, "notes").await;
    let folder = server.context().hosting().app(app.record.id);
    let put = server.call(
        "PUT",
        "/v1/apps/notes/kv/shared%3Anote",
        Some(&ada.token),
        Some(json!("kept")),
    );
    put.await.expect(204);
    fs::create_dir_all(folder.join("releases")).unwrap();
    server
        .call("DELETE", "/v1/apps/notes", Some(&ada.token), None)
        .await
        .expect(204);
    server
        .eventually("its files are removed", async || !folder.exists())
        .await;
    fs::create_dir_all(folder.join("left over")).unwrap();
    server.clock().advance(days(6));
    assert_eq!(tidy(server.context()).await.apps, 0);
    assert!(folder.exists());
    server.clock().advance(days(2));
    assert_eq!(tidy(server.context()).await.apps, 1);
    assert!(!folder.exists());
    assert_eq!(tidy(server.context()).await.apps, 0);
}

#[tokio::test]
async fn environments_that_no_release_needs_are_removed() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let app = server.app(&ada, "notes").await;
    let environment = |requirements: &str| {
        let key = EnvironmentSpec::new(None, requirements.to_owned()).key;
        let path = server.data_dir().join("environments").join(key);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let (ready, pruned, unknown) = (environment("a"), environment("b"), environment("c"));
    add_release(&server, &app, "a", ReleaseState::Ready).await;
    add_release(&server, &app, "b", ReleaseState::Pruned).await;
    assert_eq!(tidy(server.context()).await.environments, 2);
    assert!(ready.exists() && !pruned.exists() && !unknown.exists());
    assert_eq!(tidy(server.context()).await.environments, 0);
}

async fn add_release(server: &TestServer, app: &AppFixture, needs: &str, state: ReleaseState) {
    let plan = json!({
        "start": {
            "module": "main", "attribute": "app", "factory": false, "app_dir": null, "pythonpath": [],
        },
        "wrapped": false,
        "findings": [],
        "diff": "",
        "python": null,
        "requirements": needs,
        "constraints": "",
    });
    let release = Release {
        app: app.record.id,
        version: 0,
        state: state.clone(),
        source_digest: String::new(),
        plan: plan.to_string(),
        message: None,
        created_by: app.record.owner,
        created_at: Timestamp::UNIX_EPOCH,
        activated_at: None,
    };
    let write = server.context().storage.write(move |tx| {
        let version = tx.releases().insert(&release)?;
        tx.releases().update_state(release.app, version, &state)
    });
    write.await.expect("the release is added");
}
