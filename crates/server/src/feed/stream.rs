//! One service's stream: from its place in the event log on, until it goes, the server stops, or its credential is
//! worth nothing any more.

use std::time::Duration;

use accounts::service::EVENT_STREAM;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{
    RETRY, Taken,
    messages::{gap_frame, opened_frame, seq_in},
};
use crate::{Context, Error, actions::services::PrivateClient};

/// Pieces that wait for a service that reads slowly.
const QUEUE: usize = 64;
/// A service that has not taken a piece for this long is cut off; it comes back and goes on from where it was.
const PATIENCE: Duration = Duration::from_secs(10);
/// By how much the clocks of the nodes that write the log may differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(1);
/// Events read from the log at once.
const BATCH: u32 = 500;
/// What says that the stream is alive and has told everything there is.
const HEARTBEAT: &str = ": ping\n\n";

/// How a stream is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'r> {
    /// The place that was told last (`Last-Event-ID`).
    pub(crate) last_event_id: Option<&'r str>,
    /// How much of the past to tell where there is no place to go on from.
    pub(crate) since: Option<SignedDuration>,
    /// How often to say that everything was told.
    pub(crate) heartbeat: Duration,
}

/// Opens a stream. With a place that was told before it goes on from there; without one it begins so long ago as was
/// asked for, or now. A place that is not in this log, or whose successors are forgotten, begins with a `gap`.
pub(crate) async fn open(
    context: &Context,
    client: PrivateClient,
    asked: Asked<'_>,
) -> Result<mpsc::Receiver<Bytes>, Error> {
    let feed = &context.feed;
    let now = feed.until();
    let resumed = match asked.last_event_id.map(|id| seq_in(feed.epoch(), id)) {
        // Another server may be ahead of this one, but not of the log.
        Some(Some(seq)) if seq > now && seq > context.storage.latest_event_seq().await? => {
            Some(None)
        }
        other => other,
    };
    let (begin, position) = match resumed {
        Some(Some(seq)) => (String::new(), seq),
        unknown => {
            let (position, complete_from) = match asked.since {
                Some(since) => begin(context, since).await?,
                None => (now, None),
            };
            let place = feed.place(position);
            let opened = opened_frame(&place, complete_from, feed.key.as_ref());
            let gap = unknown.map(|_| gap_frame(&place)).unwrap_or_default();
            (gap + &opened, position)
        }
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let stream = Stream {
        context: context.clone(),
        client,
        position,
        named: position,
        sender,
    };
    tokio::spawn(stream.run(begin, asked.heartbeat));
    Ok(receiver)
}

/// The place after which a stream begins that is to tell of the past, and from when on it is complete then.
async fn begin(
    context: &Context,
    since: SignedDuration,
) -> Result<(u64, Option<Timestamp>), Error> {
    let now = context.now();
    let wanted = now.checked_sub(since).unwrap_or(Timestamp::UNIX_EPOCH);
    let recent = context
        .storage
        .scan(move |tx| tx.events().recent(wanted, CLOCK_SKEW))
        .await?;
    // The log may be ahead of what this server has heard.
    let position = recent.first.saturating_sub(1).min(context.feed.until());
    // Of a log without its past nothing is known but that it goes on from here.
    let complete_from = recent.complete_from.unwrap_or(now + CLOCK_SKEW);
    Ok((position, Some(complete_from)))
}

struct Stream {
    context: Context,
    client: PrivateClient,
    /// Everything until here was told.
    position: u64,
    /// The place that the service knows.
    named: u64,
    sender: mpsc::Sender<Bytes>,
}

/// The stream is to end.
struct Ended;

impl Stream {
    async fn run(mut self, begin: String, heartbeat: Duration) {
        let _counted = Counted::new();
        let mut head = self.context.feed.head.subscribe();
        let mut changes = self.context.caches.changes();
        let mut beat = interval(heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopping = self.context.stopping.clone();
        if self.send(begin).await.is_err() {
            return;
        }
        loop {
            if self.tell().await.is_err() {
                return;
            }
            let going = tokio::select! {
                _ = head.changed() => Ok(()),
                _ = changes.changed() => self.check().await,
                _ = beat.tick() => self.beat().await,
                () = self.sender.closed() => Err(Ended),
                () = stopping.cancelled() => Err(Ended),
            };
            if going.is_err() {
                return;
            }
        }
    }

    /// Tells everything there is.
    async fn tell(&mut self) -> Result<(), Ended> {
        loop {
            let taken = self.context.feed.take_after(self.position);
            let is_from_the_log = matches!(taken, Taken::InTheLog { .. });
            let (text, until) = match taken {
                Taken::Nothing => return Ok(()),
                Taken::Frames { text, until } => (text, until),
                Taken::InTheLog { until } => match self.read(until).await {
                    Ok(read) => read,
                    Err(error) => {
                        tracing::warn!(%error.message, "cannot read the event log for a stream; trying again");
                        tokio::select! {
                            () = tokio::time::sleep(RETRY) => continue,
                            () = self.sender.closed() => return Err(Ended),
                            () = self.context.stopping.cancelled() => return Err(Ended),
                        }
                    }
                },
            };
            self.position = until;
            if !text.is_empty() {
                self.named = until;
                self.send(text).await?;
            } else if is_from_the_log {
                // Much of a log is not told. Whoever reads must see that it goes on, and from where.
                self.name_the_place().await?;
            }
        }
    }

    /// Frames from the log: of the next events, but none after `until`.
    async fn read(&self, until: u64) -> Result<(Vec<u8>, u64), Error> {
        let feed = &self.context.feed;
        let mut events = self
            .context
            .storage
            .events_after(self.position, BATCH)
            .await?;
        events.retain(|event| event.seq <= until);
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok((gap_frame(&feed.place(until)).into_bytes(), until));
        };
        let (first, last) = (first.seq, last.seq);
        let mut text = Vec::new();
        if first > self.position + 1 {
            text.extend(gap_frame(&feed.place(first - 1)).into_bytes());
        }
        let told = self.context.with_details(events).await?;
        for (_, frames) in feed.rendered(told) {
            text.extend_from_slice(&frames);
        }
        Ok((text, last))
    }

    /// Ends the stream of a service that was removed, or whose secret or scopes are others by now.
    async fn check(&self) -> Result<(), Ended> {
        match self.client.still_stands(&self.context, EVENT_STREAM).await {
            Ok(false) => Err(Ended),
            // It is looked again at the next change.
            Ok(true) | Err(_) => Ok(()),
        }
    }

    /// Says that everything was told, which is only known while the event log is followed.
    async fn beat(&mut self) -> Result<(), Ended> {
        if !self.context.caches.is_current() {
            return Ok(());
        }
        if self.named != self.position {
            // So that the place does not grow old while nothing happens that services are told of.
            self.name_the_place().await?;
        }
        self.send(HEARTBEAT).await
    }

    async fn name_the_place(&mut self) -> Result<(), Ended> {
        self.named = self.position;
        let place = self.context.feed.place(self.position);
        self.send(format!("id: {place}\n\n")).await
    }

    async fn send(&self, text: impl Into<Bytes>) -> Result<(), Ended> {
        deliver(&self.sender, text.into(), PATIENCE).await
    }
}

async fn deliver(
    sender: &mpsc::Sender<Bytes>,
    text: Bytes,
    patience: Duration,
) -> Result<(), Ended> {
    if text.is_empty() {
        return Ok(());
    }
    if let Ok(sent) = tokio::time::timeout(patience, sender.send(text)).await {
        return sent.map_err(|_| Ended);
    }
    metrics::counter!("event_streams_cut_off_total").increment(1);
    Err(Ended)
}

/// Counts an open stream for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("event_streams").increment(1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("event_streams").decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_does_not_read_is_cut_off() {
        let (sender, mut receiver) = mpsc::channel(2);
        for _ in 0..2 {
            assert!(deliver(&sender, Bytes::from("x"), PATIENCE).await.is_ok());
        }
        let patience = Duration::from_millis(1);
        assert!(deliver(&sender, Bytes::from("x"), patience).await.is_err());
        drop(sender);
        let mut read = 0;
        while receiver.recv().await.is_some() {
            read += 1;
        }
        assert_eq!(read, 2, "what was queued is still there, and then the end");
    }
}
