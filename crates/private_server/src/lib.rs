//! What private servers of tests have in common: a short folder of their own, a user who is not root, and an end that
//! comes however their owner ends.
//!
//! Only the standard library is used, so that chores can share this.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Why there is no server.
#[derive(Debug)]
pub enum StartError {
    /// Its programs were not found. The text says how to install them.
    NotInstalled(&'static str),
    /// Something else; the text says what.
    Failed(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInstalled(how) => f.write_str(how),
            Self::Failed(problem) => write!(f, "could not start a private server: {problem}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A user of this machine, to run a program as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct User {
    uid: u32,
    gid: u32,
}

/// The first of these users that exists, when this process is root; `None` when it is not, and needs nobody else.
///
/// # Errors
/// When this process is root and none of them exists, or `/etc/passwd` cannot be read.
pub fn unprivileged_user(names: &[&str]) -> Result<Option<User>, StartError> {
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
    names
        .iter()
        .find_map(|name| account(&accounts, name))
        .map(Some)
        .ok_or_else(|| {
            StartError::Failed(format!(
                "it refuses root, and none of the users {} exists",
                names.join(", ")
            ))
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

/// A folder that only one user can look into, removed when dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    owner: Option<User>,
}

impl Folder {
    /// Makes a new folder that belongs to `owner`, or to this process's user. Its path holds `name` and is short: that
    /// of a socket inside may have 107 bytes.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn make(name: &str, owner: Option<User>) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let temporary = env::temp_dir();
        let parent = if temporary.as_os_str().len() > 60 {
            PathBuf::from("/tmp")
        } else {
            temporary
        };
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("vestibule-{name}-{}-{count}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
                    if let Some(User { uid, gid }) = owner {
                        std::os::unix::fs::chown(&path, Some(uid), Some(gid))?;
                    }
                    return Ok(Self { path, owner });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs in this folder as its owner, out of reach of the terminal's signals.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(&self.path)
            .env("LC_ALL", "C")
            .process_group(0);
        if let Some(User { uid, gid }) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// What the server inside wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path.join("log")).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Runs a server until the standard input ends, which it does however the owner ends. A server that ends by itself
/// ends the script, and leaves its log behind.
const SCRIPT: &str = r#"
folder=$1 signal=$2 remove=$3
shift 3
exec 3<&0
rm -f "$folder/over"
"$@" >"$folder/log" 2>&1 </dev/null 3<&- &
server=$!
{ read -r _ <&3; : >"$folder/over"; kill -s "$signal" "$server"; } 2>/dev/null &
reader=$!
wait "$server"
kill "$reader" 2>/dev/null
[ ! -e "$folder/over" ] || rm -rf "$remove"
"#;

/// How a server is ended.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The signal it gets, as `kill -s` takes it.
    pub signal: &'a str,
    /// What is removed afterwards, also when the owner is killed and can do nothing any more.
    pub remove: &'a Path,
}

/// A running server. It is ended when this is dropped, and when the process that holds it ends, however that happens.
#[derive(Debug)]
pub struct Watch {
    shell: Child,
}

impl Watch {
    /// Runs a program with its arguments in `folder`, where its output goes to the log.
    ///
    /// # Errors
    /// When `/bin/sh` cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        folder: &Folder,
        end: End<'_>,
        program: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        let shell = folder
            .command("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(folder.path())
            .arg(end.signal)
            .arg(end.remove)
            .args(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { shell })
    }

    /// Whether the server has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.shell.try_wait(), Ok(None))
    }

    /// Waits until the server answers.
    ///
    /// # Errors
    /// With the server's log, when it ended or `patience` is over.
    pub fn wait_until(
        &mut self,
        folder: &Folder,
        patience: Duration,
        mut answers: impl FnMut() -> bool,
    ) -> Result<(), StartError> {
        let deadline = Instant::now() + patience;
        while !answers() {
            if self.has_ended() || Instant::now() > deadline {
                return Err(StartError::Failed(format!(
                    "it does not answer; its log: {}",
                    folder.log().trim()
                )));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Folders to look for programs in: those of the search path, then `others`.
pub fn search_path<'a>(others: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    let searched = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&searched)
        .chain(others.into_iter().map(PathBuf::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0::/root:/bin/sh\npostgresql:x:5:6::/:/bin/sh\npostgres:x:7:8::/:/bin/sh\nbroken";
        assert_eq!(account(accounts, "postgres"), Some(User { uid: 7, gid: 8 }));
        assert_eq!(account(accounts, "nobody"), None);
    }

    #[test]
    fn a_server_ends_with_its_watch_and_the_folder_with_its_owner() {
        let folder = Folder::make("test", None).unwrap();
        let (path, inner) = (folder.path().to_owned(), folder.path().join("data"));
        let server = ["sh", "-c", "mkdir data; echo $$ >pid; exec sleep 600"];
        let end = End {
            signal: "TERM",
            remove: &inner,
        };
        let mut watch = Watch::start(&folder, end, server).unwrap();
        let pid = || fs::read_to_string(path.join("pid")).is_ok_and(|pid| pid.ends_with('\n'));
        watch.wait_until(&folder, PATIENCE, pid).unwrap();
        assert!(!watch.has_ended());
        let pid = fs::read_to_string(path.join("pid")).unwrap();
        drop(watch);
        assert!(!Path::new("/proc").join(pid.trim()).exists());
        assert!(!inner.exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_server_that_ends_by_itself_is_not_waited_for() {
        let folder = Folder::make("test", None).unwrap();
        let end = End {
            signal: "TERM",
            remove: folder.path(),
        };
        let server = ["sh", "-c", "echo 'no such port'"];
        let mut watch = Watch::start(&folder, end, server).unwrap();
        let error = watch.wait_until(&folder, PATIENCE, || false).unwrap_err();
        assert!(error.to_string().contains("no such port"), "{error}");
    }
}
