//! Python checks and tests, in a virtual environment of their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{shell, system};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// What ruff and mypy look at.
const SOURCES: [&str; 3] = ["crates/pysource/dropped", "examples", "tests/python"];

/// The environment's `bin` folder, made when absent or when the pinned requirements changed.
fn environment() -> Result<PathBuf> {
    let folder = system::cache("python");
    let marker = folder.join("requirements.txt");
    let wanted = std::fs::read_to_string(REQUIREMENTS)
        .with_context(|| format!("could not read {REQUIREMENTS}"))?;
    if std::fs::read_to_string(&marker).ok().as_deref() != Some(&wanted) {
        let _ = std::fs::remove_dir_all(&folder);
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).context(
            "could not make a virtual environment; python3 with its venv module is needed",
        )?;
        shell::run(Command::new(folder.join("bin/python")).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            REQUIREMENTS,
        ]))?;
        std::fs::write(&marker, wanted)?;
    }
    Ok(folder.join("bin"))
}

fn tool(name: &str, arguments: &[&str]) -> Result<()> {
    shell::run(
        Command::new(environment()?.join(name))
            .args(arguments)
            .env("NO_PROXY", "127.0.0.1,localhost"),
    )
}

pub(crate) fn lint() -> Result<()> {
    // The sandbox's program is checked, too, but carries no types: it speaks to the kernel through ctypes.
    let sources = [&SOURCES[..], &["crates/runtime/src/launcher"]].concat();
    tool("ruff", &[&["check"], &sources[..]].concat())?;
    tool("ruff", &[&["format", "--check"], &sources[..]].concat())
}

pub(crate) fn types() -> Result<()> {
    // One run a folder: the example and the dropped files both hold modules that are imported by bare name.
    for source in SOURCES {
        tool("mypy", &["--strict", source])?;
    }
    Ok(())
}

pub(crate) fn tests() -> Result<()> {
    tool("python", &["-m", "pytest", "-q", "tests/python"])
}
