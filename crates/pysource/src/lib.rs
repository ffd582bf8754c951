//! Reads and rewrites the Python source of a `FastAPI` project: finds the app, says what will not work
//! here, wires the gate in and lists what has to be installed.
//!
//! Everything works on values: a project is a map from path to bytes and the results are values too.
//! The user's folder is never touched; there is no HTTP, database, clock or process here.
//!
//! The usual order is [`classify`] → [`check`] → [`rewrite`] and [`dependencies`]; [`wrap_entry`] is
//! the fallback for an app that turns out ungated when it runs.

mod checks;
mod classify;
mod deps;
mod dropped;
mod finding;
mod graph;
mod module;
mod names;
mod outcome;
mod parse;
mod project;
mod resolve;
mod rewrite;
mod text;
mod wiring;

pub use checks::check;
pub use classify::{Options, classify};
pub use deps::dependencies;
pub use dropped::DROPPED;
pub use finding::{Finding, Severity, sort};
pub use outcome::{
    Binding, Classified, DependencySet, DependencySource, FoundBy, PythonRequest, PythonVersion,
    Rewritten, StartPlan,
};
pub use project::Project;
pub use rewrite::{rewrite, wrap_entry};
