//! Publishes that fail, at each stage: the old release goes on serving, and the publisher is told what to mend.

mod common;

use std::time::Duration;

use common::{World, files_of, saying};
use protocol::publish::{Stage, Status};
use testkit::{Published, pack};

const BROKEN: &str =
    "from fastapi import FastAPI\n\napp = FastAPI()\n\nraise RuntimeError(\"no such thing\")\n";

/// Fails the test unless v1 serves and v2 is noted as failed at this stage.
async fn assert_old_serves(world: &World, stage: &str) {
    assert_eq!(world.home().await, "\"old\"");
    assert_eq!(world.states().await, ["v2 failed", "v1 ready live"]);
    let versions = world
        .server
        .control(&world.ana, "GET", "/v1/apps/notes/versions", None)
        .await;
    let failure = versions[0]["failure"].as_str().unwrap();
    assert!(failure.starts_with(&format!("{stage}: ")), "{failure}");
    // Of a failed release only what it said is kept.
    let app = world.server.find_app("notes").await.unwrap();
    let folder = world
        .server
        .data_dir()
        .join("apps")
        .join(&app.id)
        .join("releases/2");
    for name in files_of(&folder).keys() {
        assert!(
            ["build.log", "run.log"].contains(&name.as_str()),
            "{name} is left"
        );
    }
    assert!(files_of(&world.server.data_dir().join("tmp")).is_empty());
}

async fn world() -> World {
    let world = World::new().await;
    world.publish(&saying("old")).await.live();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_thing_in_the_source_is_shown_with_its_place() {
    let world = world().await;
    let main = "from fastapi import FastAPI\nimport sqlite3\n\napp = FastAPI()\ndb = sqlite3.connect(\"app.db\")\n";
    let published = world.publish(main).await;
    let (message, _) = published.failed(Stage::Check, 3);
    assert!(message.contains("1 error"), "{message}");
    let finding = published
        .events
        .iter()
        .find_map(|event| event.finding.clone())
        .unwrap();
    assert_eq!(
        (&finding["rule"], &finding["file"], &finding["line"]),
        (&"persistence.sqlite".into(), &"main.py".into(), &5.into())
    );
    assert_old_serves(&world, "check").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_syntax_error_is_shown_with_its_place() {
    let world = world().await;
    let published = world
        .publish("from fastapi import FastAPI\n\napp = FastAPI(\n")
        .await;
    assert_eq!(published.last().status, Status::Failed);
    assert_eq!(published.last().data["code"], 3);
    let finding = published
        .events
        .iter()
        .find_map(|event| event.finding.clone())
        .unwrap();
    assert_eq!(
        (&finding["rule"], &finding["file"]),
        (&"runtime.syntax".into(), &"main.py".into())
    );
    assert_eq!(world.home().await, "\"old\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_that_cannot_be_had_are_explained() {
    let world = world().await;
    let new = saying("new");
    let files = [
        ("main.py", new.as_str()),
        ("requirements.txt", "fastapi==0.0.99\nuvicorn\n"),
    ];
    let published = world.server.publish(&world.ana, "slug=notes", &files).await;
    let (message, _) = published.failed(Stage::Build, 4);
    assert!(message.contains("fastapi==0.0.99"), "{message}");
    assert_old_serves(&world, "build").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_is_given_up() {
    let world = World::with(&[("apps.build_timeout", "2s")]).await;
    world.publish(&saying("old")).await.live();
    // An index that takes the connection and never says a word.
    let index = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let new = saying("new");
    let requirements = format!(
        "--index-url http://{}/simple\nfastapi\nuvicorn\n",
        index.local_addr().unwrap()
    );
    let files = [
        ("main.py", new.as_str()),
        ("requirements.txt", &requirements),
    ];
    let published = world.server.publish(&world.ana, "slug=notes", &files).await;
    let (message, _) = published.failed(Stage::Build, 4);
    assert!(message.contains("within 2 s"), "{message}");
    assert_old_serves(&world, "build").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_raises_at_import_is_shown_with_its_traceback() {
    let world = world().await;
    let (message, log) = world.publish(BROKEN).await.failed(Stage::Start, 5);
    assert!(message.contains("code 1"), "{message}");
    assert!(log.contains("RuntimeError: no such thing"), "{log}");
    // The line is that of the person's own file, though a line was added to the copy that runs.
    assert!(log.contains("File \"main.py\", line 5"), "{log}");
    assert_old_serves(&world, "start").await;
    let run = world.log("version=2").await;
    assert!(
        run.iter()
            .any(|line| line.contains("RuntimeError: no such thing")),
        "{run:?}"
    );
    let build = world.log("build=true&version=2").await;
    assert!(
        build
            .iter()
            .any(|line| line.contains("RuntimeError: no such thing")),
        "{build:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_never_gets_ready_is_given_up() {
    let world = World::with(&[("apps.start_timeout", "4s")]).await;
    world.publish(&saying("old")).await.live();
    let main =
        saying("new") + "\nprint(\"waiting for something\")\nimport time\n\ntime.sleep(600)\n";
    let (message, log) = world.publish(&main).await.failed(Stage::Start, 5);
    assert!(message.contains("4 s"), "{message}");
    assert!(log.contains("waiting for something"), "{log}");
    assert_old_serves(&world, "start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_publish_that_fails_leaves_no_app_to_open() {
    let world = World::new().await;
    world.publish(BROKEN).await.failed(Stage::Start, 5);
    assert_eq!(world.states().await, ["v1 failed"]);
    let app = world.server.open("notes", "/", Some(&world.ana)).await;
    assert_eq!(
        (app.status, app.code().as_str()),
        (503, "app_stopped"),
        "{app:?}"
    );
    let info = world
        .server
        .control(&world.ana, "GET", "/v1/apps/notes", None)
        .await;
    assert_eq!(info["state"], "unpublished");
    for path in ["restart", "rollback"] {
        let path = format!("/v1/apps/notes/{path}");
        let answer = world
            .server
            .call(
                "POST",
                &path,
                Some(&world.ana.token),
                Some(serde_json::json!({})),
            )
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (409, "no_such_version")
        );
    }
    // Mended, it goes live as the next version.
    assert_eq!(world.publish(&saying("mended")).await.live(), 2);
    assert_eq!(world.home().await, "\"mended\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_release_cannot_be_rolled_back_to() {
    let world = world().await;
    world.publish(BROKEN).await.failed(Stage::Start, 5);
    world.publish(&saying("new")).await.live();
    let rollback = async |body: serde_json::Value| {
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
    let refused = rollback(serde_json::json!({"version": 2}))
        .await
        .expect(409);
    assert!(
        refused.text.contains("version 2 was never ready"),
        "{}",
        refused.text
    );
    // Without a number it is passed over.
    assert_eq!(
        rollback(serde_json::json!({})).await.expect(200).json()["version"],
        1
    );
    assert_eq!(world.home().await, "\"old\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_at_the_front_page_is_a_warning_with_its_traceback() {
    let world = World::new().await;
    let main = "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef home():\n    return 1 / 0\n";
    let published = world.publish(main).await;
    published.live();
    let warning = published
        .events
        .iter()
        .find(|event| event.stage == Stage::Verify && event.status == Status::Warning)
        .unwrap();
    assert!(warning.message.contains("500"), "{warning:?}");
    assert!(
        warning.data["log"]
            .as_str()
            .unwrap()
            .contains("ZeroDivisionError"),
        "{warning:?}"
    );
}

/// The ways round the gate that a program can take. None may end in an app that answers strangers.
#[tokio::test(flavor = "multi_thread")]
async fn however_the_app_is_made_the_gate_is_in_front_of_it() {
    let world = World::new().await;
    let route = "\n\n@api.get(\"/\")\ndef home():\n    return \"inside\"\n";
    let begin = "from fastapi import FastAPI\n\n";
    let sources = [
        (
            "by globals",
            format!("{begin}api = FastAPI()\nglobals()[\"app\"] = api\n{route}"),
        ),
        (
            "rebound to a wrapper",
            format!(
                "{begin}api = app = FastAPI()\n{route}\n\nclass Wrapper:\n    def __init__(self, inner):\n        self.inner = inner\n\n    async def __call__(self, *args):\n        await self.inner(*args)\n\n\napp = Wrapper(app)\n"
            ),
        ),
        (
            "by exec",
            format!("{begin}exec(\"api = app = FastAPI()\")\n{route}"),
        ),
        (
            "a second app",
            format!(
                "{begin}app = FastAPI()\napi = app\n{route}\n\ndef anew():\n    fresh = FastAPI()\n    fresh.include_router(app.router)\n    return fresh\n\n\napp = anew()\n"
            ),
        ),
        (
            "in a condition",
            format!(
                "{begin}if True:\n    app = FastAPI()\nelse:\n    app = FastAPI(title=\"other\")\napi = app\n{route}"
            ),
        ),
        (
            "by a function",
            format!(
                "{begin}def make():\n    return FastAPI()\n\n\napi = make()\n{route}\napp = api\n"
            ),
        ),
        (
            "under another name",
            format!("{begin}api = FastAPI()\n{route}\n"),
        ),
        (
            "as a factory",
            format!(
                "{begin}def create_app():\n    api = FastAPI()\n\n    @api.get(\"/\")\n    def home():\n        return \"inside\"\n\n    return api\n"
            ),
        ),
    ];
    let mut outcomes = Vec::new();
    for (number, (how, main)) in sources.iter().enumerate() {
        for query in [String::new(), "&entry=main:app".to_owned()] {
            let slug = format!("gate-{number}-{}", query.len());
            let query = format!("slug={slug}{query}");
            let published = world
                .server
                .publish(&world.ana, &query, &[("main.py", main)])
                .await;
            let last = published.last();
            if last.status == Status::Failed {
                // Refused in words: that is as good as gated.
                assert_ne!(last.data["code"], 1, "{how}: {published:#?}");
                outcomes.push(format!("{how} ({}): {:?}", query.len(), last.stage));
                continue;
            }
            let stranger = world.server.open(&slug, "/", None).await;
            assert_eq!(stranger.status, 401, "{how}");
            // Not the gateway alone: the app's own gate is closed, too.
            assert_eq!(behind_the_gateway(&world, &slug).await, 401, "{how}");
            let owner = world.server.open(&slug, "/", Some(&world.ana)).await;
            assert_eq!(owner.expect(200).text, "\"inside\"", "{how}");
            outcomes.push(format!("{how} ({}): live", query.len()));
        }
    }
    let live = outcomes
        .iter()
        .filter(|outcome| outcome.ends_with("live"))
        .count();
    assert!(live >= sources.len(), "{outcomes:#?}");
}

/// What the app's own process answers to a request without any header of the gateway.
async fn behind_the_gateway(world: &World, slug: &str) -> u16 {
    use runtime::AppRuntime as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let app = world.server.find_app(slug).await.unwrap().record.id;
    let instance = world
        .server
        .context()
        .hosting()
        .runtime
        .find_live(app)
        .unwrap();
    let mut stream = tokio::net::UnixStream::connect(instance.socket_path())
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .unwrap()
        .unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_throws_its_gate_away_is_not_made_live() {
    let world = world().await;
    let stripping = "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n\n\n@asynccontextmanager\nasync def \
                     lifespan(app):\n    app.user_middleware.clear()\n    app.middleware_stack = app.build_middleware_stack()\n    \
                     yield\n\n\napp = FastAPI(lifespan=lifespan)\n\n\n@app.get(\"/\")\ndef home():\n    return \"no gate\"\n";
    let published = world.publish(stripping).await;
    assert_gated_or_refused(&world, &published).await;
    // The same deed later, when the verification is over, is stopped by the gateway for strangers.
    let late = "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef home():\n    app.user_middleware.clear()\n    \
                app.middleware_stack = app.build_middleware_stack()\n    return \"no gate\"\n";
    let published = world.publish(late).await;
    assert_gated_or_refused(&world, &published).await;
}

async fn assert_gated_or_refused(world: &World, published: &Published) {
    if published.last().status == Status::Failed {
        let (message, _) = published.failed(Stage::Verify, 5);
        assert!(message.contains("gate"), "{message}");
        assert_eq!(world.home().await, "\"old\"");
    } else {
        assert_eq!(
            behind_the_gateway(world, "notes").await,
            401,
            "{published:#?}"
        );
    }
    assert_eq!(world.server.open("notes", "/", None).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_gates_nothing_under_any_wrapper_is_refused() {
    let world = world().await;
    // It answers by itself before anything that was put around it is asked.
    let main = "from fastapi import FastAPI\nimport uvicorn.config\n\napp = FastAPI()\n\n\nasync def open_to_all(scope, receive, \
                send):\n    if scope[\"type\"] != \"http\":\n        return await app(scope, receive, send)\n    await send({\"type\": \
                \"http.response.start\", \"status\": 200, \"headers\": []})\n    await send({\"type\": \"http.response.body\", \
                \"body\": b\"open\"})\n\n\nload = uvicorn.config.Config.load\n\n\ndef hostile(self):\n    load(self)\n    self.loaded_app = \
                open_to_all\n\n\nuvicorn.config.Config.load = hostile\n";
    let (message, _) = world.publish(main).await.failed(Stage::Verify, 5);
    assert!(message.contains("gate could not be put"), "{message}");
    assert_old_serves(&world, "verify").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_are_no_project_are_refused_and_leave_nothing() {
    let world = World::with(&[
        ("apps.upload_bytes", "200000"),
        ("apps.unpacked_bytes", "300000"),
        ("apps.files", "20"),
    ])
    .await;
    let good = pack(&[("main.py", &saying("fine"))]);
    let many: Vec<_> = (0..30)
        .map(|n| (format!("f{n}.txt"), "x".to_owned()))
        .collect();
    let many: Vec<_> = many
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let zeros = "0".repeat(2_000_000);
    let uploads = [
        ("nothing", Vec::new()),
        ("garbage", b"this is no archive".repeat(50)),
        ("half of one", good[..good.len() / 2].to_vec()),
        ("a bomb", pack(&[("zeros.txt", &zeros)])),
        ("too many files", pack(&many)),
        ("a way out", tar("../../escape.py", None)),
        ("an absolute path", tar("/etc/escape.py", None)),
        ("a link out", tar("link", Some("/etc/passwd"))),
        ("a link up", tar("link", Some("../../../master.key"))),
    ];
    for (what, archive) in uploads {
        let answer = world
            .server
            .upload(&world.ana.token, "slug=notes", archive)
            .await;
        if answer.status == 200 {
            let last: serde_json::Value =
                serde_json::from_str(answer.text.lines().last().unwrap()).unwrap();
            assert_eq!(
                (&last["status"], &last["data"]["code"]),
                (&"failed".into(), &3.into()),
                "{what}: {last}"
            );
            assert!(
                last["message"].as_str().unwrap().len() > 10,
                "{what}: {last}"
            );
        } else {
            assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
        }
        assert!(
            files_of(&world.server.data_dir().join("tmp")).is_empty(),
            "{what} left something"
        );
        assert!(
            world.server.find_app("notes").await.is_none(),
            "{what} left an app"
        );
    }
    let large = world
        .server
        .upload(&world.ana.token, "slug=notes", vec![7; 300_000])
        .await;
    assert_eq!(large.status, 413, "{large:?}");
    assert!(files_of(&world.server.data_dir().join("tmp")).is_empty());
    for (query, code) in [
        ("slug=", "bad_slug"),
        ("slug=UP_per", "bad_slug"),
        ("slug=www", "bad_slug"),
        ("slug=../x", "bad_slug"),
        ("", "bad_query"),
        ("slug=a-fine-one&wat=1", "bad_query"),
        ("slug=notes&entry=a;b", "bad_entry"),
        ("slug=notes&message=%00", "bad_text"),
        ("slug=notes&public=perhaps", "bad_query"),
    ] {
        let answer = world
            .server
            .upload(&world.ana.token, query, good.clone())
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{query}: {answer:?}"
        );
    }
    // The slug is as free as ever.
    assert_eq!(
        world
            .server
            .upload(&world.ana.token, "slug=notes", good)
            .await
            .status,
        200
    );
}

/// A compressed archive of one file or link with this path, whatever it is.
fn tar(path: &str, link: Option<&str>) -> Vec<u8> {
    use std::io::Write as _;
    let mut header = [0_u8; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, "00000000000\0");
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, if link.is_some() { "2" } else { "0" });
    put(157, link.unwrap_or_default());
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&header).unwrap();
    packed.write_all(&[0; 1024]).unwrap();
    packed.finish().unwrap()
}
