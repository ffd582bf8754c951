//! The part of the SDKs that talks to the issuer: verifies access tokens with its published keys and hears of revocations.
//!
//! Framework-free: the Python SDK and the one for axum stand on the same crate.
//!
//! A [`Client`] answers who is calling. Mostly it knows at once ([`Client::check`]): the token was verified before, and the
//! issuer's event stream told of nothing that ended it. Otherwise it finds out ([`Client::check_async`]).

mod claims;
mod client;
mod clock;
mod config;
mod credential;
pub mod feed;
mod hearing;
mod http;
mod identity;
mod introspection;
mod key_set;
pub mod messages;
mod policy;
pub mod sse;
pub mod standing;
mod statistics;
#[cfg(test)]
mod test_tokens;
mod verifier;

pub use claims::{Claims, Role};
pub use client::{Check, CheckError, Client, Unavailable};
pub use clock::Clock;
pub use config::{
    Config, ConfigError, FailureMode, IntrospectionVersion, KeySource, RevocationSource,
    StalePolicy,
};
pub use credential::Credential;
pub use feed::{Feed, FeedConfig, FeedState, FeedStatus};
pub use http::{Answer, ByteStream, Http, HttpError, Timeouts};
pub use identity::Identity;
pub use introspection::IntrospectionError;
pub use key_set::KeySetError;
pub use standing::{Judgement, Standing};
pub use statistics::Statistics;
pub use token::{Algorithm, KeySet};
pub use verifier::{Expectations, PERMISSIVE_LEEWAY, Refusal, STRICT_LEEWAY, verify};
