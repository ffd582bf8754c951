//! A server of its own for each test: fresh data, free ports, a clock that only moves when told to.
//!
//! A dev-dependency only.

mod answer;
mod mail;
mod people;
mod publishing;
mod server;
mod services;

pub use answer::Answer;
pub use mail::{MailSink, Received};
pub use people::{AppFixture, Person};
pub use publishing::{
    Published, REQUIREMENTS, pack, prepare_environment, share_environments, write_project,
};
pub use server::TestServer;
pub use services::{Heard, HeldTokens, Listener, ServiceFixture};
