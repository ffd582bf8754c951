//! The pages over HTTP, as a browser uses them: cookies kept, forms filled in and sent with their tokens.

use std::{cell::RefCell, collections::BTreeMap};

use apps::{App, Newcomers};
use ids::{AccountId, AppId, GroupId};
use reqwest::Method;
use server::actions::accounts;
use storage::Group;
use testkit::{Answer, TestServer};

/// A browser: keeps cookies, follows nothing by itself.
struct Browser<'s> {
    server: &'s TestServer,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'s> Browser<'s> {
    fn new(server: &'s TestServer) -> Self {
        Self {
            server,
            cookies: RefCell::default(),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let jar = self.cookies.borrow().clone();
        let jar: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header("accept", "text/html,application/xhtml+xml")
            .header(
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Firefox/130.0",
            )
            .header("cookie", jar.join("; "));
        let answer = Answer::to(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("a text");
            let (name, value) = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a pair");
            if cookie.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.into(), value.into());
            }
        }
        answer
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.server.request(Method::GET, path)).await
    }

    /// Sends a form as it stands on a page: with the token of that page.
    async fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.get(page).await;
        let mut all = vec![("_csrf", token(&form).to_owned())];
        all.extend(fields.iter().map(|&(name, value)| (name, value.to_owned())));
        self.post(action, &all).await
    }

    async fn post(&self, action: &str, fields: &[(&str, String)]) -> Answer {
        let request = self.server.request(Method::POST, action);
        let request = request.header("origin", self.server.origin()).form(fields);
        self.send(request).await
    }

    /// Makes an account and is signed in as it.
    async fn sign_up(&self, name: &str) -> &Self {
        let fields = [
            ("email", &*format!("{name}@example.com")),
            ("username", name),
            ("password", PASSWORD),
            ("next", "/"),
        ];
        let answer = self.submit("/signup", "/signup", &fields).await.expect(303);
        assert_eq!(answer.header("location"), "/");
        self
    }

    fn is_signed_in(&self) -> bool {
        self.cookies.borrow().contains_key("vestibule_session")
    }

    /// The account's id, by the session.
    async fn id(&self) -> AccountId {
        let session = self.cookies.borrow()["vestibule_session"].clone();
        let caller = accounts::authenticate(self.server.context(), &session).await;
        caller
            .expect("a database")
            .expect("a live session")
            .account
            .id
    }
}

const PASSWORD: &str = "correct horse battery";

/// The form token of a page.
fn token(page: &Answer) -> &str {
    let (_, rest) = page
        .text
        .split_once("name=\"_csrf\" value=\"")
        .unwrap_or_else(|| panic!("{}", page.text));
    rest.split('"').next().expect("a closing quote")
}

/// An app that was published, as far as the pages care.
async fn app(server: &TestServer, owner: AccountId, slug: &str) -> AppId {
    let now = server.clock().now();
    let number = u8::try_from(slug.len()).expect("a short name");
    let (id, group) = (AppId::new(1, [number; 10]), GroupId::new(1, [number; 10]));
    let app = App {
        id,
        slug: slug.parse().expect("a slug"),
        name: format!("The {slug}"),
        owner,
        is_public: false,
        requires_auth: true,
        newcomers: Newcomers::OwnGroup,
        default_group: group,
        live_version: Some(1),
        created_at: now,
        updated_at: now,
    };
    let write = server.context().storage.write(move |tx| {
        tx.apps().insert(&app)?;
        tx.groups().insert(&Group {
            id: group,
            app: id,
            account: None,
            label: "default".into(),
            created_at: now,
        })
    });
    write.await.expect("an app");
    id
}

#[tokio::test]
async fn the_first_run_link_makes_the_owner_once() {
    let server = TestServer::start().await;
    let link = accounts::ensure_owner(server.context())
        .await
        .expect("a database")
        .expect("a link");
    let path = link
        .strip_prefix(&server.origin())
        .expect("an address of ours");
    let token = path.split_once("token=").expect("a token").1;
    let browser = Browser::new(&server);
    let fields = [
        ("token", token),
        ("email", "ada@example.com"),
        ("username", "ada"),
        ("full_name", "Ada Lovelace"),
        ("password", PASSWORD),
    ];
    let bad = [fields[0], fields[1], ("username", "A!"), fields[4]];
    let answer = browser.submit(path, "/setup", &bad).await.expect(422);
    assert!(answer.text.contains("value=\"ada@example.com\"") && !answer.text.contains(PASSWORD));
    assert!(
        answer.text.contains("aria-invalid=\"true\""),
        "{}",
        answer.text
    );
    browser.submit(path, "/setup", &fields).await.expect(303);
    let dashboard = browser.get("/").await.expect(200);
    assert!(dashboard.text.contains("No apps yet") && dashboard.text.contains("Ada Lovelace"));
    assert!(
        dashboard
            .text
            .contains(&format!("vestibule login {}", server.origin()))
    );
    let again = Browser::new(&server).get(path).await.expect(410);
    assert!(again.text.contains("used up"), "{}", again.text);
}

#[tokio::test]
async fn one_signs_in_by_email_or_username_and_comes_back_to_where_one_was() {
    let server = TestServer::start().await;
    Browser::new(&server).sign_up("ada").await;
    let browser = Browser::new(&server);
    let answer = browser.get("/account/sessions").await.expect(303);
    assert_eq!(
        answer.header("location"),
        "/signin?next=%2Faccount%2Fsessions"
    );
    let page = answer.header("location").to_owned();
    let form = browser.get(&page).await.expect(200);
    assert!(form.text.contains("name=\"email\"") && form.text.contains("name=\"password\""));
    for login in ["ada", "ADA@example.com "] {
        let browser = Browser::new(&server);
        let fields = [
            ("email", login),
            ("password", PASSWORD),
            ("next", "/account/sessions"),
        ];
        let answer = browser.submit(&page, "/signin", &fields).await.expect(303);
        assert_eq!(answer.header("location"), "/account/sessions");
        let cookie = answer
            .headers
            .get("set-cookie")
            .expect("a cookie")
            .to_str()
            .expect("text");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        let sessions = browser.get("/account/sessions").await.expect(200);
        assert!(
            sessions.text.contains("Firefox on Linux"),
            "{}",
            sessions.text
        );
    }
}

#[tokio::test]
async fn every_failed_sign_in_looks_the_same() {
    let server = TestServer::start().await;
    Browser::new(&server).sign_up("ada").await;
    let mut pages = Vec::new();
    for (login, password) in [
        ("ada", "wrong password"),
        ("nobody", "wrong password"),
        ("nobody", PASSWORD),
    ] {
        let browser = Browser::new(&server);
        let fields = [("email", login), ("password", password)];
        let answer = browser
            .submit("/signin", "/signin", &fields)
            .await
            .expect(401);
        assert!(!browser.is_signed_in());
        let text = answer
            .text
            .replace(token(&answer), "")
            .replace(&format!("value=\"{login}\""), "");
        pages.push(text);
    }
    assert!(pages.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(!pages[0].contains("wrong password"));
}

#[tokio::test]
async fn a_sign_in_never_leads_to_another_site() {
    let server = TestServer::start().await;
    Browser::new(&server).sign_up("ada").await;
    for next in [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:1",
    ] {
        let browser = Browser::new(&server);
        let fields = [("email", "ada"), ("password", PASSWORD), ("next", next)];
        let answer = browser
            .submit("/signin", "/signin", &fields)
            .await
            .expect(303);
        assert_eq!(answer.header("location"), "/", "{next}");
    }
}

#[tokio::test]
async fn a_form_without_its_token_or_from_another_site_changes_nothing() {
    let server = TestServer::start().await;
    let browser = Browser::new(&server);
    browser.sign_up("ada").await;
    let page = browser.get("/account").await;
    let good = token(&page).to_owned();
    let other = Browser::new(&server);
    let foreign = token(&other.get("/signin").await).to_owned();
    for wrong in [String::new(), "0".repeat(64), foreign] {
        let fields = [("_csrf", wrong), ("full_name", "Mallory".into())];
        let answer = browser.post("/account", &fields).await.expect(403);
        assert!(answer.text.contains("out of date"), "{}", answer.text);
    }
    for origin in [
        "http://evil.example",
        "null",
        &format!("http://notes.{}", server.host()),
    ] {
        let request = server
            .request(Method::POST, "/account")
            .header("origin", origin);
        let request = request.form(&[("_csrf", &*good), ("full_name", "Mallory")]);
        browser.send(request).await.expect(403);
    }
    // Whoever tells no origin, as programs do, needs the token all the same.
    let bare = |token: &str| {
        let request = server.request(Method::POST, "/account");
        request.form(&[("_csrf", token), ("full_name", "Mallory")])
    };
    browser.send(bare("")).await.expect(403);
    browser.send(bare(&"0".repeat(64))).await.expect(403);
    assert!(!browser.get("/account").await.text.contains("Mallory"));
    browser.send(bare(&good)).await.expect(303);
    browser
        .post("/account", &[("_csrf", good), ("full_name", "Ada".into())])
        .await
        .expect(303);
    assert!(browser.get("/account").await.text.contains("value=\"Ada\""));
}

#[tokio::test]
async fn errors_are_pages_for_people_and_json_for_programs() {
    let server = TestServer::start().await;
    let browser = Browser::new(&server);
    browser.sign_up("ada").await;
    let page = browser.get("/apps/nothing").await.expect(404);
    assert!(
        page.text.contains("There is nothing here for you") && page.text.contains("request id")
    );
    assert!(page.text.contains(page.header("x-request-id")));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let unknown = browser.get("/no/such/page").await.expect(404);
    assert!(unknown.text.contains("There is nothing here for you"));
    let wrong = browser
        .send(server.request(Method::DELETE, "/signin"))
        .await
        .expect(405);
    assert!(wrong.text.contains("<main"), "{}", wrong.text);
    assert_eq!(
        server
            .call("GET", "/apps/nothing", None, None)
            .await
            .expect(401)
            .code(),
        "unauthorized"
    );
    assert_eq!(
        server
            .call("GET", "/v1/nothing", None, None)
            .await
            .expect(404)
            .code(),
        "not_found"
    );
}

#[tokio::test]
async fn every_page_forbids_what_it_does_not_need() {
    let server = TestServer::start().await;
    let browser = Browser::new(&server);
    browser.sign_up("ada").await;
    app(&server, browser.id().await, "notes").await;
    for path in [
        "/",
        "/signout",
        "/account",
        "/apps/notes",
        "/apps/notes/people",
        "/view/notes/",
        "/nothing",
    ] {
        let page = browser.get(path).await;
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(
            policy.contains("frame-src"),
            path.starts_with("/view/"),
            "{path}: {policy}"
        );
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
    }
    let door = Browser::new(&server).get("/signin?next=/open/notes").await;
    let policy = door.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' http://*.localhost:"),
        "{policy}"
    );
}

#[tokio::test]
async fn an_app_that_is_not_shared_looks_like_one_that_does_not_exist() {
    let server = TestServer::start().await;
    let (ada, eve) = (Browser::new(&server), Browser::new(&server));
    ada.sign_up("ada").await;
    eve.sign_up("eve").await;
    app(&server, ada.id().await, "notes").await;
    for prefix in ["/apps", "/view", "/open"] {
        let mut pages = Vec::new();
        for slug in ["notes", "other"] {
            let slash = if prefix == "/view" { "/" } else { "" };
            let answer = eve
                .get(&format!("{prefix}/{slug}{slash}"))
                .await
                .expect(404);
            let id = answer.header("x-request-id").to_owned();
            let text = answer.text.replace(&id, "");
            pages.push(text.replace("/notes", "/other"));
        }
        assert_eq!(pages[0], pages[1]);
    }
}

#[tokio::test]
async fn an_invited_person_signs_up_by_the_link_and_finds_the_app() {
    let server = TestServer::start_with(&[("accounts.sign_up", "invite-only")]).await;
    let link = accounts::ensure_owner(server.context())
        .await
        .expect("a database")
        .expect("a link");
    let path = link
        .strip_prefix(&server.origin())
        .expect("an address of ours")
        .to_owned();
    let ada = Browser::new(&server);
    let fields = [
        ("token", path.split_once("token=").expect("a token").1),
        ("email", "ada@example.com"),
        ("username", "ada"),
        ("password", PASSWORD),
    ];
    ada.submit(&path, "/setup", &fields).await.expect(303);
    app(&server, ada.id().await, "notes").await;

    let closed = Browser::new(&server).get("/signup").await.expect(403);
    assert!(closed.text.contains("by invitation"));

    let share = [
        ("addresses", "grace@example.com; nonsense"),
        ("mode", "own_copy"),
    ];
    let shared = ada
        .submit("/apps/notes/people", "/apps/notes/people", &share)
        .await
        .expect(200);
    assert!(shared.text.contains("Not an address") && shared.text.contains("nonsense"));
    let (_, rest) = shared
        .text
        .split_once(&format!("{}/invite/", server.origin()))
        .expect("a link");
    let invite = format!("/invite/{}", rest.split('<').next().expect("an end"));
    let listed = ada.get("/apps/notes/people").await.expect(200);
    assert!(
        listed.text.contains("grace@example.com") && !listed.text.contains(&invite),
        "links are shown once"
    );

    let other = ada.get(&invite).await.expect(200);
    assert!(other.text.contains("somebody else"), "{}", other.text);
    let grace = Browser::new(&server);
    let anonymous = grace.get(&invite).await.expect(200);
    assert!(
        anonymous.text.contains("grace@example.com") && anonymous.text.contains("/signup?invite=")
    );
    let page = format!(
        "/signup?invite={}",
        invite.rsplit('/').next().expect("a token")
    );
    let form = grace.get(&page).await.expect(200);
    assert!(form.text.contains("readonly") && form.text.contains("The notes"));
    let fields = [
        ("invite", invite.rsplit('/').next().expect("a token")),
        ("email", "grace@example.com"),
        ("username", "grace"),
        ("password", PASSWORD),
        ("next", "/view/notes/"),
    ];
    let answer = grace.submit(&page, "/signup", &fields).await.expect(303);
    assert_eq!(answer.header("location"), "/view/notes/");
    grace.get("/view/notes/").await.expect(200);
    let dashboard = grace.get("/").await.expect(200);
    assert!(dashboard.text.contains("Shared with me") && dashboard.text.contains("The notes"));
    grace.get("/apps/notes").await.expect(403);

    let people = ada.get("/apps/notes/people").await.expect(200);
    let (_, rest) = people
        .text
        .split_once("/apps/notes/people/")
        .expect("a person");
    let remove = format!(
        "/apps/notes/people/{}",
        rest.split('"').next().expect("an end")
    );
    assert!(
        ada.get(&remove)
            .await
            .expect(200)
            .text
            .contains("Take away grace")
    );
    ada.submit(&remove, &remove, &[]).await.expect(303);
    grace.get("/view/notes/").await.expect(404);
}

#[tokio::test]
async fn somebody_with_an_account_takes_an_invitation_up_by_its_page() {
    let server = TestServer::start().await;
    let (ada, grace) = (Browser::new(&server), Browser::new(&server));
    ada.sign_up("ada").await;
    app(&server, ada.id().await, "notes").await;
    let share = [("addresses", "grace@example.com")];
    let shared = ada
        .submit("/apps/notes/people", "/apps/notes/people", &share)
        .await
        .expect(200);
    let (_, rest) = shared
        .text
        .split_once(&format!("{}/invite/", server.origin()))
        .expect("a link");
    let invite = format!("/invite/{}", rest.split('<').next().expect("an end"));
    grace.sign_up("grace").await;
    // Knowing the address proves nothing; holding the link does.
    assert!(!grace.get("/").await.text.contains("The notes"));
    assert!(
        grace
            .get(&invite)
            .await
            .expect(200)
            .text
            .contains("Open <bdi>The notes</bdi>")
    );
    let answer = grace.submit(&invite, &invite, &[]).await.expect(303);
    assert_eq!(answer.header("location"), "/view/notes/");
    assert!(grace.get("/").await.text.contains("The notes"));
    grace.get(&invite).await.expect(410);
}

#[tokio::test]
async fn a_newcomer_gets_a_place_in_an_app_that_is_open_to_all_and_loses_it_with_the_opening() {
    let server = TestServer::start().await;
    let (ada, eve) = (Browser::new(&server), Browser::new(&server));
    ada.sign_up("ada").await;
    eve.sign_up("eve").await;
    app(&server, ada.id().await, "notes").await;
    eve.get("/view/notes/").await.expect(404);
    ada.submit(
        "/apps/notes",
        "/apps/notes/access",
        &[("is_public", "true")],
    )
    .await
    .expect(303);
    let overview = ada.get("/apps/notes").await.expect(200);
    assert!(
        overview.text.contains("The app is listed now.")
            && overview.text.contains("Anyone with an account here")
    );
    assert!(
        !ada.get("/apps/notes")
            .await
            .text
            .contains("The app is listed now."),
        "said once"
    );
    eve.get("/view/notes/").await.expect(200);
    assert!(
        ada.get("/apps/notes/people")
            .await
            .text
            .contains("came by themselves")
    );
    ada.submit(
        "/apps/notes",
        "/apps/notes/access",
        &[("is_public", "false")],
    )
    .await
    .expect(303);
    eve.get("/view/notes/").await.expect(404);
    assert!(!eve.get("/").await.text.contains("The notes"));
}

#[tokio::test]
async fn the_way_into_an_app_goes_by_its_own_host() {
    let server = TestServer::start().await;
    let ada = Browser::new(&server);
    ada.sign_up("ada").await;
    app(&server, ada.id().await, "notes").await;
    let origin = format!("http://notes.{}", server.host());
    let start = ada.get("/open/notes?next=/a%3Fb=c").await.expect(303);
    assert_eq!(
        start.header("location"),
        format!("{origin}/.vestibule/start?next=%2Fa%3Fb%3Dc")
    );
    let state = "A".repeat(43);
    let hop = ada
        .get(&format!("/open/notes?state={state}&next=/a"))
        .await
        .expect(303);
    let location = hop.header("location");
    assert!(
        location.starts_with(&format!("{origin}/.vestibule/handoff?code=vst_h_")),
        "{location}"
    );
    assert!(location.ends_with("&next=%2Fa"), "{location}");
    let astray = ada.get("/open/notes?next=//evil.example").await.expect(303);
    assert!(
        astray.header("location").ends_with("?next=%2F"),
        "{}",
        astray.header("location")
    );
    ada.get("/open/notes?state=short").await.expect(400);
    let anonymous = Browser::new(&server)
        .get("/open/notes?next=/a")
        .await
        .expect(303);
    assert_eq!(
        anonymous.header("location"),
        "/signin?next=%2Fopen%2Fnotes%3Fnext%3D%2Fa"
    );
    let view = ada.get("/view/notes/deep/path?x=1&y=2").await.expect(200);
    assert!(
        view.text
            .contains("start?next=%2Fdeep%2Fpath%3Fx%3D1%26y%3D2"),
        "{}",
        view.text
    );
    assert!(view.text.contains(
        "sandbox=\"allow-scripts allow-forms allow-same-origin allow-popups allow-downloads\""
    ));
}

#[tokio::test]
async fn opening_the_gate_and_deleting_an_app_ask_first() {
    let server = TestServer::start().await;
    let ada = Browser::new(&server);
    ada.sign_up("ada").await;
    app(&server, ada.id().await, "notes").await;
    let ask = ada.get("/apps/notes/access/open").await.expect(200);
    assert!(
        ask.text.contains("shared: keys")
            && ask.text.contains("name=\"requires_auth\" value=\"false\"")
    );
    ada.submit(
        "/apps/notes/access/open",
        "/apps/notes/access",
        &[("requires_auth", "false")],
    )
    .await
    .expect(303);
    assert!(
        ada.get("/apps/notes")
            .await
            .text
            .contains("Anyone who has the address")
    );
    ada.submit(
        "/apps/notes/delete",
        "/apps/notes/delete",
        &[("slug", "other")],
    )
    .await
    .expect(422);
    ada.get("/apps/notes").await.expect(200);
    ada.submit(
        "/apps/notes/delete",
        "/apps/notes/delete",
        &[("slug", "notes")],
    )
    .await
    .expect(303);
    ada.get("/apps/notes").await.expect(404);
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let server = TestServer::start().await;
    let (here, there) = (Browser::new(&server), Browser::new(&server));
    here.sign_up("ada").await;
    let fields = [("email", "ada"), ("password", PASSWORD)];
    there
        .submit("/signin", "/signin", &fields)
        .await
        .expect(303);
    let wrong = [
        ("current_password", "not this one"),
        ("new_password", "another long password"),
    ];
    let answer = here
        .submit("/account/password", "/account/password", &wrong)
        .await
        .expect(422);
    assert!(
        answer.text.contains("error-current_password")
            && !answer.text.contains("another long password")
    );
    let right = [
        ("current_password", PASSWORD),
        ("new_password", "another long password"),
    ];
    here.submit("/account/password", "/account/password", &right)
        .await
        .expect(303);
    here.get("/account").await.expect(200);
    there.get("/account").await.expect(303);
}

#[tokio::test]
async fn sessions_end_one_by_one_all_at_once_and_by_signing_out() {
    let server = TestServer::start().await;
    let (here, there) = (Browser::new(&server), Browser::new(&server));
    here.sign_up("ada").await;
    let fields = [("email", "ada"), ("password", PASSWORD)];
    there
        .submit("/signin", "/signin", &fields)
        .await
        .expect(303);
    let list = here.get("/account/sessions").await.expect(200);
    let (_, rest) = list
        .text
        .split_once("action=\"/account/sessions/")
        .expect("a session to end");
    let end = format!(
        "/account/sessions/{}",
        rest.split('"').next().expect("an end")
    );
    here.submit("/account/sessions", &end, &[])
        .await
        .expect(303);
    there.get("/").await.expect(303);
    there
        .submit("/signin", "/signin", &fields)
        .await
        .expect(303);
    here.submit(
        "/account/sessions/end-all",
        "/account/sessions/end-all",
        &[],
    )
    .await
    .expect(303);
    assert!(!here.is_signed_in());
    there.get("/").await.expect(303);
    there
        .submit("/signin", "/signin", &fields)
        .await
        .expect(303);
    let out = there.submit("/signout", "/signout", &[]).await.expect(303);
    assert_eq!(out.header("location"), "/signin");
    assert!(
        there
            .get("/signin")
            .await
            .expect(200)
            .text
            .contains("You are signed out.")
    );
}

#[tokio::test]
async fn a_command_line_is_let_in_or_turned_away() {
    let server = TestServer::start().await;
    let ada = Browser::new(&server);
    ada.sign_up("ada").await;
    for (decision, says) in [("approve", "It is in"), ("deny", "Turned away")] {
        let begun = accounts::cli_login::begin(server.context(), "vestibule on a <laptop>");
        let path = format!("/cli-login/{}", begun.request);
        let anonymous = Browser::new(&server).get(&path).await.expect(303);
        assert!(
            anonymous
                .header("location")
                .starts_with("/signin?next=%2Fcli-login%2F")
        );
        let page = ada.get(&path).await.expect(200);
        assert!(
            page.text.contains(&begun.code) && page.text.contains("&#60;laptop&#62;"),
            "{}",
            page.text
        );
        let answer = ada
            .submit(&path, &path, &[("decision", decision)])
            .await
            .expect(200);
        assert!(answer.text.contains(says));
    }
    ada.get("/cli-login/nonsense").await.expect(404);
}

#[tokio::test]
async fn hostile_forms_get_a_clear_refusal() {
    let server = TestServer::start().await;
    let ada = Browser::new(&server);
    ada.sign_up("ada").await;
    app(&server, ada.id().await, "notes").await;
    let long = "x".repeat(20_000);
    let many = "a@example.com ".repeat(30_000);
    for (page, action, field) in [
        ("/signin", "/signin", "email"),
        ("/account", "/account", "full_name"),
        ("/apps/notes", "/apps/notes/name", "name"),
        ("/apps/notes/people", "/apps/notes/people", "addresses"),
        ("/apps/notes/people", "/apps/notes/people", "mode"),
        ("/account/password", "/account/password", "new_password"),
    ] {
        for text in [
            &long,
            &many,
            "\0\u{202e}<script>alert(1)</script>\u{7f}",
            "",
            "' OR 1=1 --",
        ] {
            let browser = if page == "/signin" {
                &Browser::new(&server)
            } else {
                &ada
            };
            let answer = browser.submit(page, action, &[(field, text)]).await;
            let fine = answer.status < 500 && !answer.text.contains("<script>alert");
            assert!(fine, "{action} {field} {}: {}", text.len(), answer.status);
        }
    }
    let huge = "x".repeat(2 << 20);
    ada.submit("/account", "/account", &[("full_name", &huge)])
        .await
        .expect(413);
    let page = ada.get("/account").await;
    let request = server
        .request(Method::POST, "/account")
        .header("origin", server.origin());
    let request = request
        .header("content-type", "multipart/form-data; boundary=x")
        .body(token(&page).to_owned());
    ada.send(request).await.expect(415);
}

#[tokio::test]
async fn releases_and_logs_of_an_app_without_any_are_empty_pages() {
    let server = TestServer::start().await;
    let ada = Browser::new(&server);
    ada.sign_up("ada").await;
    app(&server, ada.id().await, "notes").await;
    let versions = ada.get("/apps/notes/versions").await.expect(200);
    assert!(versions.text.contains("Nothing published yet"));
    let logs = ada.get("/apps/notes/logs?build=true").await.expect(200);
    assert!(logs.text.contains("Nothing has been written yet"));
    for path in [
        "/apps/notes/versions/1",
        "/apps/notes/versions/x",
        "/apps/notes/versions/1/rollback",
    ] {
        ada.get(path).await.expect(404);
    }
    let answer = ada
        .submit("/apps/notes", "/apps/notes/versions/7/rollback", &[])
        .await
        .expect(409);
    assert!(answer.text.contains("version 7"), "{}", answer.text);
}

#[tokio::test]
async fn a_person_who_types_another_name_of_this_machine_lands_at_the_configured_one() {
    let server = TestServer::start().await;
    let port = server.origin().rsplit_once(':').unwrap().1.to_owned();
    let ask = |host: String, accept: &'static str| {
        let address = format!("http://127.0.0.1:{port}/signin?next=%2Fapps%2Fa");
        let request = server.client().get(address).header("host", host);
        Answer::to(request.header("accept", accept))
    };
    let sent = ask(format!("127.0.0.1:{port}"), "text/html")
        .await
        .expect(303);
    assert_eq!(
        sent.header("location"),
        format!("{}/signin?next=%2Fapps%2Fa", server.origin())
    );
    ask(format!("127.0.0.1:{port}"), "*/*").await.expect(200);
    ask(format!("localhost:{port}"), "text/html")
        .await
        .expect(200);
    ask("vestibule.example.com".to_owned(), "text/html")
        .await
        .expect(200);
}
