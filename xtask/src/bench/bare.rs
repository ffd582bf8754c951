//! One request of ours beside a bare axum handler that returns the same bytes.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Result, ensure};

use super::{
    Bench, http,
    load::{self, Load, Rounds},
    process,
    process::Running,
    server,
    statistics::Spread,
    table::Row,
};

const ROUNDS: usize = 5;

/// What is asked again and again.
pub(super) struct Request<'a> {
    /// As the table calls it.
    pub(super) name: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a str,
}

/// Asks ours and the bare handler in turn, over one connection and over 64, and adds a line for each to the table.
pub(super) fn compare(bench: &mut Bench, request: &Request<'_>) -> Result<()> {
    bench.server()?;
    let (programs, server) = (&bench.programs, bench.server.as_ref().expect("it runs"));
    let host = server.shell_host();
    let (method, path) = (request.method, request.path);
    let answer = http::send(
        server.port,
        method,
        &host,
        path,
        &request.headers,
        request.body,
    )?;
    ensure!(
        answer.status == 200,
        "{method} {path} was answered {}: {}",
        answer.status,
        answer.body
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
    let length = request.body.len().to_string();
    let mut headers = request.headers.clone();
    if !request.body.is_empty() {
        headers.push(("content-length", &length));
    }
    for connections in [1, 64] {
        let load = |port| Load {
            port,
            requests: vec![load::message(method, &host, path, &headers, request.body)],
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
                format!("{}, c={connections}", request.name),
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
