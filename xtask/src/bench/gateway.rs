//! The gateway and nginx in front of the same process, and the bare forwarder and nginx in front of a fast one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{
    Bench, http,
    load::{Load, Rounds, get},
    nginx::Nginx,
    person, process,
    process::Running,
    server,
    server::Server,
    statistics::Spread,
    table::Row,
};

const ROUNDS: usize = 5;
const SECONDS: u64 = 2;

/// The gateway checks ticket, token, session, account and membership of each request; nginx is given the headers that this
/// results in and adds them, so that the app does the same work behind both.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    bench.server()?;
    let (programs, server) = (&bench.programs, bench.server.as_ref().expect("it runs"));
    let visitor = person::visit(server)?;
    let (host, token) = (server.app_host(), visitor.token.as_str());
    let cookie = format!("vestibule_viewer_token={token}");
    let headers = [("cookie", visitor.cookies.as_str())];
    let proof = http::send(server.port, "GET", &host, "/proof", &headers, "")?;
    let secret: String = serde_json::from_str(&proof.body)?;
    let nginx = Nginx::start(
        &app_socket(server)?,
        &[
            ("Host", &host),
            ("Cookie", &cookie),
            ("X-Vestibule-Gateway", &secret),
            ("X-Vestibule-Gate", "closed"),
            ("X-Vestibule-Viewer-Token", token),
            ("X-Forwarded-For", "$remote_addr"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", &host),
            ("X-Request-Id", "$request_id"),
        ],
    )?;
    let request = get(&host, "/plain/", &headers);
    for connections in [1, 64] {
        let load = |port| Load {
            port,
            requests: vec![request.clone()],
            connections,
            seconds: SECONDS,
            pace: 0,
        };
        let (mut ours, mut peer) = (Rounds::default(), Rounds::default());
        for _ in 0..ROUNDS {
            let before = server.process.cpu(false)?;
            let outcome = load(server.port).run(programs)?;
            ours.add(outcome, server.process.cpu(false)? - before);
            let before = nginx.process.cpu(true)?;
            let outcome = load(nginx.port).run(programs)?;
            peer.add(outcome, nginx.process.cpu(true)? - before);
        }
        bench.table.add(
            Row::new(
                format!("gateway with identity, Python app, c={connections}"),
                ours.show(),
                "≥ 0.80",
            )
            .against(format!("nginx {}", peer.show()))
            .ratio(&Spread::ratio(&ours.rate, &peer.rate)),
        );
    }
    Ok(())
}

/// The forwarder in a bare program and nginx, before an upstream that is not the bottleneck.
pub(super) fn measure_forwarder(bench: &mut Bench) -> Result<()> {
    let programs = &bench.programs;
    let socket = server::folder()?.join(format!("upstream-{}.sock", std::process::id()));
    let address = format!("127.0.0.1:{}", process::free_port()?);
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .context("an address has a port")?;
    let workers = std::thread::available_parallelism()?.to_string();
    let start = |arguments: &[&str]| {
        let mut command = Command::new(&programs.proxy);
        Running::start(command.args(arguments).env("WORKERS", &workers))
    };
    let path = socket.display().to_string();
    let _upstream = start(&["upstream", &path])?;
    process::wait_for("the upstream", || socket.exists())?;
    let forwarder = start(&["front", &address, &path])?;
    process::wait_for("the forwarder", || {
        std::net::TcpStream::connect(&address).is_ok()
    })?;
    let nginx = Nginx::start(&socket, &[])?;
    for connections in [1, 64] {
        let load = |port| Load {
            port,
            requests: vec![get("localhost", "/", &[])],
            connections,
            seconds: SECONDS,
            pace: 0,
        };
        let (mut ours, mut peer) = (Rounds::default(), Rounds::default());
        for _ in 0..ROUNDS {
            let before = forwarder.cpu(false)?;
            let outcome = load(port).run(programs)?;
            ours.add(outcome, forwarder.cpu(false)? - before);
            let before = nginx.process.cpu(true)?;
            let outcome = load(nginx.port).run(programs)?;
            peer.add(outcome, nginx.process.cpu(true)? - before);
        }
        bench.table.add(
            Row::new(
                format!("forwarder alone, fast upstream, c={connections}"),
                ours.show(),
                "≥ 0.80",
            )
            .against(format!("nginx {}", peer.show()))
            .ratio(&Spread::ratio(&ours.rate, &peer.rate)),
        );
    }
    let _ = std::fs::remove_file(socket);
    Ok(())
}

/// The socket on which the app listens: the newest one beside that of the store.
fn app_socket(server: &Server) -> Result<PathBuf> {
    let folder = server.home.data().join("run");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder)?.flatten() {
        let path = entry.path();
        let is_socket = path
            .extension()
            .is_some_and(|extension| extension == "sock");
        if is_socket && !path.ends_with("data.sock") {
            found.push((entry.metadata()?.modified()?, path));
        }
    }
    found.sort();
    found
        .pop()
        .map(|(_, path)| path)
        .with_context(|| format!("no app has a socket in {}", folder.display()))
}
