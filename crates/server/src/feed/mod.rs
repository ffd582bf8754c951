//! What services are told of lost rights, made from the event log: once for each event, however many streams are open.
//!
//! The latest of it is kept in memory; whoever was away for longer is told from the log itself. Something is passed on
//! only after this server's own caches have heard of it, so that a service which asks back gets the new answer.

pub(crate) mod bus;
pub(crate) mod details;
pub(crate) mod messages;
pub(crate) mod stream;

use std::{
    collections::VecDeque,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;
use storage::{Event, EventKind};
use token::EventKey;
use tokio::sync::{mpsc, watch};

use crate::{Context, Error, config::Config, random};
use details::Details;
use messages::{frames, gap_frame, place};

/// Most events whose frames are kept in memory.
const MOST_RECENT: usize = 1024;
/// Most events that are worked on at once.
const BATCH: usize = 500;
/// How long to wait after the database did not answer.
const RETRY: Duration = Duration::from_millis(250);

/// The feed of one server.
pub(crate) struct Feed {
    /// The name of the event log.
    epoch: OnceLock<String>,
    key: Option<EventKey>,
    recent: Mutex<Recent>,
    /// The place until which the feed has come.
    head: watch::Sender<u64>,
    inbox: mpsc::UnboundedSender<Event>,
    /// Taken by the task that makes the frames.
    waiting: Mutex<Option<mpsc::UnboundedReceiver<Event>>>,
}

/// Everything services are told of the events after one place, until another.
#[derive(Default)]
struct Recent {
    after: u64,
    until: u64,
    frames: VecDeque<(u64, Bytes)>,
}

/// What there is after a place.
enum Taken {
    /// Nothing yet.
    Nothing,
    /// Everything until a place; no text when none of it is told to services.
    Frames { text: Vec<u8>, until: u64 },
    /// It is not in memory any more: the log has it, until this place.
    InTheLog { until: u64 },
}

impl Recent {
    fn push(&mut self, told: impl IntoIterator<Item = (u64, Bytes)>, until: u64) {
        self.frames.extend(told);
        self.until = self.until.max(until);
        while self.frames.len() > MOST_RECENT {
            if let Some((seq, _)) = self.frames.pop_front() {
                self.after = seq;
            }
        }
    }

    fn take_after(&self, position: u64) -> Taken {
        if position < self.after {
            return Taken::InTheLog { until: self.after };
        }
        if position >= self.until {
            return Taken::Nothing;
        }
        let first = self.frames.partition_point(|(seq, _)| *seq <= position);
        let text = self
            .frames
            .range(first..)
            .flat_map(|(_, frame)| frame.iter().copied())
            .collect();
        Taken::Frames {
            text,
            until: self.until,
        }
    }
}

impl Feed {
    pub(crate) fn new(config: &Config) -> Self {
        let (inbox, waiting) = mpsc::unbounded_channel();
        Self {
            epoch: OnceLock::new(),
            key: config.issuer.event_signing_key.as_ref().map(EventKey::new),
            recent: Mutex::default(),
            head: watch::Sender::new(0),
            inbox,
            waiting: Mutex::new(Some(waiting)),
        }
    }

    /// Takes over events that this server's caches have heard of.
    pub(crate) fn pass(&self, events: Vec<Event>) {
        for event in events {
            // Nobody listens after the server has stopped.
            drop(self.inbox.send(event));
        }
    }

    /// The name of the event log.
    fn epoch(&self) -> &str {
        self.epoch.get().map_or("", String::as_str)
    }

    /// The place until which the feed has come.
    fn until(&self) -> u64 {
        *self.head.borrow()
    }

    fn take_after(&self, position: u64) -> Taken {
        self.lock().take_after(position)
    }

    fn push(&self, told: Vec<(u64, Bytes)>, until: u64) {
        self.lock().push(told, until);
        self.head.send_replace(until);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, seq: u64) -> String {
        place(self.epoch(), seq)
    }

    /// The frames of each event that services are told of.
    fn rendered(&self, told: Vec<(Event, Option<Details>)>) -> Vec<(u64, Bytes)> {
        let frames_of = |(event, details): (Event, Option<Details>)| {
            let place = self.place(event.seq);
            let text = if event.kind == EventKind::Unknown || is_key_gone(&event) {
                gap_frame(&place)
            } else {
                let messages = messages::of(&event, details.as_ref(), self.epoch());
                frames(&messages, &place, self.key.as_ref())
            };
            (!text.is_empty()).then(|| (event.seq, Bytes::from(text)))
        };
        told.into_iter().filter_map(frames_of).collect()
    }
}

/// Whether a signing key is in the key set no longer. When that happens before its time (it has leaked), services
/// must not believe anything they kept about tokens that it signed.
fn is_key_gone(event: &Event) -> bool {
    #[derive(Deserialize)]
    struct Change {
        state: String,
    }
    event.kind == EventKind::KeyRotated
        && serde_json::from_str::<Change>(&event.payload).is_ok_and(|change| change.state == "gone")
}

impl Context {
    /// Opens the feed at a place in the event log, and keeps it going until the server stops.
    pub(crate) async fn open_feed(&self, seen: u64) -> Result<(), storage::Error> {
        let epoch = self.epoch().await?;
        let feed = &self.feed;
        {
            let mut recent = feed.lock();
            (recent.after, recent.until) = (seen, seen);
        }
        feed.head.send_replace(seen);
        let waiting = feed
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Ok(()), Some(waiting)) = (feed.epoch.set(epoch), waiting) {
            tokio::spawn(keep(self.clone(), waiting));
        }
        Ok(())
    }

    /// The name of this database's event log: another database, another name.
    pub(crate) async fn epoch(&self) -> Result<String, storage::Error> {
        let fresh = hex::encode(random::bytes::<8>());
        self.storage
            .write(move |tx| tx.event_readers().epoch(&fresh))
            .await
    }

    /// Events with what services must know of them. Those written with it cost no read.
    pub(crate) async fn with_details(
        &self,
        events: Vec<Event>,
    ) -> Result<Vec<(Event, Option<Details>)>, Error> {
        if events.iter().all(details::is_complete) {
            let complete = |event: Event| {
                let details = details::written(&event);
                (event, details)
            };
            return Ok(events.into_iter().map(complete).collect());
        }
        let work = self.storage.scan(move |tx| {
            let mut told = Vec::with_capacity(events.len());
            for event in events {
                let details = details::of(tx, &event)?;
                told.push((event, details));
            }
            Ok::<_, storage::Error>(told)
        });
        Ok(work.await?)
    }
}

async fn keep(context: Context, mut waiting: mpsc::UnboundedReceiver<Event>) {
    loop {
        let mut events = Vec::new();
        tokio::select! {
            received = waiting.recv_many(&mut events, BATCH) => if received == 0 { return },
            () = context.stopping.cancelled() => return,
        }
        let Some(until) = events.last().map(|event| event.seq) else {
            continue;
        };
        let told = loop {
            match context.with_details(events.clone()).await {
                Ok(told) => break told,
                Err(error) => {
                    tracing::warn!(%error.message, "cannot tell services of an event; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        () = context.stopping.cancelled() => return,
                    }
                }
            }
        };
        context.feed.push(context.feed.rendered(told), until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(recent: &Recent, position: u64) -> String {
        match recent.take_after(position) {
            Taken::Nothing => "nothing".into(),
            Taken::InTheLog { until } => format!("in the log until {until}"),
            Taken::Frames { text, until } => {
                format!("{} until {until}", String::from_utf8(text).unwrap())
            }
        }
    }

    #[test]
    fn everybody_is_told_what_comes_after_their_place() {
        let mut recent = Recent {
            after: 3,
            until: 3,
            frames: VecDeque::new(),
        };
        assert_eq!(text(&recent, 3), "nothing");
        recent.push([(4, Bytes::from("four ")), (6, Bytes::from("six "))], 7);
        assert_eq!(text(&recent, 2), "in the log until 3");
        assert_eq!(text(&recent, 3), "four six  until 7");
        assert_eq!(text(&recent, 4), "six  until 7");
        assert_eq!(text(&recent, 6), " until 7");
        assert_eq!(text(&recent, 7), "nothing");
        assert_eq!(
            text(&recent, 9),
            "nothing",
            "told by a server that is ahead"
        );
    }

    #[test]
    fn memory_is_bounded_and_what_is_dropped_is_in_the_log() {
        let mut recent = Recent::default();
        for seq in 1..=3000 {
            recent.push([(seq, Bytes::from("x"))], seq);
        }
        assert_eq!(recent.frames.len(), MOST_RECENT);
        assert_eq!(
            text(&recent, 0),
            format!("in the log until {}", 3000 - 1024)
        );
        assert_eq!(text(&recent, 2998), "xx until 3000");
    }
}
