//! What an app prints: bounded, redacted, kept in a rotated file, and followed live.

use std::{
    collections::VecDeque,
    fs,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::broadcast,
};

use crate::{lines::Lines, redact::Redactor};

/// Lines kept in memory.
const KEPT_LINES: usize = 1000;

/// Size at which the file becomes `<name>.1`; two files make the bound of 50 MB.
const FILE_BYTES: u64 = 25 << 20;

/// Lines taken in one second; more are counted and dropped.
const LINES_PER_SECOND: u32 = 2000;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The runtime itself: starts, exits, dropped lines.
    Runtime,
}

impl Stream {
    /// Its marker in files and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "out",
            Self::Stderr => "err",
            Self::Runtime => "run",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Stdout, Self::Stderr, Self::Runtime]
            .into_iter()
            .find(|stream| stream.as_str() == name)
    }
}

/// How bad a line seems, guessed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Detail.
    Debug,
    /// The usual.
    Info,
    /// Odd.
    Warning,
    /// Wrong.
    Error,
}

impl Level {
    /// Its name in files and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(|level| level.as_str() == name)
    }

    /// Looks for the usual words near the start of a line.
    fn guess(text: &str) -> Self {
        let start: String = text.chars().take(80).collect();
        let has = |word: &str| {
            start.match_indices(word).any(|(at, _)| {
                let free = |character: Option<char>| character.is_none_or(|c| !c.is_alphanumeric());
                free(start[..at].chars().next_back())
                    && free(start[at + word.len()..].chars().next())
            })
        };
        if ["ERROR", "CRITICAL", "FATAL"].into_iter().any(has)
            || start.starts_with("Traceback (")
            || start.starts_with("killed:")
        {
            Self::Error
        } else if ["WARNING", "WARN"].into_iter().any(has) {
            Self::Warning
        } else if has("DEBUG") {
            Self::Debug
        } else {
            Self::Info
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read, UTC.
    pub at: Timestamp,
    /// Where it came from.
    pub stream: Stream,
    /// How bad it seems.
    pub level: Level,
    /// Its text without the line end, at most 8 KiB.
    pub text: String,
}

impl LogLine {
    /// Reads a line of a log file.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(4, ' ');
        let at = parts.next()?.parse().ok()?;
        let (stream, level) = (
            Stream::from_name(parts.next()?)?,
            Level::from_name(parts.next()?)?,
        );
        Some(Self {
            at,
            stream,
            level,
            text: parts.next().unwrap_or_default().to_owned(),
        })
    }
}

/// The log of one release's runs.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    redactor: Redactor,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    kept: VecDeque<LogLine>,
    lines: broadcast::Sender<LogLine>,
    file: Option<fs::File>,
    file_bytes: u64,
    second: Instant,
    taken: u32,
    dropped: u64,
}

/// New lines as they come.
#[derive(Debug)]
pub struct Follow {
    receiver: broadcast::Receiver<LogLine>,
}

impl Follow {
    /// The next line; `None` when the log is closed. A reader that is too slow loses the oldest lines.
    pub async fn next(&mut self) -> Option<LogLine> {
        loop {
            match self.receiver.recv().await {
                Ok(line) => return Some(line),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl RunLog {
    /// Appends to the file at `path`, made when missing.
    pub(crate) fn open(path: &Path, redactor: Redactor) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let file_bytes = file.metadata()?.len();
        let state = State {
            kept: VecDeque::new(),
            lines: broadcast::channel(1024).0,
            file: Some(file),
            file_bytes,
            second: Instant::now(),
            taken: 0,
            dropped: 0,
        };
        Ok(Self {
            path: path.to_owned(),
            redactor,
            state: Mutex::new(state),
        })
    }

    /// The last `count` lines, oldest first (at most 1,000 are kept in memory).
    pub fn tail(&self, count: usize) -> Vec<LogLine> {
        tail_of(&self.lock(), count)
    }

    /// The last `count` lines and, without a gap, everything after them.
    pub fn follow(&self, count: usize) -> (Vec<LogLine>, Follow) {
        let state = self.lock();
        (
            tail_of(&state, count),
            Follow {
                receiver: state.lines.subscribe(),
            },
        )
    }

    /// Reads the last `count` lines of a log file written earlier, for example by a stopped release. Looks at the last
    /// 4 MB; a file that does not exist has no lines.
    pub async fn read_file(path: &Path, count: usize) -> io::Result<Vec<LogLine>> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut file = match fs::File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                file => file?,
            };
            let length = file.metadata()?.len();
            file.seek(io::SeekFrom::Start(length.saturating_sub(4 << 20)))?;
            let mut bytes = Vec::new();
            file.take(4 << 20).read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = text.lines().filter_map(LogLine::parse).collect();
            Ok(lines[lines.len().saturating_sub(count)..].to_vec())
        })
        .await
        .map_err(io::Error::other)?
    }

    /// Adds a line of the runtime itself; such lines are never dropped.
    pub(crate) fn note(&self, level: Level, text: impl Into<String>) {
        let mut state = self.lock();
        self.append(&mut state, Stream::Runtime, level, text.into());
    }

    /// Takes everything a stream says until its end.
    pub(crate) async fn drain(&self, stream: Stream, mut reader: impl AsyncRead + Unpin) {
        let (mut lines, mut buffer) = (Lines::default(), vec![0; 16 * 1024]);
        // An error means as little as an end: there is nobody left to write.
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            lines.push(&buffer[..count], |line| self.take(stream, line));
        }
        if let Some(line) = lines.finish() {
            self.take(stream, line);
        }
        self.tell_dropped();
    }

    /// Writes down how many lines were dropped, once the flood has passed.
    pub(crate) fn tell_dropped(&self) {
        let mut state = self.lock();
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            self.append(
                &mut state,
                Stream::Runtime,
                Level::Warning,
                format!("dropped {dropped} lines"),
            );
        }
    }

    fn take(&self, stream: Stream, line: String) {
        let mut state = self.lock();
        if state.second.elapsed() >= Duration::from_secs(1) {
            state.second = Instant::now();
            state.taken = 0;
            let dropped = std::mem::take(&mut state.dropped);
            if dropped > 0 {
                self.append(
                    &mut state,
                    Stream::Runtime,
                    Level::Warning,
                    format!("dropped {dropped} lines"),
                );
            }
        }
        if state.taken >= LINES_PER_SECOND {
            state.dropped += 1;
            return;
        }
        state.taken += 1;
        let text = self.redactor.redact(line);
        let level = Level::guess(&text);
        self.append(&mut state, stream, level, text);
    }

    fn append(&self, state: &mut State, stream: Stream, level: Level, text: String) {
        let line = LogLine {
            at: now(),
            stream,
            level,
            text,
        };
        self.write(state, &line);
        if state.kept.len() == KEPT_LINES {
            state.kept.pop_front();
        }
        state.kept.push_back(line.clone());
        // Nobody may be following.
        let _ = state.lines.send(line);
    }

    fn write(&self, state: &mut State, line: &LogLine) {
        let text = format!(
            "{:.3} {} {} {}\n",
            line.at,
            line.stream.as_str(),
            line.level.as_str(),
            line.text
        );
        if state.file_bytes + text.len() as u64 > FILE_BYTES {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            state.file = fs::rename(&self.path, old)
                .and_then(|()| {
                    fs::OpenOptions::new()
                        .create(true)
                        .append(true)
                        .mode(0o600)
                        .open(&self.path)
                })
                .ok();
            state.file_bytes = 0;
        }
        // A full disk must not stop the app; the lines in memory are still there.
        if let Some(file) = &mut state.file
            && file.write_all(text.as_bytes()).is_ok()
        {
            state.file_bytes += text.len() as u64;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// When output was read. The one place where this crate reads the clock of the day.
#[expect(
    clippy::disallowed_methods,
    reason = "output comes when it comes; no caller could say when"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

fn tail_of(state: &State, count: usize) -> Vec<LogLine> {
    state
        .kept
        .iter()
        .skip(state.kept.len().saturating_sub(count))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(dir: &tempfile::TempDir, secrets: &[&str]) -> RunLog {
        RunLog::open(
            &dir.path().join("run.log"),
            Redactor::new(secrets.iter().copied()),
        )
        .unwrap()
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[tokio::test]
    async fn lines_are_kept_followed_and_read_back_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(&dir, &["hunter2hunter2"]);
        log.drain(Stream::Stdout, &b"one\nWARNING: two\n"[..]).await;
        let (before, mut follow) = log.follow(10);
        assert_eq!(texts(&before), ["one", "WARNING: two"]);
        assert_eq!(
            (before[0].level, before[1].level),
            (Level::Info, Level::Warning)
        );
        log.drain(Stream::Stderr, &b"password hunter2hunter2!"[..])
            .await;
        assert_eq!(follow.next().await.unwrap().text, "password [redacted]!");
        let read = RunLog::read_file(&dir.path().join("run.log"), 2)
            .await
            .unwrap();
        assert_eq!(texts(&read), ["WARNING: two", "password [redacted]!"]);
        assert_eq!(read[1].stream, Stream::Stderr);
        assert!(
            RunLog::read_file(&dir.path().join("none"), 2)
                .await
                .unwrap()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_flood_is_counted_and_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(&dir, &[]);
        log.drain(Stream::Stdout, "x\n".repeat(100_000).as_bytes())
            .await;
        log.drain(Stream::Stdout, vec![0xFF; 300_000].as_slice())
            .await;
        let lines = log.tail(usize::MAX);
        assert!(lines.len() <= KEPT_LINES);
        assert!(
            lines
                .iter()
                .any(|line| line.text.starts_with("dropped ") && line.stream == Stream::Runtime)
        );
        assert!(fs::metadata(dir.path().join("run.log")).unwrap().len() < 2_000_000);
    }

    #[test]
    fn a_full_file_is_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.log");
        fs::write(&path, vec![b'x'; usize::try_from(FILE_BYTES).unwrap()]).unwrap();
        log(&dir, &[]).note(Level::Info, "fresh");
        assert!(fs::metadata(&path).unwrap().len() < 100);
        assert_eq!(
            fs::metadata(dir.path().join("run.log.1")).unwrap().len(),
            FILE_BYTES
        );
    }

    #[test]
    fn levels_are_guessed_from_whole_words() {
        for (text, level) in [
            ("ERROR: x", Level::Error),
            ("2026 [CRITICAL] x", Level::Error),
            ("Traceback (most recent call last):", Level::Error),
            ("NOERRORS here", Level::Info),
            ("DEBUG x", Level::Debug),
            ("ä WARN", Level::Warning),
        ] {
            assert_eq!(Level::guess(text), level, "{text}");
        }
    }
}
