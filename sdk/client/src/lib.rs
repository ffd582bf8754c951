//! The part of the SDKs that talks to the issuer: verifies access tokens with its published keys and hears of revocations.
//!
//! Framework-free: the Python SDK and the one for axum stand on the same crate.

mod claims;
mod clock;
mod config;
mod credential;
pub mod feed;
mod http;
pub mod messages;
pub mod sse;
pub mod standing;
mod verifier;

pub use claims::{Claims, Role};
pub use clock::Clock;
pub use config::{
    Config, ConfigError, FailureMode, IntrospectionVersion, KeySource, Revocation, StalePolicy,
};
pub use credential::Credential;
pub use feed::{Feed, FeedConfig, FeedState, FeedStatus};
pub use http::{Answer, ByteStream, Http, HttpError, Timeouts};
pub use standing::{Judgement, Standing};
pub use token::{Algorithm, KeySet};
pub use verifier::{Expectations, PERMISSIVE_LEEWAY, Refusal, STRICT_LEEWAY, verify};
