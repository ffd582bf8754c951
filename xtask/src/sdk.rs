//! The Python SDK: its wheel, its tests, its types, and services built with it against the real program.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::browser::target_folder;
use crate::shell::{command, output, run};
use crate::{interop, python, system};

const FOLDER: &str = "sdk/python";

/// What a wheel is made of, beside the packages that `Cargo.lock` names.
const WHEEL_SOURCES: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "crates/ids",
    "crates/secret",
    "crates/token",
    "sdk/client",
    "sdk/python/Cargo.toml",
    "sdk/python/README.md",
    "sdk/python/pyproject.toml",
    "sdk/python/python",
    "sdk/python/src",
];

/// What the drop-in is made of.
const DROPIN_SOURCES: [&str; 4] = [
    "sdk/dropin/README.md",
    "sdk/dropin/auth_sdk_m8",
    "sdk/dropin/fastapi_m8",
    "sdk/dropin/pyproject.toml",
];

/// Builds the release wheel, unless the one that lies there was made of the same sources.
pub(crate) fn build_wheel() -> Result<()> {
    let newest = "import sys; print(sys.version_info >= (3, 11))";
    let answer = output(Command::new("python3").args(["-c", newest]))?;
    ensure!(
        answer.trim() == "True",
        "the packages of the tests need Python 3.11 or later, and python3 is older"
    );
    let wheel = wheel()?;
    let size = std::fs::metadata(&wheel)?.len();
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let megabytes = size as f64 / 1e6;
    println!("{} ({megabytes:.2} MB)", wheel.display());
    Ok(())
}

/// The wheel of the sources as they are now.
pub(crate) fn wheel() -> Result<PathBuf> {
    let folder = system::cache("wheels");
    let marker = folder.join("sources");
    let sources = digest(&WHEEL_SOURCES)?;
    if std::fs::read_to_string(&marker).ok().as_ref() == Some(&sources)
        && let Some(wheel) = wheel_in(&folder)
    {
        return Ok(wheel);
    }
    let seconds = build(&folder, &target_folder())?;
    println!("built in {seconds:.0} s");
    let wheel = wheel_in(&folder).context("maturin left no wheel behind")?;
    std::fs::write(marker, sources)?;
    Ok(wheel)
}

/// Builds the release wheel into a folder that holds nothing else, with a target folder; the seconds that took.
pub(crate) fn build(folder: &Path, target: &Path) -> Result<f64> {
    let _ = std::fs::remove_dir_all(folder);
    let tools = python::environment("sdk/build", &format!("{FOLDER}/requirements-build.txt"))?;
    let begun = Instant::now();
    run(Command::new(tools.join("maturin"))
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(format!("{FOLDER}/Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .arg("--out")
        .arg(folder))
    .context("could not build the wheel")?;
    Ok(begun.elapsed().as_secs_f64())
}

/// A number for the contents of files and folders: another one when anything in them differs.
fn digest(paths: &[&str]) -> Result<String> {
    let listed =
        output(command("git ls-files --cached --others --exclude-standard --").args(paths))?;
    let mut hasher = DefaultHasher::new();
    for path in listed.lines().filter(|path| Path::new(path).is_file()) {
        path.hash(&mut hasher);
        std::fs::read(path)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// The `bin` folder of an environment that holds the pinned packages and the wheel.
fn environment() -> Result<PathBuf> {
    let wheel = wheel()?;
    let bin = python::environment("sdk/env", &format!("{FOLDER}/requirements-test.txt"))?;
    install(&bin, "vestibule", &digest(&WHEEL_SOURCES)?, || Ok(wheel))?;
    Ok(bin)
}

/// The same with the drop-in.
fn environment_with_dropin() -> Result<PathBuf> {
    let bin = environment()?;
    install(&bin, "vestibule_dropin", &digest(&DROPIN_SOURCES)?, || {
        let tools = python::environment("sdk/build", &format!("{FOLDER}/requirements-build.txt"))?;
        let folder = system::cache("sdk/dropin");
        let _ = std::fs::remove_dir_all(&folder);
        run(pip(&tools)
            .args(["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"])
            .arg(&folder)
            .arg("./sdk/dropin"))?;
        wheel_in(&folder).context("no wheel of the drop-in was built")
    })?;
    Ok(bin)
}

/// Installs a wheel into an environment, unless it was made of the same sources as the one that is there.
fn install(
    bin: &Path,
    name: &str,
    sources: &str,
    wheel: impl FnOnce() -> Result<PathBuf>,
) -> Result<()> {
    let marker = bin.join("..").join(name);
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == sources) {
        return Ok(());
    }
    run(pip(bin)
        .args(["install", "--no-deps", "--force-reinstall"])
        .arg(wheel()?))?;
    // The pins must satisfy what the wheel asks for.
    run(pip(bin).arg("check"))?;
    std::fs::write(marker, sources)?;
    Ok(())
}

fn pip(bin: &Path) -> Command {
    let mut pip = Command::new(bin.join("python"));
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
    pip
}

/// The wheel that lies in a folder.
fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten();
    entries.find_map(|entry| {
        let path = entry.path();
        path.extension()?.eq("whl").then_some(path)
    })
}

fn pytest(bin: &Path) -> Command {
    let mut pytest = Command::new(bin.join("python"));
    pytest
        .args(["-m", "pytest", "-q"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1,localhost");
    pytest
}

/// The databases that tests may use, each private and empty.
struct Databases {
    postgres: postgres_fixture::PostgresFixture,
    mariadb: mariadb_fixture::MariadbFixture,
}

impl Databases {
    fn start() -> Result<Self> {
        Ok(Self {
            postgres: system::postgres()?,
            mariadb: system::mariadb()?,
        })
    }

    fn variables(&self) -> BTreeMap<&str, String> {
        BTreeMap::from([
            ("VESTIBULE_TEST_POSTGRES", self.postgres.url("postgres")),
            ("VESTIBULE_TEST_MARIADB", self.mariadb.url("test")),
        ])
    }
}

/// The tests of the SDK itself, which need no server of ours.
pub(crate) fn tests() -> Result<()> {
    let bin = environment()?;
    let databases = Databases::start()?;
    run(pytest(&bin)
        .arg(format!("{FOLDER}/tests"))
        .envs(databases.variables()))?;
    stubs(&bin)
}

/// The stub of the compiled module says what the module has.
fn stubs(bin: &Path) -> Result<()> {
    run(Command::new(bin.join("python")).args(["-m", "mypy.stubtest", "vestibule._core"]))
}

/// What the drop-in promises: code written for the originals runs on it and gets the same answers. Its own tests, the
/// originals' tests, and services written for the originals under the real program.
pub(crate) fn dropin_tests() -> Result<()> {
    let bin = environment_with_dropin()?;
    let databases = Databases::start()?;
    run(pytest(&bin)
        .arg("sdk/dropin/tests")
        .envs(databases.variables()))?;
    run(Command::new(bin.join("python"))
        .arg("upstream.py")
        .current_dir(interop::FOLDER))?;
    let originals = interop::environment("v1")?;
    system::ensure_program(&["redis-server", "valkey-server"], "redis-server")?;
    run(&mut command("cargo build --quiet --package vestibule"))?;
    run(pytest(&bin)
        .args(["both", "v1", "dropin"])
        .current_dir(interop::FOLDER)
        .env("VESTIBULE_BINARY", target_folder().join("debug/vestibule"))
        .env("INTEROP_POSTGRES", databases.postgres.url("postgres"))
        .env("ORIGINALS_PYTHON", originals.join("python")))
}

/// The types of the SDK, of the drop-in and of the services on them, as two checkers see them.
pub(crate) fn types() -> Result<()> {
    let bin = environment()?;
    // Each with what it imports by bare name; services see the SDK from outside.
    for (sources, beside) in [
        (&["sdk/python/python/vestibule"][..], "sdk/python/python"),
        (
            &["sdk/dropin/fastapi_m8", "sdk/dropin/auth_sdk_m8"],
            "sdk/dropin",
        ),
        (&["examples/item_service"], "examples/item_service"),
        (
            &["tests/interop/sdk"],
            "tests/interop:tests/interop/sdk:tests/interop/sdk/apps:examples/item_service",
        ),
    ] {
        run(Command::new(bin.join("python"))
            .args(["-m", "mypy", "--config-file", "sdk/mypy.ini"])
            .args(sources)
            .env("MYPYPATH", beside))?;
    }
    run(Command::new(bin.join("pyright"))
        .arg("--pythonpath")
        .arg(bin.join("python"))
        .args(["--warnings", "--project", "pyproject.toml"])
        // It fetches the program it wraps, of its own version, by npm.
        .env("PYRIGHT_PYTHON_CACHE_DIR", system::cache("sdk/pyright"))
        .env("PYRIGHT_PYTHON_IGNORE_WARNINGS", "1"))
}

/// Services with the SDK against the real program: the example, by itself and under an issuer, on every database.
pub(crate) fn services() -> Result<()> {
    let bin = environment()?;
    run(pytest(&bin).current_dir("examples/item_service"))?;
    run(&mut command("cargo build --quiet --package vestibule"))?;
    let databases = Databases::start()?;
    // Empty, since two nodes of an issuer share it.
    let postgres = system::postgres()?;
    run(pytest(&bin)
        .current_dir("tests/interop/sdk")
        .envs(databases.variables())
        .env("VESTIBULE_BINARY", target_folder().join("debug/vestibule"))
        .env("INTEROP_POSTGRES", postgres.url("postgres")))
}
