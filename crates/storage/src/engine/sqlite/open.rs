//! Connections and how they are set up.

use std::{fs::OpenOptions, io, path::Path, time::Duration};

use rusqlite::OpenFlags;

use crate::{Error, Tx, migrations, repositories::latest_event as select_latest, tx::Connection};

/// How long a writer waits for another process's transaction, for example one of the command line: so many times
/// [`PAUSE`].
const PATIENCE: i32 = 10_000;
/// How often a writer looks whether another process's transaction is over. SQLite's own handler soon looks but ten
/// times a second, and beside a busy server, which leaves small gaps only, that finds none for seconds.
const PAUSE: Duration = Duration::from_millis(1);
/// Different statements are some hundred; each connection keeps them prepared.
const STATEMENTS: usize = 256;

/// Opens the file for writing, making and migrating it as needed.
pub(super) fn writer(path: &Path) -> Result<Tx, Error> {
    make(path)?;
    let connection = connect(path)?;
    let journal: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| cannot_open(path, &error))?;
    if journal != "wal" {
        let problem = "its file system does not allow write-ahead logging; keep the data directory on a local disk";
        return Err(Error::CannotOpen {
            path: path.into(),
            problem: problem.into(),
        });
    }
    set(&connection, path, &["PRAGMA synchronous = FULL"])?;
    let mut tx = Tx::new(Connection::Sqlite(connection));
    tx.control("BEGIN EXCLUSIVE")?;
    migrations::migrate(&mut tx)?;
    tx.control("COMMIT")?;
    Ok(tx)
}

/// A connection that refuses to write.
pub(super) fn reader(path: &Path) -> Result<Tx, Error> {
    let connection = connect(path)?;
    set(&connection, path, &["PRAGMA query_only = ON"])?;
    Ok(Tx::new(Connection::Sqlite(connection)))
}

/// A connection for checkpoints and for noticing commits of other processes.
pub(super) fn keeper(path: &Path) -> Result<Tx, Error> {
    let connection = connect(path)?;
    set(&connection, path, &["PRAGMA synchronous = FULL"])?;
    Ok(Tx::new(Connection::Sqlite(connection)))
}

/// The place of the latest event.
pub(super) fn latest_event(tx: &mut Tx) -> Result<u64, Error> {
    tx.reset();
    let latest = tx.query_one(&select_latest(), |row| row.number("event_counter"))?;
    Ok(latest.unwrap_or_default())
}

fn connect(path: &Path) -> Result<rusqlite::Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)
        .map_err(|error| cannot_open(path, &error))?;
    connection
        .busy_handler(Some(wait))
        .map_err(|error| cannot_open(path, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Checkpoints are the keeper's: within a commit they make somebody wait.
    set(
        &connection,
        path,
        &[
            "PRAGMA foreign_keys = ON",
            "PRAGMA cache_size = -8192",
            "PRAGMA wal_autocheckpoint = 0",
        ],
    )?;
    Ok(connection)
}

/// Waits for another process's transaction; whether to try again.
fn wait(tries: i32) -> bool {
    std::thread::sleep(PAUSE);
    tries < PATIENCE
}

fn set(connection: &rusqlite::Connection, path: &Path, pragmas: &[&str]) -> Result<(), Error> {
    pragmas
        .iter()
        .try_for_each(|pragma| connection.execute_batch(pragma))
        .map_err(|error| cannot_open(path, &error))
}

/// Makes the file, for this user's eyes only. SQLite gives its side files the same permissions.
fn make(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "its directory does not exist; create it",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "let the user that runs this program write to the data directory, or choose another one"
            }
            io::ErrorKind::StorageFull => "the disk is full; free some space",
            io::ErrorKind::IsADirectory => "it is a directory; give the path of a file",
            _ => "choose another data directory",
        };
        Error::CannotOpen { path: path.into(), problem: format!("{error}; {advice}") }
    })
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> Error {
    match Error::from_sqlite(error) {
        Error::Unavailable { problem } | Error::Database { problem } => Error::CannotOpen {
            path: path.into(),
            problem,
        },
        other => other,
    }
}
