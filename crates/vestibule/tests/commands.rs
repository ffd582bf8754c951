//! Each command against a real server: what it prints, for people and as JSON, and its exit code.

mod common;

use std::os::unix::fs::PermissionsExt as _;

use common::{PASSWORD, Site, saying};
use serde_json::Value;

#[test]
fn signing_in_and_out() {
    let mut site = Site::new();
    site.serve();
    let made = site.account("ana");
    assert_eq!(
        made.stdout,
        "ana <ana@example.com> can sign in now, as user.\n"
    );
    let again = site
        .run_with(
            &[
                "account",
                "create",
                "--data-dir",
                "data",
                "--email",
                "ana@example.com",
                "--username",
                "ana2",
                "--password-stdin",
            ],
            PASSWORD,
        )
        .expect(2);
    assert!(again.stderr.starts_with("error: "), "{again:?}");

    let run = site.run(&["whoami"]).expect(6);
    assert_eq!(
        run.stderr,
        format!(
            "error: not signed in to {0}; run: vestibule login {0}\n",
            site.address
        )
    );
    let wrong = site
        .run_with(
            &["login", "--email", "ana@example.com", "--password-stdin"],
            "not the password",
        )
        .expect(6);
    assert!(wrong.stderr.starts_with("error: "), "{wrong:?}");
    let run = site
        .run_with(
            &["login", &site.address, "--email", "ana", "--password-stdin"],
            &format!("{PASSWORD}\n"),
        )
        .expect(0);
    let said = format!(
        "Signed in to {} as ana (ana@example.com) until 20",
        site.address
    );
    assert!(run.stdout.starts_with(&said), "{run:?}");
    let kept = std::fs::metadata(site.path("config/vestibule/credentials.json")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);

    // The server signed in to last is the one that is asked, also without VESTIBULE_SERVER.
    let mut command = site.command(&["whoami", "--json"]);
    command.env_remove("VESTIBULE_SERVER");
    let json = common::finish(command, "").expect(0).json();
    assert_eq!(
        (&json["account"]["username"], &json["server"]),
        (&"ana".into(), &site.address.clone().into())
    );

    // A token from the environment wins over the kept one.
    let mut command = site.command(&["whoami"]);
    command.env("VESTIBULE_TOKEN", "vst_s_nonsense");
    common::finish(command, "").expect(6);

    let run = site.run(&["logout"]).expect(0);
    assert_eq!(run.stdout, format!("Signed out of {}.\n", site.address));
    site.run(&["whoami"]).expect(6);
    site.run(&["logout"]).expect(6);
    // Nobody to ask for a password.
    let run = site.run(&["login", "--email", "ana"]).expect(2);
    assert!(run.stderr.contains("--password-stdin"), "{run:?}");
}

#[test]
fn publishing_tells_its_stages_to_people_and_programs() {
    let site = Site::with_ana();
    let notes = site.project("My Notes", &saying("one"));
    let run = site
        .run(&["publish", &notes, "--json", "--message", "the first"])
        .expect(0);
    let events = run.json_lines();
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(event["seq"], seq);
        assert!(
            ["ts", "stage", "status", "message"]
                .iter()
                .all(|key| event[key].is_string()),
            "{event}"
        );
    }
    let last = events.last().unwrap();
    assert_eq!(
        (&last["stage"], &last["status"], &last["data"]["version"]),
        (&"done".into(), &"ok".into(), &1.into())
    );
    assert!(last["data"]["seconds"].is_f64());
    let port = site.address.rsplit_once(':').unwrap().1;
    assert_eq!(
        last["data"]["url"],
        format!("http://my-notes.localhost:{port}")
    );

    // For people: a line a stage, and seconds in a column.
    let run = site.run(&["publish", &notes]).expect(0);
    let human = run.stdout.replace(port, "PORT");
    let human: Vec<_> = human.lines().map(without_seconds).collect();
    insta::assert_snapshot!(human.join("\n"));
    assert_eq!(run.stderr, "");
    site.project("My Notes", &saying("two"));
    let run = site.run(&["publish", &notes]).expect(0);
    let human = run.stdout.replace(port, "PORT");
    let human: Vec<_> = human
        .lines()
        .filter(|line| !line.contains("build"))
        .map(without_seconds)
        .collect();
    insta::assert_snapshot!(human.join("\n"));
    let quiet = site
        .run(&["publish", &notes, "--quiet", "--force"])
        .expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let run = site.run(&["info", "my-notes", "--json"]).expect(0).json();
    assert_eq!(
        (&run["name"], &run["live_version"], &run["state"]),
        (&"My Notes".into(), &3.into(), &"live".into())
    );
}

/// A stage's line with its seconds made equal.
fn without_seconds(line: &str) -> String {
    line.split(' ')
        .map(|word| match word.parse::<f64>() {
            Ok(_) if word.contains('.') => "0.00",
            _ => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn each_way_to_fail_has_its_exit_code() {
    let site = Site::with_ana();
    let notes = site.project("notes", &saying("one"));
    site.run(&["publish", &notes, "--open"]).expect(0);

    site.project(
        "notes",
        "from fastapi import FastAPI\nfrom fastapi_users import FastAPIUsers\n\napp = FastAPI()\n",
    );
    let run = site.run(&["publish", &notes]).expect(3);
    assert!(
        run.stdout
            .contains("\nmain.py:2:1 error identity.auth-library  "),
        "{run:?}"
    );
    assert_eq!(
        run.stderr,
        "error: 1 error to mend in the source; nothing was changed\nv1 keeps serving.\n"
    );
    let events = site
        .run(&["publish", &notes, "--json"])
        .expect(3)
        .json_lines();
    assert_eq!(events.last().unwrap()["data"]["code"], 3);
    assert!(events.iter().any(|event| event["finding"]["line"] == 2));

    site.project("notes", &saying("two"));
    std::fs::write(site.path("notes/requirements.txt"), "fastapi==0.0.99\n").unwrap();
    let run = site.run(&["publish", &notes]).expect(4);
    assert!(run.stderr.contains("fastapi==0.0.99"), "{run:?}");
    assert!(run.stderr.ends_with("\nv1 keeps serving.\n"), "{run:?}");

    site.project(
        "notes",
        &(saying("three") + "\nraise RuntimeError(\"no such thing\")\n"),
    );
    let run = site.run(&["publish", &notes]).expect(5);
    assert!(
        run.stdout.contains("The last lines of the log:\n"),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("    RuntimeError: no such thing\n"),
        "{run:?}"
    );
    assert!(run.stdout.contains("File \"main.py\", line 10"), "{run:?}");
    assert!(
        run.stderr.starts_with("error: the app exited with code 1"),
        "{run:?}"
    );
    assert_eq!(site.open("notes", "/"), (200, "\"one\"".into()));

    // Somebody else's slug, and nobody's app.
    site.account("ben");
    let mut ben = site.command(&["publish", &notes]);
    ben.env("VESTIBULE_TOKEN", site.sign_in("ben"));
    let run = common::finish(ben, "").expect(2);
    assert_eq!(
        run.stderr,
        "error: the slug notes is taken, or was less than 7 days ago; choose another with --slug\n"
    );
    for command in ["info", "logs", "versions", "rollback", "restart", "people"] {
        site.run(&[command, "nothing-here"]).expect(6);
    }
    site.run(&["rollback", "notes", "9"]).expect(2);
}

#[test]
fn the_life_of_an_app() {
    let site = Site::with_ana();
    assert_eq!(
        site.run(&["list"]).expect(0).stdout,
        "No apps yet. Publish a folder with: vestibule publish DIR\n"
    );
    let notes = site.project(
        "notes",
        &(saying("one") + "\nprint(\"hello from the app\")\n"),
    );
    site.run(&["publish", &notes, "--message", "the first"])
        .expect(0);
    site.project("notes", &saying("two"));
    site.run(&["publish", &notes]).expect(0);

    let list = site.run(&["list"]).expect(0).stdout;
    let mut lines = list.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        [
            "APP",
            "STATE",
            "VERSION",
            "ACCESS",
            "OWNER",
            "PUBLISHED",
            "(UTC)",
            "ADDRESS"
        ]
    );
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("notes  live   v2       invited only  ana    20"),
        "{list}"
    );
    let versions = site.run(&["versions", "notes"]).expect(0).stdout;
    assert!(
        versions.contains("\nv2       live   20") && versions.contains("\nv1       ready  20"),
        "{versions}"
    );
    assert!(versions.contains("ana  the first"), "{versions}");

    let run = site.run(&["rollback", "notes"]).expect(0);
    assert!(
        run.stdout.starts_with("notes: v2 → v1 in 0")
            && run.stdout.ends_with(" s. Stored data is as it was.\n"),
        "{run:?}"
    );
    let run = site
        .run(&["rollback", "notes", "2", "--json"])
        .expect(0)
        .json();
    assert_eq!((&run["previous"], &run["version"]), (&1.into(), &2.into()));
    let run = site.run(&["restart", "notes"]).expect(0);
    assert!(run.stdout.starts_with("notes: v2 restarted in "), "{run:?}");

    let run = site.run(&["logs", "notes", "--version", "1"]).expect(0);
    assert!(
        run.stdout
            .lines()
            .any(|line| line.ends_with(" hello from the app") && line.starts_with("20")),
        "{run:?}"
    );
    let run = site
        .run(&["logs", "notes", "--build", "--json"])
        .expect(0)
        .json_lines();
    assert!(
        run.iter()
            .all(|line| line["at"].is_string() && line["text"].is_string())
    );
    let mut follow = site.start(&["logs", "notes", "--follow"]);
    follow.until("startup");
    follow.signal("INT");
    assert_eq!(follow.end().code(), Some(130));

    let run = site
        .run(&[
            "set",
            "notes",
            "--public",
            "on",
            "--requires-auth",
            "off",
            "--name",
            "My notes",
        ])
        .expect(0);
    assert!(
        run.stdout.starts_with("My notes (notes)\n")
            && run.stdout.contains("  access     listed, open\n"),
        "{run:?}"
    );
    assert_eq!(site.open("notes", "/"), (200, "\"two\"".into()));

    site.run(&["delete", "notes"]).expect(2);
    site.run(&["delete", "notes", "--confirm", "note"])
        .expect(2);
    site.run(&["info", "notes"]).expect(0);
    assert_eq!(
        site.run(&["delete", "notes", "--confirm", "notes"])
            .expect(0)
            .stdout,
        "notes is deleted.\n"
    );
    site.run(&["info", "notes"]).expect(6);
    assert_eq!(site.open("notes", "/").0, 404);
    let run = site.run(&["publish", &notes]).expect(2);
    assert!(run.stderr.contains("the slug notes is taken"), "{run:?}");
}

#[test]
fn people_and_data() {
    let site = Site::with_ana();
    let notes = site.project("notes", &saying("one"));
    site.run(&["publish", &notes]).expect(0);
    let run = site.run(&["people", "notes"]).expect(0);
    assert_eq!(
        run.stdout,
        "Only you. Invite people with: vestibule share notes ADDRESS\n"
    );
    let run = site
        .run(&["share", "notes", "ben@example.com", "not-an-address"])
        .expect(2);
    assert!(
        run.stdout
            .contains("invited    ben@example.com  http://localhost"),
        "{run:?}"
    );
    assert!(run.stdout.contains("invalid    not-an-address"), "{run:?}");
    assert_eq!(run.stderr, "error: 1 of 2 addresses were invalid\n");
    let run = site
        .run(&["share", "notes", "cleo@example.com", "--own-copy", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (&run[0]["outcome"], run[0]["link"].is_string()),
        (&"invited".into(), true)
    );
    let run = site.run(&["people", "notes"]).expect(0);
    assert!(
        run.stdout.contains("ben@example.com ") && run.stdout.contains("own_copy"),
        "{run:?}"
    );
    let run = site.run(&["unshare", "notes", "ben@example.com"]).expect(0);
    assert_eq!(run.stdout, "ben@example.com can no longer open notes.\n");
    let run = site.run(&["unshare", "notes", "ben@example.com"]).expect(2);
    assert!(run.stderr.contains("see vestibule people notes"), "{run:?}");

    assert_eq!(
        site.run(&["kv", "set", "notes", "shared:a", "[1, 2]"])
            .expect(0)
            .stdout,
        "shared:a is stored.\n"
    );
    site.run_with(&["kv", "set", "notes", "shared:b", "-"], "\"from a pipe\"")
        .expect(0);
    assert_eq!(
        site.run(&["kv", "get", "notes", "shared:a"])
            .expect(0)
            .stdout,
        "[\n  1,\n  2\n]\n"
    );
    let run: Value = site
        .run(&["kv", "get", "notes", "shared:b", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (&run["value"], run["version"].is_u64()),
        (&"from a pipe".into(), true)
    );
    assert_eq!(
        site.run(&["kv", "list", "notes", "shared:"])
            .expect(0)
            .stdout,
        "shared:a\nshared:b\n"
    );
    assert_eq!(
        site.run(&["kv", "delete", "notes", "shared:a"])
            .expect(0)
            .stdout,
        "shared:a is gone.\n"
    );
    site.run(&["kv", "get", "notes", "shared:a"]).expect(6);
}
