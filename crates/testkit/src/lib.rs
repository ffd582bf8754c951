//! A server of its own for each test: fresh data, free ports, a clock that only moves when told to.
//!
//! A dev-dependency only.

mod answer;
mod server;

pub use answer::Answer;
pub use server::{Person, TestServer};
