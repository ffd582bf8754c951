//! The keeper thread: checkpoints beside the writer, and an eye on commits of other processes.
//!
//! SQLite by itself checkpoints within the commit that crosses 1000 pages, and everybody who waits for that commit
//! waits for the checkpoint as well. Measured, that costs about 0.35 ms of write p99 at 16 writers on a memory file
//! system; on a disk the tail of its fsync hides the difference, see `docs/decisions/0002-sqlite-engine.md`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::open;
use crate::{
    Error, Tx,
    storage::{Head, LogEnd},
    tx::Connection,
};

/// Pages in the write-ahead log (4 KiB each) from which on it is copied into the database.
const GROWN: u32 = 1_000;
/// Pages from which on the log is made to start over, see [`super::writer`].
pub(super) const OVERGROWN: u32 = 16_000;
/// How often commits of other processes are looked for.
const POLL: Duration = Duration::from_millis(250);

/// The other end of the keeper thread.
pub(super) struct Keeper {
    wake: Option<SyncSender<()>>,
    /// Pages in the log at the end of the last checkpoint.
    copied: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(tx: Tx, head: Arc<LogEnd>) -> Result<Self, Error> {
        let (wake, woken) = sync_channel(1);
        let copied = Arc::new(AtomicU32::new(0));
        let keeping = Keeping {
            tx,
            woken,
            copied: Arc::clone(&copied),
            head,
            data_version: 0,
            looked_at: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("storage-keeper".into())
            .spawn(|| keeping.run())
            .map_err(|error| Error::Unavailable {
                problem: format!("cannot start a thread: {error}"),
            })?;
        Ok(Self {
            wake: Some(wake),
            copied,
            thread: Some(thread),
        })
    }

    /// Tells how long the log is now.
    pub(super) fn tell(&self, pages: u32) {
        // A log shorter than what was copied has started over.
        if pages < self.copied.load(Ordering::Relaxed) {
            self.copied.store(0, Ordering::Relaxed);
        }
        if pages >= self.copied.load(Ordering::Relaxed) + GROWN
            && let Some(wake) = &self.wake
        {
            // When it is full, the keeper is on its way.
            let _ = wake.try_send(());
        }
    }

    /// Whether so little of the log is left to copy that doing it in the writer's way costs little.
    pub(super) fn has_caught_up(&self, pages: u32) -> bool {
        pages.saturating_sub(self.copied.load(Ordering::Relaxed)) < GROWN
    }

    pub(super) fn stop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Keeping {
    tx: Tx,
    woken: Receiver<()>,
    copied: Arc<AtomicU32>,
    head: Arc<LogEnd>,
    data_version: i64,
    looked_at: Instant,
}

impl Keeping {
    fn run(mut self) {
        loop {
            let wait = POLL.saturating_sub(self.looked_at.elapsed());
            let result = match self.woken.recv_timeout(wait) {
                Ok(()) => self.checkpoint(),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Looked for in time also under a load that makes one checkpoint follow the other.
            let result = result.and_then(|()| {
                if self.looked_at.elapsed() < POLL {
                    return Ok(());
                }
                self.looked_at = Instant::now();
                self.look()
            });
            if let Err(error) = result {
                tracing::warn!(%error, "the database could not be looked after");
            }
        }
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        let Connection::Sqlite(connection) = &self.tx.connection else {
            return Ok(());
        };
        let copied: i64 = connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))
            .map_err(|error| Error::from_sqlite(&error))?;
        self.copied
            .store(u32::try_from(copied).unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }

    /// `data_version` changes when another connection committed: only then the log of events is looked at.
    fn look(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let Connection::Sqlite(connection) = &self.tx.connection else {
            return Ok(());
        };
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(|error| Error::from_sqlite(&error))?;
        if version != self.data_version {
            Head::advance(&self.head, open::latest_event(&mut self.tx)?);
            self.data_version = version;
        }
        self.head.looked(begun);
        Ok(())
    }
}
