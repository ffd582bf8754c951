//! Runs published apps as local, sandboxed processes: environments by `uv`, a pre-imported parent that forks, supervision, logs.
//!
//! What is not here: which release should run (the server decides), HTTP (the gateway speaks to the socket), SQL.
//!
//! Trust: everything a publisher can influence (the tree, and the packages of the environment with their import-time code) runs
//! inside the sandbox only. The one Python program that runs outside, `launcher/`, is ours, and starts without the
//! environment's packages.

mod command;
mod disk;
mod environments;
mod instance;
mod launcher;
mod lines;
mod local;
mod logs;
mod process;
mod redact;
mod spec;
mod status;
mod usage;
mod uv;

pub use environments::{Environment, EnvironmentError, EnvironmentSpec, Environments};
pub use instance::Instance;
pub use local::{
    AppRuntime, LocalRuntime, RuntimeError, SandboxKind, SandboxPolicy, Settings, Warm,
};
pub use logs::{Follow, Level, LogLine, RunLog, Stream};
pub use spec::{AppLimits, Entry, InstanceSpec};
pub use status::{Exit, StartError, State, Status};
pub use usage::Usage;
pub use uv::{Uv, UvError};
