//! The stream of events that a publish answers with: one JSON object a line.

use serde::{Deserialize, Serialize};

/// One step of a publish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageEvent {
    /// 1, 2, 3, … within the publish.
    pub seq: u64,
    /// RFC 3339, UTC.
    pub ts: String,
    /// Which step.
    pub stage: Stage,
    /// How it stands.
    pub status: Status,
    /// For people.
    pub message: String,
    /// For programs. On [`Stage::Done`] an object with `url`, `version` and `seconds`; on a failure one with `code`
    /// (the command line's exit code), `log` (the last lines; may be empty) and `serving` (the version that goes on, or null).
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
    /// A finding of the checks, as `pysource::Finding` serialises it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<serde_json::Value>,
}

/// The steps of a publish, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The folder arrives and is unpacked.
    Upload,
    /// The app object is found.
    Classify,
    /// The source is checked against what the platform can hold.
    Check,
    /// The gate is wired into the platform's copy.
    Rewrite,
    /// Configuration is gathered.
    Config,
    /// The environment is built.
    Build,
    /// The new release starts beside the old one.
    Start,
    /// The new release is probed, the gate above all.
    Verify,
    /// Traffic moves to the new release.
    Switch,
    /// The publish is over.
    Done,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It began.
    Started,
    /// It goes on; the message says what it does.
    Progress,
    /// It succeeded.
    Ok,
    /// It succeeded with something to read.
    Warning,
    /// It failed; the publish stops and the old release keeps serving.
    Failed,
    /// It was not needed.
    Skipped,
}
