//! How a published app is doing, as told to people and programs.

use ids::AppId;
use runtime::{AppRuntime as _, State};

use crate::Context;

/// How an app is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppState {
    /// `live`, `starting`, `backing_off`, `crashed`, `stopped` or `unpublished`.
    pub name: &'static str,
    /// Memory of its processes, while it runs.
    pub memory_bytes: Option<u64>,
    /// Restarts since this release was started.
    pub restarts: Option<u32>,
}

impl Context {
    /// How an app is doing, given the release it should serve.
    pub fn app_state(&self, app: AppId, live_version: Option<u32>) -> AppState {
        let idle = |name| AppState {
            name,
            memory_bytes: None,
            restarts: None,
        };
        if live_version.is_none() {
            return idle("unpublished");
        }
        let Some(instance) = self
            .hosting
            .get()
            .and_then(|hosting| hosting.runtime.find_live(app))
        else {
            return idle("stopped");
        };
        let status = instance.status();
        let name = match status.state {
            State::Running => "live",
            State::Starting => "starting",
            State::BackingOff => "backing_off",
            State::CrashLooping => "crashed",
            State::Stopped => "stopped",
        };
        AppState {
            name,
            memory_bytes: Some(instance.usage().memory_bytes),
            restarts: Some(status.restarts),
        }
    }
}
