//! Mail on its way: tried again, given up, never lost, never said without protection, shown where nobody sends it.

use accounts::Role;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use server::actions::accounts as actions;
use storage::Mail;
use testkit::{Answer, MailSink, TestServer};

async fn start(sink: &MailSink, settings: &[(&str, &str)]) -> TestServer {
    let own = sink.settings();
    let mut all: Vec<(&str, &str)> = own.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    all.extend(settings);
    TestServer::start_with(&all).await
}

async fn ask(server: &TestServer, email: &str) {
    let body = json!({"email": email});
    let answer = server
        .call(
            "POST",
            "/user/account/password-reset/request",
            None,
            Some(body),
        )
        .await;
    answer.expect(202);
}

/// The message that can be sent, as soon as there is one and its tries are so many.
async fn tried(server: &TestServer, tries: u32) -> Mail {
    let found = std::sync::Mutex::new(None);
    server
        .eventually("the message was tried", async || {
            let ready =
                |tx: &mut storage::Tx| tx.outbox().list_ready(jiff::Timestamp::UNIX_EPOCH, 2);
            let ready = server.context().storage.read(ready).await.unwrap();
            let one = ready.into_iter().find(|mail| mail.attempts >= tries);
            let is_there = one.is_some();
            *found.lock().unwrap() = one;
            is_there
        })
        .await;
    found.into_inner().unwrap().expect("it is there")
}

async fn open(server: &TestServer) -> u64 {
    server
        .context()
        .storage
        .read(|tx| tx.outbox().count_open())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_message_that_is_refused_for_now_is_tried_again_ever_more_rarely() {
    let sink = MailSink::start().await;
    let server = start(&sink, &[]).await;
    let ada = server.person("ada").await;
    sink.refuse(&["451 4.3.0 later", "450 4.2.0 later", "421 4.3.2 later"]);
    ask(&server, &ada.email).await;
    for (tries, seconds) in [(1, 10), (2, 20), (3, 40)] {
        sink.wait_for_tries(tries).await;
        let mail = tried(&server, u32::try_from(tries).unwrap()).await;
        assert_eq!(
            mail.due_at,
            Some(server.clock().now() + SignedDuration::from_secs(seconds))
        );
        assert!(mail.problem.expect("a problem").contains("later"));
        server.clock().advance(SignedDuration::from_secs(seconds));
    }
    assert_eq!(sink.wait_for(1).await.to, [ada.email]);
    server
        .eventually("it is done with", async || open(&server).await == 0)
        .await;
}

#[tokio::test]
async fn what_a_message_said_is_erased_once_it_is_sent_or_refused_for_good() {
    let sink = MailSink::start().await;
    let server = start(&sink, &[]).await;
    let ada = server.person("ada").await;
    sink.refuse(&["550 5.1.1 no such mailbox"]);
    ask(&server, &ada.email).await;
    sink.wait_for_tries(1).await;
    server
        .eventually("it is given up", async || open(&server).await == 0)
        .await;
    ask(&server, &ada.email).await;
    let token = sink.wait_for(1).await.token();
    server
        .eventually("it is done with", async || open(&server).await == 0)
        .await;
    // Nothing of it is in the database, sealed or not: the rows are there without what they said.
    let left = server.context().storage.write(|tx| {
        let now = jiff::Timestamp::MAX;
        tx.outbox().expire(now, 100)
    });
    assert_eq!(left.await, Ok(0));
    assert!(!token.is_empty());
}

#[tokio::test]
async fn a_message_whose_time_has_passed_is_not_sent() {
    let sink = MailSink::start().await;
    let server = start(&sink, &[]).await;
    let ada = server.person("ada").await;
    sink.refuse(&["451 4.3.0 later"]);
    ask(&server, &ada.email).await;
    sink.wait_for_tries(1).await;
    tried(&server, 1).await;
    server.clock().advance(SignedDuration::from_mins(31));
    server
        .eventually("it is given up", async || open(&server).await == 0)
        .await;
    assert_eq!(sink.received().len(), 0);
}

#[tokio::test]
async fn messages_wait_for_a_server_that_is_down_and_for_us_to_come_back() {
    let sink = MailSink::start().await;
    let server = start(&sink, &[("mail.port", "1")]).await;
    let ada = server.person("ada").await;
    ask(&server, &ada.email).await;
    tried(&server, 1).await;
    let server = server.restart().await;
    assert_eq!(tried(&server, 1).await.email, ada.email);
}

#[tokio::test]
async fn a_message_that_a_dead_server_had_taken_is_sent_by_another() {
    let sink = MailSink::start().await;
    let server = start(&sink, &[]).await;
    let ada = server.person("ada").await;
    sink.hang(true);
    ask(&server, &ada.email).await;
    server
        .eventually("it is taken", async || {
            let mail = server
                .context()
                .storage
                .read(|tx| tx.outbox().list_ready(jiff::Timestamp::UNIX_EPOCH, 1))
                .await;
            mail.unwrap()
                .first()
                .is_some_and(|mail| mail.due_at > Some(server.clock().now()))
        })
        .await;
    // The next one takes over.
    sink.hang(false);
    let next = server.restart().await;
    next.clock().advance(SignedDuration::from_mins(3));
    assert_eq!(sink.wait_for(1).await.to, [ada.email]);
}

#[tokio::test]
async fn mail_is_never_sent_without_the_protection_that_was_asked_for() {
    let sink = MailSink::start().await;
    for security in ["starttls", "tls"] {
        let server = start(&sink, &[("mail.security", security)]).await;
        let ada = server.person("ada").await;
        ask(&server, &ada.email).await;
        tried(&server, 1).await;
        assert_eq!((sink.tries(), sink.received().len()), (0, 0), "{security}");
    }
}

#[tokio::test]
async fn without_a_mail_server_links_are_shown_to_superadmins_and_that_is_on_record() {
    let settings = [("accounts.password_reset", "on")];
    let server = TestServer::start_with(&settings).await;
    let boss = server.person_of("boss", Role::Superadmin).await;
    let ada = server.person("ada").await;
    ask(&server, &ada.email).await;
    server
        .eventually("the link waits", async || {
            !actions::list_mailed_links(server.context())
                .await
                .unwrap()
                .is_empty()
        })
        .await;
    let page = async |person: &testkit::Person| {
        let request = server
            .request(Method::GET, "/admin/mail")
            .header("accept", "text/html");
        Answer::to(request.header("cookie", format!("vestibule_session={}", person.token))).await
    };
    assert_eq!(page(&ada).await.status, 404);
    let shown = page(&boss).await;
    assert!(
        shown.status == 200 && shown.text.contains(&ada.email),
        "{}",
        shown.text
    );
    assert!(
        !shown.text.contains("m8rst_"),
        "a link is shown only when it is asked for"
    );

    let waiting = actions::list_mailed_links(server.context()).await.unwrap();
    assert_eq!(
        (waiting.len(), waiting[0].kind.as_str()),
        (1, "reset_password")
    );
    let before = server.context().storage.latest_event_seq().await.unwrap();
    let link = actions::show_mailed_link(server.context(), waiting[0].id, &boss.id)
        .await
        .unwrap();
    let events = server
        .context()
        .storage
        .read(move |tx| tx.events().after(before, 10))
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, storage::EventKind::MailShown);
    assert!(events[0].payload.contains(&boss.id) && !events[0].payload.contains("m8rst_"));

    let token = link.split("token=").last().unwrap();
    let body = json!({"token": token, "new_password": "another long password"});
    let done = server
        .call(
            "POST",
            "/user/account/password-reset/confirm",
            None,
            Some(body),
        )
        .await;
    done.expect(200);
    server.clock().advance(SignedDuration::from_mins(31));
    assert!(
        actions::list_mailed_links(server.context())
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        actions::show_mailed_link(server.context(), waiting[0].id, &boss.id)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_pages_that_links_lead_to_change_nothing_when_opened_and_keep_their_address_to_themselves()
 {
    let sink = MailSink::start().await;
    let server = start(&sink, &[("accounts.email_verification", "required")]).await;
    let ada = server.person_of("ada", Role::Superadmin).await;
    ask(&server, &ada.email).await;
    let link = sink.wait_for(1).await.link();
    let path = link
        .strip_prefix(&server.origin())
        .expect("a page of ours")
        .to_owned();
    for _ in 0..3 {
        let request = server
            .request(Method::GET, &path)
            .header("accept", "text/html");
        let page = Answer::to(request).await.expect(200);
        assert_eq!(page.header("referrer-policy"), "strict-origin");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(
            page.text
                .contains(r#"<meta name="referrer" content="strict-origin">"#)
        );
        assert!(page.text.contains("Set the password"), "{}", page.text);
    }
    for path in [
        "/reset?token=x",
        "/verify?token=m8vfy_",
        "/email-change",
        "/email-change/undo?token=",
    ] {
        let request = server
            .request(Method::GET, path)
            .header("accept", "text/html");
        assert_eq!(Answer::to(request).await.status, 410, "{path}");
    }
    let signin = server
        .request(Method::GET, "/signin")
        .header("accept", "text/html");
    assert!(Answer::to(signin).await.text.contains(r#"href="/forgot""#));
}

#[tokio::test]
async fn a_person_hears_by_mail_that_a_sign_in_was_stolen() {
    let sink = MailSink::start().await;
    let server = start(&sink, &[]).await;
    let ada = server.person("ada").await;
    let cookie = |answer: &Answer| answer.cookie("refresh_token").expect("a cookie").to_owned();
    let refresh = async |token: &str| {
        let request = server.request(Method::POST, "/user/login/refresh-token/");
        Answer::to(request.header("cookie", format!("refresh_token={token}"))).await
    };
    let form = [
        ("username", ada.email.as_str()),
        ("password", ada.password.as_str()),
    ];
    let login = server
        .request(Method::POST, "/user/login/access-token")
        .form(&form);
    let first = cookie(&Answer::to(login).await.expect(200));
    let second = cookie(&refresh(&first).await.expect(200));
    refresh(&second).await.expect(200);
    server.clock().advance(SignedDuration::from_mins(5));
    refresh(&first).await.expect(401);
    let mail = sink.wait_for(1).await;
    assert_eq!(mail.to, [ada.email]);
    assert_eq!(mail.header("subject"), "A sign-in of yours was ended");
}
