//! Python checks and tests, in a virtual environment of their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{shell, system};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// What ruff and mypy look at in the environment of these tests.
const SOURCES: [&str; 3] = [
    "crates/pysource/dropped",
    "examples/guestbook",
    "tests/python",
];

/// The `bin` folder of the environment `target/<name>`, made when absent or when the pinned requirements changed. Only
/// wheels are installed, so that nothing is built and nothing of a package runs at installation.
pub(crate) fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = system::cache(name);
    let marker = folder.join("requirements.txt");
    let wanted = std::fs::read_to_string(requirements)
        .with_context(|| format!("could not read {requirements}"))?;
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
            "--only-binary",
            ":all:",
            "-r",
            requirements,
        ]))?;
        std::fs::write(&marker, wanted)?;
    }
    Ok(folder.join("bin"))
}

fn tool(name: &str, arguments: &[&str]) -> Result<()> {
    shell::run(
        Command::new(environment("python", REQUIREMENTS)?.join(name))
            .args(arguments)
            .env("NO_PROXY", "127.0.0.1,localhost"),
    )
}

pub(crate) fn lint() -> Result<()> {
    // Checked, too, but not for types: the sandbox's program speaks to the kernel through ctypes, and what the interop
    // tests, the SDK and the services on it import is in environments of their own.
    let without_types = [
        "crates/runtime/src/launcher",
        "examples/item_service",
        "sdk",
        "tests/interop",
        "xtask/bench_sdk",
    ];
    let sources = [&SOURCES[..], &without_types].concat();
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
