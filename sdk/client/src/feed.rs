//! Follows the issuer's event stream and keeps a [`Standing`] up to date: connects, goes on from where it was, and knows at
//! every moment for how long it may have missed something.
//!
//! How quickly a stream is known to be silent depends on the issuer. Vestibule sends a heartbeat each second when asked
//! to: a feed that is current has missed nothing that is older than two seconds, and hears of most within milliseconds.
//! Other issuers of the family send one every 15 seconds whatever is asked; there it is half a minute. Both hold for
//! connections that fall silent; one that breaks is noticed at once, and after a second without it no feed is current.

mod status;

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use token::EventKey;
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, timeout_at},
};
use url::Url;

use status::Shared;
pub use status::{FeedState, FeedStatus, Trouble};

use crate::{
    ByteStream, Clock, Http, HttpError, Standing,
    messages::{self, Message},
    sse::{Frame, Item, Parser},
};

/// How often issuers that cannot be asked for another rhythm send heartbeats.
const FIXED_HEARTBEAT: Duration = Duration::from_secs(15);
/// A feed is current for so many heartbeats after the last one.
const TOLERATED_HEARTBEATS: u32 = 2;
/// The same once it is known that the connection broke.
const TOLERATED_BREAK: Duration = Duration::from_secs(1);
/// After so many heartbeats in which nothing came the stream is taken for dead.
const SILENT_HEARTBEATS: u32 = 3;
/// The pauses between attempts to connect, from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// A connection that stood for so long was a good one.
const LASTING: Duration = Duration::from_secs(5);
/// As how many failures, at most, connections count that told everything but broke before that: pauses of at most 0.8 s.
const MOST_BRIEF: u32 = 4;
/// How much of the past issuers tell at most, in seconds.
const LONGEST_LOOKBACK: u64 = 86_400;
/// The longest place that is remembered, in bytes.
const LONGEST_PLACE: usize = 1024;

/// What a feed needs to know.
#[derive(Clone)]
pub struct FeedConfig {
    /// The stream (`…/private/v1/events/stream`).
    pub url: Url,
    /// How much of the past to ask for when there is no earlier place to go on from: at least the life of an access
    /// token, at most a day. Issuers that cannot tell of the past tell from now on.
    pub lookback: Duration,
    /// How often to ask for a heartbeat, 1 to 30 seconds.
    pub heartbeat: Duration,
    /// The key that messages are signed with; where there is one, no others are believed.
    pub event_key: Option<Arc<EventKey>>,
    /// Believe messages without any signature even so, while signing is introduced. A wrong signature is never believed.
    pub accept_unsigned: bool,
    /// Called when the issuer says that something cannot be told: a signing key may have been taken out.
    pub on_gap: Option<Arc<dyn Fn() + Send + Sync>>,
    /// The time.
    pub clock: Clock,
}

impl FeedConfig {
    /// The usual settings: two hours of the past, a heartbeat each second, no key.
    pub fn new(url: Url, clock: Clock) -> Self {
        Self {
            url,
            lookback: Duration::from_hours(2),
            heartbeat: Duration::from_secs(1),
            event_key: None,
            accept_unsigned: false,
            on_gap: None,
            clock,
        }
    }

    /// The stream's address with what is asked of it. Whoever does not know these parameters passes over them.
    fn address(&self) -> Url {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("heartbeat", &self.heartbeat.as_secs().to_string())
            .append_pair(
                "since",
                &self.lookback.as_secs().min(LONGEST_LOOKBACK).to_string(),
            );
        url
    }
}

impl fmt::Debug for FeedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedConfig")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

/// A feed at work. It stops when this is dropped.
#[derive(Debug)]
pub struct Feed {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Feed {
    /// Starts to follow the stream on a runtime.
    pub fn spawn(
        mut config: FeedConfig,
        http: Http,
        standing: Arc<Standing>,
        handle: &Handle,
    ) -> Self {
        let heartbeat = config.heartbeat.as_secs().clamp(1, 30);
        config.heartbeat = Duration::from_secs(heartbeat);
        let shared = Arc::new(Shared::new(config.clock.clone(), Arc::clone(&standing)));
        let reader = Reader {
            url: config.address(),
            config,
            http,
            standing,
            shared: Arc::clone(&shared),
            place: None,
            keeps_rhythm: false,
            begun_at: None,
            current_at: None,
        };
        Self {
            shared,
            task: handle.spawn(reader.run()).abort_handle(),
        }
    }

    /// For how long something may have happened that was not told: since the last moment at which everything was known
    /// to be told, or since the start when there was none.
    pub fn staleness(&self) -> Duration {
        self.shared.staleness()
    }

    /// Whether everything was told but for what happened within the last moments. Costs an atomic and a look at the clock.
    pub fn is_current(&self) -> bool {
        self.shared.is_current()
    }

    /// Waits until it is current.
    pub async fn until_current(&self) {
        self.shared.until(Shared::is_current).await;
    }

    /// Whether there is no stream because of a mistake that somebody has to mend, by the last try.
    pub fn is_mistaken(&self) -> bool {
        matches!(self.shared.state(), FeedState::Trouble(trouble) if trouble.is_mistake())
    }

    /// Whether the issuer does not let this service listen (401, 403), as it answered last.
    pub fn is_refused(&self) -> bool {
        self.shared.state() == FeedState::Trouble(Trouble::Refused)
    }

    /// How it goes.
    pub fn status(&self) -> FeedStatus {
        self.shared.status()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task behind a feed.
struct Reader {
    config: FeedConfig,
    url: Url,
    http: Http,
    standing: Arc<Standing>,
    shared: Arc<Shared>,
    /// Where to go on from.
    place: Option<String>,
    /// Whether the issuer keeps the rhythm it is asked for, and says where its stream begins.
    keeps_rhythm: bool,
    /// From when on everything is told, when that much of the past was read; the issuer's word.
    begun_at: Option<Timestamp>,
    /// The last moment at which everything was told.
    current_at: Option<Timestamp>,
}

/// What is known of one connection.
#[derive(Debug, Clone, Copy, Default)]
struct Connection {
    /// Something came.
    has_begun: bool,
    /// What had been missed was told.
    has_caught_up: bool,
}

impl Reader {
    async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            self.shared.connecting();
            let begun = Instant::now();
            let (trouble, has_caught_up) = match self.connect().await {
                Ok(stream) => {
                    self.shared.connected();
                    let mut connection = Connection::default();
                    let trouble = self.follow(stream, &mut connection).await;
                    (trouble, connection.has_caught_up)
                }
                Err(trouble) => (trouble, false),
            };
            self.shared.broken(trouble);
            failures = match has_caught_up {
                true if begun.elapsed() >= LASTING => 0,
                // It goes on from where it was; only one that breaks again and again is to be gone easy on.
                true => (failures + 1).min(MOST_BRIEF),
                false => failures + 1,
            };
            tokio::time::sleep(pause(failures, trouble)).await;
        }
    }

    async fn connect(&self) -> Result<ByteStream, Trouble> {
        let mut headers = vec![
            ("accept", "text/event-stream"),
            ("cache-control", "no-cache"),
        ];
        if let Some(place) = &self.place {
            headers.push(("last-event-id", place));
        }
        let stream = self
            .http
            .stream(&self.url, &headers)
            .await
            .map_err(|error| match error {
                HttpError::Refused => Trouble::Refused,
                HttpError::Insecure => Trouble::Insecure,
                HttpError::Status(404) => Trouble::Disabled,
                HttpError::Status(status) => Trouble::Status(status),
                _ => Trouble::Unreachable,
            })?;
        let kind = stream.content_type().unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        // Nobody asked for it to be compressed, and compressing would hold frames back.
        let is_plain = stream
            .content_encoding()
            .is_none_or(|encoding| encoding == "identity");
        if essence.eq_ignore_ascii_case("text/event-stream") && is_plain {
            Ok(stream)
        } else {
            Err(Trouble::NoStream)
        }
    }

    /// Reads until the stream ends, and tells why it did.
    async fn follow(&mut self, mut stream: ByteStream, connection: &mut Connection) -> Trouble {
        if self.place.is_none() {
            // What happened since the last connection is not going to be told.
            self.standing.forget();
        }
        let mut parser = Parser::default();
        let mut heard_at = Instant::now();
        loop {
            // Only whole frames and comments count as life: bytes that never become one do not.
            let until = heard_at + self.heartbeat() * SILENT_HEARTBEATS;
            let piece = match timeout_at(until, stream.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(_) => return Trouble::Ended,
                Err(_) => return Trouble::Silent,
            };
            if Instant::now() > until {
                // This process was stopped for a while. What waits in the connection since then says nothing of now.
                return Trouble::Silent;
            }
            let mut bytes = piece.as_ref();
            loop {
                match parser.next(&mut bytes) {
                    Ok(Some(item)) => {
                        heard_at = Instant::now();
                        self.take(item, connection);
                    }
                    Ok(None) => break,
                    Err(_) => return Trouble::TooLong,
                }
            }
        }
    }

    fn heartbeat(&self) -> Duration {
        if self.keeps_rhythm {
            self.config.heartbeat
        } else {
            FIXED_HEARTBEAT
        }
    }

    fn take(&mut self, item: Item, connection: &mut Connection) {
        let now = self.config.clock.now();
        if !connection.has_begun {
            connection.has_begun = true;
            if self.place.is_none() {
                // The subscription stands: whatever happens from now on comes after this.
                self.begun_at = None;
                self.standing.cover_from_now(now);
            }
        }
        match item {
            Item::Comment(text) if text.starts_with("ping") => self.catch_up(connection, now),
            Item::Comment(_) => {}
            Item::Frame(frame) => {
                self.take_frame(frame, *connection, now);
                if connection.has_caught_up && !self.keeps_rhythm {
                    // An issuer that sends heartbeats only when there is nothing else to send.
                    self.catch_up(connection, now);
                }
            }
        }
    }

    /// Everything until now was told.
    fn catch_up(&mut self, connection: &mut Connection, now: Timestamp) {
        connection.has_caught_up = true;
        if let Some(from) = self.begun_at.take() {
            self.standing.cover(from);
        }
        self.current_at = Some(now);
        self.standing.age(now);
        self.shared.current(self.heartbeat() * TOLERATED_HEARTBEATS);
    }

    fn take_frame(&mut self, frame: Frame, connection: Connection, now: Timestamp) {
        if frame.event == "gap" {
            self.gap(now);
            self.place = None;
        } else if let Some(data) = &frame.data {
            let key = self.config.event_key.as_deref();
            match messages::read(data, key, self.config.accept_unsigned) {
                Ok(Message::Revocation(revocation)) => {
                    let since = if connection.has_caught_up {
                        now
                    } else {
                        self.missed_since(now)
                    };
                    self.standing
                        .apply(&revocation, frame.id.as_deref(), since, now);
                    self.shared.applied();
                }
                Ok(Message::Opened { complete_from }) => {
                    self.keeps_rhythm = true;
                    self.begun_at = complete_from;
                }
                Ok(Message::Other) => {}
                Err(refused) => {
                    // It may have been a true one: what it told is not known. The place stays where it is.
                    self.standing.forget();
                    self.standing.cover_from_now(now);
                    self.begun_at = None;
                    return self.shared.refused(refused);
                }
            }
        }
        if let Some(place) = frame.id {
            // One that cannot be sent back is none.
            let can_be_sent = !place.is_empty()
                && place.len() <= LONGEST_PLACE
                && place.bytes().all(|byte| (0x21..0x7f).contains(&byte));
            self.place = can_be_sent.then_some(place);
        }
    }

    /// Something was missed, whatever it was.
    fn gap(&mut self, now: Timestamp) {
        self.standing.forget();
        self.standing.cover_from_now(now);
        self.begun_at = None;
        self.shared.gap();
        if let Some(on_gap) = &self.config.on_gap {
            on_gap();
        }
    }

    /// Since when what is being told may have happened, while the past is made up for.
    fn missed_since(&self, now: Timestamp) -> Timestamp {
        let lookback =
            SignedDuration::try_from(self.config.lookback).unwrap_or(SignedDuration::MAX);
        let earliest = now.checked_sub(lookback).unwrap_or(Timestamp::MIN);
        self.begun_at.or(self.current_at).unwrap_or(earliest)
    }
}

/// How long to wait after so many failures in a row; somewhere between half of it and all, so that not all services come
/// back at the same moment.
fn pause(failures: u32, trouble: Trouble) -> Duration {
    let (shortest, longest) = PAUSES;
    let full = match trouble {
        // That needs an operator.
        Trouble::Refused | Trouble::Disabled | Trouble::NoStream | Trouble::Insecure => longest,
        _ => longest.min(shortest * 2_u32.saturating_pow(failures.saturating_sub(1).min(16))),
    };
    let random = u32::try_from(RandomState::new().hash_one(failures) >> 32).unwrap_or_default();
    full.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
