//! The one writer thread, with group commit.
//!
//! Jobs that wait are taken together, up to [`BATCH`], into one transaction and paid for with one fsync. Each job has
//! a savepoint of its own, so a job that fails is undone alone. Nobody hears anything before the `COMMIT` is durable;
//! if it fails, nobody's change was kept and everybody hears that.

use std::{cell::Cell, ops::ControlFlow, sync::Arc, thread};

use tokio::sync::{mpsc, oneshot};

use super::{
    guarded,
    keeper::{Keeper, OVERGROWN},
};
use crate::{
    Error, Tx,
    storage::{Head, LogEnd},
    tx::Connection,
};

/// Most jobs in one transaction.
const BATCH: usize = 256;
/// Most jobs that wait; who comes after waits to be let in.
const QUEUE: usize = 1024;

/// The sending end of the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Message>,
}

enum Message {
    Job(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

/// A closure and whoever waits for its result.
trait Job: Send {
    /// Nobody waits any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the closure; whether its changes shall stay.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Tells the result, or why there is none.
    fn tell(self: Box<Self>, committed: Result<(), Error>);
}

struct Work<F, T, E> {
    closure: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Work<F, T, E>
where
    T: Send,
    E: From<Error> + Send,
    F: FnMut(&mut Tx) -> Result<T, E> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, tx: &mut Tx) -> bool {
        let result = guarded(tx, &mut self.closure);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn tell(self: Box<Self>, committed: Result<(), Error>) {
        let result = match committed {
            Ok(()) => self.result.unwrap_or_else(|| Err(Error::Closed.into())),
            Err(error) => Err(error.into()),
        };
        // Whoever waited may have gone.
        let _ = self.reply.send(result);
    }
}

impl Writer {
    pub(super) fn start(tx: Tx, keeper: Tx, head: Arc<LogEnd>) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let keeper = Keeper::start(keeper, Arc::clone(&head))?;
        let serve = move || {
            Serving {
                tx,
                queue,
                keeper,
                head,
            }
            .run();
        };
        thread::Builder::new()
            .name("storage-writer".into())
            .spawn(serve)
            .map_err(|error| Error::Unavailable {
                problem: format!("cannot start a thread: {error}"),
            })?;
        Ok(Self { jobs })
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnMut(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Message::Job(Box::new(Work {
            closure: work,
            result: None,
            reply,
        }));
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// Lets all jobs finish that were queued before, then checkpoints and ends the thread.
    pub(super) async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.jobs.send(Message::Stop(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

thread_local! {
    /// Pages in the write-ahead log after the last commit of this thread.
    static LOG_PAGES: Cell<u32> = const { Cell::new(0) };
}

struct Serving {
    tx: Tx,
    queue: mpsc::Receiver<Message>,
    keeper: Keeper,
    head: Arc<LogEnd>,
}

impl Serving {
    fn run(mut self) {
        if let Connection::Sqlite(connection) = &self.tx.connection {
            connection.wal_hook(Some(|_, pages| {
                LOG_PAGES.set(u32::try_from(pages).unwrap_or_default());
                Ok(())
            }));
        }
        let waiting = loop {
            let next = match self.queue.blocking_recv() {
                Some(Message::Job(first)) => self.batch(first),
                Some(Message::Stop(done)) => ControlFlow::Break(Some(done)),
                None => ControlFlow::Break(None),
            };
            if let ControlFlow::Break(waiting) = next {
                break waiting;
            }
        };
        self.keeper.stop();
        if let Err(error) = self.checkpoint_at_end() {
            tracing::warn!(%error, "could not checkpoint at the end; the next start will");
        }
        self.queue.close();
        drop(self.tx);
        if let Some(done) = waiting {
            let _ = done.send(());
        }
    }

    /// Runs one transaction of the first job and all that wait; breaks, with whom to tell, when it is time to stop.
    fn batch(&mut self, first: Box<dyn Job>) -> ControlFlow<Option<oneshot::Sender<()>>> {
        let mut stop = ControlFlow::Continue(());
        let mut ran: Vec<Box<dyn Job>> = Vec::new();
        let mut latest = None;
        let mut next = Some(first);
        let mut outcome = self.tx.control("BEGIN IMMEDIATE");
        while let Some(mut job) = next.take() {
            if outcome.is_ok() && !job.is_abandoned() {
                outcome = self.one(&mut *job, &mut latest);
            }
            ran.push(job);
            // After a failure of the whole, the jobs that wait get a transaction of their own.
            if outcome.is_ok() && ran.len() < BATCH {
                match self.queue.try_recv() {
                    Ok(Message::Job(job)) => next = Some(job),
                    Ok(Message::Stop(done)) => stop = ControlFlow::Break(Some(done)),
                    Err(_) => {}
                }
            }
        }
        let outcome = outcome.and_then(|()| self.tx.control("COMMIT"));
        if outcome.is_err() && !self.is_autocommit() {
            // Cannot fail in a way that keeps anything: what is not committed is gone at the latest with the process.
            let _ = self.tx.control("ROLLBACK");
        }
        metrics::histogram!("storage_write_batch_jobs")
            .record(u32::try_from(ran.len()).unwrap_or(u32::MAX));
        if let (Ok(()), Some(seq)) = (&outcome, latest) {
            Head::advance(&self.head, seq);
        }
        for job in ran {
            job.tell(outcome.clone());
        }
        self.tend_log();
        stop
    }

    /// Runs one job in its savepoint. An error concerns the whole batch.
    fn one(&mut self, job: &mut dyn Job, latest: &mut Option<u64>) -> Result<(), Error> {
        self.tx.reset();
        self.tx.control("SAVEPOINT job")?;
        let keep = job.run(&mut self.tx);
        if self.is_autocommit() {
            // Some failures, a full disk among them, make SQLite roll back everything on its own.
            return Err(self.tx.take_cause().unwrap_or(Error::DiskFull));
        }
        if keep {
            *latest = self.tx.last_event().or(*latest);
        } else {
            self.tx.control("ROLLBACK TO job")?;
        }
        self.tx.control("RELEASE job")
    }

    /// Copies the log into the database and empties it, unless others are in the way: this may be a command beside a
    /// running server, which must not wait for it. What is left the server's own checkpoints copy, or the next start.
    fn checkpoint_at_end(&mut self) -> Result<(), Error> {
        // First without any lock that writers need, so that the second has next to nothing to copy under theirs.
        self.control_rows("PRAGMA wal_checkpoint(PASSIVE)")?;
        if let Connection::Sqlite(connection) = &self.tx.connection {
            connection
                .busy_handler(None)
                .map_err(|error| Error::from_sqlite(&error))?;
        }
        self.control_rows("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    fn is_autocommit(&self) -> bool {
        match &self.tx.connection {
            Connection::Sqlite(connection) => connection.is_autocommit(),
            Connection::Postgres { .. } => true,
        }
    }

    /// Wakes the keeper when the write-ahead log has grown. Under unbroken load the log never comes to an end that
    /// would let it start over, so when it has grown far too long this thread, which alone can hold the writers back,
    /// makes it start over itself.
    fn tend_log(&mut self) {
        let pages = LOG_PAGES.get();
        self.keeper.tell(pages);
        if pages >= OVERGROWN && self.keeper.has_caught_up(pages) {
            if let Err(error) = self.control_rows("PRAGMA wal_checkpoint(RESTART)") {
                tracing::warn!(%error, "could not restart the write-ahead log");
            }
            LOG_PAGES.set(0);
        }
    }

    /// Runs a pragma that answers with rows.
    fn control_rows(&mut self, sql: &'static str) -> Result<(), Error> {
        match &self.tx.connection {
            Connection::Sqlite(connection) => connection
                .query_row(sql, [], |_| Ok(()))
                .map_err(|error| Error::from_sqlite(&error)),
            Connection::Postgres { .. } => Ok(()),
        }
    }
}
