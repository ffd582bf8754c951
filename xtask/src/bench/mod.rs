//! `cargo xtask bench`: ratios against real peers and bare baselines, in one run on one machine.
//!
//! Starts of one and the same server differ by up to a fifth, so measurements alternate with their baseline over several
//! rounds, the first second of each load is left out, medians and spreads are given, and CPU time a request stands beside
//! throughput. No time is asserted: the run fails only when something could not be measured.

mod bare;
mod gateway;
mod http;
mod introspection;
mod issuer;
mod kv;
mod load;
mod nginx;
mod person;
mod process;
mod programs;
mod publish;
mod refresh;
mod rest;
mod revocation;
mod sdk;
mod server;
mod session;
mod sign_in;
mod statistics;
mod table;

use std::time::Instant;

use anyhow::{Result, bail};

use self::{programs::Programs, server::Server, table::Table};

/// What the measurements share.
struct Bench {
    programs: Programs,
    /// One server with the bench's app, started by the first measurement that needs it.
    server: Option<Server>,
    /// A server without apps, whose tokens services check.
    issuer: Option<Server>,
    table: Table,
}

impl Bench {
    fn server(&mut self) -> Result<&Server> {
        if self.server.is_none() {
            self.server = Some(Server::with_app(&self.programs)?);
        }
        Ok(self.server.as_ref().expect("it was started just now"))
    }
}

struct Measurement {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Bench) -> Result<()>,
}

const MEASUREMENTS: &[Measurement] = &[
    Measurement {
        name: "rest",
        about: "start to ready, memory at rest",
        run: rest::measure,
    },
    Measurement {
        name: "kv",
        about: "the store as a published app sees it, beside a bare write and fdatasync",
        run: kv::measure,
    },
    Measurement {
        name: "gateway",
        about: "the same app through the gateway, with identity, and through nginx",
        run: gateway::measure,
    },
    Measurement {
        name: "forward",
        about: "the forwarder alone and nginx, before a fast upstream",
        run: gateway::measure_forwarder,
    },
    Measurement {
        name: "session",
        about: "GET /v1/session beside a bare handler with the same answer",
        run: session::measure,
    },
    Measurement {
        name: "jti-status",
        about: "introspection and the key set beside a bare handler with the same answers",
        run: introspection::measure,
    },
    Measurement {
        name: "refresh",
        about: "durable refreshes beside batched SQLite inserts",
        run: refresh::measure,
    },
    Measurement {
        name: "revocation",
        about: "from a logout's answer to its frame on the event stream",
        run: revocation::measure,
    },
    Measurement {
        name: "sign-in",
        about: "sign-ins beside bare argon2id, and what a token check notices of them",
        run: sign_in::measure,
    },
    Measurement {
        name: "publish",
        about: "publish with unchanged dependencies, rollback",
        run: publish::measure,
    },
    Measurement {
        name: "sdk-wheel",
        about: "the Python SDK's wheel: build time and size",
        run: sdk::measure_wheel,
    },
    Measurement {
        name: "sdk-calls",
        about: "single calls of the SDK inside Python, import, memory",
        run: sdk::measure_calls,
    },
    Measurement {
        name: "sdk-inside",
        about: "CPU time of a FastAPI route with the SDK and without, no server around it",
        run: sdk::measure_inside,
    },
    Measurement {
        name: "sdk-services",
        about: "a FastAPI route with the SDK, without, and with what it stands in for",
        run: sdk::measure_throughput,
    },
    Measurement {
        name: "sdk-revocation",
        about: "from a logout or a change of role to a service's first refusal",
        run: sdk::measure_revocation,
    },
];

impl Measurement {
    /// Whether it goes by this name, or is of the family that does: `sdk` is all of `sdk-…`.
    fn is_called(&self, name: &str) -> bool {
        self.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// Runs the chosen measurements and prints one table.
pub(crate) fn run(only: &[String], profile: &str) -> Result<()> {
    for name in only {
        if !MEASUREMENTS.iter().any(|known| known.is_called(name)) {
            let known: Vec<_> = MEASUREMENTS.iter().map(|known| known.name).collect();
            bail!(
                "no measurement is called {name:?}; they are {}",
                known.join(", ")
            );
        }
    }
    let mut bench = Bench {
        programs: Programs::build(profile)?,
        server: None,
        issuer: None,
        table: Table::new(),
    };
    let mut failed = Vec::new();
    let begun = Instant::now();
    for measurement in MEASUREMENTS {
        if !only.is_empty() && !only.iter().any(|name| measurement.is_called(name)) {
            continue;
        }
        println!("\n=== {} — {}", measurement.name, measurement.about);
        if let Err(error) = (measurement.run)(&mut bench) {
            println!("=== {} FAILED: {error:#}", measurement.name);
            failed.push(measurement.name);
        }
    }
    drop((bench.server, bench.issuer));
    println!(
        "\nProfile {profile}, {} cores, {:.0} s, load average {}\n",
        std::thread::available_parallelism()?,
        begun.elapsed().as_secs_f64(),
        process::load_average(),
    );
    bench.table.print();
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("could not be measured: {}", failed.join(", "))
    }
}
