//! What this server remembers of refreshes: whose answers went out, and how many there were.
//!
//! Only the database decides which token is good. What is remembered here tells a token that came twice because its
//! first answer was lost from one whose holder was answered already.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use accounts::{attempts::Attempts, refresh::LOST_ANSWER_PATIENCE};
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::sync::MutexGuard;
use uuid::Uuid;

use crate::{Context, Error, config};

/// Requests with one token wait for each other; two different ones do so by accident only, and rarely.
const TURNS: usize = 4096;
/// Places for answers and for counts; the oldest are dropped first.
const PLACES: usize = 200_000;
/// For how long answers are gathered before they are noted, and how many are noted by one statement.
const NOTE_PAUSE: Duration = Duration::from_millis(20);
const MOST_NOTED: usize = 256;

/// What this server remembers of refreshes.
pub(crate) struct Refreshes {
    turns: Vec<tokio::sync::Mutex<()>>,
    answered: Cache<[u8; 32], ()>,
    /// Answers that are not noted in the database yet.
    unnoted: Mutex<Vec<[u8; 32]>>,
    attempts: Mutex<Attempts>,
}

/// Held while one token is being exchanged, so that its twins learn how that went.
pub(crate) struct Turn<'r> {
    refreshes: &'r Refreshes,
    digest: [u8; 32],
    _held: MutexGuard<'r, ()>,
}

impl Refreshes {
    pub(crate) fn new(settings: &config::Issuer) -> Self {
        Self {
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::new(())).collect(),
            answered: Cache::builder()
                .max_capacity(PLACES as u64)
                .time_to_live(LOST_ANSWER_PATIENCE + Duration::from_mins(1))
                .build(),
            unnoted: Mutex::new(Vec::new()),
            attempts: Mutex::new(Attempts::new(
                u32::try_from(settings.refresh_attempts.get()).unwrap_or(u32::MAX),
                settings.refresh_window.duration(),
                PLACES,
            )),
        }
    }

    /// Waits until no other request exchanges the token of this digest.
    pub(crate) async fn turn(&self, digest: [u8; 32]) -> Turn<'_> {
        let place = usize::from(u16::from_be_bytes([digest[0], digest[1]])) % TURNS;
        Turn {
            refreshes: self,
            digest,
            _held: self.turns[place].lock().await,
        }
    }

    fn unnoted(&self) -> std::sync::MutexGuard<'_, Vec<[u8; 32]>> {
        self.unnoted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt of a session or account, or says how long to wait.
    pub(crate) fn count(&self, whose: Uuid, now: Timestamp) -> Result<(), Error> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.take(whose.into_bytes(), now).map_err(|refused| {
            Error::too_many(
                "too_many_refreshes",
                "Too many refresh attempts. Try again later.",
                refused.retry_after,
            )
        })
    }
}

impl Turn<'_> {
    /// Whether the answer of an exchange of this token went out.
    pub(crate) fn is_answered(&self) -> bool {
        self.refreshes.answered.contains_key(&self.digest)
    }

    /// Notes that the answer goes out now: here at once, and soon, many together, for other servers and later starts.
    pub(crate) fn answered(self, context: &Context) {
        self.refreshes.answered.insert(self.digest, ());
        let mut unnoted = self.refreshes.unnoted();
        unnoted.push(self.digest);
        if unnoted.len() == 1 {
            let context = context.clone();
            tokio::spawn(async move {
                tokio::time::sleep(NOTE_PAUSE).await;
                let answered = std::mem::take(&mut *context.refreshes.unnoted());
                for some in answered.chunks(MOST_NOTED) {
                    let some = some.to_vec();
                    let noted = context
                        .storage
                        .write(move |tx| tx.refresh_tokens().mark_answered(&some));
                    // Without the note an answer counts as lost, and may be asked for once more.
                    if let Err(error) = noted.await {
                        tracing::debug!(%error, "could not note which refreshes were answered");
                    }
                }
            });
        }
    }
}
