//! The key-value store's rules: key grammar, scopes, lanes, limits and versions. Pure.

mod entry;
mod namespace;

pub use entry::{Entry, Usage};
pub use namespace::Namespace;
