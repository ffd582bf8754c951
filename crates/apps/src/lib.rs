//! Published apps: who may open one, releases, invitations and viewers. The rules, as pure functions.

mod app;
mod invite;
mod release;

pub use app::{App, DataMode, Member, Newcomers};
pub use invite::Invite;
pub use release::{Release, ReleaseState};
