//! What `cargo xtask bench` measures against and with: load generators, a bare handler, bare hashing, signing and
//! inserting.
//!
//! A program of its own because all of it must be built as optimized as the server that it is compared with.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its terminal"
)]

mod bare;
mod inserts;
mod load;
mod passwords;
mod refreshes;
mod signatures;
mod times;

use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: peer load ADDRESS REQUESTS CONNECTIONS SECONDS PACE\n       \
                     peer bare ADDRESS ANSWER\n       peer passwords THREADS SECONDS\n       \
                     peer refreshes ADDRESS HOST TOKENS SECONDS\n       peer inserts FOLDER IN_FLIGHT SECONDS\n       \
                     peer signatures ALGORITHM SECONDS";

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
        ["refreshes", address, host, tokens, seconds] => {
            let address = address.parse().expect("an address with a port");
            println!("{}", refreshes::run(address, host, tokens, number(seconds)));
        }
        ["inserts", folder, in_flight, seconds] => {
            let folder = std::path::Path::new(folder);
            println!(
                "{}",
                inserts::run(folder, number(in_flight), number(seconds))
            );
        }
        ["signatures", algorithm, seconds] => {
            println!("{}", signatures::run(algorithm, number(seconds)));
        }
        _ => panic!("{USAGE}"),
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect(USAGE)
}
