//! What needs no server: checking a folder, its diff, the configuration, and mistakes in what was typed.

mod common;

use common::{Site, saying};

const BROKEN: &str = "from fastapi import FastAPI\nimport sqlite3\n\napp = FastAPI()\ndb = sqlite3.connect(\"app.db\")\n";

#[test]
fn check_tells_what_is_wrong_and_where() {
    let site = Site::bare();
    let good = site.project("good", &saying("one"));
    insta::assert_snapshot!(site.run(&["check", &good]).expect(0).stdout, @r"
    entry: main:app
    Ready to publish.
    ");
    let broken = site.project("broken", BROKEN);
    let run = site.run(&["check", &broken]).expect(3);
    assert!(
        run.stdout.starts_with(
            "main.py:5:6 error persistence.sqlite  `connect(\"app.db\")` keeps data in a file.\n"
        ),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("\n    why: ") && run.stdout.contains("\n    fix: "),
        "{run:?}"
    );
    assert!(
        run.stdout
            .ends_with("entry: main:app\n1 error, 0 warnings.\n"),
        "{run:?}"
    );
    assert_eq!(run.stderr, "error: 1 error to mend before publishing\n");
    // One line a finding, and nothing else.
    let quiet = site.run(&["check", &broken, "--quiet"]).expect(3);
    assert_eq!(quiet.stdout.lines().count(), 1, "{quiet:?}");

    let json = site.run(&["doctor", &broken, "--json"]).expect(3).json();
    assert_eq!(
        (&json["entry"], &json["errors"]),
        (&"main:app".into(), &1.into())
    );
    let finding = &json["findings"][0];
    assert_eq!(
        (
            &finding["rule"],
            &finding["severity"],
            &finding["file"],
            &finding["line"],
            &finding["col"]
        ),
        (
            &"persistence.sqlite".into(),
            &"error".into(),
            &"main.py".into(),
            &5.into(),
            &6.into()
        )
    );
    assert!(
        ["message", "why", "fix"]
            .iter()
            .all(|part| !finding[part].as_str().unwrap().is_empty())
    );

    std::fs::create_dir(site.path("empty")).unwrap();
    let run = site.run(&["check", "empty"]).expect(3);
    assert_eq!(
        run.stderr,
        "error: empty: the folder holds no file to publish\n"
    );
    std::fs::write(site.path("empty/README.md"), "No app here.\n").unwrap();
    let run = site.run(&["check", "empty"]).expect(3);
    assert!(
        run.stdout.contains("error runtime.entry-missing"),
        "{run:?}"
    );
    let json = site.run(&["check", "empty", "--json"]).expect(3).json();
    assert_eq!(json["entry"], serde_json::Value::Null);
}

#[test]
fn diff_shows_the_change_and_makes_none() {
    let site = Site::bare();
    let folder = site.project("notes", &saying("one"));
    let run = site.run(&["diff", &folder]).expect(0);
    assert!(
        run.stdout.starts_with("--- a/main.py\n+++ b/main.py\n@@ "),
        "{run:?}"
    );
    assert!(
        run.stdout
            .lines()
            .any(|line| line.starts_with('+') && line.contains("vestibule")),
        "{run:?}"
    );
    assert_eq!(
        std::fs::read_to_string(site.path("notes/main.py")).unwrap(),
        saying("one")
    );
    assert_eq!(std::fs::read_dir(site.path("notes")).unwrap().count(), 2);
    let json = site.run(&["diff", &folder, "--json"]).expect(0).json();
    assert_eq!(
        json["diff"].as_str().unwrap().trim_end(),
        run.stdout.trim_end()
    );
    std::fs::create_dir(site.path("empty")).unwrap();
    site.run(&["diff", "empty"]).expect(3);
}

#[test]
fn what_is_typed_wrong_is_a_usage_error_that_says_how_it_is_done() {
    let site = Site::bare();
    for (arguments, says) in [
        (&["check", "nowhere"][..], "nowhere cannot be opened"),
        (&["check", "Cargo"], "Cargo cannot be opened"),
        (&["publsh"], "a similar subcommand exists: 'publish'"),
        (&["set"], "<APP>"),
        (
            &["set", "notes", "--public", "maybe"],
            "[possible values: on, off]",
        ),
        (&["login", "--password-stdin"], "--email"),
        (&["login", "ftp://x"], "write it like http://localhost:8080"),
        (&["publish", "nowhere"], "nowhere cannot be opened"),
        (&["kv", "set", "notes", "a", "{no json"], "quote a text"),
        (&["delete", "notes"], "repeat the slug with --confirm notes"),
        (&["set", "notes"], "name a flag, for example --public on"),
    ] {
        let run = site.run(arguments).expect(2);
        assert!(run.stderr.contains(says), "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
    let run = site.run(&[]).expect(2);
    assert!(run.stderr.contains("Exit codes:"), "{run:?}");
    assert!(
        site.run(&["--version"])
            .expect(0)
            .stdout
            .starts_with("vestibule ")
    );
}

#[test]
fn a_server_that_is_not_there_is_a_network_failure() {
    let mut site = Site::bare();
    site.address = "http://127.0.0.1:1".into();
    site.token = Some("vst_s_x".into());
    for arguments in [
        &["list"][..],
        &["whoami"],
        &["login", "--email", "a@example.com", "--password-stdin"],
    ] {
        let run = site.run(arguments).expect(7);
        assert!(
            run.stderr
                .contains("http://127.0.0.1:1 could not be reached: "),
            "{run:?}"
        );
        assert!(run.stderr.contains("Is the server running?"), "{run:?}");
    }
    let run = site.run(&["list", "--json"]).expect(7);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!((&error["code"], run.stdout.as_str()), (&7.into(), ""));
}

#[test]
fn the_configuration_is_explained_and_secrets_stay_secret() {
    let site = Site::bare();
    std::fs::write(
        site.path("vestibule.toml"),
        "[server]\nlisten = \"127.0.0.1:9999\"\n",
    )
    .unwrap();
    let key = "ab".repeat(32);
    let mut command = site.command(&["config", "explain", "--data-dir", "elsewhere"]);
    command
        .env("VESTIBULE_MASTER_KEY", &key)
        .env("VESTIBULE_APPS__FILES", "77");
    let run = common::finish(command, "").expect(0);
    assert!(!run.stdout.contains(&key), "{run:?}");
    let line = |setting: &str| {
        let found = run.stdout.lines().find(|line| line.starts_with(setting));
        found
            .unwrap_or_else(|| panic!("no {setting}: {run:?}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    insta::assert_snapshot!(
        [
            "SETTING",
            "server.data_dir",
            "server.listen",
            "apps.files",
            "apps.kept_releases"
        ]
        .map(line)
        .join("\n")
    );
    let rows = {
        let mut command = site.command(&["config", "explain", "--json"]);
        command.env("VESTIBULE_MASTER_KEY", &key);
        common::finish(command, "").expect(0)
    };
    assert!(!rows.stdout.contains(&key));
    assert!(
        rows.json()
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["key"].is_string() && row["source"].is_string())
    );
    // Every mistake at once.
    std::fs::write(
        site.path("vestibule.toml"),
        "[server]\nlissten = \"x\"\n[apps]\nfiles = 0\n",
    )
    .unwrap();
    let run = site
        .run(&["config", "explain", "--public-url", "nonsense"])
        .expect(8);
    for mistake in [
        "server.lissten",
        "server.listen",
        "apps.files",
        "server.public_url",
    ] {
        assert!(run.stderr.contains(mistake), "{mistake}: {run:?}");
    }
    let run = site.run(&["serve", "--config", "absent.toml"]).expect(8);
    assert!(run.stderr.contains("could not read absent.toml"), "{run:?}");
}

#[test]
fn a_check_of_the_configuration_names_providers_or_every_mistake() {
    let site = Site::bare();
    let check = |settings: &[(&str, &str)]| {
        let mut command = site.command(&["config", "check"]);
        command.envs(settings.iter().copied());
        common::finish(command, "")
    };
    let id = ("VESTIBULE_PROVIDER__GOOGLE__CLIENT_ID", "us");
    let secret = ("VESTIBULE_PROVIDER__GOOGLE__CLIENT_SECRET", "hush");
    let good = check(&[id, secret]).expect(0);
    assert_eq!(
        good.stdout,
        "The configuration is good.\nPeople may sign in by google.\n"
    );
    let other = ("VESTIBULE_PROVIDER__GOGLE__CLIENT_ID", "us");
    let bad = check(&[id, other]).expect(8);
    for part in ["client_secret is missing", "did you mean google"] {
        assert!(bad.stderr.contains(part), "{part} is missing: {bad:?}");
    }
}
