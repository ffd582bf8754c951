//! Accounts, sign-in and sessions: the rules, as pure functions of values, time and randomness.
//!
//! No I/O and no clock here. What is loaded and saved is in `storage`, what happens over HTTP in `server`.

mod account;
mod session;

pub use account::{Account, Role};
pub use session::{EndReason, Ended, RefreshToken, Session, SessionOrigin};
