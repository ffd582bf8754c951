//! Refreshes of many people at once: each sends the token of the last answer.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use crate::{
    load::{connect, exchange},
    times::{Clock, Times},
};

/// Refreshes for some seconds, beginning with the tokens in a file, where the newest are left; what was seen, as JSON.
pub(crate) fn run(address: SocketAddr, host: &str, file: &str, seconds: u64) -> String {
    let text = std::fs::read_to_string(file).expect("the file of tokens can be read");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be started");
    let clock = Clock::start(Duration::from_secs(seconds));
    let mut all = Times::new(clock);
    let mut newest = Vec::new();
    runtime.block_on(async {
        let people: Vec<_> = text
            .lines()
            .map(|token| tokio::spawn(person(address, host.to_owned(), token.to_owned(), clock)))
            .collect();
        for one in people {
            let (times, token) = one.await.expect("a person's task ends");
            all.add(times);
            newest.push(token);
        }
    });
    std::fs::write(file, newest.join("\n")).expect("the file of tokens can be written");
    all.report()
}

async fn person(
    address: SocketAddr,
    host: String,
    mut token: String,
    clock: Clock,
) -> (Times, String) {
    let mut times = Times::new(clock);
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut stream: TcpStream = connect(address).await;
    loop {
        let before = Instant::now();
        if times.is_over(before) {
            return (times, token);
        }
        let request = format!(
            "POST /user/login/refresh-token/ HTTP/1.1\r\nhost: {host}\r\ncookie: refresh_token={token}\r\n\
             content-length: 0\r\n\r\n"
        );
        let answer = exchange(&mut stream, request.as_bytes(), &mut buffer).await;
        times.push(before);
        match successor(&buffer) {
            Some(next) if answer.status == 200 => token = next,
            // Without a token there is nothing to go on with.
            _ => {
                times.refused += 1;
                return (times, token);
            }
        }
        if answer.closes {
            stream = connect(address).await;
        }
    }
}

/// The token that an answer sets.
fn successor(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, rest) = text.split_once("refresh_token=")?;
    Some(rest.split(';').next()?.to_owned())
}
