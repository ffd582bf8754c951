//! What the tests of publishing share: a server that hosts, its people, and apps to publish.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use runtime::AppRuntime as _;
use testkit::{Person, Published, TestServer};

/// A server that hosts apps, with an owner and somebody else.
pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) ana: Person,
    pub(crate) ben: Person,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hosting");
        let server = TestServer::start_hosting(&shared, settings).await;
        Self {
            ana: server.person("ana").await,
            ben: server.person("ben").await,
            server,
        }
    }

    /// Publishes `main.py` as Ana's app `notes`.
    pub(crate) async fn publish(&self, main: &str) -> Published {
        self.server
            .publish(&self.ana, "slug=notes", &[("main.py", main)])
            .await
    }

    /// What Ana gets from the app's `/`.
    pub(crate) async fn home(&self) -> String {
        let answer = self.server.open("notes", "/", Some(&self.ana)).await;
        answer.expect(200).text
    }

    /// The states of the app's releases, the newest first.
    pub(crate) async fn states(&self) -> Vec<String> {
        let versions = self
            .server
            .control(&self.ana, "GET", "/v1/apps/notes/versions", None)
            .await;
        let state = |version: &serde_json::Value| {
            let live = if version["live"] == true { " live" } else { "" };
            format!(
                "v{} {}{live}",
                version["version"],
                version["state"].as_str().unwrap()
            )
        };
        versions.as_array().unwrap().iter().map(state).collect()
    }

    /// The folder in `/proc` of the app's process.
    pub(crate) async fn process(&self) -> PathBuf {
        let app = self.server.find_app("notes").await.unwrap().record.id;
        let instance = self.server.context().hosting().runtime.find_live(app);
        let pid = instance.expect("the app is live").status().pid;
        Path::new("/proc").join(pid.expect("it runs").to_string())
    }

    /// The lines of a log.
    pub(crate) async fn log(&self, query: &str) -> Vec<String> {
        let path = format!("/v1/apps/notes/logs?{query}");
        let answer = self
            .server
            .call("GET", &path, Some(&self.ana.token), None)
            .await
            .expect(200);
        let text = |line: &str| -> String {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["text"].as_str().unwrap().to_owned()
        };
        answer.text.lines().map(text).collect()
    }
}

/// An app whose `/` answers a word.
pub(crate) fn saying(word: &str) -> String {
    format!(
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef home():\n    return \"{word}\"\n"
    )
}

/// Every file below a folder with its contents.
pub(crate) fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read(path).unwrap_or_default());
            }
        }
    }
    found
}
