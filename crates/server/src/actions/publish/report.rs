//! Telling the publisher how it goes: each event goes to whoever is listening and into the release's build log.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use protocol::publish::{Stage, StageEvent, Status};
use pysource::Finding;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::clock::Clock;

/// Where events go.
pub struct Report {
    clock: Clock,
    listener: mpsc::UnboundedSender<StageEvent>,
    seq: u64,
    // Kept until the release has a number, and with it a folder.
    pending: Vec<StageEvent>,
    log: Option<std::fs::File>,
}

/// A stage that failed, with what the command line needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct StageFailure {
    /// Which.
    pub stage: Stage,
    /// What the person should know and do.
    pub message: String,
    /// The exit code of the command line: 3 findings, 4 build, 5 start or verify.
    pub code: u8,
    /// The last lines of the log, if there is one.
    pub log: Vec<String>,
}

impl Report {
    /// Reports to a listener. One that stops listening does not stop the publish.
    pub fn new(clock: Clock, listener: mpsc::UnboundedSender<StageEvent>) -> Self {
        Self {
            clock,
            listener,
            seq: 0,
            pending: Vec::new(),
            log: None,
        }
    }

    /// Begins the build log; what was reported before is written first. Without a log the publish goes on.
    pub fn log_to(&mut self, path: &Path) {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path);
        match file {
            Ok(file) => {
                self.log = Some(file);
                for event in std::mem::take(&mut self.pending) {
                    self.write(&event);
                }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no build log can be written");
            }
        }
    }

    /// A stage began.
    pub fn started(&mut self, stage: Stage, message: impl Into<String>) {
        self.event(stage, Status::Started, message, Value::Null, None);
    }

    /// A stage goes on.
    pub fn progress(&mut self, stage: Stage, message: impl Into<String>) {
        self.event(stage, Status::Progress, message, Value::Null, None);
    }

    /// A stage succeeded.
    pub fn ok(&mut self, stage: Stage, message: impl Into<String>) {
        self.event(stage, Status::Ok, message, Value::Null, None);
    }

    /// A stage succeeded with something to read.
    pub fn warning(&mut self, stage: Stage, message: impl Into<String>, log: &[String]) {
        self.event(
            stage,
            Status::Warning,
            message,
            json!({ "log": log.join("\n") }),
            None,
        );
    }

    /// A stage was not needed.
    pub fn skipped(&mut self, stage: Stage, message: impl Into<String>) {
        self.event(stage, Status::Skipped, message, Value::Null, None);
    }

    /// A finding of the checks.
    pub fn finding(&mut self, stage: Stage, finding: &Finding) {
        let status = if finding.is_error() {
            Status::Warning
        } else {
            Status::Progress
        };
        let value = serde_json::to_value(finding).expect("a finding is plain data");
        self.event(stage, status, finding.to_string(), Value::Null, Some(value));
    }

    /// The publish stops here; `serving` is the version that goes on.
    pub fn failed(&mut self, failure: &StageFailure, serving: Option<u32>) {
        let log = failure.log.join("\n");
        let data = json!({ "code": failure.code, "log": log, "serving": serving });
        self.event(
            failure.stage,
            Status::Failed,
            failure.message.clone(),
            data,
            None,
        );
    }

    /// The publish is over and the app can be opened.
    pub fn done(&mut self, message: impl Into<String>, data: Value) {
        self.event(Stage::Done, Status::Ok, message, data, None);
    }

    fn event(
        &mut self,
        stage: Stage,
        status: Status,
        message: impl Into<String>,
        data: Value,
        finding: Option<Value>,
    ) {
        self.seq += 1;
        let event = StageEvent {
            seq: self.seq,
            ts: self.clock.now().to_string(),
            stage,
            status,
            message: message.into(),
            data,
            finding,
        };
        if self.log.is_some() {
            self.write(&event);
        } else {
            self.pending.push(event.clone());
        }
        // Nobody listens any more: the person closed the terminal. The publish goes on.
        drop(self.listener.send(event));
    }

    fn write(&mut self, event: &StageEvent) {
        if let Some(log) = &mut self.log {
            let mut line = serde_json::to_vec(event).expect("an event is plain data");
            line.push(b'\n');
            if let Err(error) = log.write_all(&line) {
                tracing::warn!(%error, "the build log cannot be written further");
                self.log = None;
            }
        }
    }
}
