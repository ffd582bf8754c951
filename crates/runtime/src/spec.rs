//! What to run: the release's tree, its environment, its entry, its limits.

use std::{path::PathBuf, time::Duration};

use ids::AppId;
use secret::SecretString;

use crate::Environment;

/// The object that serves requests, as `uvicorn module:attribute` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Dotted module path, for example `app.main`.
    pub module: String,
    /// Attribute of the module; dots reach into objects, for example `app` or `state.api`.
    pub attribute: String,
    /// Whether the attribute is a function that makes the app.
    pub factory: bool,
    /// Folder relative to the tree that goes first on the import path; empty for the tree itself.
    pub app_dir: PathBuf,
}

/// Bounds on one running app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppLimits {
    /// Memory of all its processes together; beyond it the app is killed and restarted.
    pub memory_bytes: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// Largest file it may write.
    pub file_bytes: u64,
    /// All that it may keep in its writable folder; beyond it the app is killed, its folder emptied, and it is started again.
    pub home_bytes: u64,
    /// Time from start to the end of the app's own startup.
    pub start_timeout: Duration,
}

impl Default for AppLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            processes: 256,
            open_files: 4096,
            file_bytes: 1 << 30,
            home_bytes: 1 << 30,
            start_timeout: Duration::from_mins(1),
        }
    }
}

/// Everything needed to run one release.
#[derive(Debug, Clone)]
pub struct InstanceSpec {
    /// The app.
    pub app: AppId,
    /// Its release number.
    pub version: u32,
    /// The release's tree, which the app sees read-only at `/app`.
    pub tree: PathBuf,
    /// Where its packages are.
    pub environment: Environment,
    /// What to serve.
    pub entry: Entry,
    /// The whole environment of the process. The runtime itself adds or replaces `HOME`, `TMPDIR`, `PATH`, `PYTHONPATH`, `LANG`,
    /// `PORT` and, when [`Self::data_socket`] is given, `VESTIBULE_DATA_SOCKET`, because only it knows the paths inside.
    pub env: Vec<(String, SecretString)>,
    /// Bounds.
    pub limits: AppLimits,
    /// Writable folder of the app (`/home/app` inside); made when missing. Wiping it at a new release is the caller's deed.
    pub home: PathBuf,
    /// The server's Unix socket for data calls, made reachable inside.
    pub data_socket: Option<PathBuf>,
    /// File that output is appended to, rotated to `<name>.1` when full.
    pub log: PathBuf,
    /// Texts never to be logged, beside every value of [`Self::env`] whose name says it is a key, secret or token.
    pub redact: Vec<SecretString>,
}
