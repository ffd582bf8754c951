//! The Python program that forks apps into their sandbox (`launcher/`), and the thread that talks to it.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, IoSlice, Read as _, Seek as _, Write as _},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// The program: a folder that Python can run, with one package in it.
const FILES: &[(&str, &str)] = &[
    ("__main__.py", include_str!("launcher/__main__.py")),
    (
        "vestibule_launcher/__init__.py",
        include_str!("launcher/__init__.py"),
    ),
    ("vestibule_launcher/app.py", include_str!("launcher/app.py")),
    (
        "vestibule_launcher/init.py",
        include_str!("launcher/init.py"),
    ),
    (
        "vestibule_launcher/kernel.py",
        include_str!("launcher/kernel.py"),
    ),
    (
        "vestibule_launcher/launcher.py",
        include_str!("launcher/launcher.py"),
    ),
    (
        "vestibule_launcher/messages.py",
        include_str!("launcher/messages.py"),
    ),
    (
        "vestibule_launcher/namespaces.py",
        include_str!("launcher/namespaces.py"),
    ),
    (
        "vestibule_launcher/probe.py",
        include_str!("launcher/probe.py"),
    ),
    (
        "vestibule_launcher/rights.py",
        include_str!("launcher/rights.py"),
    ),
    (
        "vestibule_launcher/view.py",
        include_str!("launcher/view.py"),
    ),
    (
        "vestibule_launcher/zygote.py",
        include_str!("launcher/zygote.py"),
    ),
];

/// Longest time for one answer; the first one includes importing the environment's packages.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Longest answer; an honest one has some hundred bytes.
const ANSWER_BYTES: u64 = 64 * 1024;

/// Writes the program into the folder for sockets and returns the path to run.
pub(crate) fn install(run_dir: &Path) -> io::Result<PathBuf> {
    let folder = run_dir.join("launcher");
    fs::create_dir_all(folder.join("vestibule_launcher"))?;
    for (name, content) in FILES {
        // Each appears whole, should another server be starting from the same folder.
        let path = folder.join(name);
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(&folder))?;
        file.write_all(content.as_bytes())?;
        file.persist(&path)?;
    }
    Ok(folder)
}

/// How the program is to be started.
pub(crate) fn command_line(python: &Path, script: &Path) -> Vec<PathBuf> {
    [
        python,
        "-I".as_ref(),
        "-S".as_ref(),
        "-X".as_ref(),
        "utf8".as_ref(),
        "-u".as_ref(),
        script,
    ]
    .map(Path::to_owned)
    .into()
}

/// A running launcher. Dropping the last handle ends it and every app it started.
#[derive(Debug)]
pub(crate) struct Launcher {
    requests: mpsc::Sender<Request>,
    alive: Arc<AtomicBool>,
}

struct Request {
    message: Value,
    descriptors: Vec<OwnedFd>,
    answer: oneshot::Sender<Result<Value, String>>,
}

impl Launcher {
    /// Starts the program with its configuration and waits until it is ready.
    pub(crate) async fn start(python: &Path, script: &Path, config: Value) -> Result<Self, String> {
        let (requests, received) = mpsc::channel::<Request>();
        let (ready, is_ready) = oneshot::channel();
        let alive = Arc::new(AtomicBool::new(true));
        let arguments = command_line(python, script);
        let thread_alive = Arc::clone(&alive);
        // The launcher asks the kernel to die with the thread that made it. So that thread must live as long as the launcher
        // should, which no thread of a pool promises.
        std::thread::Builder::new()
            .name("launcher".into())
            .spawn(move || {
                match Connection::open(&arguments, &config) {
                    Ok(mut connection) => {
                        // Nobody waits any more when the start was given up; then the channel is closed, too.
                        let _ = ready.send(Ok(()));
                        connection.serve(&received, &thread_alive);
                    }
                    Err(reason) => drop(ready.send(Err(reason))),
                }
                thread_alive.store(false, Ordering::Release);
            })
            .map_err(|error| error.to_string())?;
        is_ready
            .await
            .map_err(|_| "the launcher's thread ended".to_owned())??;
        Ok(Self { requests, alive })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Starts an app; returns its process id.
    pub(crate) async fn start_app(
        &self,
        message: Value,
        descriptors: Vec<OwnedFd>,
    ) -> Result<i32, String> {
        let answer = self.call(message, descriptors).await?;
        answer["process"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok())
            .ok_or_else(|| format!("odd answer: {answer}"))
    }

    /// Signals an app's first process, which passes it on.
    pub(crate) async fn signal(&self, id: &str, signal: i32) -> Result<(), String> {
        self.call(
            json!({"do": "signal", "id": id, "signal": signal}),
            Vec::new(),
        )
        .await
        .map(drop)
    }

    /// Releases what is kept for an app that has ended.
    pub(crate) async fn forget(&self, id: &str) {
        // A launcher that has ended keeps nothing.
        let _ = self
            .call(json!({"do": "forget", "id": id}), Vec::new())
            .await;
    }

    async fn call(&self, message: Value, descriptors: Vec<OwnedFd>) -> Result<Value, String> {
        let gone = || "the launcher has ended".to_owned();
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(Request {
                message,
                descriptors,
                answer,
            })
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

struct Connection {
    child: Child,
    stream: BufReader<UnixStream>,
    output: fs::File,
}

impl Connection {
    fn open(arguments: &[PathBuf], config: &Value) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        let (ours, theirs) = UnixStream::pair().map_err(text)?;
        ours.set_read_timeout(Some(ANSWER_LIMIT)).map_err(text)?;
        ours.set_write_timeout(Some(ANSWER_LIMIT)).map_err(text)?;
        let output = tempfile::tempfile().map_err(text)?;
        let copy = || output.try_clone().map(Stdio::from).map_err(text);
        let child = Command::new(&arguments[0])
            .args(&arguments[1..])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(copy()?)
            .stderr(copy()?)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{}: {error}", arguments[0].display()))?;
        let mut connection = Self {
            child,
            stream: BufReader::new(ours),
            output,
        };
        let answer = connection
            .exchange(config, &[])
            .map_err(|error| connection.explain(&error.to_string()))?;
        match answer["error"].as_str() {
            Some(reason) => Err(connection.explain(reason)),
            None => Ok(connection),
        }
    }

    fn serve(&mut self, requests: &mpsc::Receiver<Request>, alive: &AtomicBool) {
        while let Ok(request) = requests.recv() {
            let result = self.exchange(&request.message, &request.descriptors);
            // Closed before the answer is told, so that the app's end is seen at its pipes.
            drop(request.descriptors);
            let failed = result.is_err();
            let result = match result {
                Ok(answer) => match answer["error"].as_str() {
                    Some(reason) => Err(reason.to_owned()),
                    None => Ok(answer),
                },
                Err(error) => Err(self.explain(&error.to_string())),
            };
            if failed {
                alive.store(false, Ordering::Release);
            }
            let _ = request.answer.send(result);
            if failed {
                break;
            }
        }
    }

    fn exchange(&mut self, message: &Value, descriptors: &[OwnedFd]) -> io::Result<Value> {
        let mut data = message.to_string().into_bytes();
        data.push(b'\n');
        let raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let rights: &[_] = if raw.is_empty() { &[] } else { &rights };
        let stream = self.stream.get_ref().as_raw_fd();
        let sent = sendmsg::<()>(
            stream,
            &[IoSlice::new(&data)],
            rights,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        self.stream.get_mut().write_all(&data[sent..])?;
        let mut line = Vec::new();
        self.stream
            .by_ref()
            .take(ANSWER_BYTES)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&line)?)
    }

    /// Adds the last line the program printed, for example of a traceback.
    fn explain(&mut self, reason: &str) -> String {
        let mut printed = Vec::new();
        let length = self.output.metadata().map_or(0, |metadata| metadata.len());
        let read = self
            .output
            .seek(io::SeekFrom::Start(length.saturating_sub(4096)))
            .and_then(|_| (&self.output).take(4096).read_to_end(&mut printed));
        let printed = String::from_utf8_lossy(&printed);
        match printed.lines().rfind(|line| !line.trim().is_empty()) {
            Some(last) if read.is_ok() => format!("{reason} ({last})"),
            _ => reason.to_owned(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The closed socket ends it; a stuck one is killed, and its children with it.
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Both);
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
