//! Sign-ins beside bare argon2id on as many threads, and what a token check notices of them.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    Bench, introspection, issuer,
    load::{Load, get, post},
    server,
    statistics::Spread,
    table::Row,
};
use crate::shell;

const ROUNDS: usize = 3;
const SECONDS: u64 = 4;
/// Sign-ins at once. Few enough for the throttle, which counts each as failed until it is decided.
const AT_ONCE: usize = 12;

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    bench.server()?;
    let (programs, server) = (&bench.programs, bench.server.as_ref().expect("it runs"));
    // The server's default: half of the cores.
    let threads = (std::thread::available_parallelism()?.get() / 2).max(1);
    let host = server.shell_host();
    let mut requests = Vec::new();
    for number in 0..AT_ONCE {
        let account = server.home.account(&format!("person-{number}"), "user")?;
        requests.push(post(&host, "/v1/session", &server::sign_in_body(&account)));
    }
    let bearer = format!("Bearer {}", server.token()?);
    // 400 checks a second: what is asked is how long one takes, not how many go.
    let steadily = |request: String| Load {
        port: server.port,
        requests: vec![request],
        connections: 4,
        seconds: SECONDS,
        pace: 100,
    };
    let access = issuer::sign_in(server, &server.owner)?.access;
    let jti = serde_json::json!({ "jti": issuer::claims(&access)?["jti"] }).to_string();
    let checks = [
        (
            "GET /v1/session",
            steadily(get(&host, "/v1/session", &[("authorization", &bearer)])),
        ),
        ("jti-status", steadily(introspection::request(&host, &jti))),
    ];
    let sign_ins = Load {
        port: server.port,
        requests,
        connections: AT_ONCE,
        seconds: SECONDS,
        pace: 0,
    };
    let (mut ours, mut bare) = (Spread::default(), Spread::default());
    let mut seen: [[Spread; 3]; 2] = Default::default();
    for _ in 0..ROUNDS {
        bare.push(hashes(programs, threads)?);
        ours.push(sign_ins.run(programs)?.rate);
        for ((_, check), [idle, busy, starved]) in checks.iter().zip(&mut seen) {
            idle.push(check.run(programs)?.p99_us);
            let (checked, _) = check.beside(programs, || sign_ins.run(programs))?;
            busy.push(checked.p99_us);
            // What the processor's being busy costs by itself.
            let (checked, _) = check.beside(programs, || hashes(programs, threads))?;
            starved.push(checked.p99_us);
        }
    }
    bench.table.add(
        Row::new(
            format!("sign-in, {threads} hash threads, {AT_ONCE} at once"),
            format!("{}/s", ours.show(1)),
            "≥ 0.95",
        )
        .against(format!("argon2id {}/s", bare.show(1)))
        .ratio(&Spread::ratio(&ours, &bare)),
    );
    for ((what, _), [idle, busy, starved]) in checks.iter().zip(&seen) {
        bench.table.add(
            Row::new(
                format!("p99 of {what} (400/s) during sign-ins"),
                format!("{} µs; idle {} µs", busy.show(0), idle.show(0)),
                "keeps its p99",
            )
            .against(format!("beside bare argon2id {} µs", starved.show(0)))
            .ratio(&Spread::ratio(busy, starved)),
        );
    }
    Ok(())
}

/// Bare hashes a second.
fn hashes(programs: &super::Programs, threads: usize) -> Result<f64> {
    let mut command = Command::new(&programs.peer);
    command.args(["passwords", &threads.to_string(), &SECONDS.to_string()]);
    let seen: Value = serde_json::from_str(&shell::output(&mut command)?)?;
    let number = |name: &str| seen[name].as_f64().context("the peer gives no number");
    Ok(number("hashes")? * 1e3 / number("milliseconds")?)
}
