//! Durable refreshes, 64 in flight, beside durable inserts into a bare SQLite database on the same disk.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    Bench, issuer,
    server::{self, Server},
    statistics::Spread,
    table::Row,
};
use crate::shell;

const ROUNDS: usize = 5;
const SECONDS: u64 = 2;
const IN_FLIGHT: usize = 64;

/// What came of one round.
struct Outcome {
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    all: f64,
}

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let programs = &bench.programs;
    for algorithm in ["RS256", "ES256"] {
        let settings = [("VESTIBULE_ISSUER__ALGORITHM", algorithm)];
        let server = Server::bare(programs, &format!("refresh-{algorithm}"), &settings)?;
        let mut chains = Chains::start(&server)?;
        let (mut ours, mut bare, mut signed) =
            (Spread::default(), Spread::default(), Spread::default());
        let (mut p50, mut p99, mut cpu) = (Spread::default(), Spread::default(), Spread::default());
        for _ in 0..ROUNDS {
            bare.push(
                run(Command::new(&programs.peer)
                    .arg("inserts")
                    .arg(server::folder()?)
                    .args([IN_FLIGHT.to_string(), SECONDS.to_string()]))?
                .rate,
            );
            signed.push(
                run(Command::new(&programs.peer).args([
                    "signatures",
                    algorithm,
                    &SECONDS.to_string(),
                ]))?
                .rate,
            );
            let before = server.process.cpu(false)?;
            let outcome = chains.run(&programs.peer, &server)?;
            cpu.push((server.process.cpu(false)? - before) * 1e6 / outcome.all);
            ours.push(outcome.rate);
            p50.push(outcome.p50_us);
            p99.push(outcome.p99_us);
        }
        bench.table.add(
            Row::new(
                format!("refresh, durable, {algorithm}, {IN_FLIGHT} in flight"),
                format!(
                    "{}/s, p50 {:.0} µs, p99 {:.0} µs, CPU {:.0} µs",
                    ours.show(0),
                    p50.median(),
                    p99.median(),
                    cpu.median()
                ),
                "≥ 0.60",
            )
            .against(format!(
                "batched SQLite inserts {}/s; {algorithm} signatures on all cores {}/s",
                bare.show(0),
                signed.show(0)
            ))
            .ratio(&Spread::ratio(&ours, &bare)),
        );
    }
    Ok(())
}

/// The refresh tokens of as many people, each of which is the successor of the last one used.
struct Chains {
    file: std::path::PathBuf,
}

impl Chains {
    fn start(server: &Server) -> Result<Self> {
        let mut tokens = Vec::new();
        for number in 0..IN_FLIGHT {
            let person = server.home.account(&format!("person-{number}"), "user")?;
            tokens.push(issuer::sign_in(server, &person)?.refresh);
        }
        let file = server.home.folder.join("chains");
        std::fs::write(&file, tokens.join("\n"))?;
        Ok(Self { file })
    }

    /// Refreshes as fast as is answered; the peer leaves the newest tokens in the file.
    fn run(&mut self, peer: &std::path::Path, server: &Server) -> Result<Outcome> {
        run(Command::new(peer)
            .arg("refreshes")
            .arg(format!("127.0.0.1:{}", server.port))
            .arg(server.shell_host())
            .arg(&self.file)
            .arg(SECONDS.to_string()))
    }
}

fn run(command: &mut Command) -> Result<Outcome> {
    let seen: Value = serde_json::from_str(&shell::output(command)?)?;
    let number = |name: &str| {
        seen[name]
            .as_f64()
            .with_context(|| format!("the peer says nothing of {name}"))
    };
    ensure!(
        number("refused")? == 0.0,
        "{} of {} were refused",
        seen["refused"],
        seen["all"]
    );
    Ok(Outcome {
        rate: number("counted")? / number("seconds")?,
        p50_us: number("p50_us")?,
        p99_us: number("p99_us")?,
        all: number("all")?,
    })
}
