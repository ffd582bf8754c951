//! A private PostgreSQL server for tests and measurements: made on the spot, gone with the process that made it.
//!
//! It listens on a Unix socket in a directory of its own and on no port, so it can collide with nothing. It gives up
//! durability for speed. Only the standard library is used, so that chores can share this.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

pub use private_server::StartError;
use private_server::{End, Folder, Watch, search_path, unprivileged_user};

/// How long the server may take to answer; a busy machine needs some seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// No port, many connections, and speed at the price of durability.
const SETTINGS: [&str; 4] = [
    "listen_addresses=",
    "max_connections=400",
    "fsync=off",
    "full_page_writes=off",
];

const HOW_TO_INSTALL: &str = "PostgreSQL's `initdb` was found neither on the search path nor in the usual places; \
     install the server (Debian: `apt-get install postgresql`, Homebrew: `brew install postgresql`)";

/// A running server. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub struct PostgresFixture {
    // Dropped first: the server ends before its files do.
    _watch: Watch,
    folder: Folder,
}

impl PostgresFixture {
    /// Makes and starts a server, and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not start; with what it said.
    pub fn start() -> Result<Self, StartError> {
        let programs = find_programs().ok_or(StartError::NotInstalled(HOW_TO_INSTALL))?;
        // PostgreSQL refuses to run as root.
        let folder = Folder::make("postgres", unprivileged_user(&["postgres", "nobody"])?)?;
        let made = folder
            .command(programs.join("initdb"))
            .args(["-U", "vestibule", "-A", "trust", "-E", "UTF8"])
            .args(["--locale=C", "--no-sync", "-D"])
            .arg(folder.path().join("data"))
            .output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(StartError::Failed(format!("initdb: {}", said.trim())));
        }
        let (data, socket) = (folder.path().join("data"), folder.path());
        let mut server = vec![programs.join("postgres").into_os_string()];
        server.extend(["-D".into(), data.into(), "-k".into(), socket.into()]);
        for setting in SETTINGS {
            server.extend(["-c".into(), setting.into()]);
        }
        let end = End {
            signal: "INT",
            remove: folder.path(),
        };
        let mut watch = Watch::start(&folder, end, server)?;
        let mut probe = folder.command(programs.join("pg_isready"));
        probe
            .arg("-q")
            .arg("-h")
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        watch.wait_until(&folder, PATIENCE, || {
            probe.status().is_ok_and(|status| status.success())
        })?;
        Ok(Self {
            _watch: watch,
            folder,
        })
    }

    /// The address of a database on this server. The database `postgres` exists; the user may create others.
    pub fn url(&self, database: &str) -> String {
        let host = self
            .folder
            .path()
            .to_string_lossy()
            .replace('%', "%25")
            .replace('/', "%2F")
            .replace(' ', "%20");
        format!("postgres://vestibule@localhost/{database}?host={host}")
    }
}

/// The folder that holds `initdb` and `postgres`: on the search path, or where packages put it (newest first).
fn find_programs() -> Option<PathBuf> {
    let mut packaged: Vec<(u32, PathBuf)> = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/usr/local", "pgsql", "bin"),
    ]
    .into_iter()
    .flat_map(|(parent, prefix, inner)| versions(Path::new(parent), prefix, inner))
    .collect();
    packaged.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    search_path([])
        .into_iter()
        .chain(packaged.into_iter().map(|(_, folder)| folder))
        .find(|folder| {
            ["initdb", "postgres", "pg_isready"]
                .iter()
                .all(|name| folder.join(name).is_file())
        })
}

fn versions(parent: &Path, prefix: &str, inner: &str) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().unwrap_or(0);
            Some((version, entry.path().join(inner)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_and_leaves_nothing_behind() {
        let server = PostgresFixture::start().unwrap();
        let folder = server.folder.path().to_owned();
        assert!(server.url("postgres").contains("host=%2F"));
        assert!(folder.exists());
        drop(server);
        assert!(!folder.exists());
    }
}
