//! Finds the served app.

use crate::finding::{Finding, Severity};
use crate::outcome::{Classified, PythonVersion};
use crate::project::Project;

/// What the caller wishes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The entry as `module:attribute`; it wins over everything found.
    pub entry: Option<String>,
    /// The Python the app will run on; its grammar is the one that counts.
    pub python: PythonVersion,
    /// Rules waived for the whole project (those that may be).
    pub allow: Vec<String>,
}

/// Finds the object to serve.
///
/// # Errors
/// The findings that say why there is none, or why the choice is not clear.
pub fn classify(project: &Project, options: &Options) -> Result<Classified, Vec<Finding>> {
    let _ = (project, options);
    Err(vec![Finding::new(
        "runtime.entry-missing",
        Severity::Error,
        "",
        "",
        "",
    )])
}
