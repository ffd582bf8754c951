//! `GET /v1/session` beside a bare axum handler that returns the same bytes.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Result, ensure};

use super::{
    Bench, http,
    load::{Load, Rounds, get},
    process,
    process::Running,
    server,
    statistics::Spread,
    table::Row,
};

const ROUNDS: usize = 5;

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    bench.server()?;
    let (programs, server) = (&bench.programs, bench.server.as_ref().expect("it runs"));
    let bearer = format!("Bearer {}", server.token()?);
    let (host, headers) = (server.shell_host(), [("authorization", bearer.as_str())]);
    let answer = http::send(server.port, "GET", &host, "/v1/session", &headers, "")?;
    ensure!(
        answer.status == 200,
        "the session was answered {}",
        answer.status
    );
    let mut head = String::new();
    for (name, value) in &answer.headers {
        if !["date", "content-length", "connection"].contains(&name.as_str()) {
            let _ = writeln!(head, "{name}: {value}");
        }
    }
    let file = server::folder()?.join(format!("answer-{}", std::process::id()));
    std::fs::write(&file, format!("{head}\n{}", answer.body))?;
    let port = process::free_port()?;
    let mut command = Command::new(&programs.peer);
    command
        .args(["bare", &format!("127.0.0.1:{port}")])
        .arg(&file);
    let bare = Running::start(&mut command)?;
    process::wait_for("the bare handler", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    })?;
    for connections in [1, 64] {
        let load = |port| Load {
            port,
            requests: vec![get(&host, "/v1/session", &headers)],
            connections,
            seconds: 2,
            pace: 0,
        };
        let (mut ours, mut peer) = (Rounds::default(), Rounds::default());
        for _ in 0..ROUNDS {
            let before = server.process.cpu(false)?;
            let outcome = load(server.port).run(programs)?;
            ours.add(outcome, server.process.cpu(false)? - before);
            let before = bare.cpu(false)?;
            let outcome = load(port).run(programs)?;
            peer.add(outcome, bare.cpu(false)? - before);
        }
        bench.table.add(
            Row::new(
                format!("GET /v1/session, c={connections}"),
                ours.show(),
                "≥ 0.55",
            )
            .against(format!("bare axum {}", peer.show()))
            .ratio(&Spread::ratio(&ours.rate, &peer.rate)),
        );
    }
    let _ = std::fs::remove_file(file);
    Ok(())
}
