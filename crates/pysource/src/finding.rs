//! Findings: what the checks have to say about a project, where, why and what to do instead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops the publish before anything is built.
    Error,
    /// Shown, and the publish goes on.
    Warning,
    /// Good to know.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

/// One remark about the project, placed in the user's own, unchanged source.
///
/// `Display` prints the one-line form `file:line:column severity rule  message`, which editors make
/// clickable; [`Finding::explained`] adds the reason and the remedy below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's stable name, such as `persistence.sqlite`.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// POSIX path relative to the project root; `None` when the remark is about the project as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in the original source, from 1; `None` without a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1; `None` without a place.
    #[serde(
        rename = "col",
        alias = "column",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub column: Option<u32>,
    /// What was seen, in one sentence.
    pub message: String,
    /// Why it matters on this platform, in one sentence.
    pub why: String,
    /// What to write instead, concretely.
    pub fix: String,
}

impl Finding {
    /// Starts a finding about the whole project; [`Finding::at`] gives it a place.
    #[must_use]
    pub fn new(
        rule: &str,
        severity: Severity,
        message: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            rule: rule.to_owned(),
            severity,
            file: None,
            line: None,
            column: None,
            message: message.into(),
            why: why.into(),
            fix: fix.into(),
        }
    }

    /// Places the finding; line and column count from 1, the column in characters.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32, column: u32) -> Self {
        self.file = Some(file.into());
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// Places the finding in a file without a line.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Whether the finding stops a publish.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The one-line form followed by the reason and the remedy, each on an indented line.
    pub fn explained(&self) -> String {
        format!("{self}\n    why: {}\n    fix: {}", self.why, self.fix)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => write!(f, "{file}:{line}:{column}")?,
            (Some(file), ..) => write!(f, "{file}")?,
            (None, ..) => f.write_str(".")?,
        }
        write!(f, " {} {}  {}", self.severity, self.rule, self.message)
    }
}

/// Sorts findings as they are reported: by file, line, column, then rule; exact twins are dropped.
pub fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| {
        (&a.file, a.line, a.column, &a.rule, &a.message)
            .cmp(&(&b.file, b.line, b.column, &b.rule, &b.message))
    });
    findings.dedup();
}
