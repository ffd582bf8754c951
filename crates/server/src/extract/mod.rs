//! Extractors: who is calling, and what they sent.

mod app;
mod body;
mod caller;
pub mod credentials;

pub use app::{OwnedApp, VisibleApp};
pub use body::{Form, Json, Path, Query};
pub use caller::{Caller, MaybeCaller};
