//! Services on the published `fastapi-m8` packages against the real program, and the upstream's own security tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::browser::target_folder;
use crate::shell::{command, output, run};
use crate::{python, sdk, system};

pub(crate) const FOLDER: &str = "tests/interop/m8";

pub(crate) fn tests() -> Result<()> {
    let newest = "import sys; print(sys.version_info >= (3, 11))";
    let answer = output(Command::new("python3").args(["-c", newest]))?;
    ensure!(
        answer.trim() == "True",
        "the packages need Python 3.11 or later, and python3 is older"
    );
    system::ensure_program(&["redis-server", "valkey-server"], "redis-server")?;
    run(&mut command("cargo build --quiet --package vestibule"))?;
    let security = environment("security")?;
    let originals = environment("v1")?;
    // One after the other: what is slow in them is waiting.
    for (generation, folders) in [
        ("v1", &["both", "v1"][..]),
        ("v4", &["both", "v4", "security"][..]),
        ("dropin", &["both", "v1", "dropin"][..]),
    ] {
        // Empty for each.
        let postgres = system::postgres()?;
        println!("services on the packages of requirements/{generation}.txt");
        let python = environment(generation)?.join("python");
        if generation == "dropin" {
            install_dropin(&python)?;
        }
        run(Command::new(python)
            .args(["-m", "pytest", "-q"])
            .args(folders)
            .current_dir(FOLDER)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("VESTIBULE_BINARY", target_folder().join("debug/vestibule"))
            .env("INTEROP_POSTGRES", postgres.url("postgres"))
            .env("SECURITY_TESTS_PYTHON", security.join("python"))
            .env("ORIGINALS_PYTHON", originals.join("python"))
            .env("NO_PROXY", "127.0.0.1,localhost"))
        .with_context(|| format!("services on {generation}"))?;
    }
    run(Command::new(environment("dropin")?.join("python"))
        .arg("upstream.py")
        .current_dir(FOLDER)
        .env("PYTHONDONTWRITEBYTECODE", "1"))
    .context("the packages' own tests on the drop-in")
}

/// Puts the SDK and the drop-in, as they are now, into an environment that has what they need.
fn install_dropin(python: &Path) -> Result<()> {
    let pip = || {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        pip
    };
    run(pip()
        .args(["install", "--no-deps", "--no-build-isolation"])
        .arg("--force-reinstall")
        .arg(sdk::wheel()?)
        .arg("./sdk/dropin"))
    .context("could not install the drop-in")?;
    // The pins must satisfy what the two ask for.
    run(pip().arg("check"))
}

/// The `bin` folder of an environment that holds the packages of `requirements/<name>.txt`.
pub(crate) fn environment(name: &str) -> Result<PathBuf> {
    python::environment(
        &format!("interop/{name}"),
        &format!("{FOLDER}/requirements/{name}.txt"),
    )
}
