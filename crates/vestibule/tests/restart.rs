//! The real server, killed and stopped: what was acknowledged is there afterwards, and nothing else is.

mod common;

use std::time::Duration;

use common::{Site, eventually, get, saying};

#[test]
fn a_killed_server_loses_nothing_it_acknowledged_and_its_apps_come_back() {
    let mut site = Site::with_ana();
    let main = saying("one")
        + "\nimport vestibule\n\n\n@app.get(\"/count\")\ndef count():\n    return vestibule.kv.incr(\"public:count\")\n";
    let notes = site.project("notes", &main);
    site.run(&["publish", &notes, "--open"]).expect(0);
    assert_eq!(site.open("notes", "/"), (200, "\"one\"".into()));

    // A publish that will be under way.
    let slow = site.project(
        "slow",
        &format!("import time\n\ntime.sleep(600)\n{}", saying("never")),
    );
    let publishing = site.start(&["publish", &slow]);
    eventually("the slow publish is under way", || {
        site.run(&["versions", "slow", "--json"])
            .stdout
            .contains("\"publishing\"")
    });
    // Writes without end, until the server is gone.
    let address = site.address.clone();
    let token = site.token.clone().unwrap();
    let (acknowledged, progress) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || write_until_refused(&address, &token, &acknowledged));
    for _ in 0..100 {
        progress.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    let server = site.server();
    server.signal("KILL");
    server.end();
    drop(publishing);
    let last = writer.join().unwrap();
    assert!(last >= 100);
    eventually("no app outlives the server", || {
        site.app_processes().is_empty()
    });

    site.serve();
    let keys = site
        .run(&["kv", "list", "notes", "shared:", "--json"])
        .expect(0)
        .json();
    let keys = keys["keys"].as_array().unwrap();
    for number in 0..last {
        let key = format!("shared:n{number}");
        assert!(
            keys.iter().any(|kept| *kept == *key),
            "{key} was acknowledged and is lost"
        );
    }
    eventually("the app is back", || site.open("notes", "/").0 == 200);
    assert_eq!(site.open("notes", "/"), (200, "\"one\"".into()));
    let versions = site.run(&["versions", "slow", "--json"]).expect(0).json();
    assert_eq!(versions[0]["state"], "failed");
    let failure = versions[0]["failure"].as_str().unwrap();
    assert!(failure.contains("publish it again"), "{failure}");
    let left = std::fs::read_dir(site.path("data/tmp")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    // And it can be published again.
    let slow = site.project("slow", &saying("at last"));
    site.run(&["publish", &slow, "--open"]).expect(0);
    assert_eq!(site.open("slow", "/"), (200, "\"at last\"".into()));
}

/// Writes keys one after the other; gives how many were acknowledged.
fn write_until_refused(
    address: &str,
    token: &str,
    acknowledged: &std::sync::mpsc::Sender<()>,
) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for number in 0.. {
            let request = client
                .put(format!("{address}/v1/apps/notes/kv/shared%3An{number}"))
                .bearer_auth(token)
                .header("content-type", "application/json")
                .body("1");
            match request.send().await {
                Ok(answer) if answer.status().is_success() => drop(acknowledged.send(())),
                Ok(answer) => panic!("{answer:?}"),
                Err(_) => return number,
            }
        }
        unreachable!("the numbers do not end")
    })
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_was_asked() {
    let mut site = Site::with_ana();
    let main = saying("one")
        + "\nimport asyncio\n\n\n@app.get(\"/slow\")\nasync def slow():\n    print(\"begun\")\n    await asyncio.sleep(1.5)\n    return \
           \"finished\"\n";
    let notes = site.project("notes", &main);
    site.run(&["publish", &notes, "--open"]).expect(0);
    let address = site.address.clone();
    let asked = std::thread::spawn(move || get(&address, "notes", "/slow"));
    eventually("the app is at work", || {
        site.run(&["logs", "notes"]).stdout.contains("begun")
    });
    let server = site.server();
    server.signal("TERM");
    assert_eq!(asked.join().unwrap(), (200, "\"finished\"".into()));
    assert_eq!(server.end().code(), Some(0));
    assert_eq!(site.app_processes(), Vec::<String>::new());
}

#[test]
fn two_servers_do_not_share_a_data_directory() {
    let mut site = Site::with_ana();
    let notes = site.project("notes", &saying("one"));
    site.run(&["publish", &notes, "--open"]).expect(0);
    for arguments in [
        &["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"][..],
        &[
            "up",
            &notes,
            "--data-dir",
            "data",
            "--listen",
            "127.0.0.1:0",
        ],
    ] {
        let second = site.run(arguments).expect(1);
        assert!(
            second.stderr.contains("another server is running on data; stop it first, or choose another with --data-dir"),
            "{second:?}"
        );
    }
    // The first is not disturbed, and accounts can be made beside it.
    assert_eq!(site.open("notes", "/"), (200, "\"one\"".into()));
    site.run(&["kv", "set", "notes", "shared:a", "1"]).expect(0);
    site.account("ben");
    // Once it is gone the directory is free.
    let server = site.server();
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    site.serve();
    eventually("the app is back", || site.open("notes", "/").0 == 200);
}
