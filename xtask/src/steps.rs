//! Named steps, run in order and timed; all are run even when one fails, and the last line sums up.

use std::time::Instant;

use anyhow::{Result, bail};

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn() -> Result<()>,
}

/// Runs the chosen steps. Fails when one of them failed, or when a name is unknown.
pub(crate) fn run(steps: &[Step], only: &[String], skip: &[String]) -> Result<()> {
    for name in only.iter().chain(skip) {
        if !steps.iter().any(|step| step.name == name) {
            let known: Vec<_> = steps.iter().map(|step| step.name).collect();
            bail!(
                "no step is called {name:?}; the steps are {}",
                known.join(", ")
            );
        }
    }
    let mut failed = Vec::new();
    let mut passed = 0;
    let mut skipped = 0;
    for step in steps {
        let chosen = only.is_empty() || only.iter().any(|name| name == step.name);
        if !chosen || skip.iter().any(|name| name == step.name) {
            skipped += 1;
            continue;
        }
        println!("\n=== {} — {}", step.name, step.about);
        let begun = Instant::now();
        let outcome = (step.run)();
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                passed += 1;
                println!("=== {} passed in {seconds:.1} s", step.name);
            }
            Err(error) => {
                println!("=== {} FAILED in {seconds:.1} s: {error:#}", step.name);
                failed.push(step.name);
            }
        }
    }
    println!();
    for name in &failed {
        println!("failed: {name}    (again: cargo xtask test --only {name})");
    }
    println!(
        "{passed} passed, {} failed, {skipped} skipped",
        failed.len()
    );
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("{} step(s) failed", failed.len())
    }
}
