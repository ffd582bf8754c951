//! One running release: started, watched, restarted, stopped.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ids::AppId;

use crate::{RunLog, State, Status, Usage};

/// A release that is kept running until it is stopped.
#[derive(Debug)]
pub struct Instance {
    app: AppId,
    version: u32,
    socket: PathBuf,
    log: Arc<RunLog>,
}

impl Instance {
    /// The app.
    pub const fn app(&self) -> AppId {
        self.app
    }

    /// Its release number.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The Unix socket on which it answers HTTP/1.1. The path stays the same over restarts.
    pub fn socket_path(&self) -> &Path {
        &self.socket
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        Status {
            state: State::Stopped,
            restarts: 0,
            last_exit: None,
            running_since: None,
            pid: None,
        }
    }

    /// What it uses, sampled at most a second ago.
    pub fn usage(&self) -> Usage {
        Usage::default()
    }

    /// What it prints.
    pub fn log(&self) -> &Arc<RunLog> {
        &self.log
    }

    /// Stops it for good: asks politely, and after `grace` kills every process it has. Returns when none is left.
    pub async fn stop(&self, grace: Duration) {
        let _ = grace;
    }
}
