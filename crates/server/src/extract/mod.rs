//! Extractors: who is calling, and what they sent.

mod app;
mod app_caller;
mod body;
mod caller;
pub mod credentials;
mod private_caller;
mod token_caller;

pub use app::{OwnedApp, VisibleApp};
pub use app_caller::AppCaller;
pub use body::{Form, Json, Path, Query};
pub use caller::{Caller, MaybeCaller};
pub use private_caller::PrivateCaller;
pub use token_caller::{SuperuserToken, TokenCaller};
