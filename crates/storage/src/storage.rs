//! The handle that everybody holds.

use std::{
    ops::Deref,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, task};

use crate::{
    DatabaseUrl, Error, Event, EventTail, Settings, Tx,
    engine::{postgres::Postgres, sqlite::Sqlite},
};

/// An open database. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Storage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    head: Arc<LogEnd>,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// How far the event log has come, as far as this process knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Head {
    /// The place of the latest event.
    pub(crate) seq: u64,
    /// The storage was closed.
    pub(crate) closed: bool,
}

impl Head {
    /// Wakes the tails if the log has come further.
    pub(crate) fn advance(head: &watch::Sender<Self>, seq: u64) {
        head.send_if_modified(|head| {
            let further = seq > head.seq;
            head.seq = head.seq.max(seq);
            further
        });
    }
}

/// The end of the event log: tells tails of it, and knows when it was looked for last.
#[derive(Debug, Default)]
pub(crate) struct LogEnd {
    head: watch::Sender<Head>,
    /// In milliseconds after [`BEGINNING`].
    looked_at: AtomicU64,
}

/// A moment before every look.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

impl LogEnd {
    /// Notes that everything committed when the look began is known.
    pub(crate) fn looked(&self, begun: Instant) {
        let begun = begun.saturating_duration_since(*BEGINNING).as_millis();
        let begun = u64::try_from(begun).unwrap_or(u64::MAX);
        self.looked_at.fetch_max(begun, Ordering::Release);
    }

    fn age(&self) -> Duration {
        let looked_at = Duration::from_millis(self.looked_at.load(Ordering::Acquire));
        BEGINNING.elapsed().saturating_sub(looked_at)
    }
}

impl Deref for LogEnd {
    type Target = watch::Sender<Head>;

    fn deref(&self) -> &Self::Target {
        &self.head
    }
}

impl Storage {
    /// Opens the database, making it when it is missing (SQLite) and migrating it when it is old.
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        let begun = (*BEGINNING).max(Instant::now());
        let head = Arc::new(LogEnd::default());
        let engine = match settings.url {
            DatabaseUrl::Sqlite(path) => {
                let head = Arc::clone(&head);
                let open = move || Sqlite::open(&path, settings.readers, &head);
                Engine::Sqlite(
                    task::spawn_blocking(open)
                        .await
                        .map_err(|_| Error::Panicked)??,
                )
            }
            DatabaseUrl::Postgres(url) => {
                Engine::Postgres(Postgres::open(&url, settings.connections, &head).await?)
            }
        };
        head.looked(begun);
        Ok(Self {
            shared: Arc::new(Shared { engine, head }),
        })
    }

    /// Runs a closure that reads a few rows by key, on one moment of the database.
    ///
    /// With SQLite it runs on the calling thread, in some microseconds. What may read many rows belongs into
    /// [`Storage::scan`].
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        match &self.shared.engine {
            Engine::Sqlite(engine) => engine.read(work).await,
            // On the heap: next to a round trip it costs nothing, and the other engine's futures stay small.
            Engine::Postgres(engine) => Box::pin(engine.read(work)).await,
        }
    }

    /// Like [`Storage::read`], on a blocking thread: for lists and whatever else may take longer.
    pub async fn scan<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        match &self.shared.engine {
            Engine::Sqlite(engine) => engine.scan(work).await,
            // On the heap: next to a round trip it costs nothing, and the other engine's futures stay small.
            Engine::Postgres(engine) => Box::pin(engine.read(work)).await,
        }
    }

    /// Runs a closure that may change things. Its changes are kept, all of them, if it returns `Ok`, and none
    /// otherwise. The future is ready only after they are durable.
    ///
    /// The closure may be run several times (after a collision with a concurrent one) and must therefore do nothing
    /// but work on its transaction. It should be quick: with SQLite all writes share one thread. Whether the change
    /// happens when the future is dropped before it is ready, is open.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnMut(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        match &self.shared.engine {
            Engine::Sqlite(engine) => engine.write(work).await,
            Engine::Postgres(engine) => Box::pin(engine.write(work, &self.shared.head)).await,
        }
    }

    /// Up to `limit` events after a place in the log, in order.
    pub async fn events_after(&self, seq: u64, limit: u32) -> Result<Vec<Event>, Error> {
        self.scan(move |tx| tx.events().after(seq, limit)).await
    }

    /// The place of the latest event; 0 when there is none.
    pub async fn latest_event_seq(&self) -> Result<u64, Error> {
        self.read(|tx| tx.events().latest()).await
    }

    /// How far the event log has come, as far as this process knows. No I/O.
    pub fn known_event_seq(&self) -> u64 {
        self.shared.head.borrow().seq
    }

    /// For how long there may have been events that this process does not know: since it last looked for those of
    /// other processes and nodes. It looks four times a second, so much more means that the database does not answer.
    /// No I/O.
    pub fn event_log_age(&self) -> Duration {
        self.shared.head.age()
    }

    /// Follows the event log from now on. Make the tail first and load what is cached afterwards: so nothing that
    /// happens in between is missed.
    pub fn tail(&self) -> EventTail {
        self.tail_after(self.shared.head.borrow().seq)
    }

    /// Follows the event log from after a place.
    pub fn tail_after(&self, seq: u64) -> EventTail {
        EventTail::new(self.clone(), self.shared.head.subscribe(), seq)
    }

    /// Finishes the writes that wait, checkpoints, and closes all connections. Later calls get [`Error::Closed`];
    /// tails end.
    pub async fn close(&self) {
        match &self.shared.engine {
            Engine::Sqlite(engine) => engine.close().await,
            Engine::Postgres(engine) => engine.close().await,
        }
        self.shared.head.send_modify(|head| head.closed = true);
    }
}
