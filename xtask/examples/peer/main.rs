//! What `cargo xtask bench` measures against and with: a load generator, a bare handler, bare password hashing.
//!
//! A program of its own because all of it must be built as optimized as the server that it is compared with.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its terminal"
)]

mod bare;
mod load;
mod passwords;

use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: peer load ADDRESS REQUESTS CONNECTIONS SECONDS PACE\n       \
                     peer bare ADDRESS ANSWER\n       peer passwords THREADS SECONDS";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["load", address, requests, connections, seconds, pace] => {
            let plan = load::Plan {
                address: address.parse().expect("an address with a port"),
                requests: load::read_requests(requests),
                connections: number(connections),
                duration: Duration::from_secs(number(seconds)),
                pace: number(pace),
            };
            println!("{}", load::run(&plan));
        }
        ["bare", address, answer] => bare::run(address, answer),
        ["passwords", threads, seconds] => {
            println!("{}", passwords::run(number(threads), number(seconds)));
        }
        _ => panic!("{USAGE}"),
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect(USAGE)
}
