//! The key-value store over HTTP: scopes, lanes, versions, limits and attacks.

use serde_json::{Value, json};
use testkit::{Answer, AppFixture, Person, TestServer};

struct Kv {
    server: TestServer,
    app: AppFixture,
    owner: Person,
    guest: Person,
}

impl Kv {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(settings: &[(&str, &str)]) -> Self {
        let server = TestServer::start_with(settings).await;
        let owner = server.person("owner").await;
        let guest = server.person("guest").await;
        let app = server.app(&owner, "notes").await;
        server.join(&app, &guest).await;
        Self {
            server,
            app,
            owner,
            guest,
        }
    }

    /// The app's own call on behalf of a viewer, or in the server lane.
    fn request(
        &self,
        viewer: Option<&Person>,
        method: &str,
        path: &str,
    ) -> reqwest::RequestBuilder {
        let url = format!("/v1/data/{}/kv{path}", self.app.id);
        let request = self
            .server
            .request(method.parse().unwrap(), &url)
            .bearer_auth(&self.app.key);
        match viewer {
            Some(person) => request.header(
                "x-vestibule-viewer-token",
                self.server.viewer_token(&self.app, person),
            ),
            None => request,
        }
    }

    async fn put(&self, viewer: Option<&Person>, key: &str, value: &Value) -> Answer {
        let request = self.request(viewer, "PUT", &format!("/{}", encoded(key)));
        Answer::to(
            request
                .header("content-type", "application/json")
                .body(value.to_string()),
        )
        .await
    }

    async fn get(&self, viewer: Option<&Person>, key: &str) -> Answer {
        Answer::to(self.request(viewer, "GET", &format!("/{}", encoded(key)))).await
    }

    async fn value(&self, viewer: Option<&Person>, key: &str) -> Value {
        let answer = self.get(viewer, key).await;
        if answer.status == 404 {
            Value::Null
        } else {
            answer.expect(200).json()["value"].clone()
        }
    }

    async fn keys(&self, viewer: Option<&Person>, prefix: &str) -> Value {
        let request = self.request(viewer, "GET", "").query(&[("prefix", prefix)]);
        Answer::to(request).await.expect(200).json()["keys"].clone()
    }
}

fn encoded(key: &str) -> String {
    key.bytes()
        .fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

#[tokio::test]
async fn each_scope_is_seen_by_whom_it_is_for() {
    let kv = Kv::start().await;
    let (owner, guest) = (Some(&kv.owner), Some(&kv.guest));
    kv.put(owner, "draft", &json!("mine")).await.expect(204);
    kv.put(guest, "personal:draft", &json!("theirs"))
        .await
        .expect(204);
    kv.put(guest, "shared:list", &json!([1])).await.expect(204);
    kv.put(owner, "public:title", &json!("Notes"))
        .await
        .expect(204);
    kv.put(None, "draft", &json!("server")).await.expect(204);

    assert_eq!(kv.value(owner, "personal:draft").await, "mine");
    assert_eq!(kv.value(guest, "draft").await, "theirs");
    assert_eq!(kv.value(None, "draft").await, "server");
    assert_eq!(kv.value(owner, "shared:list").await, json!([1]));
    assert_eq!(kv.value(None, "shared:list").await, json!([1]));
    assert_eq!(kv.value(guest, "public:title").await, "Notes");
    assert_eq!(kv.keys(guest, "").await, json!(["personal:draft"]));
    assert_eq!(kv.keys(guest, "dr").await, json!(["personal:draft"]));
    assert_eq!(kv.keys(guest, "shared:").await, json!(["shared:list"]));
}

#[tokio::test]
async fn a_value_comes_back_byte_for_byte_with_version_and_time() {
    let kv = Kv::start().await;
    let text = r#"{"b": 1.50, "a": [1e3, "é", null]}"#;
    let put = kv.request(Some(&kv.owner), "PUT", "/k").body(text);
    let put = Answer::to(put).await.expect(204);
    assert_eq!(put.header("etag"), "\"1\"");
    let got = kv.get(Some(&kv.owner), "k").await.expect(200);
    assert!(got.text.contains(text), "{}", got.text);
    assert_eq!(got.json()["version"], 1);
    assert_eq!(got.header("etag"), "\"1\"");
    assert!(
        got.json()["updated_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-01-05T09:00:00")
    );
    let head = Answer::to(kv.request(Some(&kv.owner), "HEAD", "/k"))
        .await
        .expect(200);
    assert_eq!((head.text.as_str(), head.header("etag")), ("", "\"1\""));
    Answer::to(kv.request(Some(&kv.owner), "HEAD", "/none"))
        .await
        .expect(404);
    assert_eq!(
        kv.get(Some(&kv.owner), "none").await.expect(404).code(),
        "missing"
    );
}

#[tokio::test]
async fn compare_and_set_refuses_a_stale_version() {
    let kv = Kv::start().await;
    let put = |header: &'static str, value: &'static str| {
        Answer::to(
            kv.request(None, "PUT", "/shared:n")
                .header(header, value)
                .body("1"),
        )
    };
    put("if-match", "\"1\"").await.expect(409);
    put("if-none-match", "*").await.expect(204);
    assert_eq!(
        put("if-none-match", "*").await.expect(409).json()["version"],
        1
    );
    put("if-match", "\"1\"").await.expect(204);
    let stale = put("if-match", "\"1\"").await.expect(409);
    assert_eq!(
        (stale.code().as_str(), &stale.json()["version"]),
        ("version_conflict", &json!(2))
    );
    put("if-match", "nonsense").await.expect(400);
    Answer::to(kv.request(None, "DELETE", "/shared:n"))
        .await
        .expect(204);
    Answer::to(kv.request(None, "DELETE", "/shared:n"))
        .await
        .expect(204);
}

#[tokio::test]
async fn two_hundred_concurrent_appends_lose_none() {
    let kv = std::sync::Arc::new(Kv::start().await);
    let appends = (0..200).map(|number| {
        let kv = kv.clone();
        tokio::spawn(async move {
            let viewer = if number % 2 == 0 {
                &kv.owner
            } else {
                &kv.guest
            };
            let request = kv
                .request(Some(viewer), "POST", "/shared:list/append")
                .json(&number);
            Answer::to(request).await.expect(200).json()["length"]
                .as_u64()
                .unwrap()
        })
    });
    let mut lengths = Vec::new();
    for append in appends.collect::<Vec<_>>() {
        lengths.push(append.await.unwrap());
    }
    lengths.sort_unstable();
    assert_eq!(lengths, (1..=200).collect::<Vec<_>>());
    let list = kv.value(None, "shared:list").await;
    let mut numbers: Vec<u64> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn incr_counts_and_refuses_what_is_no_number() {
    let kv = Kv::start().await;
    let incr = |key: &'static str, body: Value| {
        Answer::to(
            kv.request(Some(&kv.owner), "POST", &format!("/{key}/incr"))
                .json(&body),
        )
    };
    assert_eq!(
        incr("n", json!({"by": 5})).await.expect(200).json()["value"],
        5
    );
    assert_eq!(
        incr("n", json!({"by": -7})).await.expect(200).json()["value"],
        -2
    );
    assert_eq!(incr("n", json!({})).await.expect(200).json()["value"], -1);
    kv.put(Some(&kv.owner), "text", &json!("x"))
        .await
        .expect(204);
    incr("text", json!({"by": 1})).await.expect(400);
    Answer::to(kv.request(Some(&kv.owner), "POST", "/text/append").json(&1))
        .await
        .expect(400);
    incr("n", json!({"by": "much"})).await.expect(400);
}

#[tokio::test]
async fn limits_are_refused_with_their_numbers() {
    let kv = Kv::start_with(&[
        ("kv.value_bytes", "100"),
        ("kv.keys", "2"),
        ("kv.list_keys", "1"),
    ])
    .await;
    let large = kv
        .put(None, "shared:k", &json!("x".repeat(200)))
        .await
        .expect(413);
    assert_eq!(large.code(), "value_too_large");
    assert_eq!(
        (&large.json()["limit"], &large.json()["size"]),
        (&json!(100), &json!(202))
    );
    kv.put(None, "shared:a", &json!(1)).await.expect(204);
    kv.put(None, "shared:b", &json!(1)).await.expect(204);
    assert_eq!(
        kv.put(None, "shared:c", &json!(1)).await.expect(413).code(),
        "quota_exceeded"
    );
    kv.put(None, "shared:a", &json!(2)).await.expect(204);
    let list = Answer::to(kv.request(None, "GET", "?prefix=shared:")).await;
    assert_eq!(list.expect(413).code(), "too_many_keys");
}

#[tokio::test]
async fn writes_of_one_app_are_limited_in_rate() {
    let kv = Kv::start_with(&[("kv.writes_per_second", "5")]).await;
    let mut refused = None;
    for number in 0..40 {
        let answer = kv.put(None, "shared:k", &json!(number)).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a burst of writes is refused at some point");
    assert_eq!(refused.code(), "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    kv.get(None, "shared:k").await.expect(200);
}

#[tokio::test]
async fn bad_keys_and_values_are_refused() {
    let kv = Kv::start().await;
    for key in [" a", "a ", "a\u{0}b", "a\nb", &"k".repeat(513), "\u{7f}"] {
        let put = kv.put(None, key, &json!(1)).await;
        assert_eq!(
            (put.status, put.code().as_str()),
            (400, "bad_key"),
            "{key:?}"
        );
    }
    for body in ["", "{", "NaN", "[1,]", "'x'", "1 2", "\u{feff}1"] {
        let put = Answer::to(kv.request(None, "PUT", "/shared:k").body(body)).await;
        assert_eq!(
            (put.status, put.code().as_str()),
            (400, "bad_value"),
            "{body:?}"
        );
    }
    let invalid_utf8 = Answer::to(
        kv.request(None, "PUT", "/shared:k")
            .body(vec![b'"', 0xff, b'"']),
    )
    .await;
    assert_eq!(invalid_utf8.expect(400).code(), "bad_value");
    Answer::to(kv.request(None, "GET", "/%FF"))
        .await
        .expect(400);
    kv.put(None, "shared:a/b:c d", &json!(1)).await.expect(204);
    assert_eq!(kv.keys(None, "shared:a/").await, json!(["shared:a/b:c d"]));
}

#[tokio::test]
async fn nobody_gets_in_without_the_right_credentials() {
    let kv = Kv::start().await;
    let url = format!("/v1/data/{}/kv/k", kv.app.id);
    let other = kv.server.app(&kv.owner, "other").await;
    let get = |bearer: Option<&str>, viewer: Option<String>| {
        let mut request = kv.server.request("GET".parse().unwrap(), &url);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        if let Some(viewer) = viewer {
            request = request.header("x-vestibule-viewer-token", viewer);
        }
        Answer::to(request)
    };
    let foreign = kv.server.viewer_token(&other, &kv.owner);
    let own = kv.server.viewer_token(&kv.app, &kv.guest);
    let mut tampered = own.clone();
    tampered.replace_range(own.len() - 4.., "AAAA");
    get(None, None).await.expect(401);
    get(Some("vst_a_wrong"), None).await.expect(401);
    get(Some(&other.key), None).await.expect(401);
    get(Some(&kv.owner.token), None).await.expect(401);
    get(Some(&kv.app.key), Some(foreign)).await.expect(401);
    get(Some(&kv.app.key), Some("x.y.z".into()))
        .await
        .expect(401);
    get(None, Some(own)).await.expect(404);
    // The signature is the app's affair; what the store trusts is `cap`, which it finds unharmed here.
    get(Some(&kv.app.key), Some(tampered)).await.expect(404);
}

#[tokio::test]
async fn an_app_cannot_forge_another_viewer_out_of_a_token_it_holds() {
    let kv = Kv::start().await;
    kv.put(Some(&kv.owner), "secret", &json!("owner's"))
        .await
        .expect(204);
    let own = kv.server.viewer_token(&kv.app, &kv.guest);
    for (claim, value) in [("sub", kv.owner.id.clone()), ("role", "owner".into())] {
        let forged = kv.server.resign(&kv.app, &own, claim, &json!(value));
        let request = kv.server.request(
            "GET".parse().unwrap(),
            &format!("/v1/data/{}/kv/secret", kv.app.id),
        );
        let request = request
            .bearer_auth(&kv.app.key)
            .header("x-vestibule-viewer-token", forged);
        let answer = Answer::to(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "viewer_required"),
            "{claim}"
        );
    }
}

#[tokio::test]
async fn an_anonymous_request_reads_what_is_open_and_writes_nothing() {
    let kv = Kv::start().await;
    let anonymous = |method: &str, path: &str| {
        kv.request(None, method, path)
            .header("x-vestibule-lane", "request")
    };
    kv.put(None, "shared:list", &json!([1])).await.expect(204);
    kv.put(None, "public:title", &json!("t")).await.expect(204);
    kv.put(None, "draft", &json!("server's")).await.expect(204);
    // While the gate is closed nothing anonymous should get this far; if it does it finds nothing.
    Answer::to(anonymous("GET", "/shared:list"))
        .await
        .expect(404);
    let open = json!({"requires_auth": false});
    kv.server
        .call("PATCH", "/v1/apps/notes", Some(&kv.owner.token), Some(open))
        .await
        .expect(200);
    Answer::to(anonymous("GET", "/shared:list"))
        .await
        .expect(200);
    Answer::to(anonymous("GET", "/public:title"))
        .await
        .expect(200);
    Answer::to(anonymous("GET", "/draft")).await.expect(404);
    assert_eq!(
        Answer::to(anonymous("GET", "")).await.expect(200).json()["keys"],
        json!([])
    );
    for path in ["/shared:list", "/public:title", "/draft"] {
        assert_eq!(
            Answer::to(anonymous("PUT", path).body("1"))
                .await
                .expect(401)
                .code(),
            "viewer_required"
        );
        Answer::to(anonymous("DELETE", path)).await.expect(401);
    }
    Answer::to(anonymous("GET", "/draft").header("x-vestibule-lane", "other"))
        .await
        .expect(400);
}

#[tokio::test]
async fn access_that_was_taken_away_ends_within_a_second() {
    let kv = Kv::start().await;
    let token = kv.server.viewer_token(&kv.app, &kv.guest);
    let get = || {
        let request = kv.server.request(
            "GET".parse().unwrap(),
            &format!("/v1/data/{}/kv/k", kv.app.id),
        );
        Answer::to(
            request
                .bearer_auth(&kv.app.key)
                .header("x-vestibule-viewer-token", &token),
        )
    };
    get().await.expect(404);
    let people = format!("/v1/apps/notes/people/{}", kv.guest.id);
    kv.server
        .call("DELETE", &people, Some(&kv.owner.token), None)
        .await
        .expect(204);
    kv.server
        .eventually("the guest is refused", async || get().await.status == 401)
        .await;
}

#[tokio::test]
async fn a_viewer_whose_session_ended_is_refused() {
    let kv = Kv::start().await;
    let token = kv.server.viewer_token(&kv.app, &kv.guest);
    let get = || {
        let request = kv.server.request(
            "GET".parse().unwrap(),
            &format!("/v1/data/{}/kv/k", kv.app.id),
        );
        Answer::to(
            request
                .bearer_auth(&kv.app.key)
                .header("x-vestibule-viewer-token", &token),
        )
    };
    get().await.expect(404);
    kv.server
        .call("DELETE", "/v1/session", Some(&kv.guest.token), None)
        .await
        .expect(204);
    kv.server
        .eventually("the guest is refused", async || get().await.status == 401)
        .await;
}

#[tokio::test]
async fn a_token_past_its_life_is_refused() {
    let kv = Kv::start().await;
    let token = kv.server.viewer_token(&kv.app, &kv.guest);
    kv.server
        .clock()
        .advance(jiff::SignedDuration::from_mins(40));
    let request = kv.server.request(
        "GET".parse().unwrap(),
        &format!("/v1/data/{}/kv/k", kv.app.id),
    );
    let request = request
        .bearer_auth(&kv.app.key)
        .header("x-vestibule-viewer-token", token);
    Answer::to(request).await.expect(401);
}

#[tokio::test]
async fn browsers_may_call_from_the_app_s_origin_only() {
    let kv = Kv::start().await;
    let url = format!("/v1/data/{}/kv/k", kv.app.id);
    let port = kv.server.server().public_address().port();
    let own = format!("http://notes.localhost:{port}");
    let preflight = |origin: String| {
        let request = kv
            .server
            .request("OPTIONS".parse().unwrap(), &url)
            .header("origin", origin);
        Answer::to(request.header("access-control-request-method", "PUT"))
    };
    let allowed = preflight(own.clone()).await.expect(204);
    assert_eq!(allowed.header("access-control-allow-origin"), own);
    assert!(
        allowed
            .header("access-control-allow-methods")
            .contains("PUT")
    );
    let refused = preflight("https://elsewhere.example".into()).await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    let token = kv.server.viewer_token(&kv.app, &kv.guest);
    let request = kv
        .server
        .request("GET".parse().unwrap(), &url)
        .header("x-vestibule-viewer-token", token);
    let got = Answer::to(request.header("origin", &own)).await.expect(404);
    assert_eq!(got.header("access-control-allow-origin"), own);
    assert!(got.header("vary").to_lowercase().contains("origin"));
}

#[tokio::test]
async fn the_owner_reads_shared_data_but_no_other_viewer_s_personal_keys() {
    let kv = Kv::start().await;
    kv.put(Some(&kv.guest), "shared:list", &json!([1]))
        .await
        .expect(204);
    kv.put(Some(&kv.guest), "draft", &json!("private"))
        .await
        .expect(204);
    let owner = Some(kv.owner.token.as_str());
    let get = |path: &'static str| kv.server.call("GET", path, owner, None);
    assert_eq!(
        get("/v1/apps/notes/kv/shared:list")
            .await
            .expect(200)
            .json()["value"],
        json!([1])
    );
    get("/v1/apps/notes/kv/draft").await.expect(404);
    assert_eq!(
        get("/v1/apps/notes/kv?prefix=").await.expect(200).json()["keys"],
        json!([])
    );
    let foreign = format!("/v1/apps/notes/kv/draft?viewer={}", kv.guest.id);
    kv.server
        .call("GET", &foreign, owner, None)
        .await
        .expect(403);
    kv.server
        .call(
            "GET",
            "/v1/apps/notes/kv/shared:list",
            Some(&kv.guest.token),
            None,
        )
        .await
        .expect(403);
    kv.server
        .call(
            "PUT",
            "/v1/apps/notes/kv/shared:x",
            owner,
            Some(json!({"a": 1})),
        )
        .await
        .expect(204);
    assert_eq!(kv.value(None, "shared:x").await, json!({"a": 1}));
    kv.server
        .call("DELETE", "/v1/apps/notes/kv/shared:x", owner, None)
        .await
        .expect(204);
    assert_eq!(kv.value(None, "shared:x").await, Value::Null);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let kv = Kv::start().await;
    kv.put(None, "shared:k", &json!("kept")).await.expect(204);
    let Kv {
        server,
        app,
        owner,
        guest,
    } = kv;
    let server = server.restart().await;
    let kv = Kv {
        server,
        app,
        owner,
        guest,
    };
    assert_eq!(kv.value(None, "shared:k").await, "kept");
}
