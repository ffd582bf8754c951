//! `vestibule up`: everything in one step, and nothing left afterwards.

mod common;

use common::{Site, get, saying};

const LISTEN: [&str; 4] = ["--data-dir", "data", "--listen", "127.0.0.1:0"];

fn up<'a>(folder: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["up", folder][..], &LISTEN, more].concat()
}

/// The address in a line of what `up` prints at the end.
fn address(line: &str) -> String {
    let from = line.find("http://").unwrap();
    line[from..].split_whitespace().next().unwrap().to_owned()
}

#[test]
fn one_command_publishes_a_folder_and_ctrl_c_leaves_nothing_running() {
    let site = Site::new();
    let notes = site.project("notes", &saying("one"));
    let before = files_of(&notes);
    for round in ["first", "second"] {
        let mut up = site.start(&up(&notes, &["--open"]));
        let shell = address(&up.until("  shell  http://localhost:"));
        let link = address(&up.until("sign in once with http"));
        assert!(
            link.starts_with(&shell) && link.contains("token=vst_l_"),
            "{round}: {link}"
        );
        let app = address(&up.until("  app    http://notes.localhost:"));
        up.until("Ctrl-C stops everything.");
        assert_eq!(
            shell.rsplit_once(':').unwrap().1,
            app.rsplit_once(':').unwrap().1
        );
        assert_eq!(
            get(&shell, "notes", "/"),
            (200, "\"one\"".into()),
            "{round}"
        );
        assert!(!site.app_processes().is_empty());
        up.signal("INT");
        up.until("stopping");
        assert_eq!(up.end().code(), Some(0), "{round}");
        assert_eq!(site.app_processes(), Vec::<String>::new(), "{round}");
    }
    assert_eq!(files_of(&notes), before, "the folder itself stays as it is");
}

#[test]
fn a_folder_with_errors_is_shown_what_is_wrong_and_nothing_goes_on() {
    let site = Site::new();
    let notes = site.project("notes", "from fastapi import FastAPI\nimport sqlite3\n\napp = FastAPI()\ndb = sqlite3.connect(\"a.db\")\n");
    let run = site.run(&up(&notes, &[])).expect(3);
    assert!(
        run.stdout
            .contains("\nmain.py:5:6 error persistence.sqlite  "),
        "{run:?}"
    );
    assert!(run.stderr.starts_with("error: 1 error"), "{run:?}");
    assert_eq!(site.app_processes(), Vec::<String>::new());
    // The data directory is free again.
    let notes = site.project("notes", &saying("mended"));
    let mut again = site.start(&up(&notes, &["--json"]));
    let ready = again.until("\"ready\"");
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["ready"]["version"], 2);
    again.signal("INT");
    assert_eq!(again.end().code(), Some(0));
}

#[test]
fn an_app_that_does_not_start_ends_it_with_the_traceback() {
    let site = Site::new();
    let notes = site.project(
        "notes",
        &(saying("one") + "\nraise RuntimeError(\"no such thing\")\n"),
    );
    let run = site.run(&up(&notes, &[])).expect(5);
    assert!(
        run.stdout
            .contains("File \"main.py\", line 10, in <module>"),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("RuntimeError: no such thing"),
        "{run:?}"
    );
    assert_eq!(site.app_processes(), Vec::<String>::new());
}

#[test]
fn an_interrupted_publish_stops_everything() {
    let site = Site::new();
    let notes = site.project(
        "notes",
        &format!("import time\n\ntime.sleep(600)\n{}", saying("never")),
    );
    let mut up = site.start(&up(&notes, &["--json"]));
    up.until("\"stage\":\"start\"");
    up.signal("INT");
    assert_eq!(up.end().code(), Some(130));
    assert_eq!(site.app_processes(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_published_is_refused_before_anything_starts() {
    let site = Site::new();
    let run = site.run(&up("no-such-folder", &[])).expect(2);
    assert!(
        run.stderr.contains("no-such-folder cannot be opened"),
        "{run:?}"
    );
    let run = site
        .run(&["up", "--listen", "nonsense", "--public-url", "ftp://x"])
        .expect(8);
    assert!(
        run.stderr.contains("server.listen") && run.stderr.contains("server.public_url"),
        "{run:?}"
    );
}

fn files_of(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), std::fs::read(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}
