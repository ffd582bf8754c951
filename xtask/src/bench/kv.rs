//! The store as a published app sees it, timed inside the app.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Bench, http, person, server, statistics::Spread, table::Row};

const ROUNDS: usize = 5;
/// Bytes of the value that is stored, as JSON.
const SIZE: usize = 200;
const OPERATIONS: [&str; 4] = ["get", "set", "append", "incr"];

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let server = bench.server()?;
    let visitor = person::visit(server)?;
    let (host, port) = (server.app_host(), server.port);
    let call = |operation: &str, seconds: f64, skip: f64| -> Result<Spread> {
        let path = format!("/kv?operation={operation}&seconds={seconds}&skip={skip}");
        let headers = [("cookie", visitor.cookies.as_str())];
        let answer = http::send(port, "GET", &host, &path, &headers, "")?;
        ensure!(
            answer.status == 200,
            "the app answered {}: {}",
            answer.status,
            answer.body
        );
        let body: Value = serde_json::from_str(&answer.body)?;
        let times = body["times"].as_array().context("the app gives no times")?;
        Ok(times.iter().filter_map(Value::as_f64).collect())
    };
    let mut medians: [Spread; 4] = Default::default();
    let mut tails: [Spread; 4] = Default::default();
    let (mut appended, mut overwritten) = (Spread::default(), Spread::default());
    for _ in 0..ROUNDS {
        for (number, operation) in OPERATIONS.into_iter().enumerate() {
            let times = call(operation, 1.5, 0.5)?;
            medians[number].push(times.median());
            tails[number].push(times.quantile(0.95));
            if operation != "get" {
                // Right after each, so that both see the same disk.
                appended.push(bare_writes(true)?.median());
                overwritten.push(bare_writes(false)?.median());
            }
        }
    }
    let shown = |number: usize| {
        format!(
            "p50 {} µs, p95 {:.0} µs",
            medians[number].show(0),
            tails[number].median()
        )
    };
    let bare = format!(
        "write + fdatasync: appending p50 {} µs, in place {} µs",
        appended.show(0),
        overwritten.show(0)
    );
    let every = |first: usize| -> Spread {
        // Three baselines a round, one after each kind of write.
        appended.every(3, first)
    };
    bench.table.add(Row::new(
        "KV get from a Python app",
        shown(0),
        "p50 ≤ 300 µs",
    ));
    for (number, bar) in [(1, "≤ 1.50"), (2, ""), (3, "")] {
        bench.table.add(
            Row::new(
                format!("KV {} from a Python app", OPERATIONS[number]),
                shown(number),
                bar,
            )
            .against(bare.clone())
            .ratio(&Spread::ratio(&medians[number], &every(number - 1))),
        );
    }
    Ok(())
}

/// Times of writing as many bytes as the value has and making them durable, on the disk of the data directory.
fn bare_writes(appending: bool) -> Result<Spread> {
    let path = server::folder()?.join(format!("bare-{}", std::process::id()));
    let mut file: File = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)?;
    file.write_all(&[0; SIZE])?;
    file.sync_all()?;
    let mut times = Spread::default();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        let before = Instant::now();
        if !appending {
            file.seek(SeekFrom::Start(0))?;
        }
        file.write_all(&[b'x'; SIZE])?;
        file.sync_data()?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(times)
}
