//! A private PostgreSQL server for tests and measurements: made on the spot, gone with the process that made it.
//!
//! It listens on a Unix socket in a directory of its own and on no port, so it can collide with nothing. It gives up
//! durability for speed. Only the standard library is used, so that chores can share this.

use std::{
    env, fs, io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long the server may take to answer; a busy machine needs some seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs the server until the standard input ends, which it does however the owner ends.
const WATCH: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=400 -c fsync=off -c full_page_writes=off \
    >"$2/log" 2>&1 &
server=$!
read -r _
kill -INT "$server"
wait "$server"
rm -rf "$2"
"#;

/// A running server. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub struct PostgresFixture {
    folder: PathBuf,
    watch: Child,
}

/// Why there is no server.
#[derive(Debug)]
pub enum StartError {
    /// PostgreSQL's programs were not found.
    NotInstalled,
    /// Something else; the text says what.
    Failed(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInstalled => f.write_str(
                "PostgreSQL's `initdb` was found neither on the search path nor in the usual places; install the \
                 server (Debian: `apt-get install postgresql`, Homebrew: `brew install postgresql`)",
            ),
            Self::Failed(problem) => write!(f, "could not start a private PostgreSQL: {problem}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl PostgresFixture {
    /// Makes and starts a server, and waits until it answers.
    pub fn start() -> Result<Self, StartError> {
        let programs = find_programs().ok_or(StartError::NotInstalled)?;
        let user = unprivileged_user()?;
        let folder = make_folder(user)?;
        let run = |program: &Path| {
            let mut command = Command::new(program);
            command
                .current_dir(&folder)
                .env("LC_ALL", "C")
                .process_group(0);
            if let Some(User { uid, gid }) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let made = run(&programs.join("initdb"))
            .args([
                "-U",
                "vestibule",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(folder.join("data"))
            .output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            let _ = fs::remove_dir_all(&folder);
            return Err(StartError::Failed(format!("initdb: {}", said.trim())));
        }
        let watch = run(Path::new("/bin/sh"))
            .args(["-c", WATCH, "sh"])
            .arg(&programs)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self {
            folder: folder.clone(),
            watch,
        };
        let deadline = Instant::now() + PATIENCE;
        let mut probe = run(&programs.join("pg_isready"));
        probe
            .arg("-q")
            .arg("-h")
            .arg(&server.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        while !probe.status()?.success() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(server.folder.join("log")).unwrap_or_default();
                return Err(StartError::Failed(format!(
                    "it does not answer; its log: {}",
                    log.trim()
                )));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// The address of a database on this server. The database `postgres` exists; the user may create others.
    pub fn url(&self, database: &str) -> String {
        let host = self
            .folder
            .to_string_lossy()
            .replace('%', "%25")
            .replace('/', "%2F")
            .replace(' ', "%20");
        format!("postgres://vestibule@localhost/{database}?host={host}")
    }
}

impl Drop for PostgresFixture {
    fn drop(&mut self) {
        // The end of its input tells the watch to stop the server and to clean up.
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

/// Whom to run as: PostgreSQL refuses to run as root. `None` when this process is not root.
fn unprivileged_user() -> Result<Option<User>, StartError> {
    let me =
        fs::metadata("/proc/self").map(|process| std::os::unix::fs::MetadataExt::uid(&process));
    let is_root = me.map_or_else(
        |_| env::var("USER").is_ok_and(|user| user == "root"),
        |uid| uid == 0,
    );
    if !is_root {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| account(&accounts, name))
        .map(Some)
        .ok_or_else(|| {
            StartError::Failed(
                "PostgreSQL refuses root, and there is no user `postgres` or `nobody`".into(),
            )
        })
}

/// Finds a user in the text of `/etc/passwd`.
fn account(accounts: &str, name: &str) -> Option<User> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        is_it.then_some(User { uid, gid })
    })
}

/// A new folder that belongs to the server's user. Its path is short: a socket's may have 107 bytes.
fn make_folder(user: Option<User>) -> Result<PathBuf, StartError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let temporary = env::temp_dir();
    let parent = if temporary.as_os_str().len() > 60 {
        PathBuf::from("/tmp")
    } else {
        temporary
    };
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("vestibule-postgres-{}-{count}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
                if let Some(User { uid, gid }) = user {
                    std::os::unix::fs::chown(&folder, Some(uid), Some(gid))?;
                }
                return Ok(folder);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The folder that holds `initdb` and `postgres`: on the search path, or where packages put it (newest first).
fn find_programs() -> Option<PathBuf> {
    let searched = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
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
    searched
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
        let folder = server.folder.clone();
        assert!(server.url("postgres").contains("host=%2F"));
        assert!(folder.join("data").is_dir() || folder.exists());
        drop(server);
        assert!(!folder.exists());
    }

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0::/root:/bin/sh\npostgresql:x:5:6::/:/bin/sh\npostgres:x:7:8::/:/bin/sh\nbroken";
        assert!(account(accounts, "postgres").is_some_and(|user| user.uid == 7 && user.gid == 8));
        assert!(account(accounts, "nobody").is_none());
    }
}
