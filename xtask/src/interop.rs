//! Services on the published `fastapi-m8` packages against the real program, and the upstream's own security tests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::browser::target_folder;
use crate::shell::{command, output, run};
use crate::{python, system};

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
    // One after the other: what is slow in them is waiting.
    for (generation, folders) in [
        ("v1", &["both", "v1"][..]),
        ("v4", &["both", "v4", "security"][..]),
    ] {
        // Empty for each.
        let postgres = system::postgres()?;
        println!("services on the packages of requirements/{generation}.txt");
        run(Command::new(environment(generation)?.join("python"))
            .args(["-m", "pytest", "-q"])
            .args(folders)
            .current_dir(FOLDER)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("VESTIBULE_BINARY", target_folder().join("debug/vestibule"))
            .env("INTEROP_POSTGRES", postgres.url("postgres"))
            .env("SECURITY_TESTS_PYTHON", security.join("python"))
            .env("NO_PROXY", "127.0.0.1,localhost"))
        .with_context(|| format!("services on {generation}"))?;
    }
    Ok(())
}

/// The `bin` folder of an environment that holds the packages of `requirements/<name>.txt`.
pub(crate) fn environment(name: &str) -> Result<PathBuf> {
    python::environment(
        &format!("interop/{name}"),
        &format!("{FOLDER}/requirements/{name}.txt"),
    )
}
