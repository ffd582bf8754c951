//! One life of an app: from its start to the end of its last process.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixListener},
    sync::Arc,
    time::Duration,
};

use nix::libc::SIGKILL;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Take},
    net::unix::pipe,
    task::JoinSet,
};

use crate::{
    Exit, InstanceSpec, RunLog, SandboxKind, Stream, launcher::Launcher, redact::is_secret_name,
};

/// Time that uvicorn gives running requests after being asked to end.
pub(crate) const GRACE_SECONDS: u64 = 20;

/// Longest status line; an honest one has some twenty bytes.
const STATUS_BYTES: u64 = 4096;

/// A started app. Killed by [`Process::kill`] or its own end, not by being dropped.
#[derive(Debug)]
pub(crate) struct Process {
    id: String,
    pub(crate) pid: i32,
    launcher: Arc<Launcher>,
    status: BufReader<Take<pipe::Receiver>>,
    /// The part of a line that was read so far.
    line: Vec<u8>,
    /// How it said it ended; the end itself comes later.
    exit: Exit,
    pumps: JoinSet<()>,
}

/// What the app's first process and the app itself tell.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    ready: bool,
    code: Option<i32>,
    signal: Option<i32>,
}

/// News of a process.
#[derive(Debug)]
pub(crate) enum News {
    /// It accepts requests.
    Ready,
    /// It and everything it started have ended.
    Ended(Exit),
}

impl Process {
    /// Starts the app with `listener` as its socket.
    pub(crate) async fn start(
        id: String,
        launcher: Arc<Launcher>,
        kind: SandboxKind,
        spec: &InstanceSpec,
        listener: UnixListener,
        log: &Arc<RunLog>,
    ) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        let (out, out_end) = pipe_pair().map_err(text)?;
        let (err, err_end) = pipe_pair().map_err(text)?;
        let (status, status_end) = pipe_pair().map_err(text)?;
        let message = message(&id, kind, spec).map_err(text)?;
        let pid = launcher
            .start_app(message, vec![listener.into(), out_end, err_end, status_end])
            .await?;
        let mut pumps = JoinSet::new();
        for (stream, reader) in [(Stream::Stdout, out), (Stream::Stderr, err)] {
            let log = Arc::clone(log);
            pumps.spawn(async move { log.drain(stream, reader).await });
        }
        Ok(Self {
            id,
            pid,
            launcher,
            status: BufReader::new(status.take(STATUS_BYTES)),
            line: Vec::new(),
            exit: Exit::Unknown,
            pumps,
        })
    }

    /// Waits for news. Safe to drop and call again: what was heard so far is kept in `self`.
    pub(crate) async fn news(&mut self) -> News {
        loop {
            match self.status.read_until(b'\n', &mut self.line).await {
                Ok(1..) => {}
                _ => return News::Ended(self.exit.clone()),
            }
            let told: Told = serde_json::from_slice(&self.line).unwrap_or_default();
            self.line.clear();
            if told.ready {
                return News::Ready;
            }
            match (told.code, told.signal) {
                (Some(code), _) => self.exit = Exit::Code(code),
                (None, Some(signal)) => self.exit = Exit::Signal(signal),
                (None, None) => {}
            }
        }
    }

    /// Sends a signal to the app.
    pub(crate) async fn signal(&self, signal: i32) {
        // A launcher that is gone took the app with it.
        let _ = self.launcher.signal(&self.id, signal).await;
    }

    /// Kills every process of the app and waits for the end.
    pub(crate) async fn kill(&mut self) -> Exit {
        self.signal(SIGKILL).await;
        let ended = async {
            loop {
                if let News::Ended(exit) = self.news().await {
                    return exit;
                }
            }
        };
        // Processes killed by the kernel's own hand are gone within moments; a hung disk must not hang us.
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .unwrap_or(Exit::Unknown)
    }

    /// Reads the last output and releases what the launcher keeps. Call it after the end.
    pub(crate) async fn bury(mut self) {
        // The app itself may write to the pipe that tells of the end; whoever only pretends to have ended, ends here.
        self.signal(SIGKILL).await;
        let drained = async { while self.pumps.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), drained).await;
        self.launcher.forget(&self.id).await;
    }
}

fn pipe_pair() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((pipe::Receiver::from_owned_fd(reader.into())?, writer.into()))
}

/// The launcher's `start` message. The paths the app sees depend on the sandbox.
fn message(id: &str, kind: SandboxKind, spec: &InstanceSpec) -> io::Result<Value> {
    std::fs::create_dir_all(&spec.home)?;
    let tree = spec.tree.canonicalize()?;
    let home = spec.home.canonicalize()?;
    let data_socket = spec
        .data_socket
        .as_deref()
        .map(std::path::Path::canonicalize)
        .transpose()?;
    let is_namespaced = !matches!(kind, SandboxKind::Landlock | SandboxKind::Off);
    let inside = if is_namespaced {
        json!({"tree": "/app", "home": "/home/app", "tmp": "/tmp", "data": "/run/data.sock"})
    } else {
        json!({"tree": tree, "home": home, "tmp": home.join(".tmp"), "data": data_socket})
    };
    let path_of = |name: &str| inside[name].as_str().unwrap_or_default().to_owned();
    let environment = spec.environment.path.canonicalize()?;
    let mut env: serde_json::Map<String, Value> = spec
        .env
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.expose().clone())))
        .collect();
    let app_folder = std::path::Path::new(&path_of("tree")).join(&spec.entry.app_dir);
    let ours = [
        ("HOME", path_of("home")),
        ("TMPDIR", path_of("tmp")),
        (
            "PATH",
            format!("{}/bin:/usr/local/bin:/usr/bin:/bin", environment.display()),
        ),
        (
            "PYTHONPATH",
            format!("{}:{}", app_folder.display(), path_of("tree")),
        ),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("PORT", "8000".to_owned()),
        ("VIRTUAL_ENV", environment.display().to_string()),
    ];
    env.extend(
        ours.into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value))),
    );
    if data_socket.is_some() {
        env.insert(
            "VESTIBULE_DATA_SOCKET".to_owned(),
            Value::String(path_of("data")),
        );
    }
    Ok(json!({
        "do": "start",
        "id": id,
        "tree": tree,
        "home": home,
        "data_socket": data_socket,
        "inside": inside,
        "env": env,
        "module": spec.entry.module,
        "attribute": spec.entry.attribute,
        "factory": spec.entry.factory,
        "app_dir": spec.entry.app_dir,
        "grace_seconds": GRACE_SECONDS,
        "limits": {
            "memory_bytes": spec.limits.memory_bytes,
            "processes": spec.limits.processes,
            "open_files": spec.limits.open_files,
            "file_bytes": spec.limits.file_bytes,
        },
    }))
}

/// Texts of a specification that must not be logged.
pub(crate) fn secrets(spec: &InstanceSpec) -> impl Iterator<Item = &str> {
    let named = spec
        .env
        .iter()
        .filter(|(name, _)| is_secret_name(name))
        .map(|(_, value)| value.expose().as_str());
    named.chain(spec.redact.iter().map(|secret| secret.expose().as_str()))
}
