//! `cargo xtask test`: everything that must hold before a change lands.

use anyhow::Result;

use crate::shell::{self, command};
use crate::steps::{self, Step};
use crate::{browser, interop, python, sdk, system, tidy};

/// Cheapest first, so that a slip shows early.
const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "Rust formatting",
        run: || shell::run(&mut command("cargo fmt --all --check")),
    },
    Step {
        name: "tidy",
        about: "house rules",
        run: tidy::run,
    },
    Step {
        name: "clippy",
        about: "lints of all targets",
        run: || {
            shell::run(&mut command(
                "cargo clippy --workspace --all-targets --quiet -- -D warnings",
            ))
        },
    },
    Step {
        name: "deny",
        about: "licences, sources, banned and doubled crates",
        run: deny,
    },
    Step {
        name: "rust",
        about: "Rust tests, on SQLite and PostgreSQL",
        run: rust,
    },
    Step {
        name: "rustdoc",
        about: "documentation builds without a warning",
        run: rustdoc,
    },
    Step {
        name: "python-lint",
        about: "ruff",
        run: python::lint,
    },
    Step {
        name: "python-types",
        about: "mypy, strict",
        run: python::types,
    },
    Step {
        name: "python",
        about: "Python tests of the files dropped into apps",
        run: python::tests,
    },
    Step {
        name: "sdk-wheel",
        about: "the wheel of the Python SDK is built",
        run: sdk::build_wheel,
    },
    Step {
        name: "sdk-types",
        about: "mypy, strict, and pyright on the Python SDK and the services with it",
        run: sdk::types,
    },
    Step {
        name: "sdk-python",
        about: "the Python SDK, from its wheel, on every database; its stub",
        run: sdk::tests,
    },
    Step {
        name: "sdk-dropin",
        about: "code written for fastapi-m8 and auth-sdk-m8, on the drop-in",
        run: sdk::dropin_tests,
    },
    Step {
        name: "sdk-interop",
        about: "a service with the SDK under the real program, on SQLite, PostgreSQL and MariaDB",
        run: sdk::services,
    },
    Step {
        name: "interop",
        about: "services on the published fastapi-m8 packages, and security-tests-m8",
        run: interop::tests,
    },
    Step {
        name: "oidc",
        about: "signing in by a real OpenID Connect provider, in headless Chromium",
        run: browser::oidc_tests,
    },
    Step {
        name: "browser",
        about: "people's journeys in headless Chromium",
        run: browser::tests,
    },
];

pub(crate) fn run(only: &[String], skip: &[String], list: bool) -> Result<()> {
    if list {
        for step in STEPS {
            println!("{:14} {}", step.name, step.about);
        }
        return Ok(());
    }
    steps::run(STEPS, only, skip)
}

fn deny() -> Result<()> {
    let program = system::cargo_tool("cargo-deny", "0.20.2")?;
    shell::run(std::process::Command::new(program).args([
        "--offline",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}

/// One private PostgreSQL serves all test programs, instead of one for each. A test that needs Redis starts its own.
fn rust() -> Result<()> {
    let postgres = system::postgres()?;
    system::ensure_program(&["redis-server", "valkey-server"], "redis-server")?;
    // Installs it; its tests start their own.
    drop(system::mariadb()?);
    let mut test = command("cargo test --workspace --no-fail-fast --quiet");
    shell::run(
        test.env("NO_PROXY", "127.0.0.1,localhost")
            .env("VESTIBULE_TEST_POSTGRES", postgres.url("postgres")),
    )
}

fn rustdoc() -> Result<()> {
    shell::run(
        command("cargo doc --workspace --no-deps --quiet").env("RUSTDOCFLAGS", "-D warnings"),
    )
}
