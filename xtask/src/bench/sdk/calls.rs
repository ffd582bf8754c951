//! What single calls of the SDK cost inside Python, its import and its memory.

use anyhow::{Context, Result};
use serde_json::Value;

use super::service::{Kind, python};
use crate::bench::{Bench, process, statistics::Spread, table::Row};
use crate::shell;

/// What `calls.py` times, as the table calls it, and the bar.
const CALLS: [(&str, &str, &str); 7] = [
    ("verify", "verifying a token, RS256", "≤ 60 µs"),
    (
        "check_cold",
        "checking a token never seen before",
        "≤ 60 µs",
    ),
    ("check_cached", "checking a token seen before", "≤ 3 µs"),
    (
        "dependency",
        "CurrentUser of a token seen before, awaited",
        "",
    ),
    ("verify_es256", "verifying a token, ES256", ""),
    ("pyjwt", "PyJWT's decode of the same token, RS256", ""),
    ("pyjwt_es256", "PyJWT's decode, ES256", ""),
];

pub(in crate::bench) fn measure(bench: &mut Bench) -> Result<()> {
    bench.issuer()?;
    let issuer = bench.issuer.as_ref().expect("it runs");
    let run = |program: &str| -> Result<Value> {
        let text = shell::output(
            python(Kind::Ours, issuer)?
                .args(["-m", program])
                .env("BENCH_EMAIL", &issuer.owner.email)
                .env("BENCH_PASSWORD", &issuer.owner.password),
        )?;
        Ok(serde_json::from_str(&text)?)
    };
    let times = run("calls")?;
    for (name, what, bar) in CALLS {
        let spread = series(&times, name)?;
        bench.table.add(Row::new(
            format!("{what}; load average {}", process::load_average()),
            format!("{} µs of CPU", spread.show(2)),
            bar,
        ));
    }
    let times = run("imports")?;
    let seconds = |name: &str| series(&times, name);
    bench.table.add(
        Row::new(
            format!(
                "import vestibule.service in a fresh interpreter; load average {}",
                process::load_average()
            ),
            format!("{} ms of CPU", seconds("vestibule.service")?.show(0)),
            "",
        )
        .against(format!(
            "import fastapi {} ms; nothing {} ms",
            seconds("fastapi")?.show(0),
            seconds("nothing")?.show(0)
        )),
    );
    let memory = run("memory")?;
    bench.table.add(
        Row::new(
            "memory added by build_auth_deps and its thread, event stream open",
            format!("{} MB", series(&memory, "added")?.show(2)),
            "",
        )
        .against(format!(
            "the process before it {} MB",
            series(&memory, "before")?.show(1)
        )),
    );
    Ok(())
}

fn series(seen: &Value, name: &str) -> Result<Spread> {
    let values = seen[name]
        .as_array()
        .with_context(|| format!("the program tells nothing of {name}"))?;
    Ok(values.iter().filter_map(Value::as_f64).collect())
}
