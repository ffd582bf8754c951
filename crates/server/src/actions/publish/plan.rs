//! What was found out about a release: kept with it, so that it can be started again without its source being read.

use pysource::{Finding, StartPlan};
use serde::{Deserialize, Serialize};

/// The document in the release's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How to start it.
    pub start: StartPlan,
    /// Whether the gate is put around the app by a generated entry.
    pub wrapped: bool,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// What publishing changed in the source, as a unified diff.
    pub diff: String,
    /// The Python asked for, as a specifier.
    pub python: Option<String>,
    /// What is installed, as a requirements file.
    pub requirements: String,
    /// Version constraints, as a constraints file; may be empty.
    pub constraints: String,
}

impl Plan {
    /// Reads the document back; `None` for a release that never came so far.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The document as text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a plan is plain data")
    }
}
