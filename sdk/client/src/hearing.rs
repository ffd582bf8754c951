//! How a client hears of revocations: not at all, by asking, by the issuer's event stream, or told by hand in tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch};
use url::Url;

use crate::{
    Clock, Config, ConfigError, Feed, FeedConfig, FeedState, FeedStatus, Http, RevocationSource,
    Standing, key_set::KeyCache, policy::Freshness,
};

/// For how long revocations are remembered at least, and how many of them at most (some 20 MB, 80 at worst).
const LEAST_RETENTION: Duration = Duration::from_hours(2);
const MOST_REVOCATIONS: usize = 200_000;

/// How long after the start callers wait for the feed rather than be turned away.
const SETTLING: Duration = Duration::from_secs(1);

/// How often it is looked meanwhile whether the feed shows what becomes of it.
const GLANCE: Duration = Duration::from_millis(10);

/// How the client hears of revocations.
pub(crate) enum Hearing {
    /// Not at all.
    Nothing,
    /// By asking about each token.
    Asking,
    /// From the issuer's event stream.
    Feed {
        standing: Arc<Standing>,
        feed: Arc<Feed>,
        /// Whether the feed had its time to become current after the start.
        has_settled: watch::Receiver<bool>,
    },
    /// From whoever holds the client.
    ByHand {
        standing: Arc<Standing>,
        is_stale: AtomicBool,
    },
}

impl Hearing {
    /// Begins to hear as the configuration wants. A gap in the stream makes the keys be fetched again.
    pub(crate) fn begin(
        config: &Config,
        http: &Http,
        keys: &Arc<KeyCache>,
        clock: &Clock,
        handle: &Handle,
    ) -> Result<Self, ConfigError> {
        Ok(match config.revocation {
            RevocationSource::Off => Self::Nothing,
            RevocationSource::Introspection => Self::Asking,
            RevocationSource::Feed => {
                let url = config
                    .events_url
                    .clone()
                    .ok_or(ConfigError::Missing("events_url"))?;
                Self::listening(config, url, http, keys, clock, handle)
            }
            RevocationSource::ByHand => Self::ByHand {
                standing: Arc::new(Standing::complete()),
                is_stale: AtomicBool::new(false),
            },
        })
    }

    fn listening(
        config: &Config,
        url: Url,
        http: &Http,
        keys: &Arc<KeyCache>,
        clock: &Clock,
        handle: &Handle,
    ) -> Self {
        let lookback = config.feed_lookback;
        let standing = Arc::new(Standing::new(
            lookback.max(LEAST_RETENTION),
            MOST_REVOCATIONS,
        ));
        let keys = keys.clone();
        let config = FeedConfig {
            lookback,
            event_key: config.event_key.clone(),
            accept_unsigned: config.accept_unsigned_events,
            // A signing key may have been taken out; what it signed must not pass any longer.
            on_gap: Some(Arc::new(move || keys.refresh())),
            ..FeedConfig::new(url, clock.clone())
        };
        let feed = Arc::new(Feed::spawn(config, http.clone(), standing.clone(), handle));
        let (sender, has_settled) = watch::channel(false);
        let settling = feed.clone();
        handle.spawn(async move {
            let _ = tokio::time::timeout(SETTLING, verdict(&settling)).await;
            sender.send_replace(true);
        });
        Self::Feed {
            standing,
            feed,
            has_settled,
        }
    }

    /// What was told; `None` where nothing is.
    pub(crate) const fn standing(&self) -> Option<&Arc<Standing>> {
        match self {
            Self::Nothing | Self::Asking => None,
            Self::Feed { standing, .. } | Self::ByHand { standing, .. } => Some(standing),
        }
    }

    /// Waits for the first word of a feed that has only just been started, a second at most.
    pub(crate) async fn settle(&self) {
        if let Self::Feed { has_settled, .. } = self {
            // The sender is gone without a word only when the runtime is.
            let _ = has_settled.clone().wait_for(|settled| *settled).await;
        }
    }

    /// How much the table is worth now.
    pub(crate) fn freshness(&self) -> Freshness {
        match self {
            Self::Feed { feed, .. } if feed.is_current() => Freshness::Current,
            Self::Feed { feed, .. } if feed.is_mistaken() => Freshness::Mistaken,
            Self::Feed { has_settled, .. } if !*has_settled.borrow() => Freshness::Starting,
            Self::Nothing | Self::Asking | Self::Feed { .. } => Freshness::Stale,
            Self::ByHand { is_stale, .. } if is_stale.load(Ordering::Acquire) => Freshness::Stale,
            Self::ByHand { .. } => Freshness::Current,
        }
    }

    /// Makes what was told by hand stale, or current again.
    pub(crate) fn set_stale(&self, stale: bool) {
        if let Self::ByHand { is_stale, .. } = self {
            is_stale.store(stale, Ordering::Release);
        }
    }

    /// Whether the issuer refuses our credential to the feed.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Feed { feed, .. } if feed.is_refused())
    }

    /// How the feed goes; `None` without one.
    pub(crate) fn feed_status(&self) -> Option<FeedStatus> {
        match self {
            Self::Feed { feed, .. } => Some(feed.status()),
            Self::Nothing | Self::Asking | Self::ByHand { .. } => None,
        }
    }

    /// For how long something may have happened that was not told; `None` without a feed.
    pub(crate) fn staleness(&self) -> Option<Duration> {
        match self {
            Self::Feed { feed, .. } => Some(feed.staleness()),
            Self::Nothing | Self::Asking | Self::ByHand { .. } => None,
        }
    }
}

/// Waits until it shows what becomes of a feed that was just begun.
async fn verdict(feed: &Feed) {
    while !feed.is_current() && !matches!(feed.status().state, FeedState::Trouble(_)) {
        tokio::time::sleep(GLANCE).await;
    }
}
