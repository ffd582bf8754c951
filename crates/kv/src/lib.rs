//! The key-value store's rules: key grammar, scopes, lanes, limits and versions. Pure.

mod change;
mod entry;
mod key;
mod lane;
mod limits;
mod namespace;
mod value;

pub use change::{AppendError, Appended, IncrementError, Number, append, increment};
pub use entry::{Entry, Usage};
pub use key::{Key, KeyError, Prefix, Scope, near_miss};
pub use lane::{Deed, Door, Home, Lane, ViewerRequired, resolve};
pub use limits::Limits;
pub use namespace::Namespace;
pub use value::{MAXIMUM_DEPTH, ValueError, check_value};
