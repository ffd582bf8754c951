//! Publishing on a test server, and opening what was published.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
};

use protocol::publish::{Stage, StageEvent, Status};
use pysource::{Options, Project};
use reqwest::Method;
use runtime::{EnvironmentSpec, Environments};
use serde_json::Value;
use server::{actions::publish::examine, clock::Clock};

use crate::{Answer, AppFixture, Person, TestServer};

/// What the published apps of tests need: one environment serves them all.
pub const REQUIREMENTS: &str = "fastapi>=0.115\nuvicorn>=0.30\n";

/// What a publish said.
#[derive(Debug, Clone)]
pub struct Published {
    /// The events, in order.
    pub events: Vec<StageEvent>,
}

impl Published {
    /// The last event.
    #[track_caller]
    pub fn last(&self) -> &StageEvent {
        self.events.last().expect("a publish says something")
    }

    /// Fails the test unless the app is live; gives its version.
    #[track_caller]
    pub fn live(&self) -> u64 {
        let last = self.last();
        assert_eq!(
            (last.stage, last.status),
            (Stage::Done, Status::Ok),
            "{self:#?}"
        );
        last.data["version"].as_u64().expect("a version")
    }

    /// Fails the test unless the publish failed at this stage with this exit code; gives the message and the log.
    #[track_caller]
    pub fn failed(&self, stage: Stage, code: u64) -> (String, String) {
        let last = self.last();
        assert_eq!(
            (last.stage, last.status),
            (stage, Status::Failed),
            "{self:#?}"
        );
        assert_eq!(last.data["code"], code, "{self:#?}");
        let log = last.data["log"].as_str().unwrap_or_default();
        (last.message.clone(), log.to_owned())
    }
}

impl TestServer {
    /// Starts a server that publishes apps. It lives by the real clock, as the apps do. Environments are kept in `shared`, so that
    /// they are built once and not by each test.
    pub async fn start_hosting(shared: &Path, settings: &[(&str, &str)]) -> Self {
        prepare_environment(shared).await;
        let directory = tempfile::tempdir().expect("a temporary directory");
        share_environments(shared, directory.path());
        Self::launch(directory, settings, Clock::system()).await
    }

    /// Publishes files; `query` is that of the request.
    pub async fn publish(&self, person: &Person, query: &str, files: &[(&str, &str)]) -> Published {
        let answer = self.upload(&person.token, query, pack(files)).await;
        let text = answer.expect(200).text;
        let events = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("one event a line"))
            .collect();
        Published { events }
    }

    /// Sends an archive as it is.
    pub async fn upload(&self, token: &str, query: &str, archive: Vec<u8>) -> Answer {
        let request = self
            .request(Method::POST, &format!("/v1/apps/publish?{query}"))
            .bearer_auth(token)
            .header("content-type", "application/gzip")
            .body(archive);
        Answer::to(request).await
    }

    /// The record and the key of a published app.
    pub async fn find_app(&self, slug: &str) -> Option<AppFixture> {
        let wanted = slug.parse().expect("a slug");
        let find = self
            .context()
            .storage
            .read(move |tx| tx.apps().find_by_slug(&wanted))
            .await;
        let record = find.expect("no failure")?;
        let key = self.context().master_key.app_key(record.id);
        Some(AppFixture {
            id: record.id.to_string(),
            key: key.expose().clone(),
            record,
        })
    }

    /// Opens a path of an app through the gateway, as a program of this person's.
    pub async fn open(&self, slug: &str, path: &str, person: Option<&Person>) -> Answer {
        let port = self.server().public_address().port();
        let mut request = self
            .client()
            .get(self.url(path))
            .header("host", format!("{slug}.localhost:{port}"));
        if let Some(person) = person {
            let app = self.find_app(slug).await.expect("the app exists");
            request = request.header("x-vestibule-viewer-token", self.viewer_token(&app, person));
        }
        Answer::to(request).await
    }

    /// Calls the control API and expects success.
    pub async fn control(
        &self,
        person: &Person,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Value {
        let answer = self.call(method, path, Some(&person.token), body).await;
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        serde_json::from_str(&answer.text).unwrap_or_default()
    }
}

/// Packs files as the command line does.
pub fn pack(files: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    write_project(folder.path(), files);
    let packed = bundle::pack(folder.path(), &bundle::Limits::default());
    packed.expect("the files can be packed").archive
}

/// Writes a project with the requirements that all tests share, unless it brings its own.
pub fn write_project(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("requirements.txt"), REQUIREMENTS).expect("written");
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
    }
}

/// Builds the environment that the apps of tests share; waits while another test does.
pub async fn prepare_environment(shared: &Path) {
    fs::create_dir_all(shared).expect("the shared folder");
    let lock = File::create(shared.join("lock")).expect("a lock file");
    let waiting = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
    let _lock = waiting.await.expect("no panic").expect("the lock");
    let project = Project::new(
        [
            ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
            ("requirements.txt", REQUIREMENTS),
        ]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into(),
    );
    let needs = examine(&project, &Options::default())
        .expect("the project is fine")
        .dependencies;
    let spec = EnvironmentSpec::new(
        needs.python.map(|python| python.specifier),
        needs.requirements,
    );
    Environments::new(shared)
        .prepare(&spec, &|_| {})
        .await
        .expect("the environment can be built");
}

/// Lets a data directory use the shared environments.
pub fn share_environments(shared: &Path, data_dir: &Path) {
    fs::create_dir_all(data_dir).expect("the data directory");
    for name in ["environments", "uv-cache", "tools"] {
        let target = shared.join(name);
        fs::create_dir_all(&target).expect("a shared folder");
        symlink(target, data_dir.join(name)).expect("a link");
    }
}
