//! The wheel: how long it takes to build, how large it is; and the environment that it is installed in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;

use crate::bench::{Bench, process, table::Row};
use crate::{sdk, shell, system};

/// A source file of the module, touched for a warm build.
const SOURCE: &str = "sdk/python/src/lib.rs";

/// The interpreter of an environment with the wheel and the pinned packages; installed once a run.
pub(super) fn interpreter() -> Result<PathBuf> {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    if let Some(python) = INSTALLED.get() {
        return Ok(python.clone());
    }
    let python = super::interpreter("ours")?;
    shell::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-index"])
            .args(["--disable-pip-version-check", "--force-reinstall"])
            .arg(sdk::wheel()?),
    )?;
    Ok(INSTALLED.get_or_init(|| python).clone())
}

pub(in crate::bench) fn measure(bench: &mut Bench) -> Result<()> {
    let wheel = sdk::wheel()?;
    #[expect(clippy::cast_precision_loss, reason = "a file of some megabytes")]
    let megabytes = std::fs::metadata(&wheel)?.len() as f64 / 1e6;
    let size = Row::new("the wheel's size", format!("{megabytes:.2} MB"), "");
    bench.table.add(size);
    let (target, out) = (
        system::cache("bench-sdk/target"),
        system::cache("bench-sdk/wheel"),
    );
    let _ = std::fs::remove_dir_all(&target);
    let cold = sdk::build(&out, &target)?;
    add(bench, "nothing built before", cold, "");
    shell::run(&mut shell::command(&format!("touch {SOURCE}")))?;
    let warm = sdk::build(&out, &target)?;
    add(bench, "one file touched", warm, "< 2 min");
    std::fs::remove_dir_all(target)?;
    Ok(())
}

fn add(bench: &mut Bench, state: &str, seconds: f64, bar: &'static str) {
    let load = process::load_average();
    let what = format!("building the release wheel, {state}; load average {load}");
    bench
        .table
        .add(Row::new(what, format!("{seconds:.0} s"), bar));
}
