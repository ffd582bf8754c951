//! Finds `uv`, or fetches it from the package index once.

use std::path::{Path, PathBuf};

/// The `uv` program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uv {
    program: PathBuf,
}

/// No `uv` could be had.
#[derive(Debug, thiserror::Error)]
pub enum UvError {
    /// It is not installed and could not be fetched.
    #[error(
        "uv is not installed and could not be fetched: {reason}; install it (https://docs.astral.sh/uv) or put it on PATH"
    )]
    Unavailable {
        /// What the installer said last.
        reason: String,
    },
}

impl Uv {
    /// Looks on `PATH`, then in `<data_dir>/tools`, else installs it there from the package index with `python3 -m pip`.
    /// `progress` hears a line for each longer step.
    pub async fn locate(
        data_dir: &Path,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, UvError> {
        let _ = (data_dir, progress);
        Err(UvError::Unavailable {
            reason: "not built yet".into(),
        })
    }

    /// Path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }
}
