//! Load, made by a program of its own.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{programs::Programs, statistics::Spread};
use crate::shell;

/// What to send to a port of this machine.
pub(super) struct Load {
    pub(super) port: u16,
    /// Sent in turn.
    pub(super) requests: Vec<String>,
    pub(super) connections: usize,
    /// How long is counted, after a second that is not.
    pub(super) seconds: u64,
    /// Requests a second of each connection; 0 for as many as are answered.
    pub(super) pace: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Answers a second.
    pub(super) rate: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// All answers, those that are not counted included.
    pub(super) all: f64,
}

impl Load {
    /// Makes the load and waits for its end. Fails when an answer was no success.
    pub(super) fn run(&self, programs: &Programs) -> Result<Outcome> {
        let file = self.write()?;
        let outcome = shell::output(&mut self.command(programs, &file));
        let _ = std::fs::remove_file(file);
        Self::read(&outcome?)
    }

    /// Makes the load beside what `meanwhile` does.
    pub(super) fn beside<T>(
        &self,
        programs: &Programs,
        meanwhile: impl FnOnce() -> Result<T>,
    ) -> Result<(Outcome, T)> {
        std::thread::scope(|scope| {
            let load = scope.spawn(|| self.run(programs));
            let other = meanwhile();
            let outcome = load.join().expect("making load does not panic")?;
            Ok((outcome, other?))
        })
    }

    fn write(&self) -> Result<PathBuf> {
        let name = format!(
            "requests-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let path = super::server::folder()?.join(name);
        std::fs::write(&path, self.requests.join("\n----\n"))?;
        Ok(path)
    }

    fn command(&self, programs: &Programs, file: &PathBuf) -> Command {
        let mut command = Command::new(&programs.peer);
        command
            .arg("load")
            .arg(format!("127.0.0.1:{}", self.port))
            .arg(file)
            .args([self.connections.to_string(), self.seconds.to_string()])
            .arg(self.pace.to_string());
        command
    }

    fn read(text: &str) -> Result<Outcome> {
        let seen: Value = serde_json::from_str(text)?;
        let number = |name: &str| {
            seen[name]
                .as_f64()
                .with_context(|| format!("the load generator says nothing of {name}"))
        };
        ensure!(
            number("refused")? == 0.0,
            "{} of {} requests were refused",
            seen["refused"],
            seen["all"]
        );
        ensure!(number("counted")? > 0.0, "nothing was answered in time");
        Ok(Outcome {
            rate: number("counted")? / number("seconds")?,
            p50_us: number("p50_us")?,
            p99_us: number("p99_us")?,
            all: number("all")?,
        })
    }
}

/// A `GET` as it goes over the wire.
pub(super) fn get(host: &str, path: &str, headers: &[(&str, &str)]) -> String {
    message("GET", host, path, headers, "")
}

/// A `POST` of JSON as it goes over the wire.
pub(super) fn post(host: &str, path: &str, body: &str) -> String {
    let length = body.len().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("content-length", &length),
    ];
    message("POST", host, path, &headers, body)
}

/// Any request as it goes over the wire; a body needs its length among the headers.
pub(super) fn message(
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text + "\r\n" + body
}

/// The rounds of one side of a comparison.
#[derive(Default)]
pub(super) struct Rounds {
    pub(super) rate: Spread,
    pub(super) p50_us: Spread,
    pub(super) p99_us: Spread,
    /// CPU time of the process under load, in microseconds a request.
    pub(super) cpu_us: Spread,
}

impl Rounds {
    pub(super) fn add(&mut self, outcome: Outcome, cpu_seconds: f64) {
        self.rate.push(outcome.rate);
        self.p50_us.push(outcome.p50_us);
        self.p99_us.push(outcome.p99_us);
        self.cpu_us.push(cpu_seconds * 1e6 / outcome.all);
    }

    /// Throughput, median time and cost, for the table.
    pub(super) fn show(&self) -> String {
        format!(
            "{:.0}/s, p50 {:.0} µs, p99 {:.0} µs, CPU {:.0} µs",
            self.rate.median(),
            self.p50_us.median(),
            self.p99_us.median(),
            self.cpu_us.median()
        )
    }
}
