//! What a feed shows of itself to those who check tokens and to those who watch it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{Clock, Standing, messages::Refused};

/// Never, as a reading of the clock.
const NEVER: u64 = u64::MAX;

/// How a feed goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedStatus {
    /// What it is doing.
    pub state: FeedState,
    /// Whether everything was told but for the last moments.
    pub is_current: bool,
    /// For how long something may have happened that was not told.
    pub staleness: Duration,
    /// How often it was connected.
    pub connections: u64,
    /// Messages that ended tokens.
    pub applied: u64,
    /// How often the issuer could not tell what was missed.
    pub gaps: u64,
    /// Messages that were not believed: without a signature, with a wrong one, or not readable.
    pub refused: u64,
    /// Why the last one of them was not.
    pub last_refused: Option<Refused>,
    /// How many things the table keeps.
    pub entries: usize,
}

/// What a feed is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedState {
    /// It connects.
    Connecting,
    /// It reads what was missed.
    CatchingUp,
    /// It hears of everything as it happens.
    Following,
    /// The connection ended or could not be made; it tries again by itself.
    Trouble(Trouble),
}

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The issuer cannot be reached, or did not answer in time.
    #[error("the issuer cannot be reached")]
    Unreachable,
    /// There was a connection, but no TLS on it.
    #[error(
        "there is no secure connection to the issuer; check its certificate, the trusted roots and the address"
    )]
    Insecure,
    /// The issuer does not take this service's credential, or it lacks the scope `event-stream` (401, 403).
    #[error(
        "the issuer does not let this service listen: check its credential, and that it has the scope event-stream"
    )]
    Refused,
    /// The issuer has no event stream at this address, or it is switched off (404).
    #[error("the issuer has no event stream at this address")]
    Disabled,
    /// Another answer than a stream's.
    #[error("the issuer answered with status {0} where the event stream should be")]
    Status(u16),
    /// The answer is no event stream.
    #[error("what the issuer sent is no event stream")]
    NoStream,
    /// The stream ended.
    #[error("the event stream ended")]
    Ended,
    /// Nothing came for too long.
    #[error("the event stream is silent")]
    Silent,
    /// A line or a frame was longer than may be.
    #[error("the event stream has a line or a frame that is too long")]
    TooLong,
}

impl Trouble {
    /// Whether somebody has to mend it, a wrong credential or address: that is no outage, which passes by itself.
    pub const fn is_mistake(self) -> bool {
        match self {
            Self::Insecure | Self::Refused | Self::Disabled | Self::NoStream => true,
            Self::Status(status) => !matches!(status, 408 | 429 | 500..=599),
            Self::Unreachable | Self::Ended | Self::Silent | Self::TooLong => false,
        }
    }

    /// A name for metrics: one word in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Insecure => "insecure",
            Self::Refused => "refused",
            Self::Disabled => "disabled",
            Self::Status(_) => "status",
            Self::NoStream => "no_stream",
            Self::Ended => "ended",
            Self::Silent => "silent",
            Self::TooLong => "too_long",
        }
    }
}

impl FeedState {
    /// A name for metrics: one word in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::CatchingUp => "catching_up",
            Self::Following => "following",
            Self::Trouble(trouble) => trouble.name(),
        }
    }
}

/// What reader and feed share.
#[derive(Debug)]
pub(super) struct Shared {
    clock: Clock,
    standing: Arc<Standing>,
    started_at: Duration,
    /// When everything was told, by the clock's monotonic reading in microseconds.
    current_at: AtomicU64,
    /// For how long after that it is current, in microseconds.
    tolerance: AtomicU64,
    told: Mutex<Told>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Told {
    state: FeedState,
    connections: u64,
    applied: u64,
    gaps: u64,
    refused: u64,
    last_refused: Option<Refused>,
    /// What was logged last, so that it is logged once.
    complained_of: Option<Trouble>,
}

impl Shared {
    pub(super) fn new(clock: Clock, standing: Arc<Standing>) -> Self {
        Self {
            started_at: clock.monotonic(),
            clock,
            standing,
            current_at: AtomicU64::new(NEVER),
            tolerance: AtomicU64::new(0),
            told: Mutex::new(Told {
                state: FeedState::Connecting,
                connections: 0,
                applied: 0,
                gaps: 0,
                refused: 0,
                last_refused: None,
                complained_of: None,
            }),
            changed: watch::Sender::new(()),
        }
    }

    pub(super) fn staleness(&self) -> Duration {
        let since = match self.current_at.load(Ordering::Acquire) {
            NEVER => self.started_at,
            at => Duration::from_micros(at),
        };
        self.clock.monotonic().saturating_sub(since)
    }

    pub(super) fn is_current(&self) -> bool {
        let tolerance = self.tolerance.load(Ordering::Acquire);
        tolerance > 0 && self.staleness() <= Duration::from_micros(tolerance)
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds(self) {
            // The sender lives as long as we do.
            let _ = changed.changed().await;
        }
    }

    pub(super) fn status(&self) -> FeedStatus {
        let entries = self.standing.len();
        let told = self.told();
        FeedStatus {
            state: told.state,
            is_current: self.is_current(),
            staleness: self.staleness(),
            connections: told.connections,
            applied: told.applied,
            gaps: told.gaps,
            refused: told.refused,
            last_refused: told.last_refused,
            entries,
        }
    }

    pub(super) fn state(&self) -> FeedState {
        self.told().state
    }

    pub(super) fn connecting(&self) {
        // What went wrong stays to be seen until it is mended.
        if self.told().complained_of.is_none() {
            self.enter(FeedState::Connecting);
        }
    }

    pub(super) fn connected(&self) {
        self.told().connections += 1;
        self.enter(FeedState::CatchingUp);
    }

    /// Everything until now was told; heartbeats come so often that this holds for so long.
    pub(super) fn current(&self, tolerance: Duration) {
        self.current_at
            .store(micros(self.clock.monotonic()), Ordering::Release);
        self.tolerance.store(micros(tolerance), Ordering::Release);
        let complained_of = self.told().complained_of.take();
        if complained_of.is_some() {
            tracing::info!("the event stream is followed again");
        }
        self.enter(FeedState::Following);
    }

    pub(super) fn broken(&self, trouble: Trouble) {
        // Whatever happens from now on is heard of later.
        let tolerance = micros(super::TOLERATED_BREAK);
        self.tolerance.fetch_min(tolerance, Ordering::AcqRel);
        if self.told().complained_of.replace(trouble) != Some(trouble) {
            tracing::warn!(%trouble, "the event stream is not followed; trying again");
        }
        self.enter(FeedState::Trouble(trouble));
    }

    pub(super) fn applied(&self) {
        self.told().applied += 1;
        self.changed.send_replace(());
    }

    pub(super) fn gap(&self) {
        self.told().gaps += 1;
        tracing::info!("the issuer cannot tell what was missed; tokens are asked about anew");
        self.changed.send_replace(());
    }

    pub(super) fn refused(&self, why: Refused) {
        let mut told = self.told();
        told.refused += 1;
        let is_news = told.last_refused.replace(why) != Some(why);
        drop(told);
        if is_news {
            tracing::warn!(%why, "a message of the event stream is not believed");
        }
        self.changed.send_replace(());
    }

    fn enter(&self, state: FeedState) {
        self.told().state = state;
        self.changed.send_replace(());
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(NEVER - 1)
}
