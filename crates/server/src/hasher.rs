//! Password checks: dedicated threads with reused memory behind a bounded queue, so that a storm of sign-ins neither
//! takes all memory nor delays anything else.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use argon2::Block;
use tokio::sync::oneshot;

/// Runs password checks.
#[derive(Debug, Clone)]
pub struct Hasher(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    jobs: SyncSender<Job>,
    load: Arc<Load>,
    threads: usize,
}

/// How busy the threads are.
#[derive(Debug, Default)]
struct Load {
    /// Jobs that wait or run.
    open: AtomicUsize,
    /// How long the last job took.
    last_microseconds: AtomicU64,
}

type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// The queue is full; try again after the given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins at once")]
pub struct Busy {
    /// When there will probably be room.
    pub retry_after: Duration,
}

impl Hasher {
    /// Starts the threads. They end when the last clone is dropped.
    pub fn start(threads: usize, queue: usize) -> Self {
        let (jobs, inbox) = sync_channel::<Job>(queue);
        let inbox = Arc::new(Mutex::new(inbox));
        let load = Arc::new(Load::default());
        for number in 0..threads {
            let (inbox, load) = (inbox.clone(), load.clone());
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work(&inbox, &load))
                .expect("the system gives threads at start");
        }
        Self(Arc::new(Pool {
            jobs,
            load,
            threads,
        }))
    }

    /// Runs a check on one of the threads, lending it the thread's memory, which it may grow and overwrite.
    pub async fn run<R: Send + 'static>(
        &self,
        check: impl FnOnce(&mut Vec<Block>) -> R + Send + 'static,
    ) -> Result<R, Busy> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |memory: &mut Vec<Block>| {
            // Whoever asked may have gone away while the job waited.
            if !answer.is_closed() {
                drop(answer.send(check(memory)));
            }
        });
        self.0.load.open.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.0.jobs.try_send(job)
        {
            self.0.load.open.fetch_sub(1, Ordering::Relaxed);
            metrics::counter!("hash_refused_total").increment(1);
            return Err(self.busy());
        }
        self.report();
        // A job that panicked sends no answer.
        answered.await.map_err(|_| self.busy())
    }

    fn busy(&self) -> Busy {
        let open = self.0.load.open.load(Ordering::Relaxed) as u64;
        let each = self.0.load.last_microseconds.load(Ordering::Relaxed);
        let wait = Duration::from_micros(each.saturating_mul(open) / self.0.threads.max(1) as u64);
        Busy {
            retry_after: wait.clamp(Duration::from_secs(1), Duration::from_mins(1)),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a queue has far fewer than 2^52 places"
    )]
    fn report(&self) {
        metrics::gauge!("hash_queue_length").set(self.0.load.open.load(Ordering::Relaxed) as f64);
    }
}

fn work(inbox: &Mutex<Receiver<Job>>, load: &Load) {
    let mut memory = Vec::new();
    loop {
        let job = match inbox.lock() {
            Ok(inbox) => inbox.recv(),
            Err(_) => return,
        };
        let Ok(job) = job else { return };
        let begun = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
        if outcome.is_err() {
            memory = Vec::new();
            tracing::error!("a password check panicked");
        }
        let took = begun.elapsed();
        load.open.fetch_sub(1, Ordering::Relaxed);
        load.last_microseconds.store(
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        metrics::histogram!("hash_duration_seconds").record(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_recovers() {
        let hasher = Hasher::start(1, 1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, running) = oneshot::channel();
        let first = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                hasher
                    .run(move |_| {
                        started.send(()).unwrap();
                        held.recv()
                    })
                    .await
            }
        });
        running.await.unwrap();
        let second = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.run(|_| 2).await }
        });
        while hasher.0.load.open.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        assert!(hasher.run(|_| 3).await.unwrap_err().retry_after >= Duration::from_secs(1));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(Ok(())));
        assert_eq!(second.await.unwrap(), Ok(2));
        assert_eq!(hasher.run(|_| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn a_panicking_check_leaves_the_thread_alive() {
        let hasher = Hasher::start(1, 4);
        assert!(hasher.run(|_| panic!("broken")).await.is_err());
        assert_eq!(hasher.run(|_| 1).await, Ok(1));
    }
}
