//! The journeys of a person, in headless Chromium against the real program.

use anyhow::Result;

use crate::shell::{command, run};
use crate::system;

/// The folder that has the browser itself among its packages.
const BROWSER: &str = "tests/browser";

pub(crate) fn tests() -> Result<()> {
    journeys(BROWSER)
}

/// Signing in by a real OpenID Connect provider.
pub(crate) fn oidc_tests() -> Result<()> {
    install(BROWSER)?;
    journeys("tests/interop/oidc")
}

fn journeys(folder: &str) -> Result<()> {
    let chromium = system::ensure_program(
        &["chromium", "chromium-browser", "google-chrome"],
        "chromium",
    )?;
    run(&mut command("cargo build --quiet --package vestibule"))?;
    install(folder)?;
    run(command("node --test --test-concurrency=1")
        .current_dir(system::root().join(folder))
        .env("CHROMIUM", chromium)
        .env("VESTIBULE_BINARY", target_folder().join("debug/vestibule"))
        .env("NO_PROXY", "127.0.0.1,localhost"))
}

fn install(folder: &str) -> Result<()> {
    let folder = system::root().join(folder);
    run(command("npm ci --no-audit --no-fund --loglevel=error").current_dir(folder))
}

pub(crate) fn target_folder() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| system::root().join("target"), Into::into)
}
