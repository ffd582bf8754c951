//! Reads and rewrites the Python source of a FastAPI project: finds the app, says what will not work
//! here, wires the gate in and lists what has to be installed.
//!
//! Everything works on values: a project is a map from path to bytes and the results are values too.
//! The user's folder is never touched; there is no HTTP, database, clock or process here.
//!
//! The usual order is [`classify`] → [`check`] → [`rewrite`] and [`dependencies`].

mod classify;
mod finding;
mod outcome;
mod project;

pub use classify::{Options, classify};
pub use finding::{Finding, Severity, sort};
pub use outcome::{
    Binding, Classified, DependencySet, DependencySource, FoundBy, PythonRequest, PythonVersion,
    Rewritten, StartPlan,
};
pub use project::Project;

/// Reports everything in the project that will not work, or not work well, once published.
///
/// Findings are sorted by file and line. Those in files the entry does not reach are at most info.
pub fn check(project: &Project, classified: &Classified) -> Vec<Finding> {
    let _ = (project, classified);
    Vec::new()
}

/// Wires the gate into the app and adds the generated files.
///
/// `dropped` are the platform's Python files as (name, contents without marker). Every byte the
/// rewrite does not have to change stays as it was; rewriting its own output changes nothing.
pub fn rewrite(project: &Project, classified: &Classified, dropped: &[(&str, &str)]) -> Rewritten {
    let _ = dropped;
    wrap_entry(project, classified)
}

/// The fallback when the rewritten app turns out not to be gated: leaves the user's files alone and
/// serves a generated entry module that wraps the served object.
pub fn wrap_entry(project: &Project, classified: &Classified) -> Rewritten {
    let _ = project;
    Rewritten {
        files: std::collections::BTreeMap::new(),
        start: classified.start(),
        diff: String::new(),
        findings: Vec::new(),
        wrapped: true,
    }
}

/// Lists what has to be installed for the app, from the best source the project has.
pub fn dependencies(project: &Project, classified: &Classified) -> DependencySet {
    let _ = project;
    DependencySet {
        source: classified.dependency_source,
        requirements: String::new(),
        constraints: String::new(),
        python: classified.python.clone(),
        lock: None,
        additions: Vec::new(),
        findings: Vec::new(),
    }
}
