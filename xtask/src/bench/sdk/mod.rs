//! The Python SDK in services, beside a route without identity and beside the packages and habits it stands in for.

mod calls;
mod connection;
mod inside;
mod revocation;
mod service;
mod throughput;
mod wheel;

pub(super) use self::{
    calls::measure as measure_calls, inside::measure as measure_inside,
    revocation::measure as measure_revocation, throughput::measure as measure_throughput,
    wheel::measure as measure_wheel,
};

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{Bench, server::Server};
use crate::{python, system};

/// The services and programs that are measured.
const PROGRAMS: &str = "xtask/bench_sdk";

/// The interpreter of an environment that holds the pinned packages of `requirements/<name>.txt`, without the SDK.
fn interpreter(name: &str) -> Result<PathBuf> {
    let folder = python::environment(
        &format!("bench-sdk/{name}"),
        &format!("{PROGRAMS}/requirements/{name}.txt"),
    )?;
    // Services run in folders of their own.
    Ok(system::root().join(folder).join("python"))
}

impl Bench {
    /// A server that is only the issuer, started by the first measurement that needs it.
    fn issuer(&mut self) -> Result<&Server> {
        if self.issuer.is_none() {
            println!("starting an issuer …");
            // What a sign-in costs is measured elsewhere; here hundreds of them only prepare.
            let settings = [
                ("VESTIBULE_ACCOUNTS__ARGON2_MEMORY_KIB", "64"),
                ("VESTIBULE_ACCOUNTS__ARGON2_PASSES", "1"),
            ];
            self.issuer = Some(Server::bare(&self.programs, "issuer", &settings)?);
        }
        self.issuer.as_ref().context("it was started just now")
    }
}
