//! House rules that no compiler knows, each with the reason a person needs to mend it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::shell::{command, output};
use crate::system;

/// Extensions of files that people read and write.
const TEXT: &[&str] = &[
    "rs", "py", "md", "toml", "html", "css", "js", "mjs", "sh", "txt", "json",
];

/// Where SQL may stand.
const SQL_HOME: &str = "crates/storage/";

/// Crates of pure rules: no async, no I/O, no clock, no randomness of their own.
const PURE: &[&str] = &[
    "ids", "secret", "protocol", "accounts", "kv", "apps", "pysource",
];

/// What gives an impure crate away.
const IMPURE: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net",
    "std::process",
    "SystemTime::now",
    "Timestamp::now",
    "Instant::now",
    "rand::",
];

pub(crate) fn run() -> Result<()> {
    let files: Vec<PathBuf> = output(&mut command(
        "git ls-files --cached --others --exclude-standard",
    ))?
    .lines()
    .map(PathBuf::from)
    .filter(|path| path.is_file())
    .collect();
    let mut faults = Vec::new();
    for path in &files {
        let name = path.to_string_lossy().replace('\\', "/");
        let is_text = path
            .extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| TEXT.contains(&e));
        if !is_text || name.ends_with("package-lock.json") || name.starts_with("xtask/") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        check(&name, &text, &mut faults);
    }
    check_decisions(&mut faults)?;
    if faults.is_empty() {
        println!("{} files looked at", files.len());
        return Ok(());
    }
    for fault in &faults {
        println!("{fault}");
    }
    bail!("{} fault(s)", faults.len())
}

fn check(name: &str, text: &str, faults: &mut Vec<String>) {
    let extension = Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    let is_rust = extension == "rs";
    // Where this copy of the project lies: a path that is right on one machine only.
    let home = system::root().display().to_string();
    for (number, line) in text.lines().enumerate() {
        let mut fault = |what: &str| faults.push(format!("{name}:{}: {what}", number + 1));
        if line.contains(&home) {
            fault("names a path of one machine");
        }
        if is_rust
            && !name.starts_with(SQL_HOME)
            && (line.contains("sea_query") || line.contains("rusqlite::"))
        {
            fault("SQL stands in crates/storage only");
        }
        if line.ends_with(' ') && extension != "md" && !is_snapshot(name) {
            fault("ends with a space");
        }
    }
    if let Some(crate_name) = name
        .strip_prefix("crates/")
        .and_then(|rest| rest.split('/').next())
        && PURE.contains(&crate_name)
        && name.contains("/src/")
        && is_rust
    {
        let rules = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in IMPURE {
            if rules.contains(word) {
                faults.push(format!("{name}: {crate_name} is pure, yet it says {word}; take the value as an argument"));
            }
        }
    }
    if is_rust && !name.contains("/tests/") && !text.starts_with("//!") && !text.starts_with("#!") {
        faults.push(format!(
            "{name}: begins without a //! line that says what the file is for"
        ));
    }
}

fn is_snapshot(name: &str) -> bool {
    name.contains("/snapshots/") || name.contains("/fixtures/")
}

/// Decisions are numbered 0001, 0002, … without gaps, so that a link never points at nothing.
fn check_decisions(faults: &mut Vec<String>) -> Result<()> {
    let folder = Path::new("docs/decisions");
    let mut names: Vec<String> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    for (index, name) in names.iter().enumerate() {
        if !name.starts_with(&format!("{:04}-", index + 1)) {
            faults.push(format!(
                "docs/decisions/{name}: expected number {:04}",
                index + 1
            ));
        }
    }
    Ok(())
}
