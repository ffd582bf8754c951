//! A private Redis server for tests: made on the spot, gone with the process that made it.
//!
//! It listens on a Unix socket in a directory of its own and on no port, so it can collide with nothing. It keeps
//! nothing on disk. Only the standard library is used, so that chores can share this.

use std::{
    env, fs, io,
    os::unix::{fs::PermissionsExt as _, net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long the server may take to answer; a busy machine needs some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The server's program, by the names that packages give it.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Runs the server until the standard input ends, which it does however the owner ends.
const WATCH: &str = r#"
"$1" --port 0 --unixsocket "$2/redis.sock" --dir "$2" --save "" --appendonly no --daemonize no >"$2/log" 2>&1 &
server=$!
read -r _
kill -KILL "$server"
wait "$server"
rm -f "$2/redis.sock"
"#;

/// A server, running or stopped. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub struct RedisFixture {
    program: PathBuf,
    folder: PathBuf,
    watch: Option<Child>,
}

/// Why there is no server.
#[derive(Debug)]
pub enum StartError {
    /// The program was not found.
    NotInstalled,
    /// Something else; the text says what.
    Failed(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInstalled => f.write_str(
                "`redis-server` is not on the search path; install it (Debian: `apt-get install redis-server`, \
                 Homebrew: `brew install redis`)",
            ),
            Self::Failed(problem) => write!(f, "could not start a private Redis: {problem}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl RedisFixture {
    /// Starts a server and waits until it answers.
    pub fn start() -> Result<Self, StartError> {
        let mut server = Self {
            program: find_program().ok_or(StartError::NotInstalled)?,
            folder: make_folder()?,
            watch: None,
        };
        server.start_again()?;
        Ok(server)
    }

    /// Ends the server at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut watch) = self.watch.take() {
            // The end of its input tells the watch to stop the server.
            drop(watch.stdin.take());
            let _ = watch.wait();
        }
    }

    /// Starts a stopped server at the same address, without what it knew.
    pub fn start_again(&mut self) -> Result<(), StartError> {
        self.stop();
        let watch = Command::new("/bin/sh")
            .args(["-c", WATCH, "sh"])
            .arg(&self.program)
            .arg(&self.folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.watch = Some(watch);
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(self.socket()).is_err() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(StartError::Failed(format!(
                    "it does not answer; its log: {}",
                    log.trim()
                )));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }
}

impl Drop for RedisFixture {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn find_program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain([
            PathBuf::from("/usr/local/bin"),
            PathBuf::from("/opt/homebrew/bin"),
        ])
        .flat_map(|folder| PROGRAMS.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

/// A new folder. Its path is short: a socket's may have 107 bytes.
fn make_folder() -> Result<PathBuf, StartError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let temporary = env::temp_dir();
    let parent = if temporary.as_os_str().len() > 60 {
        Path::new("/tmp")
    } else {
        &temporary
    };
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("vestibule-redis-{}-{count}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
                return Ok(folder);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_comes_back_and_leaves_nothing_behind() {
        let mut server = RedisFixture::start().unwrap();
        let folder = server.folder.clone();
        assert!(UnixStream::connect(server.socket()).is_ok());
        server.stop();
        assert!(UnixStream::connect(server.socket()).is_err());
        server.start_again().unwrap();
        assert!(UnixStream::connect(server.socket()).is_ok());
        drop(server);
        assert!(!folder.exists());
    }
}
