//! From the answer to a logout until its frame is on the event stream.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{
    Bench, http,
    issuer::{self, PRIVATE_API_SECRET},
    server::Server,
    statistics::Spread,
    table::Row,
};

const LOGOUTS: usize = 200;
const STREAM: &str = "/user/private/v1/events/stream";

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let server = bench.server()?;
    let frames = follow(server)?;
    let mut times = Spread::default();
    for _ in 0..LOGOUTS {
        let pair = issuer::sign_in(server, &server.owner)?;
        let bearer = format!("Bearer {}", pair.access);
        let answer = http::send(
            server.port,
            "POST",
            &server.shell_host(),
            "/user/login/logout/",
            &[("authorization", &bearer)],
            "",
        )?;
        let answered = Instant::now();
        ensure!(
            answer.status == 200,
            "logging out was answered {}: {}",
            answer.status,
            answer.body
        );
        let heard = frames
            .recv_timeout(Duration::from_secs(10))
            .context("no frame came within 10 s of a logout")?;
        // A frame may be there before the answer is.
        let late = heard.saturating_duration_since(answered);
        times.push(late.as_secs_f64() * 1e3);
    }
    bench.table.add(Row::new(
        format!("from a logout's answer to its frame on the event stream, {LOGOUTS} times"),
        format!(
            "p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
            times.median(),
            times.quantile(0.99),
            times.quantile(1.0)
        ),
        "p99 < 1 s",
    ));
    Ok(())
}

/// When each frame of a revoked session came.
fn follow(server: &Server) -> Result<Receiver<Instant>> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
    write!(
        stream,
        "GET {STREAM} HTTP/1.1\r\nhost: {}\r\nx-internal-token: {PRIVATE_API_SECRET}\r\n\r\n",
        server.shell_host()
    )?;
    let mut lines = BufReader::new(stream).lines();
    let status = lines.next().context("the stream is closed at once")??;
    ensure!(
        status.contains(" 200 "),
        "the event stream answered {status}"
    );
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if line.starts_with("event: session-revoked") && sender.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
