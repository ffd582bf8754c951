//! Publishing on a real server: uploads become running apps, releases replace each other, and people get what they may.

mod common;

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use common::{World, files_of, saying};
use protocol::publish::{Stage, Status};
use serde_json::json;
use testkit::{Answer, pack};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_a_running_app_that_knows_its_viewer() {
    let world = World::new().await;
    let main = "from fastapi import FastAPI\nimport vestibule\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef home():\n    \
                return vestibule.viewer().username\n";
    let published = world.publish(main).await;
    assert_eq!(published.live(), 1);

    let stages: Vec<_> = published
        .events
        .iter()
        .filter(|event| matches!(event.status, Status::Ok | Status::Skipped))
        .map(|event| event.stage)
        .collect();
    assert_eq!(
        stages,
        [
            Stage::Upload,
            Stage::Classify,
            Stage::Check,
            Stage::Rewrite,
            Stage::Config,
            Stage::Build,
            Stage::Start,
            Stage::Verify,
            Stage::Switch,
            Stage::Done,
        ]
    );
    assert!(
        published
            .events
            .iter()
            .zip(1..)
            .all(|(event, seq)| event.seq == seq)
    );
    let done = &published.last().data;
    let port = world.server.server().public_address().port();
    assert_eq!(done["url"], format!("http://notes.localhost:{port}"));
    assert!(done["seconds"].is_f64());

    assert_eq!(world.home().await, "\"ana\"");
    // Ben was not invited; to him there is nothing here. Nobody at all has to sign in.
    assert_eq!(
        world
            .server
            .open("notes", "/", Some(&world.ben))
            .await
            .status,
        404
    );
    assert_eq!(world.server.open("notes", "/", None).await.status, 401);
    let app = world.server.find_app("notes").await.unwrap();
    world.server.join(&app, &world.ben).await;
    assert_eq!(
        world
            .server
            .open("notes", "/", Some(&world.ben))
            .await
            .expect(200)
            .text,
        "\"ben\""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equal_upload_makes_no_new_version_unless_forced() {
    let world = World::new().await;
    world.publish(&saying("one")).await.live();
    let again = world.publish(&saying("one")).await;
    assert_eq!(again.live(), 1);
    assert_eq!(again.last().data["unchanged"], true);
    assert!(
        again.last().message.contains("already live as v1"),
        "{}",
        again.last().message
    );

    let forced = world
        .server
        .publish(
            &world.ana,
            "slug=notes&force=true&message=anew",
            &[("main.py", &saying("one"))],
        )
        .await;
    assert_eq!(
        (forced.live(), &forced.last().data["unchanged"]),
        (2, &json!(false))
    );
    assert_eq!(world.states().await, ["v2 ready live", "v1 ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_choose_the_versions_that_are_installed() {
    let world = World::new().await;
    let main = "from fastapi import FastAPI\nimport idna\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef home():\n    \
                return idna.__version__\n";
    let files = [
        ("main.py", main),
        (
            "requirements.txt",
            "-c constraints.txt\nfastapi\nuvicorn\nidna\n",
        ),
        ("constraints.txt", "idna==3.7\n"),
    ];
    let published = world.server.publish(&world.ana, "slug=notes", &files).await;
    published.live();
    assert_eq!(world.home().await, "\"3.7\"");
}

/// Asks the app's `/` without end until told to stop; counts what came back wrong.
struct Visitors {
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
    over: std::sync::Arc<AtomicBool>,
    answered: std::sync::Arc<AtomicU32>,
}

impl Visitors {
    async fn begin(world: &World, count: usize) -> Self {
        let over = std::sync::Arc::new(AtomicBool::new(false));
        let answered = std::sync::Arc::new(AtomicU32::new(0));
        let app = world.server.find_app("notes").await.unwrap();
        let token = world.server.viewer_token(&app, &world.ana);
        let port = world.server.server().public_address().port();
        let tasks = (0..count).map(|number| {
            let (over, answered) = (over.clone(), answered.clone());
            let (method, path) = match number {
                0 => (reqwest::Method::GET, "/slow"),
                1 => (reqwest::Method::POST, "/write"),
                _ => (reqwest::Method::GET, "/"),
            };
            let request = world
                .server
                .client()
                .request(method, world.server.url(path))
                .header("host", format!("notes.localhost:{port}"))
                .header("x-vestibule-viewer-token", token.clone());
            tokio::spawn(async move {
                let mut wrong = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let answer = Answer::to(request.try_clone().unwrap()).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                    if answer.status != 200 {
                        wrong.push(format!("{} {}", answer.status, answer.text));
                    }
                }
                wrong
            })
        });
        let tasks = tasks.collect();
        Self {
            tasks,
            over,
            answered,
        }
    }

    /// Ends the visits; fails the test if one of them failed.
    async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            let wrong = task.await.unwrap();
            assert_eq!(wrong, Vec::<String>::new());
        }
        assert!(self.answered.load(Ordering::Relaxed) > 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_replace_each_other_without_one_failed_request() {
    let world = World::new().await;
    let main = |word: &str| {
        saying(word)
            + "\nimport asyncio\n\n\n@app.get(\"/slow\")\nasync def slow():\n    await asyncio.sleep(0.7)\n    return 1\n\n\n@app.post(\"/write\")\ndef write():\n    \
               return 1\n"
    };
    world.publish(&main("one")).await.live();
    let visitors = Visitors::begin(&world, 6).await;
    for (word, version) in [("two", 2), ("three", 3), ("four", 4)] {
        assert_eq!(world.publish(&main(word)).await.live(), version);
        assert_eq!(world.home().await, format!("\"{word}\""));
    }
    let rollback = world
        .server
        .control(
            &world.ana,
            "POST",
            "/v1/apps/notes/rollback",
            Some(json!({})),
        )
        .await;
    assert_eq!(
        (&rollback["previous"], &rollback["version"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(world.home().await, "\"three\"");
    visitors.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_releases_can_be_served_again_and_data_stays() {
    let world = World::new().await;
    for word in ["one", "two", "three"] {
        world.publish(&saying(word)).await.live();
    }
    let key = "/v1/apps/notes/kv/shared%3Anote";
    world
        .server
        .control(&world.ana, "PUT", key, Some(json!("kept")))
        .await;
    let rollback = async |body| {
        world
            .server
            .call(
                "POST",
                "/v1/apps/notes/rollback",
                Some(&world.ana.token),
                Some(body),
            )
            .await
    };
    assert_eq!(
        rollback(json!({"version": 1})).await.expect(200).json()["version"],
        1
    );
    assert_eq!(world.home().await, "\"one\"");
    assert_eq!(
        world.states().await,
        ["v3 ready", "v2 ready", "v1 ready live"]
    );
    let value = world.server.control(&world.ana, "GET", key, None).await;
    assert_eq!(value["value"], "kept");

    // Before v1 there is nothing; v9 does not exist.
    assert_eq!(
        rollback(json!({})).await.expect(409).code(),
        "no_such_version"
    );
    assert_eq!(
        rollback(json!({"version": 9})).await.expect(409).code(),
        "no_such_version"
    );
    assert_eq!(
        rollback(json!({"version": 3})).await.expect(200).json()["previous"],
        1
    );
    assert_eq!(world.home().await, "\"three\"");

    let restart = world
        .server
        .control(
            &world.ana,
            "POST",
            "/v1/apps/notes/restart",
            Some(json!({})),
        )
        .await;
    assert_eq!(
        (&restart["previous"], &restart["version"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(world.home().await, "\"three\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_as_many_releases_as_configured_are_kept() {
    let world = World::with(&[("apps.kept_releases", "2")]).await;
    for word in ["one", "two", "three"] {
        world.publish(&saying(word)).await.live();
    }
    assert_eq!(
        world.states().await,
        ["v3 ready live", "v2 ready", "v1 pruned"]
    );
    let app = world.server.find_app("notes").await.unwrap();
    let first = world
        .server
        .data_dir()
        .join("apps")
        .join(&app.id)
        .join("releases/1");
    let left: Vec<_> = files_of(&first).into_keys().collect();
    assert_eq!(left, ["build.log", "run.log"]);
    let answer = world
        .server
        .call(
            "POST",
            "/v1/apps/notes/rollback",
            Some(&world.ana.token),
            Some(json!({"version": 1})),
        )
        .await;
    assert_eq!(answer.expect(409).code(), "no_such_version");
    assert_eq!(world.home().await, "\"three\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_publishes_at_once_do_not_interleave() {
    let world = World::new().await;
    let slow = format!("import time\n\ntime.sleep(3)\n{}", saying("slow"));
    let first = world.publish(&slow);
    let second = async {
        // Once the first is at work the second is refused, and told whose it is.
        let app = async || world.server.find_app("notes").await.is_some();
        world
            .server
            .eventually("the first publish begins", app)
            .await;
        let busy = world
            .server
            .upload(
                &world.ana.token,
                "slug=notes",
                pack(&[("main.py", &saying("two"))]),
            )
            .await;
        let stranger = world
            .server
            .upload(
                &world.ben.token,
                "slug=notes",
                pack(&[("main.py", &saying("two"))]),
            )
            .await;
        let restart = world
            .server
            .call(
                "POST",
                "/v1/apps/notes/restart",
                Some(&world.ana.token),
                Some(json!({})),
            )
            .await;
        let delete = world
            .server
            .call("DELETE", "/v1/apps/notes", Some(&world.ana.token), None)
            .await;
        (busy, stranger, restart, delete)
    };
    let (first, (busy, stranger, restart, delete)) = tokio::join!(first, second);
    assert_eq!(first.live(), 1);
    for refused in [&busy, &restart, &delete] {
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (409, "publish_in_progress")
        );
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with("ana is at work on this app since 20"),
            "{message}"
        );
    }
    assert_eq!(
        (stranger.status, stranger.code().as_str()),
        (409, "slug_taken")
    );
    assert!(!stranger.text.contains("ana"), "{}", stranger.text);
    assert_eq!(world.states().await, ["v1 ready live"]);
    assert_eq!(world.home().await, "\"slow\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_people_who_want_a_free_slug_one_gets_it() {
    let world = World::new().await;
    let mut people = vec![world.ana.clone(), world.ben.clone()];
    for name in ["cleo", "dan"] {
        people.push(world.server.person(name).await);
    }
    let archive = pack(&[("main.py", &saying("mine"))]);
    let upload = |person| world.server.upload(person, "slug=notes", archive.clone());
    let answers = tokio::join!(
        upload(&people[0].token),
        upload(&people[1].token),
        upload(&people[2].token),
        upload(&people[3].token)
    );
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 3));
    assert!(won[0].text.contains("\"stage\":\"done\""), "{won:?}");
    for refused in lost {
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (409, "slug_taken")
        );
        assert!(
            people
                .iter()
                .all(|person| !refused.text.contains(&person.username))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_publishes_rolls_back_and_reads_logs() {
    let world = World::new().await;
    world.publish(&saying("mine")).await.live();
    let app = world.server.find_app("notes").await.unwrap();
    let member = world.server.person("member").await;
    world.server.join(&app, &member).await;
    for person in [&world.ben, &member] {
        let refused = world
            .server
            .upload(
                &person.token,
                "slug=notes",
                pack(&[("main.py", &saying("yours"))]),
            )
            .await
            .expect(409);
        assert_eq!(refused.code(), "slug_taken");
        for secret in ["ana", "v1", &app.id] {
            assert!(!refused.text.contains(secret), "{}", refused.text);
        }
        for (method, path, body) in [
            ("POST", "/v1/apps/notes/rollback", Some(json!({}))),
            ("POST", "/v1/apps/notes/restart", Some(json!({}))),
            ("GET", "/v1/apps/notes/logs", None),
            ("GET", "/v1/apps/notes/versions", None),
            ("GET", "/v1/apps/notes/versions/1/diff", None),
            ("DELETE", "/v1/apps/notes", None),
        ] {
            let answer = world
                .server
                .call(method, path, Some(&person.token), body)
                .await;
            assert!(
                matches!(answer.status, 403 | 404),
                "{} {method} {path}: {answer:?}",
                person.username
            );
        }
    }
    let nobody = world
        .server
        .upload("vst_s_nobody", "slug=notes", Vec::new())
        .await;
    assert_eq!(nobody.status, 401);
    assert_eq!(world.home().await, "\"mine\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_goes_on_when_the_publisher_hangs_up() {
    let world = World::new().await;
    let request = world
        .server
        .request(reqwest::Method::POST, "/v1/apps/publish?slug=notes")
        .bearer_auth(&world.ana.token)
        .body(pack(&[("main.py", &saying("alone"))]));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    world
        .server
        .eventually("the app is live", async || {
            world
                .server
                .open("notes", "/", Some(&world.ana))
                .await
                .status
                == 200
        })
        .await;
    assert_eq!(world.home().await, "\"alone\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_tell_what_the_publish_and_the_app_said() {
    let world = World::new().await;
    let main = saying("loud") + "\nprint(\"hello from the app\")\n";
    world.publish(&main).await.live();
    assert!(
        world
            .log("")
            .await
            .contains(&"hello from the app".to_owned())
    );
    let build = world.log("build=true").await;
    assert_eq!(build.first().unwrap(), "upload: unpacking");
    assert!(
        build
            .last()
            .unwrap()
            .starts_with("done: v1 is live at http://notes.localhost:"),
        "{build:?}"
    );
    // A second release has logs of its own; those of the first stay.
    world.publish(&saying("quiet")).await.live();
    assert!(
        !world
            .log("")
            .await
            .contains(&"hello from the app".to_owned())
    );
    assert!(
        world
            .log("version=1")
            .await
            .contains(&"hello from the app".to_owned())
    );
    let answer = world
        .server
        .call(
            "GET",
            "/v1/apps/notes/logs?version=9",
            Some(&world.ana.token),
            None,
        )
        .await;
    assert_eq!(answer.status, 404);
    // Following gives the lines to come.
    let main =
        saying("followed").replace("def home():", "def home():\n    print(\"somebody came\")");
    world.publish(&main).await.live();
    let mut follow = world
        .server
        .request(reqwest::Method::GET, "/v1/apps/notes/logs?follow=true")
        .bearer_auth(&world.ana.token)
        .send()
        .await
        .unwrap();
    world.home().await;
    let mut seen = String::new();
    // Once by the verification, once by Ana.
    while seen.matches("somebody came").count() < 2 {
        let chunk = tokio::time::timeout(Duration::from_secs(10), follow.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("no line of the request in {seen}"));
        seen.push_str(&String::from_utf8_lossy(
            &chunk.unwrap().expect("the log goes on"),
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_act_only_once_the_release_is_good() {
    let world = World::new().await;
    world.publish(&saying("one")).await.live();
    let query = "slug=notes&public=true&requires_auth=false&name=Open+notes";
    let broken = world
        .server
        .publish(&world.ana, query, &[("main.py", "raise SystemExit(3)\n")])
        .await;
    assert_eq!(broken.last().status, Status::Failed);
    let info = async || {
        world
            .server
            .control(&world.ana, "GET", "/v1/apps/notes", None)
            .await
    };
    assert_eq!(
        (&info().await["is_public"], &info().await["requires_auth"]),
        (&json!(false), &json!(true))
    );
    world
        .server
        .publish(&world.ana, query, &[("main.py", &saying("two"))])
        .await
        .live();
    let now = info().await;
    assert_eq!(
        (&now["is_public"], &now["requires_auth"], &now["name"]),
        (&json!(true), &json!(false), &json!("Open notes"))
    );
    assert_eq!(
        world.server.open("notes", "/", None).await.expect(200).text,
        "\"two\""
    );
    // An equal upload may still change the flags.
    let gated = world
        .server
        .publish(
            &world.ana,
            "slug=notes&requires_auth=true",
            &[("main.py", &saying("two"))],
        )
        .await;
    assert_eq!(gated.last().data["unchanged"], true);
    assert_eq!(world.server.open("notes", "/", None).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_app_leaves_nothing_behind_and_its_slug_is_held() {
    let world = World::new().await;
    world.publish(&saying("short-lived")).await.live();
    let app = world.server.find_app("notes").await.unwrap();
    let folder = world.server.data_dir().join("apps").join(&app.id);
    let process = world.process().await;
    assert!(process.exists());
    world
        .server
        .control(&world.ana, "DELETE", "/v1/apps/notes", None)
        .await;
    assert_eq!(
        world
            .server
            .call("GET", "/v1/apps/notes", Some(&world.ana.token), None)
            .await
            .status,
        404
    );
    world
        .server
        .eventually("the process ends", async || !process.exists())
        .await;
    world
        .server
        .eventually("the files are gone", async || !folder.exists())
        .await;
    for person in [&world.ana, &world.ben] {
        let refused = world
            .server
            .upload(
                &person.token,
                "slug=notes",
                pack(&[("main.py", &saying("new"))]),
            )
            .await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (409, "slug_taken")
        );
    }
}
