//! The Redis bus: every message to services, published on the channel that its type names.
//!
//! One server at a time publishes: it holds a lease in the database and remembers there how far it has come, so that
//! each message is published at least once, and not twice unless a server or Redis fails in between. Nothing else waits
//! for Redis: while it is away, what is to be published stays in the event log.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use storage::Event;
use token::{EventKey, event_text};

use super::messages::{self, Message};
use crate::{Context, Error, error::Chain, random};

/// The lease's name in the database.
const NAME: &str = "redis";
/// How long a server that is gone keeps others from taking over.
const LEASE: SignedDuration = SignedDuration::from_secs(15);
/// How often the lease is renewed, and looked for by servers that do not hold it.
const RENEW: Duration = Duration::from_secs(5);
/// Events read at once.
const BATCH: u32 = 200;
/// How far reading may come before it is noted, where nothing had to be published.
const UNNOTED: u64 = 1000;
/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pauses after failures, from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Publishes until the server stops.
pub(crate) async fn publish(context: Context, client: Client) {
    let holder = hex::encode(random::bytes::<8>());
    while !context.stopping.is_cancelled() {
        match hold(&context, &holder).await {
            Ok(Some(seq)) => {
                let bus = Bus {
                    key: context
                        .config
                        .issuer
                        .event_signing_key
                        .as_ref()
                        .map(EventKey::new),
                    context: &context,
                    holder: &holder,
                    client: &client,
                    connection: None,
                    published: seq,
                    noted: seq,
                    renewed_at: Instant::now(),
                };
                bus.run().await;
            }
            Ok(None) => pause(&context, RENEW).await,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "cannot ask for the lease of the Redis bus; trying again");
                pause(&context, RENEW).await;
            }
        }
    }
}

/// The place to go on from, when this server is the one to publish.
async fn hold(context: &Context, holder: &str) -> Result<Option<u64>, storage::Error> {
    let (holder, now) = (holder.to_owned(), context.now());
    let beginning = context.storage.latest_event_seq().await?;
    context
        .storage
        .write(move |tx| {
            tx.event_readers()
                .hold(NAME, &holder, beginning, now, now + LEASE)
        })
        .await
}

async fn pause(context: &Context, duration: Duration) {
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = context.stopping.cancelled() => {}
    }
}

/// The server that publishes.
struct Bus<'c> {
    context: &'c Context,
    holder: &'c str,
    client: &'c Client,
    connection: Option<MultiplexedConnection>,
    key: Option<EventKey>,
    /// Everything until here is published.
    published: u64,
    /// Everything until here is noted as published.
    noted: u64,
    renewed_at: Instant,
}

/// Why publishing goes no further for now.
enum Stuck {
    Redis(RedisError),
    Database(Error),
}

impl Bus<'_> {
    /// Publishes until the server stops or another one has taken over.
    async fn run(mut self) {
        let mut head = self.context.feed.head.subscribe();
        let mut failures = 0;
        loop {
            let published = self.published;
            let further = tokio::select! {
                further = async { head.wait_for(|head| *head > published).await.is_ok() } => further,
                () = tokio::time::sleep(RENEW) => false,
                () = self.context.stopping.cancelled() => return self.release().await,
            };
            // Before anything is published after a long pause, and in time while nothing happens.
            if self.renewed_at.elapsed() >= RENEW && !self.note().await {
                return;
            }
            if !further {
                continue;
            }
            match self.publish_next().await {
                Ok(needs_noting) => {
                    if failures > 0 {
                        tracing::info!("Redis takes events again");
                    }
                    failures = 0;
                    let is_far = self.published - self.noted > UNNOTED;
                    if (needs_noting || is_far) && !self.note().await {
                        return;
                    }
                }
                Err(stuck) => {
                    report(&stuck, failures);
                    let wait = PAUSES.0 * 2_u32.saturating_pow(failures);
                    failures = (failures + 1).min(10);
                    pause(self.context, wait.min(PAUSES.1)).await;
                }
            }
            self.measure();
        }
    }

    /// Publishes the next events, and tells whether there was something to publish.
    async fn publish_next(&mut self) -> Result<bool, Stuck> {
        let database = |error: storage::Error| Stuck::Database(error.into());
        let mut events = self
            .context
            .storage
            .events_after(self.published, BATCH)
            .await
            .map_err(database)?;
        let heard = self.context.feed.until();
        events.retain(|event| event.seq <= heard);
        let Some(first) = events.first().map(|event| event.seq) else {
            // All of them were forgotten before they could be published.
            self.missed(heard);
            return Ok(true);
        };
        if first > self.published + 1 {
            self.missed(first - 1);
        }
        let told = self
            .context
            .with_details(events)
            .await
            .map_err(Stuck::Database)?;
        let mut any = false;
        for (event, details) in told {
            let messages = messages::of(&event, details.as_ref(), self.context.feed.epoch());
            self.publish_all(&event, &messages).await?;
            any |= !messages.is_empty();
        }
        Ok(any)
    }

    async fn publish_all(&mut self, event: &Event, messages: &[Message]) -> Result<(), Stuck> {
        for message in messages {
            let text = event_text(&message.payload, self.key.as_ref());
            let sent = self.send(message.kind, &text).await;
            if let Err(error) = sent {
                self.connection = None;
                return Err(Stuck::Redis(error));
            }
            metrics::counter!("redis_published_total").increment(1);
        }
        self.published = event.seq;
        Ok(())
    }

    async fn send(&mut self, channel: &str, text: &str) -> Result<(), RedisError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE));
                let connecting = self
                    .client
                    .get_multiplexed_async_connection_with_config(&config);
                none.insert(connecting.await?)
            }
        };
        redis::cmd("PUBLISH")
            .arg(channel)
            .arg(text)
            .query_async(connection)
            .await
    }

    fn missed(&mut self, until: u64) {
        tracing::error!(
            from = self.published + 1,
            until,
            "events were forgotten before Redis took them; restart services that rely on the bus"
        );
        metrics::counter!("redis_missed_events_total").increment(until - self.published);
        self.published = until;
    }

    /// Notes how far it has come and renews the lease; `false` when another server has taken over.
    async fn note(&mut self) -> bool {
        let (holder, seq) = (self.holder.to_owned(), self.published);
        let until = self.context.now() + LEASE;
        let noted = self
            .context
            .storage
            .write(move |tx| tx.event_readers().advance(NAME, &holder, seq, until))
            .await;
        match noted {
            Ok(true) => {
                self.noted = seq;
                self.renewed_at = Instant::now();
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "cannot note what was published; it may be published again");
                pause(self.context, PAUSES.0).await;
                true
            }
        }
    }

    async fn release(mut self) {
        self.note().await;
        let holder = self.holder.to_owned();
        let released = self
            .context
            .storage
            .write(move |tx| tx.event_readers().release(NAME, &holder))
            .await;
        if let Err(error) = released {
            tracing::warn!(error = %Chain(&error), "could not let go of the Redis bus; another server takes over later");
        }
    }

    fn measure(&self) {
        let lag = self.context.feed.until().saturating_sub(self.published);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a lag is far smaller than 2^52 events"
        )]
        metrics::gauge!("redis_publish_lag_events").set(lag as f64);
    }
}

/// Logs and counts a failure.
fn report(stuck: &Stuck, failures: u32) {
    metrics::counter!("redis_publish_failures_total").increment(1);
    // Once an outage, not once an attempt.
    if failures > 0 {
        return;
    }
    match stuck {
        Stuck::Redis(error) => {
            tracing::warn!(error = %Chain(error), "Redis does not take events; they wait in the event log");
        }
        Stuck::Database(error) => {
            tracing::warn!(%error.message, "cannot read what is to be published");
        }
    }
}
