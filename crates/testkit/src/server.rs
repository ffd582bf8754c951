//! A running server on fresh data.

use jiff::Timestamp;
use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use serde_json::Value;
use server::{
    Config, Context, Server,
    clock::Clock,
    config::{RawConfig, Sources},
};
use storage::{DatabaseUrl, testing::TestDatabase};
use tempfile::TempDir;

use crate::Answer;

/// The instant at which a test's clock stands unless it is moved: 2026-01-05T09:00:00Z.
const BEGINNING_SECONDS: i64 = 1_767_603_600;

/// A server with data of its own. Stops when dropped with the runtime.
pub struct TestServer {
    server: Server,
    clock: Clock,
    client: Client,
    directory: TempDir,
    // Dropped, and with it the database, when the test is over.
    database: Option<TestDatabase>,
    settings: Vec<(String, String)>,
}

impl TestServer {
    /// Starts a server with the settings of tests: cheap password hashes, any free port.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further settings, as dotted key and value.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock =
            Clock::fixed(Timestamp::from_second(BEGINNING_SECONDS).expect("a valid instant"));
        Self::launch(directory, settings, clock).await
    }

    /// Starts two servers that share a PostgreSQL database and a clock. The second one must be gone before the first.
    pub async fn start_pair(settings: &[(&str, &str)]) -> (Self, Self) {
        let database = TestDatabase::postgres().await;
        let DatabaseUrl::Postgres(url) = database.url().clone() else {
            unreachable!("a PostgreSQL database has such an address")
        };
        let master_key = "5a".repeat(32);
        let mut all = settings.to_vec();
        all.extend([
            ("database.url", url.expose().as_str()),
            ("master_key", &master_key),
        ]);
        let directory = || tempfile::tempdir().expect("a temporary directory");
        let clock =
            Clock::fixed(Timestamp::from_second(BEGINNING_SECONDS).expect("a valid instant"));
        let first = Self::launch_on(Some(database), directory(), &all, clock.clone()).await;
        let second = Self::launch_on(None, directory(), &all, clock).await;
        (first, second)
    }

    /// Starts a server on a directory.
    pub(crate) async fn launch(
        directory: TempDir,
        settings: &[(&str, &str)],
        clock: Clock,
    ) -> Self {
        let database = postgres_database().await;
        let mut settings = settings.to_vec();
        let url = match database.as_ref().map(TestDatabase::url) {
            Some(DatabaseUrl::Postgres(url)) => Some(url.expose().clone()),
            _ => None,
        };
        if let Some(url) = &url {
            settings.push(("database.url", url));
        }
        Self::launch_on(database, directory, &settings, clock).await
    }

    async fn launch_on(
        database: Option<TestDatabase>,
        directory: TempDir,
        settings: &[(&str, &str)],
        clock: Clock,
    ) -> Self {
        let mut all: Vec<(String, String)> = [
            ("server.listen", "127.0.0.1:0"),
            ("server.admin_listen", "127.0.0.1:0"),
            ("server.drain", "2s"),
            ("accounts.argon2_memory_kib", "8"),
            ("accounts.argon2_passes", "1"),
            ("accounts.sign_up", "open"),
        ]
        .into_iter()
        .chain(settings.iter().copied())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        all.push((
            "server.data_dir".into(),
            directory.path().display().to_string(),
        ));
        let server = Server::start_at(config(&all).0, clock.clone())
            .await
            .expect("the server starts");
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            server,
            clock,
            client,
            directory,
            database,
            settings: all,
        }
    }

    /// Stops the server and starts it again on the same data and another port.
    pub async fn restart(self) -> Self {
        self.restart_with(&[]).await
    }

    /// The same with further settings, which come before the earlier ones.
    pub async fn restart_with(self, further: &[(&str, &str)]) -> Self {
        let Self {
            server,
            clock,
            client,
            directory,
            database,
            mut settings,
        } = self;
        server.stop().await;
        settings.retain(|(key, _)| further.iter().all(|(other, _)| key != other));
        settings.extend(
            further
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned())),
        );
        let server = Server::start_at(config(&settings).0, clock.clone())
            .await
            .expect("the server starts again");
        Self {
            server,
            clock,
            client,
            directory,
            database,
            settings,
        }
    }

    /// Stops the server in order.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// Stops the server in order, but keeps its database for another server until what is given back is dropped.
    pub async fn stop_and_keep_database(self) -> Option<TestDatabase> {
        self.server.stop().await;
        self.database
    }

    /// The context, to look behind the scenes.
    pub fn context(&self) -> &Context {
        self.server.context()
    }

    /// The running server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The clock the server lives by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The data directory.
    pub fn data_dir(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The address of a path on the public listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.public_address())
    }

    /// The address of a path on the admin listener.
    pub fn admin_url(&self, path: &str) -> String {
        format!(
            "http://{}{path}",
            self.server
                .admin_address()
                .expect("tests have an admin listener")
        )
    }

    /// A client that follows no redirects and keeps no cookies.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Begins a request to the public listener, as the pages' own host.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, self.url(path))
            .header("host", self.host())
    }

    /// Calls the public listener with a session token and a JSON body.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.request(method.parse().expect("a method"), path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::to(request).await
    }

    /// `localhost:<port>`, the host of the pages.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.server.public_address().port())
    }

    /// `http://localhost:<port>`, the origin of the pages.
    pub fn origin(&self) -> String {
        format!("http://{}", self.host())
    }
}

/// A fresh PostgreSQL database when `VESTIBULE_TEST_DATABASE` is `postgres`; else the server keeps to SQLite.
async fn postgres_database() -> Option<TestDatabase> {
    let wanted = std::env::var("VESTIBULE_TEST_DATABASE").is_ok_and(|engine| engine == "postgres");
    if wanted {
        Some(TestDatabase::postgres().await)
    } else {
        None
    }
}

fn config(settings: &[(String, String)]) -> (Config, RawConfig) {
    let sources = Sources {
        flags: settings.to_vec(),
        environment: Vec::new(),
        file: None,
    };
    Config::load(&sources).unwrap_or_else(|errors| panic!("{errors}"))
}
