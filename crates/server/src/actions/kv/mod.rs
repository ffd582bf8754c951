//! The key-value store. Every write is durable before it is answered; changes that depend on what is there happen in one
//! transaction.

mod rate;

use apps::App;
use ids::{AppId, GroupId};
use kv::{Deed, Door, Entry, Home, Key, Lane, Namespace, Number, Prefix};
use storage::{Expected, KvLimits, Put, Tx};

use crate::{Context, Error};

pub(crate) use rate::WriteRate;

/// The lane of a request to the app that has no viewer.
pub fn anonymous_lane(app: &App) -> Lane {
    let door = if app.requires_auth {
        Door::Closed
    } else {
        Door::Open
    };
    Lane::Anonymous {
        door,
        default_group: app.default_group,
    }
}

/// The lane of the app's own code, outside any request.
pub fn server_lane(app: &App) -> Lane {
    Lane::Server {
        default_group: app.default_group,
    }
}

/// The lane of an owner who looks into their app's data; `group` is whose shared data they look at.
pub fn owner_lane(app: &App, group: GroupId) -> Lane {
    Lane::Viewer {
        account: app.owner,
        group,
    }
}

/// What is stored under a key. A key that the caller may not see holds nothing.
pub async fn get(
    context: &Context,
    app: &App,
    lane: Lane,
    key: &str,
) -> Result<Option<Entry>, Error> {
    let key = Key::parse(key)?;
    let Home::In(namespace) = kv::resolve(key.scope(), lane, Deed::Read)? else {
        return Ok(None);
    };
    let app = app.id;
    Ok(context
        .storage
        .read(move |tx| tx.kv().get(app, namespace, key.name()))
        .await?)
}

/// The keys that begin with a prefix, with their scope. More than the configured number is refused, never cut.
pub async fn list(
    context: &Context,
    app: &App,
    lane: Lane,
    prefix: &str,
) -> Result<Vec<String>, Error> {
    let prefix = Prefix::parse(prefix)?;
    let scope = prefix.scope();
    let Home::In(namespace) = kv::resolve(scope, lane, Deed::Read)? else {
        return Ok(Vec::new());
    };
    let (app, most) = (app.id, context.config.kv.list_keys.size());
    let limit = u32::try_from(most).unwrap_or(u32::MAX).saturating_add(1);
    let names: Vec<String> = context
        .storage
        .scan(move |tx| tx.kv().list(app, namespace, prefix.name(), limit))
        .await?;
    if names.len() > most {
        let text = format!("More than {most} keys begin with this; use a longer prefix.");
        return Err(
            Error::new(http::StatusCode::PAYLOAD_TOO_LARGE, "too_many_keys", text)
                .with("limit", most),
        );
    }
    Ok(names
        .into_iter()
        .map(|name| Key::stored(scope, name).to_string())
        .collect())
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
    let write = Write::prepare(context, app, lane, key)?;
    let value = checked(context, value)?;
    context
        .storage
        .write(move |tx| write.put(tx, &value, expected))
        .await
}

/// Removes a key. One that is not there is fine.
pub async fn delete(context: &Context, app: &App, lane: Lane, key: &str) -> Result<(), Error> {
    let write = Write::prepare(context, app, lane, key)?;
    let delete = move |tx: &mut Tx| {
        tx.kv()
            .delete(write.app, write.namespace, write.key.name())
            .map(drop)
    };
    Ok(context.storage.write(delete).await?)
}

/// Appends an item to the list under a key, which is made when there is none. Gives its length and version.
pub async fn append(
    context: &Context,
    app: &App,
    lane: Lane,
    key: &str,
    item: &[u8],
) -> Result<(u64, u64), Error> {
    let write = Write::prepare(context, app, lane, key)?;
    let item = checked(context, item)?;
    let limit = context.config.kv.value_bytes.size();
    context
        .storage
        .write(move |tx| {
            let stored = write.get(tx)?;
            let list = kv::append(stored.as_ref().map(|entry| entry.value.as_str()), &item)?;
            kv::check_value(&list.value, limit)?;
            Ok((list.length, write.put(tx, &list.value, Expected::Any)?))
        })
        .await
}

/// Adds to the number under a key; none counts as 0. Gives the sum as JSON, and the version.
pub async fn increment(
    context: &Context,
    app: &App,
    lane: Lane,
    key: &str,
    by: Number,
) -> Result<(Number, u64), Error> {
    let write = Write::prepare(context, app, lane, key)?;
    context
        .storage
        .write(move |tx| {
            let stored = write.get(tx)?;
            let sum = kv::increment(stored.as_ref().map(|entry| entry.value.as_str()), by)?;
            Ok((sum, write.put(tx, &sum.to_string(), Expected::Any)?))
        })
        .await
}

/// A value from outside, checked.
fn checked(context: &Context, bytes: &[u8]) -> Result<String, Error> {
    let limit = context.config.kv.value_bytes.size();
    if bytes.len() > limit {
        return Err(kv::ValueError::TooLarge {
            bytes: bytes.len(),
            limit,
        }
        .into());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::bad_request("bad_value", "The value is not UTF-8."))?;
    kv::check_value(text, limit)?;
    Ok(text.to_owned())
}

/// One key that the caller may write, and its limits.
struct Write {
    app: AppId,
    namespace: Namespace,
    key: Key,
    limits: KvLimits,
    now: jiff::Timestamp,
}

impl Write {
    fn prepare(context: &Context, app: &App, lane: Lane, key: &str) -> Result<Self, Error> {
        let key = Key::parse(key)?;
        let Home::In(namespace) = kv::resolve(key.scope(), lane, Deed::Write)? else {
            return Err(Error::viewer_required());
        };
        context.kv_writes.check(app.id)?;
        let limits = KvLimits {
            keys: context.config.kv.keys.get(),
            bytes: context.config.kv.bytes.get(),
        };
        Ok(Self {
            app: app.id,
            namespace,
            key,
            limits,
            now: context.now(),
        })
    }

    fn get(&self, tx: &mut Tx) -> Result<Option<Entry>, Error> {
        Ok(tx.kv().get(self.app, self.namespace, self.key.name())?)
    }

    fn put(&self, tx: &mut Tx, value: &str, expected: Expected) -> Result<u64, Error> {
        let name = self.key.name();
        match tx.kv().put(
            self.app,
            self.namespace,
            name,
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
