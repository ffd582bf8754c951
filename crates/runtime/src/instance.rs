//! One running release: started, watched, restarted, stopped.

use std::{
    collections::VecDeque,
    io,
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ids::AppId;
use nix::libc::SIGTERM;
use tempfile::TempPath;
use tokio::sync::watch;

use crate::{
    Exit, InstanceSpec, Level, RunLog, StartError, State, Status, Usage, disk,
    local::Launchers,
    logs::now,
    process::{News, Process, secrets},
    redact::Redactor,
    usage,
};

/// One of so many looks at an app is at its folder, too.
const DISK_LOOKS: u32 = 8;

/// How often memory is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LAST_DELAY: Duration = Duration::from_secs(30);

/// This many ends within [`CRASH_WINDOW`] make a crash loop.
const CRASHES: usize = 5;
const CRASH_WINDOW: Duration = Duration::from_mins(1);

/// Lines of a failed start that are reported.
const TAIL_LINES: usize = 60;

/// A release that is kept running until it is stopped.
#[derive(Debug)]
pub struct Instance {
    spec: InstanceSpec,
    socket: TempPath,
    log: Arc<RunLog>,
    launchers: Arc<Launchers>,
    status: Mutex<Status>,
    /// How often it was looked at.
    looks: AtomicU32,
    /// Set once, to the time that running requests have.
    stop: watch::Sender<Option<Duration>>,
    stopped: watch::Sender<bool>,
}

impl Instance {
    /// Starts a release and waits until it accepts requests; from then on it is restarted whenever it ends.
    pub(crate) async fn start(
        spec: InstanceSpec,
        launchers: Arc<Launchers>,
    ) -> Result<Arc<Self>, StartError> {
        let launch = |error: io::Error| StartError::Launch {
            reason: error.to_string(),
        };
        let log = RunLog::open(&spec.log, Redactor::new(secrets(&spec))).map_err(launch)?;
        // Only a path for now; each start binds it anew.
        let socket = launchers.new_socket().map_err(launch)?;
        let instance = Arc::new(Self {
            spec,
            socket,
            log: Arc::new(log),
            launchers,
            status: Mutex::new(Status {
                state: State::Starting,
                restarts: 0,
                last_exit: None,
                running_since: None,
                pid: None,
            }),
            looks: AtomicU32::new(0),
            stop: watch::Sender::new(None),
            stopped: watch::Sender::new(false),
        });
        // Its own task, so that a caller who gives up in between leaves no process without a supervisor.
        let starting = Arc::clone(&instance);
        let first = tokio::spawn(async move {
            match starting.launch().await {
                Ok(process) => {
                    tokio::spawn(Arc::clone(&starting).supervise(process));
                    Ok(())
                }
                Err(error) => {
                    starting.finish();
                    Err(error)
                }
            }
        });
        match first.await {
            Ok(result) => result.map(|()| instance),
            Err(error) => Err(StartError::Launch {
                reason: error.to_string(),
            }),
        }
    }

    /// The app.
    pub const fn app(&self) -> AppId {
        self.spec.app
    }

    /// Its release number.
    pub const fn version(&self) -> u32 {
        self.spec.version
    }

    /// What it runs.
    pub const fn spec(&self) -> &InstanceSpec {
        &self.spec
    }

    /// The Unix socket on which it answers HTTP/1.1. The path stays the same over restarts.
    pub fn socket_path(&self) -> &Path {
        &self.socket
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        self.status
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// What it uses now. Reads `/proc`, some milliseconds for an app of many processes.
    pub fn usage(&self) -> Usage {
        self.status().pid.map(usage::sample).unwrap_or_default()
    }

    /// What it prints.
    pub fn log(&self) -> &Arc<RunLog> {
        &self.log
    }

    /// Stops it for good: asks politely, and after `grace` kills every process it has. Returns when none is left.
    pub async fn stop(&self, grace: Duration) {
        self.stop.send_if_modified(|stop| {
            // A second, more impatient caller wins.
            let sooner = stop.is_none_or(|before| grace < before);
            if sooner {
                *stop = Some(grace);
            }
            sooner
        });
        let mut stopped = self.stopped.subscribe();
        // The sender lives in `self`, so this can only end by the value.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    fn set(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().expect("no holder of this lock panics"));
    }

    fn finish(&self) {
        self.set(|status| {
            status.state = State::Stopped;
            status.pid = None;
        });
        self.stopped.send_replace(true);
    }

    /// One start, up to the moment it accepts requests.
    async fn launch(&self) -> Result<Process, StartError> {
        let (launcher, kind) = self.launchers.get(&self.spec.environment).await?;
        // A socket of an earlier life may still be held by something that was left behind; a new one is heard by the new
        // process only.
        let _ = std::fs::remove_file(&self.socket);
        let launch = |reason: String| StartError::Launch { reason };
        let listener =
            UnixListener::bind(&self.socket).map_err(|error| launch(error.to_string()))?;
        let id = self.launchers.new_id();
        let mut process = Process::start(id, launcher, kind, &self.spec, listener, &self.log)
            .await
            .map_err(launch)?;
        self.set(|status| {
            status.state = State::Starting;
            status.pid = Some(process.pid);
        });
        let limit = tokio::time::Instant::now() + self.spec.limits.start_timeout;
        let mut stop = self.stop.subscribe();
        let mut watch = tokio::time::interval(WATCH_INTERVAL);
        let mut greedy = None;
        let error = loop {
            tokio::select! {
                news = process.news() => match news {
                    News::Ready => {
                        self.set(|status| {
                            status.state = State::Running;
                            status.running_since = Some(now());
                        });
                        return Ok(process);
                    }
                    News::Ended(exit) => {
                        let exit = greedy.unwrap_or(exit);
                        break StartError::Ended { exit, log_tail: Vec::new() };
                    }
                },
                () = tokio::time::sleep_until(limit) => {
                    process.kill().await;
                    let seconds = self.spec.limits.start_timeout.as_secs();
                    break StartError::TimedOut { seconds, log_tail: Vec::new() };
                }
                () = asked(&mut stop) => {
                    let exit = process.kill().await;
                    break StartError::Ended { exit, log_tail: Vec::new() };
                }
                _ = watch.tick() => {
                    if greedy.is_none() {
                        greedy = self.kill_if_greedy(&process).await;
                    }
                }
            }
        };
        process.bury().await;
        let exit = match &error {
            StartError::Ended { exit, .. } => Some(exit.clone()),
            _ => None,
        };
        if let Some(exit) = &exit {
            self.tidy(exit).await;
        }
        self.log.note(Level::Error, error.to_string());
        self.set(|status| {
            status.pid = None;
            status.last_exit = exit;
        });
        let tail = self
            .log
            .tail(TAIL_LINES)
            .into_iter()
            .map(|line| line.text)
            .collect();
        Err(match error {
            StartError::Ended { exit, .. } => StartError::Ended {
                exit,
                log_tail: tail,
            },
            StartError::TimedOut { seconds, .. } => StartError::TimedOut {
                seconds,
                log_tail: tail,
            },
            other => other,
        })
    }

    async fn kill_if_greedy(&self, process: &Process) -> Option<Exit> {
        self.log.tell_dropped();
        // A folder of very many files takes a while to look through.
        let is_disks_turn = self
            .looks
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(DISK_LOOKS);
        let (pid, limits, home) = (process.pid, self.spec.limits, self.spec.home.clone());
        let exit = tokio::task::spawn_blocking(move || {
            if usage::exceeds(pid, limits.memory_bytes) {
                let limit_bytes = limits.memory_bytes;
                return Some(Exit::Memory { limit_bytes });
            }
            let limit_bytes = limits.home_bytes;
            (is_disks_turn && disk::exceeds(&home, limit_bytes))
                .then_some(Exit::Disk { limit_bytes })
        })
        .await
        .unwrap_or(None)?;
        process.signal(nix::libc::SIGKILL).await;
        Some(exit)
    }

    /// What the end of a process leaves to be done. A folder that stayed full would end the next one, too.
    async fn tidy(&self, exit: &Exit) {
        if !matches!(exit, Exit::Disk { .. }) {
            return;
        }
        let home = self.spec.home.clone();
        let emptied = tokio::task::spawn_blocking(move || disk::empty(&home)).await;
        if let Ok(Err(error)) = emptied {
            tracing::warn!(%error, "the folder of an app could not be emptied");
        }
    }

    async fn supervise(self: Arc<Self>, first: Process) {
        let mut current = Some(first);
        let mut ends: VecDeque<Instant> = VecDeque::new();
        let mut delay = FIRST_DELAY;
        loop {
            let began = Instant::now();
            if let Some(process) = current.take() {
                let Some(exit) = self.watch(process).await else {
                    break;
                };
                self.log.note(Level::Error, exit.to_string());
                self.set(|status| {
                    status.pid = None;
                    status.last_exit = Some(exit);
                });
            }
            if began.elapsed() > CRASH_WINDOW {
                delay = FIRST_DELAY;
            }
            ends.push_back(Instant::now());
            ends.retain(|end| end.elapsed() < CRASH_WINDOW);
            let is_looping = ends.len() >= CRASHES;
            let wait = if is_looping { LAST_DELAY } else { delay };
            delay = (delay * 2).min(LAST_DELAY);
            self.set(|status| {
                status.state = if is_looping {
                    State::CrashLooping
                } else {
                    State::BackingOff
                };
                status.running_since = None;
            });
            if is_looping {
                self.log.note(
                    Level::Error,
                    format!("crash loop: ended {} times within a minute", ends.len()),
                );
            }
            let mut stop = self.stop.subscribe();
            tokio::select! {
                () = asked(&mut stop) => break,
                () = tokio::time::sleep(wait) => {}
            }
            self.set(|status| status.restarts += 1);
            // A failed start has logged itself; its state is set above in the next round.
            current = self.launch().await.ok();
            if self.stop.borrow().is_some() && current.is_none() {
                break;
            }
        }
        self.finish();
    }

    /// Waits for the end of a running process; `None` when it was stopped on demand.
    async fn watch(&self, mut process: Process) -> Option<Exit> {
        let mut stop = self.stop.subscribe();
        let mut watch = tokio::time::interval(WATCH_INTERVAL);
        let mut greedy = None;
        let exit = loop {
            tokio::select! {
                news = process.news() => if let News::Ended(exit) = news {
                    break Some(greedy.unwrap_or(exit));
                },
                () = asked(&mut stop) => {
                    self.end(&mut process).await;
                    break None;
                }
                _ = watch.tick() => {
                    if greedy.is_none() {
                        greedy = self.kill_if_greedy(&process).await;
                    }
                }
            }
        };
        process.bury().await;
        if let Some(exit) = &exit {
            self.tidy(exit).await;
        }
        exit
    }

    /// Asks the process to end, and kills it when its time is over or somebody has less patience.
    async fn end(&self, process: &mut Process) {
        let mut stop = self.stop.subscribe();
        let began = tokio::time::Instant::now();
        process.signal(SIGTERM).await;
        loop {
            let grace = stop.borrow_and_update().unwrap_or_default();
            tokio::select! {
                news = process.news() => if matches!(news, News::Ended(_)) {
                    return;
                },
                () = tokio::time::sleep_until(began + grace) => {
                    process.kill().await;
                    return;
                }
                _ = stop.changed() => {}
            }
        }
    }
}

/// Waits until somebody has asked for the end.
async fn asked(stop: &mut watch::Receiver<Option<Duration>>) {
    // The sender lives in the instance that waits here, so this can only end by the value.
    let _ = stop.wait_for(Option::is_some).await;
}
