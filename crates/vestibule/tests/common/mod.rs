//! What the tests of the command line share: the real program, on data and settings of its own.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Whatever is waited for comes within this time, or the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) const PASSWORD: &str = "a passphrase, quite long";

/// A folder for a server's data, a person's settings and their projects.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    server: Option<Running>,
    settings: Vec<(&'static str, &'static str)>,
    /// The shell's address.
    pub(crate) address: String,
    /// What `VESTIBULE_TOKEN` is set to.
    pub(crate) token: Option<String>,
}

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Fails the test unless the exit code is as expected.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Standard output as JSON values, one a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let value =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(value).collect()
    }
}

/// A command that goes on. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    /// Reads what it prints until a line holds a text; gives that line.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended before it said {text:?}:\n{}", self.said);
            self.said.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> ExitStatus {
        let mut status = None;
        eventually("the command ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Site {
    /// A site where nothing runs yet.
    pub(crate) fn new() -> Self {
        let shared = shared();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(testkit::prepare_environment(&shared));
        let folder = tempfile::tempdir().unwrap();
        testkit::share_environments(&shared, &folder.path().join("data"));
        Self {
            folder,
            server: None,
            settings: Vec::new(),
            address: String::new(),
            token: None,
        }
    }

    /// A site for commands that need no server.
    pub(crate) fn bare() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            server: None,
            settings: Vec::new(),
            address: String::new(),
            token: None,
        }
    }

    /// A running server, and Ana signed in to it.
    pub(crate) fn with_ana() -> Self {
        let mut site = Self::new();
        site.serve();
        site.account("ana");
        site.token = Some(site.sign_in("ana"));
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets an environment variable of all later commands.
    pub(crate) fn set(&mut self, name: &'static str, value: &'static str) {
        self.settings.push((name, value));
    }

    /// A command with this site's settings and nobody else's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VESTIBULE_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("NO_COLOR", "1")
            .env("VESTIBULE_ACCOUNTS__ARGON2_MEMORY_KIB", "8")
            .env("VESTIBULE_ACCOUNTS__ARGON2_PASSES", "1")
            .env("VESTIBULE_SERVER__ADMIN_LISTEN", "off")
            .stdin(Stdio::null());
        command.envs(self.settings.iter().copied());
        if !self.address.is_empty() {
            command.env("VESTIBULE_SERVER", &self.address);
        }
        if let Some(token) = &self.token {
            command.env("VESTIBULE_TOKEN", token);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments), "")
    }

    /// Runs a command that reads a text.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Run {
        finish(self.command(arguments), input)
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("stderr"))
            .unwrap();
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running {
            child,
            lines,
            said: String::new(),
        }
    }

    /// Starts the server on a free port and waits until it answers.
    pub(crate) fn serve(&mut self) {
        self.address.clear();
        let mut server = self.start(&["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"]);
        let line = server.until("http://localhost:");
        let from = line.find("http://").unwrap();
        self.address = line[from..].split_whitespace().next().unwrap().into();
        self.server = Some(server);
    }

    /// The running server.
    pub(crate) fn server(&mut self) -> Running {
        self.server.take().unwrap()
    }

    /// Makes an account with the tests' password.
    pub(crate) fn account(&self, username: &str) -> Run {
        let email = format!("{username}@example.com");
        let arguments = [
            "account",
            "create",
            "--data-dir",
            "data",
            "--email",
            &email,
            "--username",
            username,
            "--password-stdin",
        ];
        self.run_with(&arguments, PASSWORD).expect(0)
    }

    /// Signs in and gives the token.
    pub(crate) fn sign_in(&self, username: &str) -> String {
        let email = format!("{username}@example.com");
        self.run_with(&["login", "--email", &email, "--password-stdin"], PASSWORD)
            .expect(0);
        let kept = fs::read_to_string(self.path("config/vestibule/credentials.json")).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        kept["tokens"][&self.address].as_str().unwrap().to_owned()
    }

    /// Writes a project.
    pub(crate) fn project(&self, name: &str, main: &str) -> String {
        let folder = self.path(name);
        testkit::write_project(&folder, &[("main.py", main)]);
        folder.display().to_string()
    }

    /// Asks an app through the gateway, as nobody.
    pub(crate) fn open(&self, slug: &str, path: &str) -> (u16, String) {
        get(&self.address, slug, path)
    }

    /// The processes that run apps of this site.
    pub(crate) fn app_processes(&self) -> Vec<String> {
        let needle = self.path("data").join("run").display().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&needle) {
                found.push(line);
            }
        }
        found
    }
}

/// Runs a command that reads a text to its end.
pub(crate) fn finish(mut command: Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that fails early reads nothing.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Asks an app through the gateway of a server.
pub(crate) fn get(address: &str, slug: &str, path: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let port = address.rsplit_once(':').unwrap().1;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .get(format!("http://127.0.0.1:{port}{path}"))
            .header("host", format!("{slug}.localhost:{port}"));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Where environments are kept between tests.
fn shared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("hosting")
}

/// An app whose `/` answers a word.
pub(crate) fn saying(word: &str) -> String {
    format!(
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef home():\n    return \"{word}\"\n"
    )
}
