//! The optimized programs: the server, and what it is measured against and with.

use std::path::PathBuf;

use anyhow::Result;

use crate::{browser::target_folder, shell};

pub(super) struct Programs {
    /// The server and command line.
    pub(super) vestibule: PathBuf,
    /// `xtask/examples/peer`.
    pub(super) peer: PathBuf,
    /// `crates/forward/examples/proxy.rs`.
    pub(super) proxy: PathBuf,
}

impl Programs {
    pub(super) fn build(profile: &str) -> Result<Self> {
        for what in [
            "--package vestibule",
            "--package xtask --example peer",
            "--package forward --example proxy",
        ] {
            shell::run(&mut shell::command(&format!(
                "cargo build --quiet --profile {profile} {what}"
            )))?;
        }
        let folder = target_folder().join(profile);
        Ok(Self {
            vestibule: folder.join("vestibule"),
            peer: folder.join("examples/peer"),
            proxy: folder.join("examples/proxy"),
        })
    }
}
