//! Databases for tests: a fresh one for each test, on either engine, gone afterwards.
//!
//! PostgreSQL is the server that `VESTIBULE_TEST_POSTGRES` names (a URL; its user may create databases), else a
//! private one that this process starts. When neither can be had the test fails: it is never skipped.

use std::{
    env, process,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use postgres_fixture::PostgresFixture;
use rand::random;
use secret::SecretString;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::{
    DatabaseUrl, Error, Settings, Storage,
    migrations::{self, Dialect},
    tx::Connection,
};

/// A database for one test.
#[derive(Debug)]
pub struct TestDatabase {
    url: DatabaseUrl,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A fresh SQLite file.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        Self {
            url: DatabaseUrl::Sqlite(folder.path().join("vestibule.db")),
            _folder: Some(folder),
        }
    }

    /// A fresh PostgreSQL database.
    pub async fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "vestibule_test_{}_{count}_{:08x}",
            process::id(),
            random::<u32>()
        );
        administer(format!("CREATE DATABASE {name}")).await;
        let url = server().clone().database(&name).to_url_lossy();
        Self {
            url: DatabaseUrl::Postgres(SecretString::new(url.into())),
            _folder: None,
        }
    }

    /// Where it is.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Settings to open it with; a few connections are enough for a test.
    pub fn settings(&self) -> Settings {
        Settings {
            connections: 8,
            ..Settings::new(self.url.clone())
        }
    }

    /// Opens it, once more at each call, as another process would.
    pub async fn open(&self) -> Storage {
        Storage::open(self.settings())
            .await
            .unwrap_or_else(|error| panic!("the test's database: {error}"))
    }

    /// Makes the tables of an older program on this empty database. Versions count from 1.
    pub async fn make_schema(&self, version: u32) {
        let dialect = match &self.url {
            DatabaseUrl::Sqlite(_) => Dialect::Sqlite,
            DatabaseUrl::Postgres(_) => Dialect::Postgres,
        };
        let statements = migrations::as_released(version, dialect);
        self.execute(&statements.join(";\n")).await;
    }

    /// The newest schema version.
    pub fn newest_schema() -> u32 {
        migrations::known()
    }

    /// Bytes of an id as this engine's SQL writes them.
    pub fn id_literal(&self, id: uuid::Uuid) -> String {
        match &self.url {
            DatabaseUrl::Sqlite(_) => format!("X'{}'", id.simple()),
            DatabaseUrl::Postgres(_) => format!("'{id}'"),
        }
    }

    /// Bytes as this engine's SQL writes them.
    pub fn bytes_literal(&self, bytes: &[u8]) -> String {
        let hex = hex::encode(bytes);
        match &self.url {
            DatabaseUrl::Sqlite(_) => format!("X'{hex}'"),
            DatabaseUrl::Postgres(_) => format!("'\\x{hex}'"),
        }
    }

    /// A truth value as this engine's SQL writes it.
    pub const fn flag_literal(&self, flag: bool) -> &'static str {
        match (&self.url, flag) {
            (DatabaseUrl::Sqlite(_), true) => "1",
            (DatabaseUrl::Sqlite(_), false) => "0",
            (DatabaseUrl::Postgres(_), true) => "TRUE",
            (DatabaseUrl::Postgres(_), false) => "FALSE",
        }
    }

    /// Runs SQL past the storage, for example to damage a row.
    pub async fn execute(&self, sql: &str) {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                rusqlite::Connection::open(path)
                    .and_then(|connection| connection.execute_batch(sql))
                    .expect(sql);
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url.expose())
                    .await
                    .expect("the test's database");
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await
                    .expect(sql);
            }
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let DatabaseUrl::Postgres(url) = &self.url else {
            return;
        };
        let Ok(options) = url.expose().parse::<PgConnectOptions>() else {
            return;
        };
        let Some(name) = options.get_database().map(str::to_owned) else {
            return;
        };
        // A runtime of its own, since the test's may be on its way out.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| {
                runtime.block_on(administer(format!(
                    "DROP DATABASE IF EXISTS {name} WITH (FORCE)"
                )));
            })
        });
        let _ = dropping.join();
    }
}

/// Makes SQLite checkpoint within commits, as it does by itself, to measure what that costs.
pub async fn checkpoint_within_commits(storage: &Storage) {
    let set = storage.write(|tx| {
        if let Connection::Sqlite(connection) = &tx.connection {
            // Takes the place of the engine's own hook, so the keeper is never woken.
            let set = connection.query_row("PRAGMA wal_autocheckpoint = 1000", [], |_| Ok(()));
            set.map_err(|error| Error::from_sqlite(&error))?;
        }
        Ok::<_, Error>(())
    });
    set.await.unwrap_or_else(|error| panic!("{error}"));
}

async fn administer(sql: String) {
    let mut connection = server()
        .connect()
        .await
        .unwrap_or_else(|error| panic!("PostgreSQL for tests: {error}"));
    let done = sqlx::raw_sql(AssertSqlSafe(sql.clone()))
        .execute(&mut connection)
        .await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The server that databases for tests are made on.
fn server() -> &'static PgConnectOptions {
    static SERVER: OnceLock<(PgConnectOptions, Option<PostgresFixture>)> = OnceLock::new();
    let (options, _) = SERVER.get_or_init(|| {
        let (url, fixture) = match env::var("VESTIBULE_TEST_POSTGRES") {
            Ok(url) if !url.is_empty() => (url, None),
            _ => {
                let fixture = PostgresFixture::start().unwrap_or_else(|error| {
                    panic!(
                        "{error}; or set VESTIBULE_TEST_POSTGRES to the URL of a server to test on"
                    )
                });
                (fixture.url("postgres"), Some(fixture))
            }
        };
        (
            url.parse()
                .expect("VESTIBULE_TEST_POSTGRES is a PostgreSQL URL"),
            fixture,
        )
    });
    options
}
