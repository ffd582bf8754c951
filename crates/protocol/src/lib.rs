//! Wire types and path constants of the HTTP APIs. Serde lives here and nowhere in the domain crates.

pub mod control;
pub mod issuer;
pub mod publish;
