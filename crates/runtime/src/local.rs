//! The runtime on this machine: which apps run here.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ids::AppId;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempPath;

use crate::{
    Environment, Instance, InstanceSpec, StartError,
    command::Helper,
    launcher::{self, Launcher},
};

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

    /// Takes an app's live instance away, still running; the app is not served any more.
    fn remove(&self, app: AppId) -> Option<Arc<Instance>>;

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
    /// Use this one without trying what else would work.
    Fixed(SandboxKind),
}

/// The sandbox this machine gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxKind {
    /// Namespaces for the pre-imported parent and, inside it, for each app.
    Zygote,
    /// Namespaces for each app.
    Namespaces,
    /// Namespaces for each app, but no user namespace: the server is root and none is allowed.
    RootNamespaces,
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
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    launchers: Arc<Launchers>,
    instances: Mutex<Vec<Arc<Instance>>>,
    live: Mutex<HashMap<AppId, Arc<Instance>>>,
}

impl LocalRuntime {
    /// Prepares the folders. Everything it starts ends with this process, however that ends.
    pub fn new(settings: Settings) -> Result<Self, RuntimeError> {
        let io = |attempt: &str, path: &Path| {
            let attempt = format!("{attempt} {}", path.display());
            move |cause| RuntimeError::Io { attempt, cause }
        };
        let run_dir = &settings.run_dir;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(run_dir)
            .map_err(io("make", run_dir))?;
        fs::set_permissions(run_dir, fs::Permissions::from_mode(0o700))
            .map_err(io("protect", run_dir))?;
        let run_dir = run_dir.canonicalize().map_err(io("find", run_dir))?;
        if run_dir.as_os_str().len() > 70 {
            let cause = io::Error::from(io::ErrorKind::InvalidFilename);
            return Err(io("use the long path", &run_dir)(cause));
        }
        let script = launcher::install(&run_dir).map_err(io("write into", &run_dir))?;
        let launchers = Launchers {
            settings: Settings {
                run_dir,
                ..settings
            },
            script,
            kind: tokio::sync::OnceCell::new(),
            zygotes: Mutex::default(),
            next: AtomicU64::new(0),
        };
        let inner = Inner {
            launchers: Arc::new(launchers),
            instances: Mutex::default(),
            live: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The sandbox this machine gives, tried out with this interpreter at the first call or start.
    pub async fn sandbox(&self, environment: &Environment) -> Result<SandboxKind, StartError> {
        self.inner.launchers.kind(environment).await
    }

    /// Imports an environment's packages ahead of a start, where that is possible. Kept while the returned value lives or an
    /// instance uses it.
    pub async fn warm(&self, environment: &Environment) -> Result<Warm, StartError> {
        self.inner
            .launchers
            .get(environment)
            .await
            .map(|(launcher, _)| Warm {
                _launcher: launcher,
            })
    }
}

/// Keeps a pre-imported parent process alive.
#[derive(Debug)]
pub struct Warm {
    _launcher: Arc<Launcher>,
}

impl AppRuntime for LocalRuntime {
    async fn start(&self, spec: InstanceSpec) -> Result<Arc<Instance>, StartError> {
        let instance = Instance::start(spec, Arc::clone(&self.inner.launchers)).await?;
        let mut instances = self
            .inner
            .instances
            .lock()
            .expect("no holder of this lock panics");
        instances.retain(|instance| is_wanted(instance));
        instances.push(Arc::clone(&instance));
        Ok(instance)
    }

    fn switch(&self, instance: Arc<Instance>) -> Option<Arc<Instance>> {
        let mut live = self
            .inner
            .live
            .lock()
            .expect("no holder of this lock panics");
        live.insert(instance.app(), instance)
    }

    fn find_live(&self, app: AppId) -> Option<Arc<Instance>> {
        let live = self
            .inner
            .live
            .lock()
            .expect("no holder of this lock panics");
        live.get(&app)
            .filter(|instance| is_wanted(instance))
            .cloned()
    }

    fn remove(&self, app: AppId) -> Option<Arc<Instance>> {
        let mut live = self
            .inner
            .live
            .lock()
            .expect("no holder of this lock panics");
        live.remove(&app)
    }

    fn list(&self) -> Vec<Arc<Instance>> {
        let instances = self
            .inner
            .instances
            .lock()
            .expect("no holder of this lock panics");
        instances
            .iter()
            .filter(|instance| is_wanted(instance))
            .cloned()
            .collect()
    }

    async fn shut_down(&self, grace: Duration) {
        let stops = self
            .list()
            .into_iter()
            .map(|instance| async move { instance.stop(grace).await });
        futures_util::future::join_all(stops).await;
        self.inner
            .live
            .lock()
            .expect("no holder of this lock panics")
            .clear();
        self.inner
            .instances
            .lock()
            .expect("no holder of this lock panics")
            .clear();
    }
}

fn is_wanted(instance: &Instance) -> bool {
    instance.status().state != crate::State::Stopped
}

/// The launchers in use, one zygote for each environment.
#[derive(Debug)]
pub(crate) struct Launchers {
    settings: Settings,
    script: PathBuf,
    kind: tokio::sync::OnceCell<SandboxKind>,
    zygotes: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
    next: AtomicU64,
}

/// The zygote of an environment, if it could be made.
#[derive(Debug, Default)]
enum Slot {
    #[default]
    Untried,
    Made(Weak<Launcher>),
    /// It cannot: a package starts a thread when imported, or crashes.
    Impossible,
}

/// What the launcher's `probe` prints.
#[derive(Debug, Deserialize)]
struct Probe {
    zygote: bool,
    namespaces: bool,
    userns: bool,
    landlock: i64,
    reason: String,
}

impl Launchers {
    /// A path for a socket that nobody can guess.
    pub(crate) fn new_socket(&self) -> io::Result<TempPath> {
        tempfile::Builder::new()
            .prefix("app-")
            .suffix(".sock")
            .rand_bytes(16)
            .tempfile_in(&self.settings.run_dir)
            .map(tempfile::NamedTempFile::into_temp_path)
    }

    pub(crate) fn new_id(&self) -> String {
        format!("i{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    async fn kind(&self, environment: &Environment) -> Result<SandboxKind, StartError> {
        match self.settings.sandbox {
            SandboxPolicy::Off => Ok(SandboxKind::Off),
            SandboxPolicy::Fixed(kind) => Ok(kind),
            SandboxPolicy::Required => self
                .kind
                .get_or_try_init(|| self.probe(environment))
                .await
                .copied(),
        }
    }

    async fn probe(&self, environment: &Environment) -> Result<SandboxKind, StartError> {
        let launch = |reason: String| StartError::Launch { reason };
        let line = launcher::command_line(&environment.python, &self.script);
        let outcome = Helper::new(&line[0])
            .args(&line[1..])
            .args(["probe", &self.settings.app_uid.to_string()])
            .run(Duration::from_secs(30), &|_| {})
            .await
            .map_err(|error| launch(format!("{}: {error}", line[0].display())))?;
        let probe: Probe = outcome
            .output
            .iter()
            .find_map(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| {
                launch(format!(
                    "the sandbox could not be tried: {}",
                    outcome.text()
                ))
            })?;
        let kind = match probe {
            Probe { zygote: true, .. } => SandboxKind::Zygote,
            Probe {
                namespaces: true,
                userns: true,
                ..
            } => SandboxKind::Namespaces,
            Probe {
                namespaces: true, ..
            } => SandboxKind::RootNamespaces,
            Probe { landlock: 1.., .. } => SandboxKind::Landlock,
            Probe { reason, .. } => return Err(StartError::NoSandbox { reason }),
        };
        tracing::info!(?kind, reason = probe.reason, "apps run in a sandbox");
        Ok(kind)
    }

    /// A launcher for an environment: its zygote, or one of its own for a single app.
    pub(crate) async fn get(
        &self,
        environment: &Environment,
    ) -> Result<(Arc<Launcher>, SandboxKind), StartError> {
        let kind = self.kind(environment).await?;
        if kind != SandboxKind::Zygote {
            return Ok((self.start(environment, kind).await?, kind));
        }
        let slot = {
            let mut zygotes = self.zygotes.lock().expect("no holder of this lock panics");
            Arc::clone(zygotes.entry(environment.key.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Slot::Made(weak) = &*slot
            && let Some(launcher) = weak.upgrade()
            && launcher.is_alive()
        {
            return Ok((launcher, kind));
        }
        if !matches!(*slot, Slot::Impossible) {
            match self.start(environment, kind).await {
                Ok(launcher) => {
                    *slot = Slot::Made(Arc::downgrade(&launcher));
                    return Ok((launcher, kind));
                }
                Err(error) => {
                    tracing::warn!(%error, environment = environment.key, "apps of this environment start without a zygote");
                    *slot = Slot::Impossible;
                }
            }
        }
        drop(slot);
        Ok((
            self.start(environment, SandboxKind::Namespaces).await?,
            SandboxKind::Namespaces,
        ))
    }

    async fn start(
        &self,
        environment: &Environment,
        kind: SandboxKind,
    ) -> Result<Arc<Launcher>, StartError> {
        let launch = |reason: String| StartError::Launch { reason };
        let path = environment
            .path
            .canonicalize()
            .map_err(|error| launch(error.to_string()))?;
        let sandbox = match kind {
            SandboxKind::Zygote | SandboxKind::Namespaces | SandboxKind::RootNamespaces => {
                "namespaces"
            }
            SandboxKind::Landlock => "landlock",
            SandboxKind::Off => "off",
        };
        let config = json!({
            "mode": if kind == SandboxKind::Zygote { "zygote" } else { "direct" },
            "sandbox": sandbox,
            "userns": kind != SandboxKind::RootNamespaces,
            "environment": path,
            "slots": self.settings.run_dir.join("slots"),
            "user": self.settings.app_uid,
        });
        Launcher::start(&environment.python, &self.script, config)
            .await
            .map(Arc::new)
            .map_err(launch)
    }
}
