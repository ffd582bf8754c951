//! The whole way of a request, with attacks, against a real app on a Unix socket.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use ::forward::Upstream;
use apps::{App, Newcomers};
use axum::{Router, middleware::from_fn_with_state, routing::any};
use ids::GroupId;
use serde_json::Value;
use token::viewer::ViewerRole;
use tokio::net::UnixListener;
use tower::ServiceExt as _;

use super::{house::*, *};
use crate::{Config, config::Sources};

pub(super) const NOTES: &str = "notes.localhost:8080";
pub(super) const NOTES_ORIGIN: &str = "http://notes.localhost:8080";

/// What the house would look up.
pub(super) struct World {
    config: Config,
    now: Mutex<Timestamp>,
    apps: Mutex<HashMap<Slug, App>>,
    pub(super) standing: Mutex<Standing>,
    pub(super) instance: Mutex<Instance>,
    codes: Mutex<HashMap<String, Handoff>>,
    pub(super) changes: tokio::sync::watch::Sender<u64>,
}

#[derive(Clone)]
struct Fake(Arc<World>);

impl House for Fake {
    fn config(&self) -> &Config {
        &self.0.config
    }

    fn now(&self) -> Timestamp {
        *self.0.now.lock().unwrap()
    }

    async fn find_app(&self, slug: &Slug) -> Result<Option<Arc<App>>, Error> {
        Ok(self.0.apps.lock().unwrap().get(slug).cloned().map(Arc::new))
    }

    async fn find_standing(&self, _: &App, _: SessionId, _: AccountId) -> Result<Standing, Error> {
        Ok(self.0.standing.lock().unwrap().clone())
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn instance(&self, _: &App) -> Instance {
        self.0.instance.lock().unwrap().clone()
    }

    async fn redeem(&self, code: &str) -> Result<Option<Handoff>, Error> {
        Ok(self.0.codes.lock().unwrap().remove(code))
    }
}

fn app(slug: &str, number: u8) -> App {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    App {
        id: AppId::new(1, [number; 10]),
        slug: slug.parse().unwrap(),
        name: slug.to_owned(),
        owner: AccountId::new(1, [9; 10]),
        is_public: false,
        requires_auth: true,
        newcomers: Newcomers::OwnGroup,
        default_group: GroupId::new(1, [8; 10]),
        live_version: Some(1),
        created_at: now,
        updated_at: now,
    }
}

fn ana() -> Standing {
    Standing::Viewer(Person {
        email: "ana@example.com".into(),
        username: "ana".into(),
        verified: true,
        group: GroupId::new(1, [7; 10]),
        role: ViewerRole::Member,
    })
}

/// A gateway before a real app, and a browser to use it with.
pub(super) struct Street {
    pub(super) world: Arc<World>,
    pub(super) router: Router,
    gateway: Arc<Gateway<Fake>>,
    /// How many requests the app got.
    hits: Arc<AtomicUsize>,
    pub(super) socket: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Street {
    pub(super) fn new() -> Self {
        let sources = Sources {
            flags: Vec::new(),
            environment: Vec::new(),
            file: None,
        };
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let world = Arc::new(World {
            config: Config::load(&sources).unwrap().0,
            now: Mutex::new(Timestamp::from_second(1_800_000_000).unwrap()),
            apps: Mutex::new(
                [app("notes", 1), app("other", 2)]
                    .map(|app| (app.slug.clone(), app))
                    .into(),
            ),
            standing: Mutex::new(ana()),
            instance: Mutex::new(Instance::Live(Upstream::unix(&socket))),
            codes: Mutex::default(),
            changes: tokio::sync::watch::Sender::new(0),
        });
        let master = MasterKey::from_bytes([5; 32]);
        let gateway = Arc::new(Gateway::new(Fake(Arc::clone(&world)), master));
        let router = Router::new()
            .fallback(|| async { "the pages" })
            .layer(from_fn_with_state(Arc::clone(&gateway), intercept::<Fake>));
        let street = Self {
            world,
            router,
            gateway,
            hits: Arc::default(),
            socket,
            _directory: directory,
        };
        street.open();
        street
    }

    /// Starts the app: it answers with the header fields it got.
    fn open(&self) {
        let hits = Arc::clone(&self.hits);
        let echo = any(move |request: Request| async move {
            hits.fetch_add(1, Ordering::SeqCst);
            let mut fields: HashMap<String, Vec<String>> = HashMap::new();
            for (name, value) in request.headers() {
                fields
                    .entry(name.to_string())
                    .or_default()
                    .push(value.to_str().unwrap().to_owned());
            }
            let extra = request.uri().query().unwrap_or_default().to_owned();
            let mut response = axum::Json(fields).into_response();
            for pair in url::form_urlencoded::parse(extra.as_bytes()) {
                let name = http::HeaderName::try_from(pair.0.as_ref()).unwrap();
                response.headers_mut().append(name, pair.1.parse().unwrap());
            }
            response
        });
        let listener = UnixListener::bind(&self.socket).unwrap();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(echo))
                .await
                .unwrap();
        });
    }

    pub(super) async fn send(
        &self,
        method: &str,
        host: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    async fn status(&self, method: &str, fields: &[(&str, &str)]) -> u16 {
        self.send(method, NOTES, "/", fields)
            .await
            .status()
            .as_u16()
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    pub(super) fn change(&self, slug: &str, change: impl FnOnce(&mut App)) {
        change(
            self.world
                .apps
                .lock()
                .unwrap()
                .get_mut(&slug.parse().unwrap())
                .unwrap(),
        );
    }

    fn pass_time(&self, seconds: i64) {
        let mut now = self.world.now.lock().unwrap();
        *now += jiff::SignedDuration::from_secs(seconds);
    }

    /// Goes through the hop as a browser does, and gives the cookies it then has on the app's host.
    pub(super) async fn hop(&self, host: &str, number: u8) -> String {
        let started = self
            .send("GET", host, "/.vestibule/start?next=/x", &[])
            .await;
        let nonce = cookie(&started, cookies::NONCE);
        let state = query(&started, "state");
        self.issue("code", number, &state);
        let fields = [("cookie", format!("vestibule_handoff={nonce}"))];
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let done = self
            .send(
                "GET",
                host,
                "/.vestibule/handoff?code=code&next=/x",
                &fields,
            )
            .await;
        assert_eq!(
            (done.status().as_u16(), &done.headers()["location"]),
            (303, &HeaderValue::from_static("/x"))
        );
        format!(
            "vestibule_app={}; vestibule_viewer_token={}",
            cookie(&done, cookies::TICKET),
            cookie(&done, cookies::VIEWER)
        )
    }

    fn issue(&self, code: &str, number: u8, state: &str) {
        let handoff = Handoff {
            app: AppId::new(1, [number; 10]),
            session: SessionId::new(1, [1; 10]),
            account: AccountId::new(1, [2; 10]),
            state: state.to_owned(),
        };
        self.world
            .codes
            .lock()
            .unwrap()
            .insert(code.to_owned(), handoff);
    }
}

fn cookie(response: &Response, name: &str) -> String {
    let prefix = format!("{name}=");
    let found = response
        .headers()
        .get_all("set-cookie")
        .iter()
        .find_map(|line| {
            line.to_str()
                .unwrap()
                .strip_prefix(&prefix)?
                .split(';')
                .next()
                .map(str::to_owned)
        });
    found.unwrap_or_else(|| panic!("no cookie {name} in {:?}", response.headers()))
}

fn query(response: &Response, name: &str) -> String {
    let target = url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    target
        .query_pairs()
        .find(|(key, _)| key == name)
        .unwrap()
        .1
        .into_owned()
}

async fn body(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The header fields that the app got.
async fn got(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    serde_json::from_str(&body(response).await).unwrap()
}

#[tokio::test]
async fn an_anonymous_request_is_refused_at_the_door() {
    let street = Street::new();
    let call = street.send("GET", NOTES, "/a?b=c", &[]).await;
    assert_eq!(call.status(), 401);
    let error: Value = serde_json::from_str(&body(call).await).unwrap();
    assert_eq!(error["error"], "viewer_required");
    assert_eq!(
        error["shell"],
        "http://localhost:8080/open/notes?next=%2Fa%3Fb%3Dc"
    );
    let page = street
        .send("GET", NOTES, "/", &[("sec-fetch-mode", "navigate")])
        .await;
    assert_eq!(page.status(), 401);
    assert!(
        body(page)
            .await
            .contains("href=\"http://localhost:8080/open/notes?next=%2F\"")
    );
    assert_eq!(street.hits(), 0, "the app was not woken");
}

#[tokio::test]
async fn the_hop_lets_one_browser_in_and_the_app_sees_who_it_is() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let seen = got(street
        .send(
            "GET",
            NOTES,
            "/",
            &[("cookie", &format!("a=1; {cookies}; vestibule_session=S"))],
        )
        .await)
    .await;
    let token = seen["x-vestibule-viewer-token"][0].as_str().unwrap();
    assert_eq!(
        seen["cookie"][0],
        format!("a=1; vestibule_viewer_token={token}")
    );
    let key = MasterKey::from_bytes([5; 32]).viewer_key(AppId::new(1, [1; 10]));
    let claims = viewer::verify(
        token,
        AppId::new(1, [1; 10]),
        &key,
        *street.world.now.lock().unwrap(),
    )
    .unwrap();
    assert_eq!(
        (claims.username.as_str(), claims.role),
        ("ana", ViewerRole::Member)
    );
    assert_eq!(seen["x-vestibule-gate"][0], "closed");
    assert_eq!(seen["x-forwarded-host"][0], NOTES);
}

#[tokio::test]
async fn a_code_is_of_no_use_elsewhere_or_twice() {
    let street = Street::new();
    let started = street.send("GET", NOTES, "/.vestibule/start", &[]).await;
    let (nonce, state) = (cookie(&started, cookies::NONCE), query(&started, "state"));
    let own = format!("vestibule_handoff={nonce}");
    let foreign = format!("vestibule_handoff={}", "A".repeat(43));
    let handoff = async |host: &str, code: &str, cookie: &str| {
        let path = format!("/.vestibule/handoff?code={code}&next=/");
        street
            .send("GET", host, &path, &[("cookie", cookie)])
            .await
            .status()
            .as_u16()
    };
    for (case, host, number, cookie) in [
        ("another browser", NOTES, 1, foreign.as_str()),
        ("no nonce", NOTES, 1, "a=1"),
        ("an empty nonce", NOTES, 1, "vestibule_handoff="),
        ("another app's code", NOTES, 2, own.as_str()),
        (
            "another app's host",
            "other.localhost:8080",
            1,
            own.as_str(),
        ),
    ] {
        street.issue("c", number, &state);
        assert_eq!(handoff(host, "c", cookie).await, 400, "{case}");
        assert_eq!(handoff(NOTES, "c", &own).await, 400, "used up by {case}");
    }
    street.issue("c", 1, &state);
    assert_eq!(handoff(NOTES, "c", &own).await, 303);
    assert_eq!(handoff(NOTES, "c", &own).await, 400);
    let post = street
        .send(
            "POST",
            NOTES,
            "/.vestibule/handoff?code=c",
            &[("cookie", &own)],
        )
        .await;
    assert_eq!(post.status(), 405);
}

#[tokio::test]
async fn two_tabs_may_hop_at_once() {
    let street = Street::new();
    let first = street.send("GET", NOTES, "/.vestibule/start", &[]).await;
    let nonce = format!("vestibule_handoff={}", cookie(&first, cookies::NONCE));
    let second = street
        .send("GET", NOTES, "/.vestibule/start", &[("cookie", &nonce)])
        .await;
    assert_eq!(query(&first, "state"), query(&second, "state"));
}

#[tokio::test]
async fn the_hop_goes_on_to_paths_of_the_app_only() {
    let street = Street::new();
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/%5Cevil.example",
        "/.vestibule/start",
        "/%0d%0aset-cookie:a=b",
    ] {
        let started = street
            .send("GET", NOTES, &format!("/.vestibule/start?next={next}"), &[])
            .await;
        assert_eq!(query(&started, "next"), "/", "{next}");
    }
    let started = street
        .send("GET", NOTES, "/.vestibule/start?next=%2Fa%3Fb%3Dc%23d", &[])
        .await;
    assert_eq!(query(&started, "next"), "/a?b=c#d");
}

#[tokio::test]
async fn a_ticket_of_one_app_opens_no_other() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let other = street
        .send("GET", "other.localhost:8080", "/", &[("cookie", &cookies)])
        .await;
    assert_eq!(other.status(), 401);
    let token = cookies.rsplit('=').next().unwrap();
    let other = street
        .send(
            "GET",
            "other.localhost:8080",
            "/",
            &[("x-vestibule-viewer-token", token)],
        )
        .await;
    assert_eq!(other.status(), 401);
    assert_eq!(
        street
            .status("GET", &[("x-ellivate-viewer-token", token)])
            .await,
        200
    );
}

#[tokio::test]
async fn forged_and_broken_identities_are_refused_and_a_bad_header_is_not_saved_by_a_cookie() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    for header in ["x-vestibule-viewer-token", "x-ellivate-viewer-token"] {
        assert_eq!(
            street
                .status("GET", &[("cookie", &cookies), (header, "a.b.c")])
                .await,
            401
        );
        assert_eq!(
            street
                .status("GET", &[("cookie", &cookies), (header, " ")])
                .await,
            200
        );
    }
    // Signed with the app's own key, as a malicious app could, but without our MAC.
    let key = MasterKey::from_bytes([5; 32]).viewer_key(AppId::new(1, [1; 10]));
    let wrong_cap = MasterKey::from_bytes([6; 32]).viewer_cap_key();
    let now = *street.world.now.lock().unwrap();
    let claims = ViewerClaims {
        issuer: "x".into(),
        app: AppId::new(1, [1; 10]),
        account: AccountId::new(1, [9; 10]),
        email: "o@example.com".into(),
        username: "owner".into(),
        verified: true,
        group: GroupId::new(1, [8; 10]),
        role: ViewerRole::Owner,
        session: SessionId::new(1, [1; 10]),
        issued_at: now,
        expires_at: now + jiff::SignedDuration::from_mins(15),
        jti: Uuid::nil(),
    };
    let forged = viewer::mint(&claims, &key, &wrong_cap);
    assert_eq!(
        street
            .status("GET", &[("x-vestibule-viewer-token", forged.expose())])
            .await,
        401
    );
    let forged = format!("vestibule_viewer_token={}", forged.expose());
    assert_eq!(street.status("GET", &[("cookie", &forged)]).await, 401);
    assert_eq!(
        street
            .status("GET", &[("cookie", "vestibule_app=AAAA")])
            .await,
        401
    );
}

#[tokio::test]
async fn an_ended_session_and_a_lost_place_act_at_once() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let token = cookies.rsplit('=').next().unwrap();
    for (standing, status) in [
        (Standing::SignedOut, 401),
        (Standing::NoAccess, 404),
        (ana(), 200),
    ] {
        *street.world.standing.lock().unwrap() = standing;
        assert_eq!(street.status("GET", &[("cookie", &cookies)]).await, status);
        assert_eq!(
            street
                .status("GET", &[("x-vestibule-viewer-token", token)])
                .await,
            status
        );
    }
}

#[tokio::test]
async fn an_app_that_may_not_be_opened_looks_like_none() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    *street.world.standing.lock().unwrap() = Standing::NoAccess;
    for mode in ["navigate", "cors"] {
        let fields = [("cookie", cookies.as_str()), ("sec-fetch-mode", mode)];
        let hidden = street.send("GET", NOTES, "/", &fields).await;
        let unknown = street
            .send("GET", "unknown.localhost:8080", "/", &fields)
            .await;
        assert_eq!(
            (hidden.status(), hidden.headers()),
            (unknown.status(), unknown.headers())
        );
        assert_eq!(body(hidden).await, body(unknown).await);
    }
    assert_eq!(
        street
            .send("GET", "www.localhost:8080", "/", &[])
            .await
            .status(),
        404
    );
    assert_eq!(
        body(street.send("GET", "localhost:8080", "/", &[]).await).await,
        "the pages"
    );
    assert_eq!(
        body(street.send("GET", "127.0.0.1:8080", "/", &[]).await).await,
        "the pages"
    );
}

#[tokio::test]
async fn other_sites_cannot_act_with_a_persons_cookies() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let token = cookies.rsplit('=').next().unwrap().to_owned();
    let before = street.hits();
    for attack in [
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ][..],
        &[
            ("origin", "http://other.localhost:8080"),
            ("sec-fetch-site", "same-site"),
        ],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "http://localhost:8080")],
    ] {
        let fields = [&[("cookie", cookies.as_str())], attack].concat();
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(
                street.status(method, &fields).await,
                401,
                "{method} {attack:?}"
            );
        }
        let fields = [&[("x-vestibule-viewer-token", token.as_str())], attack].concat();
        assert_eq!(
            street.status("POST", &fields).await,
            200,
            "a token sent on purpose"
        );
    }
    assert_eq!(street.hits(), before + 5);
    let own = [
        ("cookie", cookies.as_str()),
        ("origin", NOTES_ORIGIN),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(street.status("POST", &own).await, 200);
    // With the gate open the request goes in, but as nobody.
    street.change("notes", |app| app.requires_auth = false);
    let foreign = [
        ("cookie", cookies.as_str()),
        ("origin", "https://evil.example"),
    ];
    let seen = got(street.send("POST", NOTES, "/", &foreign).await).await;
    assert_eq!(
        (seen.get("cookie"), seen.get("x-vestibule-viewer-token")),
        (None, None)
    );
}

#[tokio::test]
async fn a_flag_flip_acts_on_the_next_request_and_a_bad_token_is_nobody_at_an_open_gate() {
    let street = Street::new();
    assert_eq!(street.status("GET", &[]).await, 401);
    street.change("notes", |app| app.is_public = true);
    assert_eq!(
        street.status("GET", &[]).await,
        401,
        "listing an app does not open it"
    );
    street.change("notes", |app| app.requires_auth = false);
    let seen = got(street
        .send("GET", NOTES, "/", &[("x-vestibule-viewer-token", "bad")])
        .await)
    .await;
    assert_eq!(seen["x-vestibule-gate"][0], "open");
    assert_eq!(seen.get("x-vestibule-viewer-token"), None);
    street.change("notes", |app| app.requires_auth = true);
    assert_eq!(
        street.status("GET", &[("x-vestibule-gate", "open")]).await,
        401
    );
}

#[tokio::test]
async fn what_only_the_gateway_may_say_is_said_by_it() {
    let street = Street::new();
    street.change("notes", |app| app.requires_auth = false);
    let forged = [
        ("x-vestibule-gateway", "forged"),
        ("x_vestibule_gate", "closed"),
        ("x-ellivate-gate", "closed"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil.example"),
        ("x-real-ip", "1.2.3.4"),
        ("connection", "x-vestibule-gateway, x-forwarded-host"),
        ("authorization", "Bearer vst_s_stolen"),
    ];
    let seen = got(street.send("GET", NOTES, "/", &forged).await).await;
    let secret = MasterKey::from_bytes([5; 32]).gateway_secret(AppId::new(1, [1; 10]));
    assert_eq!(
        seen["x-vestibule-gateway"],
        serde_json::json!([secret.expose()])
    );
    assert_eq!(seen["x-forwarded-host"], serde_json::json!([NOTES]));
    for name in [
        "x_vestibule_gate",
        "x-ellivate-gate",
        "x-forwarded-for",
        "x-real-ip",
        "connection",
        "authorization",
    ] {
        assert_eq!(seen.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn the_gateways_paths_never_reach_the_app() {
    let street = Street::new();
    street.change("notes", |app| app.requires_auth = false);
    for path in [
        "/.vestibule/health",
        "/%2evestibule/health",
        "//.vestibule/health",
        "/.vestibule%2fhealth",
        "/.vestibule/nothing",
    ] {
        let answer = street.send("GET", NOTES, path, &[]).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
    assert_eq!(street.hits(), 0);
}

#[tokio::test]
async fn a_token_is_renewed_in_its_last_third_while_the_session_lives() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let token = cookies.rsplit('=').next().unwrap().to_owned();
    street.pass_time(590);
    let early = street
        .send("GET", NOTES, "/", &[("cookie", &cookies)])
        .await;
    assert!(!early.headers().contains_key("set-cookie"));
    street.pass_time(20);
    let cached = street
        .send(
            "GET",
            NOTES,
            "/?cache-control=public",
            &[("cookie", &cookies)],
        )
        .await;
    assert!(
        !cached.headers().contains_key("set-cookie"),
        "no token in an answer that others may be given"
    );
    let late = street
        .send("GET", NOTES, "/", &[("cookie", &cookies)])
        .await;
    let fresh = cookie(&late, cookies::VIEWER);
    assert_ne!(fresh, token);
    assert_eq!(got(late).await["x-vestibule-viewer-token"][0], fresh);
    street.pass_time(3600);
    let hour = street
        .send("GET", NOTES, "/", &[("cookie", &cookies)])
        .await;
    assert_eq!(hour.status(), 200, "a person who read a page for an hour");
    // A token alone lives its life and is not prolonged.
    assert_eq!(
        street
            .status("GET", &[("x-vestibule-viewer-token", &token)])
            .await,
        401
    );
    assert_eq!(
        street
            .status(
                "GET",
                &[("cookie", &format!("vestibule_viewer_token={token}"))]
            )
            .await,
        401
    );
    *street.world.standing.lock().unwrap() = Standing::SignedOut;
    assert_eq!(street.status("GET", &[("cookie", &cookies)]).await, 401);
}

#[tokio::test]
async fn a_token_with_an_old_place_is_brought_up_to_date_but_not_prolonged() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let token = cookies.rsplit('=').next().unwrap();
    let moved = GroupId::new(1, [6; 10]);
    if let Standing::Viewer(person) = &mut *street.world.standing.lock().unwrap() {
        person.group = moved;
    }
    let seen = got(street
        .send("GET", NOTES, "/", &[("x-vestibule-viewer-token", token)])
        .await)
    .await;
    let app = AppId::new(1, [1; 10]);
    let master = MasterKey::from_bytes([5; 32]);
    let now = *street.world.now.lock().unwrap();
    let claims = |token: &str| viewer::verify(token, app, &master.viewer_key(app), now).unwrap();
    let fresh = claims(seen["x-vestibule-viewer-token"][0].as_str().unwrap());
    assert_eq!(
        (fresh.group, fresh.expires_at),
        (moved, claims(token).expires_at)
    );
}

#[tokio::test]
async fn the_viewer_script_is_for_the_apps_own_pages() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let script = async |fields: &[(&str, &str)]| {
        street
            .send("GET", NOTES, "/.vestibule/viewer.js", fields)
            .await
    };
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(
            script(&[("cookie", &cookies), ("sec-fetch-site", site)])
                .await
                .status(),
            403,
            "{site}"
        );
    }
    assert_eq!(script(&[("cookie", &cookies)]).await.status(), 403);
    assert_eq!(
        script(&[("sec-fetch-site", "same-origin")]).await.status(),
        401
    );
    let own = script(&[("cookie", &cookies), ("sec-fetch-site", "same-origin")]).await;
    assert_eq!(own.headers()["cache-control"], "no-store");
    assert!(
        body(own)
            .await
            .starts_with("window.VESTIBULE_VIEWER_TOKEN=")
    );
}

#[tokio::test]
async fn a_token_in_an_address_is_taken_once() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let token = cookies.rsplit('=').next().unwrap();
    for path in ["/ellivate-handoff?token=bad", "/vestibule-handoff"] {
        assert!(
            street
                .send("GET", NOTES, path, &[])
                .await
                .status()
                .is_client_error()
        );
    }
    let path = format!("/ellivate-handoff?token={token}&next=/y");
    let first = street.send("GET", NOTES, &path, &[]).await;
    assert_eq!(
        (first.status().as_u16(), &first.headers()["location"]),
        (307, &HeaderValue::from_static("/y"))
    );
    assert_eq!(cookie(&first, cookies::VIEWER), token);
    assert_eq!(street.send("GET", NOTES, &path, &[]).await.status(), 401);
}

#[tokio::test]
async fn an_app_cannot_set_our_cookies_or_those_of_its_neighbors() {
    let street = Street::new();
    street.change("notes", |app| app.requires_auth = false);
    let path = "/?set-cookie=vestibule_app%3Dx&set-cookie=a%3D1%3B%20Domain%3Dlocalhost&set-cookie=b%3D1&clear-site-data=*";
    let answer = street.send("GET", NOTES, path, &[]).await;
    let set: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(set, ["b=1"]);
    assert!(!answer.headers().contains_key("clear-site-data"));
}

#[tokio::test]
async fn a_signed_in_persons_app_is_framed_by_the_pages_only() {
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let answer = street
        .send(
            "GET",
            NOTES,
            "/?content-security-policy=img-src%20*",
            &[("cookie", &cookies)],
        )
        .await;
    let policies: Vec<_> = answer
        .headers()
        .get_all("content-security-policy")
        .iter()
        .collect();
    assert_eq!(
        policies,
        ["img-src *", "frame-ancestors 'self' http://localhost:8080"]
    );
}

#[tokio::test]
async fn a_restart_of_the_app_is_a_short_wait() {
    let street = Street::new();
    street.change("notes", |app| app.requires_auth = false);
    let answers = |instance, code: &'static str, status: u16| {
        let street = &street;
        async move {
            *street.world.instance.lock().unwrap() = instance;
            let answer = street.send("GET", NOTES, "/", &[]).await;
            assert_eq!(answer.status().as_u16(), status);
            assert!(body(answer).await.contains(code), "{code}");
        }
    };
    answers(Instance::Crashed, "app_crashed", 503).await;
    answers(Instance::Absent, "app_stopped", 503).await;
    // Nothing listens yet; the app comes up while the request waits.
    let street = &street;
    std::fs::remove_file(&street.socket).unwrap();
    *street.world.instance.lock().unwrap() = Instance::Starting;
    let waiting = street.send("GET", NOTES, "/", &[]);
    let starting = async {
        tokio::task::yield_now().await;
        *street.world.instance.lock().unwrap() = Instance::Live(Upstream::unix(&street.socket));
        tokio::task::yield_now().await;
        street.open();
    };
    let (answer, ()) = tokio::join!(waiting, starting);
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn another_site_cannot_open_a_websocket_with_a_persons_cookies() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let street = Street::new();
    let cookies = street.hop(NOTES, 1).await;
    let token = cookies.rsplit('=').next().unwrap().to_owned();
    // An app that accepts every handshake and echoes.
    std::fs::remove_file(&street.socket).unwrap();
    let app = UnixListener::bind(&street.socket).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = app.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                stream
                    .write_all(
                        b"HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
                    )
                    .await
                    .unwrap();
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
            });
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = street.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let open = async |fields: &str| {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /ws HTTP/1.1\r\nhost: {NOTES}\r\nconnection: upgrade\r\nupgrade: websocket\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        (String::from_utf8(answer).unwrap(), stream)
    };
    for origin in [
        "https://evil.example",
        "http://other.localhost:8080",
        "http://localhost:8080",
        "null",
    ] {
        let (answer, _) = open(&format!("origin: {origin}\r\ncookie: {cookies}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{origin}: {answer}");
    }
    for fields in [
        format!("origin: {NOTES_ORIGIN}\r\ncookie: {cookies}\r\n"),
        format!("cookie: {cookies}\r\n"),
        format!(
            "origin: https://partner.example\r\nsec-websocket-protocol: chat, viewer.{token}\r\n"
        ),
    ] {
        let (answer, mut stream) = open(&fields).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{fields}: {answer}");
        stream.write_all(b"echo").await.unwrap();
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"echo");
    }
    drop(street.gateway);
}
