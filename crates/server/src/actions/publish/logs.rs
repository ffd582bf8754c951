//! What an app and its publishes said, in one shape for the command line and the pages.

use std::{io, path::Path};

use apps::{App, Release};
use jiff::Timestamp;
use protocol::{
    control::LogLine,
    publish::{StageEvent, Status},
};
use runtime::{AppRuntime as _, Follow, RunLog};

use super::{Origin, Plan};
use crate::Context;

/// Lines given at most.
const LINES: usize = 1000;

/// A log: what was said, and what follows.
pub struct Log {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// The lines to come, when the release runs.
    pub follow: Option<Following>,
}

/// The lines to come, as their owner should read them.
pub struct Following {
    follow: Follow,
    origin: Origin,
}

impl Following {
    /// The next line; `None` when the release has ended for good.
    pub async fn next(&mut self) -> Option<LogLine> {
        self.follow
            .next()
            .await
            .map(|next| line(&next, &self.origin))
    }
}

/// Why a log cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no such release.
    #[error("this app has no such version")]
    NoVersion,
    /// The records could not be read.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The file could not be read.
    #[error("the log could not be read")]
    Read(#[from] io::Error),
}

/// The run log, or the build log, of a release: of the named one, else the live one. The build log is by default that
/// of the newest publish, since that is the one people ask about.
pub async fn log(
    context: &Context,
    app: &App,
    version: Option<u32>,
    build: bool,
) -> Result<Log, LogError> {
    let id = app.id;
    let live = app.live_version;
    let release = context
        .storage
        .read(move |tx| -> Result<Option<Release>, storage::Error> {
            let version = match version {
                Some(version) => Some(version),
                None if build || live.is_none() => tx
                    .releases()
                    .list(id)?
                    .first()
                    .map(|release| release.version),
                None => live,
            };
            match version {
                Some(version) => tx.releases().find(id, version),
                None => Ok(None),
            }
        })
        .await?
        .ok_or(LogError::NoVersion)?;
    let version = release.version;
    let origin = Plan::parse(&release.plan)
        .map(|plan| Origin::from_diff(&plan.diff))
        .unwrap_or_default();
    let folder = context.hosting().release(app.id, version);
    if build {
        let path = folder.build_log();
        let lines = tokio::task::spawn_blocking(move || read_build_log(&path))
            .await
            .map_err(io::Error::other)??;
        return Ok(Log {
            lines,
            follow: None,
        });
    }
    let running = context
        .hosting()
        .runtime
        .find_live(app.id)
        .filter(|instance| instance.version() == version);
    if let Some(instance) = running {
        let (lines, follow) = instance.log().follow(LINES);
        return Ok(Log {
            lines: lines.into_iter().map(|said| line(&said, &origin)).collect(),
            follow: Some(Following { follow, origin }),
        });
    }
    match RunLog::read_file(&folder.run_log(), LINES).await {
        Ok(lines) => Ok(Log {
            lines: lines.into_iter().map(|said| line(&said, &origin)).collect(),
            follow: None,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Log {
            lines: Vec::new(),
            follow: None,
        }),
        Err(error) => Err(error.into()),
    }
}

fn read_build_log(path: &Path) -> io::Result<Vec<LogLine>> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // A server that was killed may have left half a line at the end.
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<StageEvent>(line).ok());
    let mut lines: Vec<LogLine> = events.flat_map(|event| event_lines(&event)).collect();
    lines.drain(..lines.len().saturating_sub(LINES));
    Ok(lines)
}

fn event_lines(event: &StageEvent) -> Vec<LogLine> {
    let level = match event.status {
        Status::Failed => "error",
        Status::Warning => "warning",
        _ => "info",
    };
    let stage = format!("{:?}", event.stage).to_lowercase();
    let log = event.data["log"].as_str().unwrap_or_default().to_owned();
    let text = std::iter::once(format!("{stage}: {}", event.message))
        .chain(log.lines().map(str::to_owned));
    text.map(|text| LogLine {
        at: event.ts.clone(),
        stream: "system".to_owned(),
        level: level.to_owned(),
        text,
    })
    .collect()
}

/// A line as it goes over the wire.
fn line(line: &runtime::LogLine, origin: &Origin) -> LogLine {
    LogLine {
        at: at(line.at),
        stream: line.stream.as_str().to_owned(),
        level: line.level.as_str().to_owned(),
        text: origin.translate(&line.text),
    }
}

fn at(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_log_cut_in_the_middle_of_a_line_can_still_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.log");
        let whole = r#"{"seq":1,"ts":"2026-01-01T00:00:00Z","stage":"build","status":"failed","message":"no","data":{"log":"a\nb"}}"#;
        std::fs::write(&path, format!("{whole}\n{}", &whole[..40])).unwrap();
        let texts: Vec<_> = read_build_log(&path)
            .unwrap()
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(texts, ["build: no", "a", "b"]);
        assert!(
            read_build_log(&folder.path().join("absent"))
                .unwrap()
                .is_empty()
        );
    }
}
