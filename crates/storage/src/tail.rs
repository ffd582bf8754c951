//! Following the event log.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{sync::watch, time};

use crate::{Error, Event, EventKind, Storage, storage::Head};

/// Most events given at once.
const BATCH: u32 = 500;
/// How long to wait after the database did not answer.
const RETRY: Duration = Duration::from_millis(250);

/// A reader of the event log that waits for more. Events of this process come at once, those of others within a
/// quarter of a second; each exactly once, in order, without gaps.
#[derive(Debug)]
pub struct EventTail {
    storage: Storage,
    head: watch::Receiver<Head>,
    after: u64,
}

impl EventTail {
    pub(crate) const fn new(storage: Storage, head: watch::Receiver<Head>, after: u64) -> Self {
        Self {
            storage,
            head,
            after,
        }
    }

    /// The place of the event given last.
    pub const fn position(&self) -> u64 {
        self.after
    }

    /// Waits for events and gives those that came. Empty when the storage was closed, and only then.
    ///
    /// Events that were pruned before this tail came to them are told by one of kind [`EventKind::Unknown`]. Nothing
    /// is lost when the future is dropped.
    pub async fn next(&mut self) -> Vec<Event> {
        loop {
            let after = self.after;
            match self
                .head
                .wait_for(|head| head.closed || head.seq > after)
                .await
            {
                Ok(head) if !head.closed => {}
                _ => return Vec::new(),
            }
            match self
                .storage
                .scan(move |tx| {
                    Ok::<_, Error>((tx.events().after(after, BATCH)?, tx.events().latest()?))
                })
                .await
            {
                Ok((events, latest)) => {
                    let events = bridged(events, after, latest);
                    if let Some(last) = events.last() {
                        self.after = last.seq;
                        return events;
                    }
                }
                Err(Error::Closed) => return Vec::new(),
                Err(error) => {
                    tracing::warn!(%error, "cannot read the event log; trying again");
                    time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// Puts an event of unknown kind where some are missing.
fn bridged(mut events: Vec<Event>, after: u64, latest: u64) -> Vec<Event> {
    let missing = |seq| Event {
        seq,
        at: Timestamp::UNIX_EPOCH,
        kind: EventKind::Unknown,
        subject: String::new(),
        payload: "null".into(),
    };
    match events.first().map(|event| event.seq) {
        Some(first) if first > after + 1 => events.insert(0, missing(first - 1)),
        None if latest > after => events.push(missing(latest)),
        _ => {}
    }
    events
}
