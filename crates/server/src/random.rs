//! The one source of randomness.

use jiff::Timestamp;

/// Fresh random bytes from the operating system's generator.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// What an id of the `ids` crate is made from: Unix milliseconds and random bytes.
pub fn id_parts(now: Timestamp) -> (u64, [u8; 10]) {
    (u64::try_from(now.as_millisecond()).unwrap_or(0), bytes())
}
