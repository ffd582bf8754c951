//! A load generator: one thread, kept connections, requests made beforehand. Each connection sends its next request when
//! the last one is answered, or at a steady pace.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::times::{Clock, Times};

pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// Sent in turn; each connection begins at another one.
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// Requests a second of each connection; 0 for as many as are answered.
    pub(crate) pace: u32,
}

/// Requests in a file, separated by a line `----`.
pub(crate) fn read_requests(path: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(path).expect("the file of requests can be read");
    text.split("\n----\n")
        .map(|request| request.as_bytes().to_vec())
        .collect()
}

/// Runs the plan; what was seen, as JSON.
pub(crate) fn run(plan: &Plan) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be started");
    runtime.block_on(drive(plan)).report()
}

async fn drive(plan: &Plan) -> Times {
    let begun = Instant::now();
    let clock = Clock::start(plan.duration);
    let tasks: Vec<_> = (0..plan.connections)
        .map(|number| {
            let mut requests = plan.requests.clone();
            let length = requests.len();
            requests.rotate_left(number % length);
            tokio::spawn(one(plan.address, requests, begun, clock, plan.pace))
        })
        .collect();
    let mut all = Times::new(clock);
    for task in tasks {
        all.add(task.await.expect("a connection's task ends"));
    }
    all
}

async fn one(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    begun: Instant,
    clock: Clock,
    pace: u32,
) -> Times {
    let mut times = Times::new(clock);
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut stream = connect(address).await;
    for (number, request) in (0_u32..).zip(requests.iter().cycle()) {
        if pace > 0 {
            let due = begun + Duration::from_secs(1) * number / pace;
            tokio::time::sleep_until(due.into()).await;
        }
        let before = Instant::now();
        if times.is_over(before) {
            break;
        }
        let answer = exchange(&mut stream, request, &mut buffer).await;
        times.push(before);
        times.refused += u64::from(!(200..300).contains(&answer.status));
        if answer.closes {
            stream = connect(address).await;
        }
    }
    times
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address)
        .await
        .expect("the server can be reached");
    stream.set_nodelay(true).expect("the option can be set");
    stream
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) closes: bool,
}

/// Sends a request and reads its answer, which is then in the buffer.
pub(crate) async fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> Answer {
    stream
        .write_all(request)
        .await
        .expect("the request can be sent");
    read(stream, buffer).await
}

/// Reads one answer to its end.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Answer {
    buffer.clear();
    loop {
        let count = stream
            .read_buf(buffer)
            .await
            .expect("the answer can be read");
        assert!(count > 0, "the server hung up in the middle of an answer");
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&buffer[..head]).expect("a head is ASCII");
        let status = text
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .expect("a status line begins the answer");
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let closes = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let whole = match field("content-length") {
            Some(length) => {
                let length: usize = length.parse().expect("a length is a number");
                buffer.len() >= head + 4 + length
            }
            None if field("transfer-encoding").is_some() => buffer.ends_with(b"0\r\n\r\n"),
            // 204 has no body; nothing else comes without a length here.
            None => true,
        };
        if whole {
            return Answer { status, closes };
        }
    }
}
