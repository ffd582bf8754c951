//! App hosts on a real server: who gets in, and how fast a change of authority acts. No app runs here: whoever is let in is told
//! that the app is stopped.
use accounts::{Role, SessionOrigin};
use apps::{App, DataMode, Member, Newcomers};
use ids::{AppId, GroupId, Slug};
use jiff::SignedDuration;
use secret::Secret;
use server::{
    Peer,
    actions::accounts::{self as actions, Credentials, NewAccount, SignedIn},
    extract::Caller,
    gateway::issue_handoff,
};
use storage::{EventKind, Group};
use testkit::{Answer, TestServer};

const LET_IN: (u16, &str) = (503, "app_stopped");
const SIGN_IN: (u16, &str) = (401, "viewer_required");
const HIDDEN: (u16, &str) = (404, "not_found");

struct World {
    server: TestServer,
    ana: SignedIn,
    ben: SignedIn,
    app: App,
}

impl World {
    /// A server with two people, and an app of the first.
    async fn new() -> Self {
        let server = TestServer::start().await;
        let ana = person(&server, "ana").await;
        let ben = person(&server, "ben").await;
        let now = server.context().now();
        let app = App {
            id: AppId::new(1, [1; 10]),
            slug: "notes".parse().unwrap(),
            name: "Notes".into(),
            owner: ana.account.id,
            is_public: false,
            requires_auth: true,
            newcomers: Newcomers::OwnGroup,
            default_group: GroupId::new(1, [2; 10]),
            live_version: None,
            created_at: now,
            updated_at: now,
        };
        let (record, group) = (
            app.clone(),
            Group {
                id: app.default_group,
                app: app.id,
                account: None,
                label: "everyone".into(),
                created_at: now,
            },
        );
        let made = server.context().change(move |change| {
            change.apps().insert(&record)?;
            change.groups().insert(&group)?;
            change.event(EventKind::AppCreated, record.id)
        });
        made.await.unwrap();
        Self {
            server,
            ana,
            ben,
            app,
        }
    }

    async fn send(&self, slug: &str, path: &str, cookie: &str) -> Answer {
        let port = self.server.server().public_address().port();
        let request = self
            .server
            .client()
            .get(self.server.url(path))
            .header("host", format!("{slug}.localhost:{port}"));
        Answer::to(request.header("cookie", cookie)).await
    }

    async fn check(&self, cookie: &str, expected: (u16, &str)) {
        let answer = self.send("notes", "/", cookie).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            expected,
            "{answer:?}"
        );
    }

    /// Starts a hop: the nonce cookie and the state.
    async fn start(&self) -> (String, String) {
        let started = self
            .send("notes", "/.vestibule/start", "a=b")
            .await
            .expect(303);
        let state = started
            .header("location")
            .split_once("&state=")
            .unwrap()
            .1
            .to_owned();
        (
            format!(
                "vestibule_handoff={}",
                started.cookie("vestibule_handoff").unwrap()
            ),
            state,
        )
    }

    async fn code(&self, person: &SignedIn, state: &str) -> String {
        let code = issue_handoff(self.server.context(), &person.session, self.app.id, state)
            .await
            .unwrap();
        code.expose().clone()
    }

    /// The cookies of a browser that came over from the pages.
    async fn hop(&self, person: &SignedIn) -> String {
        let (nonce, state) = self.start().await;
        let code = self.code(person, &state).await;
        let done = self
            .send("notes", &format!("/.vestibule/handoff?code={code}"), &nonce)
            .await
            .expect(303);
        format!(
            "vestibule_app={}; vestibule_viewer_token={}",
            done.cookie("vestibule_app").unwrap(),
            done.cookie("vestibule_viewer_token").unwrap()
        )
    }

    async fn change_app(&mut self, change: impl FnOnce(&mut App)) {
        change(&mut self.app);
        let app = self.app.clone();
        let changed = self.server.context().change(move |change| {
            change.apps().update(&app)?;
            change.event(EventKind::AppAccessChanged, app.id)
        });
        changed.await.unwrap();
    }

    async fn set_place(&self, person: &SignedIn, invited: Option<bool>) {
        let (app, account, now) = (self.app.id, person.account.id, self.server.context().now());
        let group = self.app.default_group;
        let changed = self.server.context().change(move |change| {
            match invited {
                Some(invited) => change.members().upsert(&Member {
                    app,
                    account,
                    group,
                    mode: DataMode::Join,
                    invited,
                    created_at: now,
                    last_seen_at: None,
                })?,
                None => change.members().remove(app, account)?,
            }
            change.event(EventKind::MembershipChanged, app)
        });
        changed.await.unwrap();
    }
}

async fn person(server: &TestServer, username: &str) -> SignedIn {
    let password = || Secret::new(format!("a long password of {username}"));
    let account = NewAccount {
        email: format!("{username}@example.com"),
        username: username.to_owned(),
        full_name: None,
        password: password(),
    };
    actions::create_account(server.context(), account, Role::User)
        .await
        .unwrap();
    let credentials = Credentials {
        login: username.to_owned(),
        password: password(),
        otp: None,
        peer: Peer::Local,
        device: None,
    };
    actions::sign_in_at_once(
        server.context(),
        credentials,
        "a test",
        SessionOrigin::Password,
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn hosts_lead_to_apps_or_to_the_pages() {
    let world = World::new().await;
    world.check("a=b", SIGN_IN).await;
    for slug in ["unknown", "www", "a.notes"] {
        let answer = world.send(slug, "/", "a=b").await;
        assert_eq!((answer.status, answer.code().as_str()), HIDDEN, "{slug}");
    }
    let pages = world.server.call("GET", "/v1/session", None, None).await;
    assert_eq!(
        pages.code(),
        "unauthorized",
        "our own routes answer on our own host"
    );
    let app = world.send("notes", "/v1/session", "a=b").await;
    assert_eq!(app.code(), SIGN_IN.1, "and not on an app's host");
}

#[tokio::test]
async fn the_owner_and_invited_people_get_in_and_others_do_not() {
    let mut world = World::new().await;
    let ana = world.hop(&world.ana).await;
    world.check(&ana, LET_IN).await;
    world.set_place(&world.ben, Some(true)).await;
    let ben = world.hop(&world.ben).await;
    world.check(&ben, LET_IN).await;
    world.set_place(&world.ben, None).await;
    world.check(&ben, HIDDEN).await;
    // Who came by themselves keeps the place only while the app is open to all.
    world.set_place(&world.ben, Some(false)).await;
    world.check(&ben, HIDDEN).await;
    world.change_app(|app| app.is_public = true).await;
    world.check(&ben, LET_IN).await;
    world.check("a=b", SIGN_IN).await;
    world.change_app(|app| app.is_public = false).await;
    world.check(&ben, HIDDEN).await;
    world.change_app(|app| app.requires_auth = false).await;
    world.check("a=b", LET_IN).await;
}

#[tokio::test]
async fn a_newcomer_to_an_open_app_gets_a_place_also_straight_at_its_host() {
    let mut world = World::new().await;
    world.set_place(&world.ben, Some(true)).await;
    let ben = world.hop(&world.ben).await;
    world.set_place(&world.ben, None).await;
    world.check(&ben, HIDDEN).await;
    world.change_app(|app| app.is_public = true).await;
    world.check(&ben, LET_IN).await;
    let (app, account) = (world.app.id, world.ben.account.id);
    let place = world.server.context().member(app, account).await;
    let place = place.unwrap().expect("a place");
    assert!(!place.invited);
    assert_ne!(place.group, world.app.default_group, "a group of their own");
    world.check(&ben, LET_IN).await;
    let again = world.server.context().member(app, account).await.unwrap();
    assert_eq!(again.expect("a place").group, place.group);
}

#[tokio::test]
async fn nobody_gets_in_by_a_code_without_a_place() {
    let world = World::new().await;
    let (nonce, state) = world.start().await;
    let code = world.code(&world.ben, &state).await;
    let refused = world
        .send("notes", &format!("/.vestibule/handoff?code={code}"), &nonce)
        .await;
    assert_eq!(
        (refused.status, refused.cookie("vestibule_app")),
        (404, None)
    );
}

#[tokio::test]
async fn a_code_works_once_within_a_minute_in_its_own_browser() {
    let world = World::new().await;
    let (nonce, state) = world.start().await;
    let (other, _) = world.start().await;
    let redeem = async |code: &str, cookie: &str| {
        world
            .send("notes", &format!("/.vestibule/handoff?code={code}"), cookie)
            .await
            .status
    };
    let code = world.code(&world.ana, &state).await;
    assert_eq!(redeem(&code, &nonce).await, 303);
    assert_eq!(redeem(&code, &nonce).await, 400, "again");
    let code = world.code(&world.ana, &state).await;
    assert_eq!(redeem(&code, &other).await, 400, "in another browser");
    let code = world.code(&world.ana, &state).await;
    world.server.clock().advance(SignedDuration::from_secs(61));
    assert_eq!(redeem(&code, &nonce).await, 400, "too late");
    for code in ["", "vst_h_", "vst_l_AAAA", "%00%ff"] {
        assert_eq!(redeem(code, &nonce).await, 400, "{code}");
    }
}

#[tokio::test]
async fn signing_out_everywhere_shuts_the_apps_too() {
    let world = World::new().await;
    let cookies = world.hop(&world.ana).await;
    world.check(&cookies, LET_IN).await;
    let caller = Caller {
        account: world.ana.account.clone().into(),
        session: world.ana.session.clone().into(),
    };
    actions::sign_out_everywhere(world.server.context(), &caller)
        .await
        .unwrap();
    world.check(&cookies, SIGN_IN).await;
}

#[tokio::test]
async fn a_renamed_app_is_found_under_its_new_name_only() {
    let mut world = World::new().await;
    let cookies = world.hop(&world.ana).await;
    world
        .change_app(|app| app.slug = "diary".parse::<Slug>().unwrap())
        .await;
    world.check(&cookies, HIDDEN).await;
    let renamed = world.send("diary", "/", &cookies).await;
    assert_eq!((renamed.status, renamed.code().as_str()), LET_IN);
}
