//! Where published apps live on this node: the runtime that runs them, their environments and folders, and who is
//! publishing at the moment.

use std::{
    collections::HashMap,
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use forward::Forwarder;
use ids::{AppId, Slug};
use jiff::Timestamp;
use runtime::{AppRuntime as _, Environments, LocalRuntime, State};

use crate::{Config, StartError};

/// How long a deleted app may finish what it is doing.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What hosting needs beside the database.
pub struct Hosting {
    /// Runs the apps.
    pub runtime: LocalRuntime,
    /// Builds their environments.
    pub environments: Environments,
    /// Speaks to them.
    pub forwarder: Forwarder<Body>,
    /// The Unix socket of the key-value store, made reachable inside each app.
    pub data_socket: PathBuf,
    data_dir: PathBuf,
    turns: Arc<Mutex<Turns>>,
}

/// Who changes what is served.
#[derive(Default)]
struct Turns {
    taken: HashMap<Slug, Busy>,
    /// Nobody may begin.
    held: bool,
}

fn lock(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A publish that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The publisher's username.
    pub by: String,
    /// When it began.
    pub since: Timestamp,
}

impl Busy {
    /// Who is at work when the server brings apps back by itself.
    pub const SERVER: &str = "the server";
}

/// The right to change what an app serves, held by one use case at a time and given back on drop.
pub struct Turn {
    slug: Slug,
    turns: Arc<Mutex<Turns>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.turns).taken.remove(&self.slug);
    }
}

impl Hosting {
    /// Prepares the runtime on a data directory.
    pub fn start(config: &Config, data_socket: PathBuf) -> Result<Self, StartError> {
        let failed = |cause| StartError::DataDirectory {
            path: config.server.data_dir.display().to_string(),
            cause,
        };
        // The processes that run apps have other working directories.
        let data_dir = std::path::absolute(&config.server.data_dir).map_err(failed)?;
        let run_dir = data_socket.parent().unwrap_or(&data_dir).to_owned();
        // Apps run as another user, who has to pass but not to look around; the names in it are long and random.
        let apps = data_dir.join("apps");
        std::fs::create_dir_all(&apps).map_err(failed)?;
        std::fs::set_permissions(&apps, Permissions::from_mode(0o711)).map_err(failed)?;
        let settings = runtime::Settings::new(data_dir.clone(), run_dir);
        Ok(Self {
            runtime: LocalRuntime::new(settings)?,
            environments: Environments::new(&data_dir),
            forwarder: Forwarder::new(forward::Limits::default()),
            data_socket,
            data_dir,
            turns: Arc::default(),
        })
    }

    /// Takes the turn at an app, or tells who has it.
    pub fn take_turn(&self, slug: &Slug, busy: Busy) -> Result<Turn, Busy> {
        let mut turns = lock(&self.turns);
        if let Some(other) = turns.taken.get(slug) {
            return Err(other.clone());
        }
        if turns.held {
            let by = Busy::SERVER.to_owned();
            return Err(Busy { by, ..busy });
        }
        turns.taken.insert(slug.clone(), busy);
        Ok(Turn {
            slug: slug.clone(),
            turns: Arc::clone(&self.turns),
        })
    }

    /// Keeps everybody from taking a turn until the guard is dropped; `None` while somebody has one.
    pub(crate) fn hold_turns(&self) -> Option<impl Drop + use<>> {
        struct Held(Arc<Mutex<Turns>>);
        impl Drop for Held {
            fn drop(&mut self) {
                lock(&self.0).held = false;
            }
        }
        let mut turns = lock(&self.turns);
        if turns.held || !turns.taken.is_empty() {
            return None;
        }
        turns.held = true;
        Some(Held(Arc::clone(&self.turns)))
    }

    /// Whether something is being done to what an app serves.
    pub fn is_busy(&self, slug: &Slug) -> bool {
        lock(&self.turns).taken.contains_key(slug)
    }

    /// Whether an app's live release answers requests at the moment.
    pub fn is_serving(&self, app: AppId) -> bool {
        self.runtime
            .find_live(app)
            .is_some_and(|instance| instance.status().state == State::Running)
    }

    /// The folder of a release.
    pub fn release(&self, app: AppId, version: u32) -> ReleaseFolder {
        ReleaseFolder(self.app(app).join("releases").join(version.to_string()))
    }

    /// The folder of an app, with everything of it that is no database row.
    pub fn app(&self, app: AppId) -> PathBuf {
        self.data_dir.join("apps").join(app.to_string())
    }

    /// Stops an app and removes its files; its database rows are the caller's affair.
    pub async fn clear_away(&self, app: AppId) {
        if let Some(instance) = self.runtime.remove(app) {
            instance.stop(LAST_WORDS).await;
        }
        let folder = self.app(app);
        drop(tokio::task::spawn_blocking(move || remove(&folder)).await);
    }

    /// A folder for what is being received.
    pub fn incoming(&self) -> PathBuf {
        self.data_dir.join("tmp")
    }
}

/// The files of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFolder(pub PathBuf);

impl ReleaseFolder {
    /// The project as it was uploaded.
    pub fn source(&self) -> PathBuf {
        self.0.join("source")
    }

    /// The project as it runs: the source with the gate wired in.
    pub fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }

    /// Where the app may write; every release begins with an empty one.
    pub fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    /// What the app said.
    pub fn run_log(&self) -> PathBuf {
        self.0.join("run.log")
    }

    /// Removes everything but what was said: the release cannot be started any more. What cannot be removed is logged.
    pub async fn keep_logs_only(&self) {
        let folders = [self.tree(), self.source(), self.home()];
        let remove = move || {
            for folder in folders {
                remove(&folder);
            }
        };
        drop(tokio::task::spawn_blocking(remove).await);
    }

    /// What the publish said, one stage event a line.
    pub fn build_log(&self) -> PathBuf {
        self.0.join("build.log")
    }
}

fn remove(folder: &std::path::Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "a folder could not be removed");
        }
        _ => {}
    }
}
