//! The releases of an app, and one of them with what publishing changed.

use askama::Template;

use super::{AppHead, FileDiff, LineKind, LogLine};
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Icon, Moment},
};

/// `GET /apps/{slug}/versions`.
#[derive(Debug, Template)]
#[template(path = "versions.html")]
pub struct Versions {
    /// The layout.
    pub page: Page,
    /// The head.
    pub app: AppHead,
    /// Newest first.
    pub versions: Vec<VersionRow>,
}

/// One release.
#[derive(Debug, Clone)]
pub struct VersionRow {
    /// 1, 2, 3, …
    pub version: u32,
    /// Whether it is the one being served.
    pub live: bool,
    /// On its way through the pipeline.
    pub publishing: bool,
    /// Its build was removed to make room.
    pub pruned: bool,
    /// Where and why it failed.
    pub failure: Option<String>,
    /// Whether it can be rolled back to.
    pub can_activate: bool,
    /// Who published it.
    pub by: String,
    /// When.
    pub at: Moment,
    /// The publisher's note.
    pub message: Option<String>,
}

impl VersionRow {
    /// The tone and the word of its state.
    fn badge(&self) -> (&'static str, &'static str) {
        if self.live {
            ("good", "Live")
        } else if self.publishing {
            ("warn", "Publishing")
        } else if self.failure.is_some() {
            ("bad", "Failed")
        } else if self.pruned {
            ("plain", "Removed")
        } else {
            ("plain", "Ready")
        }
    }
}

/// `GET /apps/{slug}/versions/{version}`.
#[derive(Debug, Template)]
#[template(path = "version.html")]
pub struct Version {
    /// The layout.
    pub page: Page,
    /// The head.
    pub app: AppHead,
    /// The release.
    pub version: VersionRow,
    /// What was found out about it: `Start command`, `Python`, …
    pub facts: Vec<(&'static str, String)>,
    /// The steps of its publish, when it is not over or failed.
    pub stages: Vec<Stage>,
    /// The last lines of its build or run, when it failed.
    pub log: Vec<LogLine>,
    /// What the checks said.
    pub findings: Vec<Finding>,
    /// What publishing changed in the source.
    pub diff: Vec<FileDiff>,
}

/// One step of a publish.
#[derive(Debug, Clone)]
pub struct Stage {
    /// `Build`, `Start`, …
    pub name: String,
    /// How it stands.
    pub state: StageState,
    /// What it says.
    pub detail: String,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageState {
    /// Not begun.
    Ahead,
    /// Going on.
    Now,
    /// Over, or not needed.
    Done,
    /// The publish stopped here.
    Failed,
}

impl StageState {
    fn class(self) -> &'static str {
        match self {
            Self::Ahead => "is-ahead",
            Self::Now => "is-now",
            Self::Done => "is-done",
            Self::Failed => "is-failed",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ahead => "to do",
            Self::Now => "now",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// What a check said.
#[derive(Debug, Clone)]
pub struct Finding {
    /// For example `identity.auth-library`.
    pub rule: String,
    /// Whether it stops a publish.
    pub stops: bool,
    /// What was found.
    pub message: String,
    /// File, line and column of the user's source.
    pub place: Option<String>,
    /// The source around it.
    pub excerpt: Option<String>,
    /// How to mend it.
    pub fix: Option<String>,
}
