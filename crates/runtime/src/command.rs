//! Runs helper programs (`uv`, `pip`) with a clean environment, a time limit, and their output line by line.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::lines::Lines;

/// Variables a helper may see: where to find programs and how to reach a package index. Nothing of the server's own.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// Lines of output kept for error messages.
const KEPT_LINES: usize = 60;

/// A program to run.
pub(crate) struct Helper {
    command: tokio::process::Command,
}

/// How it went.
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    /// The last lines of both streams.
    pub(crate) output: Vec<String>,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        self.output.join("\n").trim().to_owned()
    }
}

impl Helper {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = tokio::process::Command::new(program);
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C on the server's terminal is the server's to handle.
        command.process_group(0);
        for (name, value) in std::env::vars_os() {
            let passed = name.to_str().is_some_and(|name| {
                PASSED_ON.contains(&name) || name.starts_with("UV_") || name.starts_with("PIP_")
            });
            if passed {
                command.env(name, value);
            }
        }
        Self { command }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs it to its end; `TimedOut` when `limit` has passed. Dropping the future kills it.
    pub(crate) async fn run(
        mut self,
        limit: Duration,
        progress: &(dyn Fn(&str) + Sync),
    ) -> io::Result<Outcome> {
        let mut child = self.command.spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let kept = std::sync::Mutex::new(VecDeque::new());
        let each = |line: String| {
            if line.trim().is_empty() {
                return;
            }
            progress(&line);
            let mut kept = kept.lock().expect("no holder of this lock panics");
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        };
        let work = async {
            let (status, out, err) =
                tokio::join!(child.wait(), read(stdout, &each), read(stderr, &each));
            out.and(err)?;
            status
        };
        let status = tokio::time::timeout(limit, work)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let output = kept
            .into_inner()
            .expect("no holder of this lock panics")
            .into();
        Ok(Outcome { status, output })
    }
}

async fn read(
    mut stream: impl AsyncRead + Unpin,
    each: &(dyn Fn(String) + Sync),
) -> io::Result<()> {
    let (mut lines, mut buffer) = (Lines::default(), vec![0; 8192]);
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            lines.finish().into_iter().for_each(each);
            return Ok(());
        }
        lines.push(&buffer[..count], each);
    }
}
