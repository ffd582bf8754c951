//! The library behind the binary: configuration, use cases, HTTP APIs, pages and the gateway.
//!
//! `routes` is the list of everything that is served, `actions` what the routes do, `context` what they share.

pub mod actions;
pub mod api;
mod app_state;
mod by_network;
mod caches;
mod change;
pub mod clock;
pub mod config;
pub mod context;
pub mod error;
pub mod extract;
mod feed;
pub mod gateway;
pub mod hasher;
pub mod hosting;
pub(crate) mod key_use;
pub mod keys;
pub mod known_device;
pub mod mail;
mod metrics;
mod middleware;
mod outside;
mod peer;
pub mod random;
mod refreshes;
pub mod routes;
mod serve;
mod shares;
pub mod shell;
mod signer;
pub mod signing;
pub mod telemetry;
mod throttle;

pub use app_state::AppState;
pub use change::Change;
pub use config::Config;
pub use context::Context;
pub use error::Error;
pub use known_device::KnownDevice;
pub use peer::{Networks, Peer};
pub use serve::{Server, StartError, run};
