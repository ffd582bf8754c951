//! Mail and accounts from elsewhere, by the real program: moving in, links without a mail server, and a server that is
//! killed with promises open.

mod common;

use std::{collections::BTreeSet, fs};

use common::{PASSWORD, Site};
use serde_json::{Value, json};
use testkit::MailSink;
use tokio::runtime::Runtime;

/// bcrypt's, PBKDF2's and scrypt's of `correct horse`.
const BCRYPT: &str = "$2b$04$Wvx2SeHUbAMs1sWagV.HmegmJ1JucGjy3pq.HYr2.Gj2.7kQPhMnq";
const PBKDF2: &str = "pbkdf2_sha256$1000$saltsalt$qQDPSZa3Ormyy9oK1Pu0ZLLwP2Svzmx3yu8OvDdq/J0=";

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

/// Posts JSON to the site's server; the status.
fn post(site: &Site, path: &str, body: &Value) -> u16 {
    runtime().block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}{path}", site.address)).json(body);
        request
            .send()
            .await
            .map_or(0, |answer| answer.status().as_u16())
    })
}

fn settings(site: &Site, text: &str) {
    fs::write(site.path("vestibule.toml"), text).unwrap();
}

fn import(site: &Site, arguments: &[&str], input: &str) -> common::Run {
    let mut all = vec!["account", "import", "-", "--data-dir", "data", "--json"];
    all.extend(arguments);
    site.run_with(&all, input)
}

#[test]
fn accounts_from_elsewhere_sign_in_with_the_passwords_they_had() {
    let mut site = Site::bare();
    let lines = [
        json!({"email": "Ada@Example.com", "full_name": "Ada Lovelace", "role": "admin", "email_verified": true, "password_hash": BCRYPT}),
        json!({"id": "0190c3a8-7d5e-7c4b-9a51-0242ac120002", "email": "bob@example.com", "username": "bobby", "hashed_password": PBKDF2, "is_active": true}),
        json!({"email": "eve@example.com", "is_active": false, "password_hash": BCRYPT, "left_over": 1}),
        json!({"email": "gus@example.com", "providers": {"google": "1234"}}),
    ];
    let input = lines.map(|line| line.to_string()).join("\n");
    let tried = import(&site, &["--dry-run"], &input).expect(0).json();
    assert_eq!(
        (&tried["made"], &tried["dry_run"]),
        (&json!(4), &json!(true))
    );
    let made = import(&site, &[], &input).expect(0).json();
    assert_eq!(made["made"], 4, "the dry run changed nothing");
    assert_eq!(made["unknown_fields"], json!(["left_over"]));
    // The same again changes nothing.
    let again = import(&site, &[], &input).expect(0).json();
    assert_eq!((&again["made"], &again["skipped"]), (&json!(0), &json!(4)));

    site.serve();
    for (login, password, status) in [
        ("ada@example.com", "correct horse", 200),
        ("ada@example.com", "correct horsf", 401),
        ("bobby", "correct horse", 200),
        ("eve@example.com", "correct horse", 401),
        ("gus@example.com", "", 401),
    ] {
        let body = json!({"login": login, "password": password, "device": "test"});
        assert_eq!(post(&site, "/v1/session", &body), status, "{login}");
    }
    // Taking names and standing over leaves passwords alone, and is seen by the running server.
    let changed = json!({"email": "ada@example.com", "full_name": "Ada King", "is_active": false, "password_hash": PBKDF2});
    let updated = import(&site, &["--update"], &format!("{changed}\n"))
        .expect(0)
        .json();
    assert_eq!(updated["updated"], 1);
    let body = json!({"login": "ada@example.com", "password": "correct horse", "device": "test"});
    assert_eq!(post(&site, "/v1/session", &body), 401);
}

#[test]
fn every_problem_of_a_file_is_told_with_its_line_and_no_hash_is_shown() {
    let site = Site::bare();
    let secret = "$2b$99$secretsecretsecretsecret";
    let input = [
        json!({"email": "good@example.com", "password_hash": BCRYPT}).to_string(),
        String::new(),
        "{\"email\": \"broken@example.com\", \"password_hash\": \"$2b$".into(),
        json!({"email": "root@localhost"}).to_string(),
        json!({"email": "a@example.com", "role": "emperor"}).to_string(),
        json!({"email": "b@example.com", "password_hash": secret}).to_string(),
        json!({"email": "c@example.com", "password_hash": "$argon2id$v=19$m=4194304,t=9,p=1$c2FsdHNhbHRzYWx0c2FsdA$B9xkBqvxXZts/NhysGGUTfv/bK7FcKdufCDvKNfQqz0"}).to_string(),
        json!({"email": "GOOD@example.com"}).to_string(),
        json!({"email": "d@example.com", "is_active": "perhaps"}).to_string(),
        json!({"username": "nobody"}).to_string(),
        json!({"email": "e@example.com", "username": "good"}).to_string(),
        json!(["list"]).to_string(),
        json!({"email": "f@example.com", "id": 7}).to_string(),
        json!({"email": "last@example.com"}).to_string(),
    ]
    .join("\n");
    let run = import(&site, &["--format", "jsonl"], &input).expect(3);
    let result = run.json();
    assert_eq!(result["made"], 2);
    let problems: Vec<String> = result["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{}: {}", one["line"], one["problem"].as_str().unwrap()))
        .collect();
    insta::assert_snapshot!(problems.join("\n"));
    assert!(
        !run.stdout.contains("secret") && !run.stderr.contains("secret"),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("11 accounts were not taken over"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_csv_is_read_by_its_first_line() {
    let site = Site::bare();
    let csv = format!(
        "email,full_name,is_active,email_verified,hashed_password,provider,oauth_user_id\n\
         ada@example.com,\"Lovelace, Ada\",true,1,{BCRYPT},password,\n\
         gus@example.com,Gus,t,yes,,google,1234\n\
         short@example.com,x\n\
         eve@example.com,,false,0,,,\n"
    );
    let run = import(&site, &["--format", "csv"], &csv).expect(3);
    let result = run.json();
    assert_eq!(result["made"], 3, "{result}");
    assert_eq!(result["problems"][0]["line"], 4);
    fs::write(
        site.path("accounts.csv"),
        csv.replace("short@example.com,x\n", ""),
    )
    .unwrap();
    let again = site.run(&[
        "account",
        "import",
        "accounts.csv",
        "--data-dir",
        "data",
        "--json",
    ]);
    assert_eq!(again.expect(0).json()["skipped"], 3);
    let absent = site.run(&["account", "import", "absent.csv", "--data-dir", "data"]);
    absent.expect(2);
}

#[test]
fn without_a_mail_server_the_operator_passes_the_links_on() {
    let mut site = Site::bare();
    settings(&site, "[accounts]\npassword_reset = \"on\"\n");
    site.account("ana");
    site.serve();
    let none = site
        .run(&["account", "links", "--data-dir", "data"])
        .expect(0);
    assert_eq!(none.stdout, "No link waits.\n");
    let asked = post(
        &site,
        "/user/account/password-reset/request",
        &json!({"email": "ana@example.com"}),
    );
    assert_eq!(asked, 202);
    let mut links = Value::Null;
    common::eventually("the link waits", || {
        let run = site.run(&[
            "account",
            "links",
            "ana@example.com",
            "--data-dir",
            "data",
            "--json",
        ]);
        links = run.expect(0).json();
        links != json!([])
    });
    let link = links[0]["link"].as_str().unwrap();
    assert!(
        link.starts_with(&format!("{}/reset?token=m8rst_", site.address)),
        "{link}"
    );
    let token = link.split("token=").last().unwrap();
    let body = json!({"token": token, "new_password": "another long password"});
    assert_eq!(
        post(&site, "/user/account/password-reset/confirm", &body),
        200
    );
    let body = json!({"login": "ana", "password": PASSWORD, "device": "test"});
    assert_eq!(post(&site, "/v1/session", &body), 401);
    // The log tells neither links nor addresses.
    drop(site.server());
    let log = fs::read_to_string(site.path("stderr")).unwrap();
    assert!(
        !log.contains("m8rst_") && !log.contains("ana@example.com"),
        "{log}"
    );
    site.run(&["mail", "test", "ana@example.com"]).expect(8);
}

#[test]
fn a_killed_server_sends_every_mail_that_it_promised() {
    let runtime = runtime();
    let sink = runtime.block_on(MailSink::start());
    let mut site = Site::bare();
    settings(
        &site,
        &format!(
            "[mail]\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"vestibule@example.com\"\n",
            sink.port()
        ),
    );
    site.run(&["mail", "test", "ana@example.com"]).expect(0);
    assert_eq!(
        sink.received()[0].header("subject"),
        "Mail from Vestibule works"
    );
    let people: Vec<String> = (0..25)
        .map(|number| format!("person-{number}@example.com"))
        .collect();
    let lines: Vec<String> = people
        .iter()
        .map(|email| json!({"email": email}).to_string())
        .collect();
    let lines = lines.join(
        "
",
    );
    import(&site, &[], &lines).expect(0);

    let mut promised = BTreeSet::new();
    // Killed while it sends, while the mail server keeps it waiting, and just after it has promised.
    for (round, part) in people.chunks(9).enumerate() {
        site.serve();
        sink.hang(round == 1);
        for email in part {
            let body = json!({"email": email});
            assert_eq!(
                post(&site, "/user/account/password-reset/request", &body),
                202
            );
            promised.insert(email.clone());
        }
        let server = site.server();
        server.signal("KILL");
        server.end();
    }
    sink.hang(false);
    site.serve();
    let mut come = BTreeSet::new();
    common::eventually("every mail has come", || {
        come = sink
            .received()
            .into_iter()
            .skip(1)
            .flat_map(|mail| mail.to)
            .collect();
        come.is_superset(&promised)
    });
    assert_eq!(come, promised);
    // Each message that came says that it is the same when it comes twice.
    let ids: BTreeSet<String> = sink
        .received()
        .iter()
        .map(|mail| mail.header("message-id"))
        .collect();
    assert!(ids.len() <= 1 + promised.len());
}
