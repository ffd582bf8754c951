//! An app's output.

use askama::Template;
use jiff::{Timestamp, tz::TimeZone};

use super::AppHead;
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::Icon,
};

/// `GET /apps/{slug}/logs`.
#[derive(Debug, Template)]
#[template(path = "logs.html")]
pub struct Logs {
    /// The layout.
    pub page: Page,
    /// The head.
    pub app: AppHead,
    /// Run or build.
    pub kind: LogKind,
    /// Whose log it is.
    pub version: Option<u32>,
    /// The last lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Where more lines come from while the page is open; `None` when there will be no more.
    pub stream: Option<String>,
}

/// Which of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// Of the running app.
    Run,
    /// Of building its environment.
    Build,
}

/// One line.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// `stdout`, `stderr` or `system`.
    pub stream: String,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// The text, secrets redacted.
    pub text: String,
}

impl LogLine {
    /// How the line looks.
    pub(super) fn class(&self) -> &'static str {
        match (self.stream.as_str(), self.level.as_str()) {
            ("system", _) => "is-system",
            (_, "error") => "is-error",
            (_, "warning") => "is-warning",
            (_, "debug") => "is-debug",
            _ => "is-info",
        }
    }

    /// The time of day, UTC.
    pub(super) fn clock(&self) -> String {
        self.at
            .to_zoned(TimeZone::UTC)
            .strftime("%H:%M:%S")
            .to_string()
    }
}
