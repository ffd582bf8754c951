//! The runtime on this machine: which apps run here.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use ids::AppId;

use crate::{Instance, InstanceSpec, StartError};

/// What the server needs from a place where apps run.
pub trait AppRuntime: Send + Sync {
    /// Starts a release beside whatever else runs, and returns once it accepts requests.
    fn start(
        &self,
        spec: InstanceSpec,
    ) -> impl Future<Output = Result<Arc<Instance>, StartError>> + Send;

    /// Makes a started instance the live one of its app; returns the one it replaces, still running.
    fn switch(&self, instance: Arc<Instance>) -> Option<Arc<Instance>>;

    /// The live instance of an app.
    fn find_live(&self, app: AppId) -> Option<Arc<Instance>>;

    /// Every instance that is not stopped.
    fn list(&self) -> Vec<Arc<Instance>>;

    /// Stops everything, each with `grace` to finish its requests.
    fn shut_down(&self, grace: Duration) -> impl Future<Output = ()> + Send;
}

/// Whether apps may run without a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SandboxPolicy {
    /// Refuse to start an app where no sandbox is possible.
    #[default]
    Required,
    /// Use none. Apps can then read everything that the server can.
    Off,
}

/// The sandbox this machine gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxKind {
    /// Namespaces for the pre-imported parent and, inside it, for each app.
    Zygote,
    /// Namespaces for each app.
    Namespaces,
    /// Landlock's file rules only.
    Landlock,
    /// None, by [`SandboxPolicy::Off`].
    Off,
}

/// How apps run here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's data directory.
    pub data_dir: PathBuf,
    /// Folder for sockets, mode 0700; its path must be shorter than 70 bytes.
    pub run_dir: PathBuf,
    /// Whether apps may run without a sandbox.
    pub sandbox: SandboxPolicy,
    /// User and group id that apps run as when the server is root. 64200 by default.
    pub app_uid: u32,
}

impl Settings {
    /// The usual settings for a data directory.
    pub fn new(data_dir: PathBuf, run_dir: PathBuf) -> Self {
        Self {
            data_dir,
            run_dir,
            sandbox: SandboxPolicy::default(),
            app_uid: 64_200,
        }
    }
}

/// The runtime could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A folder or file could not be made.
    #[error("could not {attempt}")]
    Io {
        /// What was attempted.
        attempt: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
}

/// Runs apps as processes of this machine.
#[derive(Debug, Clone)]
pub struct LocalRuntime {
    settings: Arc<Settings>,
}

impl LocalRuntime {
    /// Prepares the folders. Must be called within a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self, RuntimeError> {
        Ok(Self {
            settings: Arc::new(settings),
        })
    }
}

impl AppRuntime for LocalRuntime {
    async fn start(&self, spec: InstanceSpec) -> Result<Arc<Instance>, StartError> {
        let _ = (spec, &self.settings);
        Err(StartError::Launch {
            reason: "not built yet".into(),
        })
    }

    fn switch(&self, instance: Arc<Instance>) -> Option<Arc<Instance>> {
        let _ = instance;
        None
    }

    fn find_live(&self, app: AppId) -> Option<Arc<Instance>> {
        let _ = app;
        None
    }

    fn list(&self) -> Vec<Arc<Instance>> {
        Vec::new()
    }

    async fn shut_down(&self, grace: Duration) {
        let _ = grace;
    }
}
