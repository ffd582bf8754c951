//! Finds `uv`, or fetches it from the package index once.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::command::{Helper, Outcome};

/// What is fetched when `uv` is missing: any release with the options used here.
const REQUIREMENT: &str = "uv>=0.8,<1";

const TIME_LIMIT: Duration = Duration::from_mins(5);

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
        "uv is not installed and could not be fetched: {reason}; put uv on PATH, or install pip or venv for python3 \
         (on Debian: apt-get install python3-venv)"
    )]
    Unavailable {
        /// What the installer said last.
        reason: String,
    },
}

impl Uv {
    /// Looks on `PATH`, then in `<data_dir>/tools`, else installs it there from the package index with `python3 -m pip`, or with
    /// the `pip` of a fresh virtual environment. `progress` hears a line for each longer step.
    pub async fn locate(
        data_dir: &Path,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, UvError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(program) = find_on(std::env::split_paths(&path)) {
            return Ok(Self { program });
        }
        Self::locate_own(data_dir, progress).await
    }

    async fn locate_own(
        data_dir: &Path,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, UvError> {
        let tools = data_dir.join("tools");
        let home = tools.join("uv");
        if let Some(program) = find_on([home.join("bin")]) {
            return Ok(Self { program });
        }
        progress("fetching uv from the package index");
        let unavailable = |reason: String| UvError::Unavailable { reason };
        let io = |error: io::Error| unavailable(error.to_string());
        tokio::fs::create_dir_all(&tools).await.map_err(io)?;
        let temporary = tempfile::Builder::new()
            .prefix(".uv-")
            .tempdir_in(&tools)
            .map_err(io)?;
        let by_pip = Helper::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-warn-script-location",
                "--only-binary",
                ":all:",
            ])
            .arg("--target")
            .arg(temporary.path())
            .arg(REQUIREMENT);
        if let Err(first) = run(by_pip, progress).await {
            // There may be no pip, or a pip that refuses on a system Python; a virtual environment brings its own.
            let venv = Helper::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(temporary.path());
            run(venv, progress)
                .await
                .map_err(|second| unavailable(format!("{first}; {second}")))?;
            let by_venv = Helper::new(temporary.path().join("bin/python")).args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
                REQUIREMENT,
            ]);
            run(by_venv, progress).await.map_err(unavailable)?;
        }
        if find_on([temporary.path().join("bin")]).is_none() {
            return Err(unavailable("the package brought no program".into()));
        }
        // Another task may have been faster; its result is as good.
        if std::fs::rename(temporary.path(), &home).is_ok() {
            let _ = temporary.keep();
        }
        find_on([home.join("bin")])
            .map(|program| Self { program })
            .ok_or_else(|| unavailable("the program could not be moved into place".into()))
    }

    /// Path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

async fn run(helper: Helper, progress: &(dyn Fn(&str) + Sync)) -> Result<Outcome, String> {
    match helper.run(TIME_LIMIT, progress).await {
        Ok(outcome) if outcome.status.success() => Ok(outcome),
        Ok(outcome) => Err(outcome
            .output
            .last()
            .cloned()
            .unwrap_or_else(|| outcome.status.to_string())),
        Err(error) => Err(format!("python3: {error}")),
    }
}

fn find_on(folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders
        .into_iter()
        .map(|folder| folder.join("uv"))
        .find(|program| {
            std::fs::metadata(program).is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_uv_is_fetched_once_and_works() {
        let dir = tempfile::tempdir().unwrap();
        let uv = Uv::locate_own(dir.path(), &|_| {}).await.unwrap();
        let outcome = Helper::new(uv.program())
            .arg("--version")
            .run(TIME_LIMIT, &|_| {})
            .await
            .unwrap();
        assert!(outcome.text().starts_with("uv "), "{}", outcome.text());
        let again = std::sync::Mutex::new(Vec::new());
        let same = Uv::locate_own(dir.path(), &|line| {
            again.lock().unwrap().push(line.to_owned());
        })
        .await
        .unwrap();
        assert_eq!((same, again.into_inner().unwrap().len()), (uv, 0));
    }
}
