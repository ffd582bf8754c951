//! Pages filled with made-up data: shared by the preview and by the tests of the pages.

use apps::{DataMode, Newcomers};
use jiff::{SignedDuration, Timestamp};
use server::shell::{
    page::{Page, Theme},
    pages::{
        Account, AccountTab, AppCard, AppHead, Authenticator, CliLogin, Confirm, ConfirmIdentity,
        ConnectionRow, Connections, Dashboard, EmailAddress, ErrorPage, Finding, IdentityRow,
        Invitation, Invite, InviteNote, InvitedAs, Link, LogKind, LogLine, Logs, Mail, Mailed,
        Member, NewAccount, Notice, NoticeLink, NoticeRow, Outcome, Overview, PasskeyName,
        PasskeyRow, Password, People, Profile, ProviderButton, QrPicture, RecoveryCodes,
        SecondFactor, Security, SessionRow, Sessions, Setup, ShareResult, ShownLink, SignIn,
        SignOut, SignUp, Stage, StageState, StolenRow, Tab, Version, VersionRow, Versions, View,
        ViewState, Waiting, WaitingLink, code_form, parse_unified,
    },
    ui::{Alert, AppState, Copy, Field, Kind, Moment, Person, Tone},
};

/// What the made-up data is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    /// As in daily use.
    Usual,
    /// Nothing in it yet.
    Empty,
    /// Ten thousand characters, markup, right-to-left text and emoji wherever text comes from people.
    Hostile,
}

/// A page's name, its path in the preview, and its text.
pub(crate) struct Rendered {
    pub(crate) name: &'static str,
    pub(crate) html: String,
}

pub(crate) fn now() -> Timestamp {
    "2026-11-21T11:30:00Z".parse().expect("a timestamp")
}

fn ago(seconds: i64) -> Moment {
    Moment::new(now() - SignedDuration::from_secs(seconds), now())
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Text that people may send, at its worst.
pub(crate) fn hostile() -> String {
    let long = "x".repeat(10_000);
    format!(
        "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{{{7*7}}}}&amp;\u{202e}טקסט\u{0}👩‍👩‍👧‍👦\u{200f} {long}"
    )
}

struct Fill(Filling);

impl Fill {
    fn text(&self, usual: &str) -> String {
        match self.0 {
            Filling::Hostile => hostile(),
            _ => usual.to_owned(),
        }
    }

    fn maybe(&self, usual: &str) -> Option<String> {
        (self.0 != Filling::Empty).then(|| self.text(usual))
    }

    fn list<T>(&self, list: Vec<T>) -> Vec<T> {
        if self.0 == Filling::Empty {
            Vec::new()
        } else {
            list
        }
    }
}

fn app_state(index: usize) -> AppState {
    [
        AppState::Live,
        AppState::Live,
        AppState::Starting,
        AppState::Crashed,
        AppState::Unpublished,
    ][index % 5]
}

/// All pages.
pub(crate) fn all(filling: Filling, theme: Theme) -> Vec<Rendered> {
    let fill = Fill(filling);
    let ada = Person {
        username: fill.text("ada"),
        email: fill.text("ada@example.com"),
        full_name: fill.maybe("Ada Lovelace"),
    };
    let anonymous = Page {
        viewer: None,
        is_admin: false,
        csrf: "csrf-token".into(),
        theme,
        flash: None,
        now: now(),
        here: "/".into(),
    };
    let page = Page {
        viewer: Some(ada.clone()),
        ..anonymous.clone()
    };
    let flashed = |tone, text: &str| Page {
        flash: Some(Alert::new(tone, fill.text(text))),
        ..page.clone()
    };
    let head = |tab| AppHead {
        slug: "guestbook".into(),
        name: fill.text("Guestbook"),
        url: "http://guestbook.localhost:8080".into(),
        state: if filling == Filling::Empty {
            AppState::Unpublished
        } else {
            AppState::Live
        },
        tab,
    };
    let card = |index: usize, name: &str, owner: Option<&str>| AppCard {
        slug: name.to_lowercase().replace(' ', "-"),
        name: fill.text(name),
        host: format!("{}.localhost:8080", name.to_lowercase().replace(' ', "-")),
        state: app_state(index),
        owner: owner.map(|owner| fill.text(owner)),
        is_public: index % 3 == 1,
        requires_auth: index != 1,
        version: (index != 4).then_some(4),
        published: (index != 4).then(|| ago(HOUR * 5)),
    };
    let new_account = |wrong: bool| {
        NewAccount {
            email: fill.text(if wrong { "ada.example.com" } else { "" }),
            username: fill.text(if wrong { "Ada L" } else { "" }),
            email_error: wrong
                .then(|| fill.text("Write the whole address, for example ada@example.com.")),
            username_error: wrong.then(|| fill.text("Use small letters, digits and hyphens only.")),
            ..NewAccount::default()
        }
        .form()
    };
    let log_line = |seconds: i64, stream: &str, level: &str, text: &str| LogLine {
        at: now() - SignedDuration::from_secs(seconds),
        stream: stream.into(),
        level: level.into(),
        text: fill.text(text),
    };
    let log = fill.list(vec![
        log_line(70, "system", "info", "Starting version 4"),
        log_line(69, "stderr", "info", "INFO:     Started server process [12]"),
        log_line(69, "stderr", "info", "INFO:     Application startup complete."),
        log_line(40, "stdout", "info", "INFO:     GET / 200 OK"),
        log_line(31, "stdout", "debug", "DEBUG:    loaded 14 entries in 0.4 ms"),
        log_line(20, "stderr", "warning", "WARNING:  the entry is long and will be shown shortened"),
        log_line(12, "stderr", "error", "Traceback (most recent call last):\n  File \"/app/main.py\", line 41, in sign\n    entry = Entry(**form)\nValueError: text may not be empty"),
        log_line(11, "stdout", "info", "INFO:     POST /sign 500 Internal Server Error"),
        log_line(2, "stdout", "info", "INFO:     GET /entries?page=2 200 OK"),
    ]);
    let version = |version: u32, at: i64, message: Option<&str>| VersionRow {
        version,
        live: false,
        publishing: false,
        pruned: false,
        failure: None,
        can_activate: true,
        by: fill.text("ada"),
        at: ago(at),
        message: message.map(|text| fill.text(text)),
    };
    let failed = VersionRow {
        failure: Some(
            fill.text("Build: no version of “fastapi-pagination” works with Python 3.14."),
        ),
        can_activate: false,
        ..version(5, HOUR, Some("Pagination"))
    };
    let live = VersionRow {
        live: true,
        ..version(4, 5 * HOUR, Some("Entries can be edited"))
    };
    let diff = if filling == Filling::Hostile {
        format!(
            "--- a/x\n+++ b/{0}\n@@ -1 +1 @@\n-{0}\n+{0}\n",
            hostile().replace('\n', "")
        )
    } else {
        include_str!("guestbook.diff").to_owned()
    };
    let mut pages: Vec<Rendered> = Vec::new();
    let mut add = |name: &'static str, page: &dyn askama::DynTemplate| {
        pages.push(Rendered {
            name,
            html: page.dyn_render().expect("the page renders"),
        });
    };

    add(
        "setup",
        &Setup {
            page: anonymous.clone(),
            form: new_account(false),
            token: "t".into(),
        },
    );
    add(
        "signup",
        &SignUp {
            page: anonymous.clone(),
            form: new_account(true),
            next: "/".into(),
            invite: None,
            providers: Vec::new(),
        },
    );
    add(
        "signup-invited",
        &SignUp {
            page: anonymous.clone(),
            form: NewAccount {
                email: fill.text("grace@example.com"),
                email_is_fixed: true,
                ..NewAccount::default()
            }
            .form(),
            next: "/".into(),
            providers: Vec::new(),
            invite: Some(InviteNote {
                token: "t".into(),
                app: fill.text("Guestbook"),
                inviter: fill.text("ada"),
            }),
        },
    );
    add("signup-closed", &Notice {
        page: anonymous.clone(),
        title: "Accounts are by invitation".into(),
        text: vec!["Ask the person who runs this server, or the owner of the app you want to open, to invite you.".into()],
        links: vec![NoticeLink::new("/signin", "Sign in")],
    });
    add(
        "signin",
        &SignIn {
            page: anonymous.clone(),
            form: SignIn::form("", None),
            next: "/open/guestbook".into(),
            can_sign_up: true,
            can_reset: true,
            can_confirm: false,
            reason: Some(fill.text("Then Guestbook opens.")),
            passkeys: true,
            providers: vec![ProviderButton {
                name: "google".into(),
                label: fill.text("Google"),
            }],
        },
    );
    add(
        "signin-failed",
        &SignIn {
            page: anonymous.clone(),
            form: SignIn::form(
                &fill.text("ada"),
                Some("That email or username and that password do not belong together.".into()),
            ),
            next: "/".into(),
            can_sign_up: false,
            can_reset: true,
            can_confirm: false,
            reason: None,
            passkeys: false,
            providers: Vec::new(),
        },
    );
    add(
        "link",
        &Link {
            page: anonymous.clone(),
            token: "t".into(),
            next: "/".into(),
        },
    );
    add("signout", &SignOut { page: page.clone() });
    add(
        "forgot",
        &Mailed {
            page: anonymous.clone(),
            title: "Forgot your password?".into(),
            text: vec!["Type the address of your account.".into()],
            action: "/forgot",
            token: None,
            username: None,
            form: Mailed::address("email", "Email", &fill.text("ada@example.com"), None),
            button: "Send the link",
            after: Some(NoticeLink::new("/signin", "Back to sign-in")),
        },
    );
    add(
        "reset",
        &Mailed {
            page: anonymous.clone(),
            title: "Set a new password".into(),
            text: vec![fill.text("For the account ada.")],
            action: "/reset",
            token: Some("t".into()),
            username: Some(fill.text("ada")),
            form: Mailed::new_password(Some("The password is too short.".into())),
            button: "Set the password",
            after: None,
        },
    );
    add(
        "email",
        &EmailAddress {
            page: page.clone(),
            head: Account {
                tab: AccountTab::Profile,
            },
            email: fill.text("ada@example.com"),
            confirms: true,
            form: Mailed::address("new_email", "New email address", "", None),
        },
    );
    add(
        "mail",
        &Mail {
            page: page.clone(),
            host: None,
            from: String::new(),
            shown: Some(ShownLink {
                email: fill.text("ada@example.com"),
                link: Copy::new("https://home.example.com/reset?token=t", "link"),
            }),
            links: fill.list(vec![WaitingLink {
                id: "019b8d62-7a80-7c94-8e18-4cba97c7191b".into(),
                email: fill.text("ada@example.com"),
                what: "New password",
                asked: ago(60),
                until: ago(-1_740),
                attempts: 1,
                problem: Some(fill.text("the mail server did not answer in time")),
            }]),
        },
    );
    add(
        "cli-login",
        &CliLogin {
            page: page.clone(),
            request: "cmVxdWVzdA".into(),
            code: fill.text("KDWR-PFTM"),
            device: fill.text("vestibule on ada-laptop"),
            asked: ago(20),
            account: ada.clone(),
        },
    );
    for (name, page, seen_by) in [
        ("invite-anonymous", &anonymous, InvitedAs::Anonymous),
        ("invite-invited", &page, InvitedAs::Invited),
        ("invite-other", &page, InvitedAs::SomebodyElse),
    ] {
        add(
            name,
            &Invite {
                page: page.clone(),
                token: "vst_i_t".into(),
                app: fill.text("Guestbook"),
                inviter: fill.text("ada"),
                email: fill.text("grace@example.com"),
                seen_by,
            },
        );
    }
    let mine = [
        "Guestbook",
        "Team lunch",
        "Invoice reader",
        "Standup notes",
        "Shelf",
    ];
    let mine = fill.list(
        mine.iter()
            .enumerate()
            .map(|(index, name)| card(index, name, None))
            .collect(),
    );
    let shared = fill.list(vec![
        card(0, "Holiday planner", Some("grace")),
        card(6, "Reading group", Some("edsger")),
    ]);
    let notices = fill.list(vec![NoticeRow {
        at: ago(2 * HOUR),
        text: fill.text("A recovery code was used to sign in from Firefox on Linux. If that was not you, change your password and make new recovery codes."),
    }]);
    add(
        "dashboard",
        &Dashboard {
            page: flashed(Tone::Good, "Guestbook is live: version 4."),
            notices: notices.clone(),
            total: if filling == Filling::Empty { 0 } else { 14 },
            mine,
            shared,
            query: String::new(),
            server: "http://localhost:8080".into(),
        },
    );
    add(
        "dashboard-search",
        &Dashboard {
            page: page.clone(),
            notices: vec![],
            total: 14,
            mine: vec![],
            shared: vec![],
            query: fill.text("zebra"),
            server: "http://localhost:8080".into(),
        },
    );
    add(
        "dashboard-empty",
        &Dashboard {
            page: page.clone(),
            notices: vec![],
            total: 0,
            mine: vec![],
            shared: vec![],
            query: String::new(),
            server: "http://localhost:8080".into(),
        },
    );
    for (name, is_public, requires_auth) in [
        ("overview", false, true),
        ("overview-open", true, false),
        ("overview-team", true, true),
    ] {
        add(
            name,
            &Overview {
                page: page.clone(),
                app: head(Tab::Overview),
                is_public,
                requires_auth,
                newcomers: Newcomers::OwnGroup,
                version: (filling != Filling::Empty).then_some(4),
                published: (filling != Filling::Empty).then(|| ago(5 * HOUR)),
                people: if filling == Filling::Empty { 0 } else { 3 },
                memory_bytes: (filling != Filling::Empty).then_some(41_234_567),
                restarts: Some(1),
                name_field: Field::new(Kind::Text, "name", "Name")
                    .value(fill.text("Guestbook"))
                    .at_most(80),
            },
        );
    }
    add("confirm-open", &Confirm {
        page: page.clone(),
        title: "Open Guestbook to everyone, without sign-in?".into(),
        text: vec![
            "Anyone who has the address can use the app, and the app no longer knows who they are.".into(),
            "14 shared: keys of your group become readable without sign-in.".into(),
        ],
        action: "/apps/guestbook/access".into(),
        hidden: vec![("requires_auth", "false".into())],
        field: None,
        button: "Open without sign-in".into(),
        destroys: false,
        back: "/apps/guestbook".into(),
    });
    add("confirm-delete", &Confirm {
        page: page.clone(),
        title: format!("Delete {}?", fill.text("Guestbook")),
        text: vec!["Its address, 5 versions and everything people have stored in it are removed for good. There is no way back.".into()],
        action: "/apps/guestbook/delete".into(),
        hidden: vec![],
        field: Some(Field::new(Kind::Text, "slug", "To go on, write guestbook")),
        button: "Delete the app".into(),
        destroys: true,
        back: "/apps/guestbook".into(),
    });
    add(
        "confirm-rollback",
        &Confirm {
            page: page.clone(),
            title: "Roll back to version 3?".into(),
            text: vec![
                "Version 3 is served again within a second; version 4 stays in the list.".into(),
                "Data is not rolled back: what people have stored since then stays as it is."
                    .into(),
            ],
            action: "/apps/guestbook/versions/3/rollback".into(),
            hidden: vec![],
            field: None,
            button: "Roll back to version 3".into(),
            destroys: false,
            back: "/apps/guestbook/versions".into(),
        },
    );
    let member = |name: &str, full: &str, mode, seen: Option<i64>| Member {
        id: "0198f2c0-0000-7000-8000-000000000001".into(),
        person: Person {
            username: fill.text(name),
            email: fill.text(&format!("{name}@example.com")),
            full_name: fill.maybe(full),
        },
        mode,
        invited: seen.is_some(),
        last_seen: seen.map(ago),
    };
    let result = |address: &str, outcome| ShareResult {
        address: fill.text(address),
        outcome,
    };
    let link =
        "http://localhost:8080/invite/vst_i_4pXq0m1R8bT2n6VhJcZs9LwYkEoUaGdF3iQx5B7tMzP".to_owned();
    for (name, results) in [
        ("people", vec![]),
        (
            "people-shared",
            vec![
                result("grace@example.com", Outcome::Added),
                result("linus@example.org", Outcome::Invited { link: link.clone() }),
                result("edsger@example.com", Outcome::Already),
                result(
                    "barbara@",
                    Outcome::Invalid {
                        reason: fill.text("There is no host after the @."),
                    },
                ),
            ],
        ),
    ] {
        add(
            name,
            &People {
                page: page.clone(),
                app: head(Tab::People),
                addresses: People::address_box(&fill.text(""), None),
                mode: DataMode::Join,
                results: fill.list(results),
                members: fill.list(vec![
                    member("grace", "Grace Hopper", DataMode::Join, Some(HOUR)),
                    member(
                        "edsger",
                        "Edsger W. Dijkstra",
                        DataMode::OwnCopy,
                        Some(3 * DAY),
                    ),
                    member("barbara", "", DataMode::OwnCopy, None),
                ]),
                invites: fill.list(vec![Invitation {
                    id: "0198f2c0-0000-7000-8000-000000000002".into(),
                    email: fill.text("linus@example.org"),
                    mode: DataMode::Join,
                    expires: ago(-27 * DAY),
                }]),
            },
        );
    }
    add("versions", &Versions {
        page: page.clone(),
        app: head(Tab::Versions),
        versions: fill.list(vec![
            VersionRow { publishing: true, can_activate: false, ..version(6, 5, None) },
            failed.clone(),
            live.clone(),
            version(3, 2 * DAY, Some("First version that people saw, with a longer note that does not fit into one line of the list on most screens")),
            version(2, 2 * DAY + HOUR, None),
            VersionRow { pruned: true, can_activate: false, ..version(1, 40 * DAY, Some("Hello")) },
        ]),
    });
    let finding = |rule: &str, stops, message: &str| {
        Finding {
        rule: rule.into(),
        stops,
        message: fill.text(message),
        place: fill.maybe("main.py:12:1"),
        excerpt: fill.maybe("11 | from fastapi import FastAPI\n12 | import sqlite3\n   | ^^^^^^^^^^^^^^ imported here\n13 |"),
        fix: fill.maybe("Keep what should stay in vestibule.kv; files of the app are wiped at each publish."),
    }
    };
    let stage = |name: &str, state, detail: &str| Stage {
        name: name.into(),
        state,
        detail: fill.text(detail),
    };
    add(
        "version",
        &Version {
            page: page.clone(),
            app: head(Tab::Versions),
            version: live,
            facts: fill.list(vec![
                ("App object", "main:app".into()),
                (
                    "Start command",
                    fill.text("uvicorn main:app --host 0.0.0.0 --port $PORT"),
                ),
                ("Python", "3.12".into()),
            ]),
            stages: vec![],
            log: vec![],
            findings: fill.list(vec![finding(
                "persistence.sqlite",
                false,
                "SQLite files do not outlive a publish.",
            )]),
            diff: fill.list(parse_unified(&diff)),
        },
    );
    add(
        "version-failed",
        &Version {
            page: page.clone(),
            app: head(Tab::Versions),
            version: failed,
            facts: vec![],
            stages: fill.list(vec![
                stage("Upload", StageState::Done, "12 files, 18 kB"),
                stage("Check", StageState::Done, "1 thing to consider"),
                stage("Rewrite", StageState::Done, "wired after main.py:9"),
                stage("Build", StageState::Failed, "stopped after 4.1 s"),
                stage("Start", StageState::Ahead, ""),
                stage("Switch", StageState::Ahead, ""),
            ]),
            log: log.clone(),
            findings: vec![],
            diff: vec![],
        },
    );
    add(
        "logs",
        &Logs {
            page: page.clone(),
            app: head(Tab::Logs),
            kind: LogKind::Run,
            version: Some(4),
            lines: log.clone(),
            stream: Some("/apps/guestbook/logs/stream?after=9".into()),
        },
    );
    add(
        "view",
        &View {
            page: page.clone(),
            slug: "guestbook".into(),
            name: fill.text("Guestbook"),
            owner: None,
            origin: "http://guestbook.localhost:8080".into(),
            frame: "/_preview/framed".into(),
            own_tab: "http://guestbook.localhost:8080/.vestibule/start?next=/".into(),
        },
    );
    add(
        "view-shared",
        &View {
            page: page.clone(),
            slug: "guestbook".into(),
            name: fill.text("Guestbook"),
            owner: Some(fill.text("grace")),
            origin: "http://guestbook.localhost:8080".into(),
            frame: "/_preview/hanging".into(),
            own_tab: "http://guestbook.localhost:8080/.vestibule/start?next=/".into(),
        },
    );
    for (name, waiting, owned) in [
        ("view-starting", Waiting::Starting, false),
        ("view-crashed", Waiting::Crashed, true),
        ("view-crashed-shared", Waiting::Crashed, false),
        ("view-stopped", Waiting::NotRunning, true),
    ] {
        add(
            name,
            &ViewState {
                page: page.clone(),
                slug: "guestbook".into(),
                name: fill.text("Guestbook"),
                owned,
                waiting,
                log: log.clone(),
            },
        );
    }
    add(
        "profile",
        &Profile {
            page: flashed(Tone::Good, "Saved."),
            head: Account {
                tab: AccountTab::Profile,
            },
            form: Profile::form(&fill.text("Ada Lovelace"), None),
            email: fill.text("ada@example.com"),
            email_verified: false,
            can_confirm: true,
            username: fill.text("ada"),
            role: "superadmin".into(),
            since: ago(100 * DAY),
        },
    );
    add(
        "password",
        &Password {
            page: page.clone(),
            head: Account {
                tab: AccountTab::Security,
            },
            form: Password::form(
                true,
                Some("That is not your present password.".into()),
                None,
            ),
            username: fill.text("ada"),
        },
    );
    let security = Account {
        tab: AccountTab::Security,
    };
    let passkey = |name: &str, synced, used: Option<i64>| PasskeyRow {
        id: "0198f2c0-0000-7000-8000-000000000004".into(),
        name: fill.text(name),
        synced,
        since: ago(40 * DAY),
        last_used: used.map(ago),
    };
    add(
        "security",
        &Security {
            page: page.clone(),
            head: security,
            notices,
            has_password: true,
            passkeys: fill.list(vec![
                passkey("Chrome on Android", true, Some(2 * HOUR)),
                passkey("Blue security key", false, None),
            ]),
            passkeys_work: true,
            device: fill.text("Firefox on Linux"),
            authenticator: Some(ago(40 * DAY)),
            recovery_codes: 3,
            recovery_codes_made: Some(ago(40 * DAY)),
            asks_for_second: true,
        },
    );
    add(
        "security-plain",
        &Security {
            page: page.clone(),
            head: security,
            notices: vec![],
            has_password: false,
            passkeys: vec![],
            passkeys_work: false,
            device: fill.text("Firefox on Linux"),
            authenticator: None,
            recovery_codes: 0,
            recovery_codes_made: None,
            asks_for_second: false,
        },
    );
    add(
        "authenticator",
        &Authenticator {
            page: page.clone(),
            head: security,
            picture: QrPicture::of("otpauth://totp/localhost:ada%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=localhost").expect("it fits"),
            secret: "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ".into(),
            form: code_form("Six digits.", Some("The code is wrong; type the one that the app shows now.".into()), true),
        },
    );
    add(
        "recovery-codes",
        &RecoveryCodes {
            page: page.clone(),
            head: security,
            done: "The passkey is added.".into(),
            codes: (0..10)
                .map(|n| format!("7k2{n}-mzqa-0x8d-w4h{n}"))
                .collect(),
        },
    );
    add(
        "passkey-name",
        &PasskeyName {
            page: page.clone(),
            head: security,
            id: "0198f2c0-0000-7000-8000-000000000004".into(),
            form: PasskeyName::form(&fill.text("Blue security key")),
        },
    );
    add(
        "second-factor",
        &SecondFactor {
            page: anonymous.clone(),
            next: "/".into(),
            passkey: true,
            form: Some(code_form(
                "The six digits that your authenticator app shows, or a recovery code.",
                None,
                false,
            )),
        },
    );
    add(
        "second-factor-code",
        &SecondFactor {
            page: anonymous.clone(),
            next: "/".into(),
            passkey: false,
            form: Some(code_form(
                "The six digits that your authenticator app shows, or a recovery code.",
                Some("The code is wrong; type the one that the app shows now.".into()),
                true,
            )),
        },
    );
    add(
        "confirm-identity",
        &ConfirmIdentity {
            page: page.clone(),
            next: "/account/security".into(),
            username: fill.text("ada"),
            passkey: true,
            password: Some(ConfirmIdentity::password_form(None)),
            code: Some(code_form(
                "From your authenticator app, or a recovery code.",
                None,
                false,
            )),
            providers: vec![ProviderButton {
                name: "google".into(),
                label: fill.text("Google"),
            }],
        },
    );
    add(
        "confirm-nothing",
        &ConfirmIdentity {
            page: page.clone(),
            next: "/account/security".into(),
            username: fill.text("ada"),
            passkey: false,
            password: None,
            code: None,
            providers: Vec::new(),
        },
    );
    let session = |device: &str, is_cli, seen, current| SessionRow {
        id: "0198f2c0-0000-7000-8000-000000000003".into(),
        device: fill.text(device),
        is_cli,
        since: ago(12 * DAY),
        last_seen: ago(seen),
        current,
    };
    add(
        "sessions",
        &Sessions {
            page: page.clone(),
            head: Account {
                tab: AccountTab::Sessions,
            },
            sessions: fill.list(vec![
                session("Firefox on Linux", false, 0, true),
                session("vestibule on ada-laptop", true, 2 * HOUR, false),
                session("Safari on iPhone", false, 3 * DAY, false),
            ]),
            stolen: fill.list(vec![StolenRow {
                device: fill.text("Chrome on Windows"),
                ended: ago(DAY),
            }]),
        },
    );
    let connection = |provider: &str, label: &str, identity| ConnectionRow {
        provider: provider.into(),
        label: fill.text(label),
        is_offered: true,
        identity,
    };
    add(
        "connections",
        &Connections {
            page: page.clone(),
            head: Account {
                tab: AccountTab::Connections,
            },
            connections: fill.list(vec![
                connection(
                    "google",
                    "Google",
                    Some(IdentityRow {
                        email: fill.text("ada@example.com"),
                        subject: "4711".into(),
                        since: ago(12 * DAY),
                        last_used: ago(2 * HOUR),
                    }),
                ),
                connection("github", "GitHub", None),
            ]),
        },
    );
    for (name, page, status) in [
        ("error-404", &page, 404),
        ("error-403", &anonymous, 403),
        ("error-429", &anonymous, 429),
        ("error-500", &page, 500),
    ] {
        add(
            name,
            &ErrorPage {
                page: page.clone(),
                status,
                title: ErrorPage::title_for(status).into(),
                text: fill.text("What you look for does not exist, or it was not shared with you."),
                request_id: Some("5f2c91d07ab34e0c".into()),
                links: vec![NoticeLink::new("/", "All my apps")],
            },
        );
    }
    pages
}
