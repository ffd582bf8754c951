//! The journeys of a person, in headless Chromium against the real program.

use anyhow::Result;

use crate::shell::{command, run};
use crate::system;

pub(crate) fn tests() -> Result<()> {
    let chromium = system::ensure_program(
        &["chromium", "chromium-browser", "google-chrome"],
        "chromium",
    )?;
    run(&mut command("cargo build --quiet --package vestibule"))?;
    let folder = system::root().join("tests/browser");
    run(command("npm ci --no-audit --no-fund --loglevel=error").current_dir(&folder))?;
    run(command("node --test --test-concurrency=1")
        .current_dir(&folder)
        .env("CHROMIUM", chromium)
        .env("VESTIBULE_BINARY", target_folder().join("debug/vestibule"))
        .env("NO_PROXY", "127.0.0.1,localhost"))
}

pub(crate) fn target_folder() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| system::root().join("target"), Into::into)
}
