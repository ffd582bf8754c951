//! Start to ready, and memory at rest.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Bench, http, process,
    process::Running,
    server::{Home, Server},
    statistics::Spread,
    table::Row,
};

const ROUNDS: usize = 7;
/// How long nothing is asked of a server before its memory is looked at.
const REST: Duration = Duration::from_secs(5);

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let programs = &bench.programs;
    let (mut first, mut again) = (Spread::default(), Spread::default());
    let mut memory = Spread::default();
    for round in 0..ROUNDS {
        let home = Home::make(programs, &format!("rest-{round}"))?;
        first.push(start(&home)?.1);
        let (process, milliseconds) = start(&home)?;
        again.push(milliseconds);
        if round < 3 {
            std::thread::sleep(REST);
            memory.push(process.memory()?);
        }
    }
    bench.table.add(
        Row::new(
            "start to ready (again on the same data)",
            format!("{} ms", again.show(0)),
            "< 150 ms",
        )
        .against(format!("on empty data {} ms", first.show(0))),
    );
    bench.table.add(Row::new(
        "memory at rest, no apps",
        format!("{} MB", memory.show(1)),
        "< 40 MB",
    ));
    // A server of its own: others have been under load.
    let server = Server::with_app(programs)?;
    std::thread::sleep(REST);
    let memory = server.process.memory()?;
    bench.table.add(Row::new(
        "memory after a publish, the app's process not counted",
        format!("{memory:.1} MB"),
        "",
    ));
    Ok(())
}

/// Starts a server; milliseconds until it said that it is ready.
fn start(home: &Home) -> Result<(Running, f64)> {
    let (port, admin) = (process::free_port()?, process::free_port()?);
    let mut command = home.command();
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .args(["--admin-listen", &format!("127.0.0.1:{admin}")])
        .arg("--data-dir")
        .arg(home.data())
        .env("VESTIBULE_LOG__LEVEL", "warn")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let begun = Instant::now();
    let process = Running::start(&mut command)?;
    process::wait_for("a ready server", || {
        http::send(admin, "GET", "localhost", "/readyz", &[], "")
            .is_ok_and(|answer| answer.status == 200)
    })?;
    Ok((process, begun.elapsed().as_secs_f64() * 1e3))
}
