//! Extractors: who is calling, and what they sent.

mod body;
pub mod credentials;

pub use body::{Form, Json, Path, Query};
