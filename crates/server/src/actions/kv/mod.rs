//! The key-value store. Every write is durable before it is answered; changes that depend on what is there happen in one
//! transaction.

mod key;
mod value;

use apps::App;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use ids::AppId;
use kv::Entry;
use storage::{Expected, KvLimits, Put, Tx};

use crate::{Context, Error, config};

pub(crate) use key::viewer_required;
pub use key::{Access, Lane, Place};

/// Counts writes by app.
pub(crate) struct WriteRate(DefaultKeyedRateLimiter<AppId>);

impl WriteRate {
    /// Lets as many writes a second through as configured, and twice as many at once.
    pub(crate) fn new(settings: &config::Kv) -> Self {
        let rate = u32::try_from(settings.writes_per_second.get())
            .unwrap_or(u32::MAX)
            .max(1);
        let rate = std::num::NonZeroU32::new(rate).expect("at least 1");
        Self(RateLimiter::keyed(
            Quota::per_second(rate).allow_burst(rate.saturating_mul(TWICE)),
        ))
    }

    fn check(&self, app: AppId) -> Result<(), Error> {
        self.0.check_key(&app).map_err(|not_until| {
            let wait = not_until.wait_time_from(governor::clock::DefaultClock::default().now());
            Error::too_many(
                "rate_limited",
                "The app writes too fast; wait and try again.",
                wait,
            )
        })
    }
}

const TWICE: std::num::NonZeroU32 = std::num::NonZeroU32::new(2).expect("2 is not 0");

/// What is stored under a key.
pub async fn get(
    context: &Context,
    app: &App,
    lane: Lane,
    key: &str,
) -> Result<Option<Entry>, Error> {
    let Some(place) = key::resolve(app, lane, Access::Read, key)? else {
        return Ok(None);
    };
    let app = app.id;
    Ok(context
        .storage
        .read(move |tx| tx.kv().get(app, place.namespace, &place.key))
        .await?)
}

/// The keys that begin with a prefix. More than the configured number is refused, never cut.
pub async fn list(
    context: &Context,
    app: &App,
    lane: Lane,
    prefix: &str,
) -> Result<Vec<String>, Error> {
    let Some(place) = key::resolve_prefix(app, lane, prefix)? else {
        return Ok(Vec::new());
    };
    let (app, most) = (app.id, context.config.kv.list_keys.size());
    let limit = u32::try_from(most).unwrap_or(u32::MAX).saturating_add(1);
    let keys: Vec<String> = context
        .storage
        .scan(move |tx| tx.kv().list(app, place.namespace, &place.key, limit))
        .await?;
    if keys.len() > most {
        let text = format!("More than {most} keys begin with this; use a longer prefix.");
        return Err(
            Error::new(http::StatusCode::PAYLOAD_TOO_LARGE, "too_many_keys", text)
                .with("limit", most),
        );
    }
    Ok(keys)
}

/// Stores a value and gives its version.
pub async fn put(
    context: &Context,
    app: &App,
    lane: Lane,
    key: &str,
    value: &[u8],
    expected: Expected,
) -> Result<u64, Error> {
    let place = writable(context, app, lane, key)?;
    let value = value::checked(value, context.config.kv.value_bytes)?;
    let write = Write::new(context, app, place);
    context
        .storage
        .write(move |tx| write.put(tx, &value, expected))
        .await
}

/// Removes a key. One that is not there is fine.
pub async fn delete(context: &Context, app: &App, lane: Lane, key: &str) -> Result<(), Error> {
    let place = writable(context, app, lane, key)?;
    let app = app.id;
    context
        .storage
        .write(move |tx| Ok(tx.kv().delete(app, place.namespace, &place.key).map(drop)?))
        .await
}

/// Appends an item to the list under a key, which is made when there is none. Gives its length and version.
pub async fn append(
    context: &Context,
    app: &App,
    lane: Lane,
    key: &str,
    item: &[u8],
) -> Result<(usize, u64), Error> {
    let place = writable(context, app, lane, key)?;
    let item = value::checked(item, context.config.kv.value_bytes)?;
    let limit = context.config.kv.value_bytes.size();
    let write = Write::new(context, app, place);
    context
        .storage
        .write(move |tx| {
            let old = write.get(tx)?;
            let (list, length) =
                value::append(old.as_ref().map(|entry| entry.value.as_str()), &item)?;
            value::too_large(list.len(), limit)?;
            Ok((length, write.put(tx, &list, Expected::Any)?))
        })
        .await
}

/// Adds to the whole number under a key; none counts as 0. Gives the sum and the version.
pub async fn incr(
    context: &Context,
    app: &App,
    lane: Lane,
    key: &str,
    by: i64,
) -> Result<(i64, u64), Error> {
    let place = writable(context, app, lane, key)?;
    let write = Write::new(context, app, place);
    context
        .storage
        .write(move |tx| {
            let old = write.get(tx)?;
            let sum = value::incr(old.as_ref().map(|entry| entry.value.as_str()), by)?;
            Ok((sum, write.put(tx, &sum.to_string(), Expected::Any)?))
        })
        .await
}

fn writable(context: &Context, app: &App, lane: Lane, key: &str) -> Result<Place, Error> {
    let place = key::resolve(app, lane, Access::Write, key)?.ok_or_else(viewer_required)?;
    context.kv_writes.check(app.id)?;
    Ok(place)
}

/// One key to be written, and its limits.
struct Write {
    app: AppId,
    place: Place,
    limits: KvLimits,
    now: jiff::Timestamp,
}

impl Write {
    fn new(context: &Context, app: &App, place: Place) -> Self {
        let limits = KvLimits {
            keys: context.config.kv.keys.get(),
            bytes: context.config.kv.bytes.get(),
        };
        Self {
            app: app.id,
            place,
            limits,
            now: context.now(),
        }
    }

    fn get(&self, tx: &mut Tx) -> Result<Option<Entry>, Error> {
        Ok(tx
            .kv()
            .get(self.app, self.place.namespace, &self.place.key)?)
    }

    fn put(&self, tx: &mut Tx, value: &str, expected: Expected) -> Result<u64, Error> {
        let Place { namespace, key } = &self.place;
        match tx.kv().put(
            self.app,
            *namespace,
            key,
            value,
            expected,
            self.now,
            self.limits,
        )? {
            Put::Written { version } => Ok(version),
            Put::Conflict { actual } => Err(Error::new(
                http::StatusCode::CONFLICT,
                "version_conflict",
                "The value changed in the meantime; read it again.",
            )
            .with("version", actual)),
            Put::QuotaExceeded { usage } => {
                let text =
                    "The app has no room for this; delete something, or ask the operator for more.";
                Err(
                    Error::new(http::StatusCode::PAYLOAD_TOO_LARGE, "quota_exceeded", text)
                        .with("keys", usage.keys)
                        .with("bytes", usage.bytes),
                )
            }
        }
    }
}
