//! CPU time a request inside the application, without a server: what remains steady on a busy machine.

use anyhow::{Context, Result};
use serde_json::Value;

use super::service::{Kind, python, sign_in};
use crate::bench::{Bench, process, statistics::Spread, table::Row};
use crate::shell;

/// The services, the one that the others are compared with first, and the bar.
const SERVICES: [(Kind, &str); 6] = [
    (Kind::Plain, ""),
    (Kind::Empty, ""),
    (Kind::Ours, "≤ 25 µs added"),
    (Kind::OursApp, ""),
    (Kind::DropInFeed, ""),
    (Kind::PyJwt, ""),
];

pub(in crate::bench) fn measure(bench: &mut Bench) -> Result<()> {
    bench.issuer()?;
    let issuer = bench.issuer.as_ref().expect("it runs");
    let token = sign_in(issuer, &issuer.owner)?.token;
    let names = SERVICES.map(|(kind, _)| kind.module());
    let text = shell::output(
        python(Kind::DropInFeed, issuer)?
            .args(["-m", "inside"])
            .args(names)
            .env("BENCH_TOKEN", &token),
    )?;
    let seen: Value = serde_json::from_str(&text)?;
    let bursts = |kind: Kind| -> Result<Spread> {
        let values = seen[kind.module()].as_array();
        let values = values.with_context(|| format!("nothing is told of {}", kind.name()))?;
        Ok(values.iter().filter_map(Value::as_f64).collect())
    };
    // The least disturbed bursts say what the work takes; the median says what it took beside everything else.
    let shown = |spread: &Spread| format!("{:.1} ({:.1})", spread.quantile(0.1), spread.median());
    let plain = bursts(Kind::Plain)?;
    for (kind, bar) in &SERVICES[1..] {
        let times = bursts(*kind)?;
        let added = times.quantile(0.1) - plain.quantile(0.1);
        let row = Row::new(
            format!(
                "{}, in one process without a server; load average {}",
                kind.name(),
                process::load_average()
            ),
            format!("{} µs of CPU, {added:.1} added", shown(&times)),
            bar,
        );
        bench
            .table
            .add(row.against(format!("plain route {} µs", shown(&plain))));
    }
    Ok(())
}
