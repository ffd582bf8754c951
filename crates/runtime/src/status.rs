//! The life of an instance as others see it.

use std::fmt;

use jiff::Timestamp;

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The runtime killed it for using more memory than this many bytes.
    Memory {
        /// The limit.
        limit_bytes: u64,
    },
    /// The runtime killed it for keeping more than this many bytes in its folder, which was emptied.
    Disk {
        /// The limit.
        limit_bytes: u64,
    },
    /// It ended without saying how, for example because its parent was killed.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => match nix::sys::signal::Signal::try_from(*signal) {
                Ok(name) => write!(f, "killed by signal {name}"),
                Err(_) => write!(f, "killed by signal {signal}"),
            },
            Self::Memory { limit_bytes } => write!(f, "killed: memory at {} MB", limit_bytes >> 20),
            Self::Disk { limit_bytes } => write!(
                f,
                "killed: its folder at {} MB; it was emptied",
                limit_bytes >> 20
            ),
            Self::Unknown => f.write_str("ended for an unknown reason"),
        }
    }
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The process exists, its startup has not finished.
    Starting,
    /// It accepts requests.
    Running,
    /// It ended by itself and will be started again.
    BackingOff,
    /// It ended five times within a minute; it is still started again, every 30 s.
    CrashLooping,
    /// It was stopped, and stays so.
    Stopped,
}

impl State {
    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing-off",
            Self::CrashLooping => "crash-looping",
            Self::Stopped => "stopped",
        }
    }
}

/// A snapshot of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// How often it was started again after ending by itself.
    pub restarts: u32,
    /// How it ended last time.
    pub last_exit: Option<Exit>,
    /// When it last began to accept requests.
    pub running_since: Option<Timestamp>,
    /// Its process, as the server's machine counts; `None` when there is none.
    pub pid: Option<i32>,
}

/// An app that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its process ended during startup. The log tail holds the traceback.
    #[error("the app {exit} during startup")]
    Ended {
        /// How it ended.
        exit: Exit,
        /// Its last log lines, oldest first.
        log_tail: Vec<String>,
    },
    /// Its startup did not finish in time.
    #[error("the app did not finish its startup within {seconds} s")]
    TimedOut {
        /// The time it had.
        seconds: u64,
        /// Its last log lines, oldest first.
        log_tail: Vec<String>,
    },
    /// The machine allows no sandbox and the settings demand one.
    #[error(
        "no sandbox is possible here ({reason}); allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 or \
         kernel.apparmor_restrict_unprivileged_userns=0), use a kernel with Landlock, or accept the risk with sandbox = \"off\""
    )]
    NoSandbox {
        /// What was tried.
        reason: String,
    },
    /// The process could not be made.
    #[error("could not start the app's process: {reason}")]
    Launch {
        /// What failed.
        reason: String,
    },
}

impl StartError {
    /// The last log lines of the failed start, oldest first; empty when the process never ran.
    pub fn log_tail(&self) -> &[String] {
        match self {
            Self::Ended { log_tail, .. } | Self::TimedOut { log_tail, .. } => log_tail,
            Self::NoSandbox { .. } | Self::Launch { .. } => &[],
        }
    }
}
