//! What the machine has, and installing what it has not.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use mariadb_fixture::MariadbFixture;
use postgres_fixture::{PostgresFixture, StartError};

use crate::shell::{command, output, run};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the root")
        .to_owned()
}

/// A folder under `target/` for what the chores make and keep.
pub(crate) fn cache(name: &str) -> PathBuf {
    root().join("target").join(name)
}

/// Finds a program on the search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Finds a program on the search path, or installs the Debian package that holds it.
pub(crate) fn ensure_program(names: &[&str], package: &str) -> Result<PathBuf> {
    let find = || names.iter().find_map(|name| find_program(name));
    if let Some(path) = find() {
        return Ok(path);
    }
    install_package(package).with_context(|| {
        format!(
            "{} is needed and not on the search path",
            names.join(" or ")
        )
    })?;
    find().with_context(|| {
        format!(
            "installed {package}, yet {} is not on the search path",
            names.join(" or ")
        )
    })
}

/// Installs a system package; fails with what the person should do where we cannot.
pub(crate) fn install_package(package: &str) -> Result<()> {
    static INDEX: OnceLock<bool> = OnceLock::new();
    let is_root = output(&mut command("id -u")).is_ok_and(|id| id.trim() == "0");
    if find_program("apt-get").is_none() || !is_root {
        bail!(
            "install the package {package} (Debian, Ubuntu: `sudo apt-get install {package}`) and run this again"
        );
    }
    INDEX.get_or_init(|| run(&mut command("apt-get update -qq")).is_ok());
    let mut install = command("apt-get install -y -qq --no-install-recommends");
    run(install
        .arg(package)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// A private PostgreSQL, installed when the machine has none.
pub(crate) fn postgres() -> Result<PostgresFixture> {
    installed("postgresql", PostgresFixture::start)
}

/// A private MariaDB, installed when the machine has none.
pub(crate) fn mariadb() -> Result<MariadbFixture> {
    installed("mariadb-server", MariadbFixture::start)
}

/// Starts a server, and installs the package that holds it where its programs are not found.
fn installed<S>(package: &str, start: fn() -> Result<S, StartError>) -> Result<S> {
    let started = match start() {
        Err(StartError::NotInstalled(_)) => {
            install_package(package)?;
            start()
        }
        started => started,
    };
    Ok(started?)
}

/// A cargo tool of a pinned version, built into `target/tools` when the machine has none.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let folder = cache("tools");
    let program = folder.join("bin").join(name);
    let marker = folder.join(format!("{name}-{version}"));
    if !marker.exists() {
        let mut install = command("cargo install --locked --quiet");
        install
            .arg(format!("{name}@{version}"))
            .arg("--root")
            .arg(&folder);
        run(install.env("CARGO_TARGET_DIR", cache("tools-build")))?;
        std::fs::write(&marker, "")?;
    }
    Ok(program)
}
