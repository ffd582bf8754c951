//! The apps' key-value data.

use ::kv::{Entry, Namespace, Usage};
use ids::AppId;
use jiff::Timestamp;
use sea_query::{Cond, Condition, Expr, ExprTrait, Order, Query};
use uuid::Uuid;

use super::{is, millis, number};
use crate::{Error, Tx};

const ENTRY: &str = "kv_entry";
const USAGE: &str = "kv_usage";

/// The apps' key-value data. Keys are compared and ordered byte by byte.
#[derive(Debug)]
pub struct Kv<'t>(pub(crate) &'t mut Tx);

/// What a writer expects to find under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything or nothing.
    Any,
    /// Exactly this version.
    Version(u64),
    /// Nothing.
    Absent,
}

/// How much one app may store. A write that needs no more room than what it replaces is never refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvLimits {
    /// Most keys.
    pub keys: u64,
    /// Most bytes, keys and values together.
    pub bytes: u64,
}

/// What became of a write. Unless `Written`, nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Put {
    /// The value was stored under this version.
    Written {
        /// See [`Entry::version`].
        version: u64,
    },
    /// Something else was there than the writer expected.
    Conflict {
        /// The version that is there; `None` when the key is absent.
        actual: Option<u64>,
    },
    /// The app has no room for it.
    QuotaExceeded {
        /// What the app uses now.
        usage: Usage,
    },
}

impl Kv<'_> {
    /// What is stored under a key.
    pub fn get(
        &mut self,
        app: AppId,
        namespace: Namespace,
        key: &str,
    ) -> Result<Option<Entry>, Error> {
        const COLUMNS: [&str; 3] = ["value", "version", "updated_at"];
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(ENTRY)
            .cond_where(at(app, namespace, key));
        self.0.query_one(&select, |row| {
            let mut cells = row.cells(ENTRY, &COLUMNS);
            Ok(Entry {
                value: cells.text()?,
                version: cells.u64()?,
                updated_at: cells.time()?,
            })
        })
    }

    /// Whether something is stored under a key.
    pub fn exists(&mut self, app: AppId, namespace: Namespace, key: &str) -> Result<bool, Error> {
        Ok(self.stored(app, namespace, key)?.is_some())
    }

    /// Stores a value. The new version is higher than every version the app's keys ever had.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a plain value of its own type"
    )]
    pub fn put(
        &mut self,
        app: AppId,
        namespace: Namespace,
        key: &str,
        value: &str,
        expected: Expected,
        now: Timestamp,
        limits: KvLimits,
    ) -> Result<Put, Error> {
        let stored = self.stored(app, namespace, key)?;
        let actual = stored.map(|stored| stored.version);
        let met = match expected {
            Expected::Any => true,
            Expected::Version(version) => actual == Some(version),
            Expected::Absent => actual.is_none(),
        };
        if !met {
            return Ok(Put::Conflict { actual });
        }
        let size = (key.len() + value.len()) as u64;
        let growth = Growth::new(stored.map(|stored| stored.size), Some(size));
        let Some(version) = self.account_for(app, growth, Some(limits))? else {
            return Ok(Put::QuotaExceeded {
                usage: self.usage(app)?,
            });
        };
        if stored.is_some() {
            self.0.update(
                ENTRY,
                ["value", "size", "version", "updated_at"],
                [value.into(), number(size), number(version), millis(now)],
                at(app, namespace, key),
            )?;
        } else {
            let (scope, owner) = home(namespace);
            self.0.insert(
                ENTRY,
                [
                    "app",
                    "scope",
                    "owner",
                    "key",
                    "value",
                    "size",
                    "version",
                    "updated_at",
                ],
                [
                    app.as_uuid().into(),
                    scope.into(),
                    owner.into(),
                    key.into(),
                    value.into(),
                    number(size),
                    number(version),
                    millis(now),
                ],
            )?;
        }
        Ok(Put::Written { version })
    }

    /// Removes a key; `false` when there was none.
    pub fn delete(&mut self, app: AppId, namespace: Namespace, key: &str) -> Result<bool, Error> {
        let mut delete = Query::delete();
        delete
            .from_table(ENTRY)
            .cond_where(at(app, namespace, key))
            .returning_col("size");
        let Some(size) = self
            .0
            .query_one(&delete, |row| row.cells(ENTRY, &["size"]).u64())?
        else {
            return Ok(false);
        };
        self.account_for(app, Growth::new(Some(size), None), None)?;
        Ok(true)
    }

    /// The keys that begin with a text, taken literally, in byte order; at most `limit`.
    pub fn list(
        &mut self,
        app: AppId,
        namespace: Namespace,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let (scope, owner) = home(namespace);
        let mut select = Query::select();
        select
            .column("key")
            .from(ENTRY)
            .cond_where(is("app", app.as_uuid()))
            .and_where(Expr::col("scope").eq(scope))
            .and_where(Expr::col("owner").eq(owner))
            .and_where(Expr::col("key").gte(prefix))
            .order_by("key", Order::Asc)
            .limit(limit.into());
        if let Some(end) = end_of_prefix(prefix) {
            select.and_where(Expr::col("key").lt(end));
        }
        self.0
            .query(&select, |row| row.cells(ENTRY, &["key"]).text())
    }

    /// How much of its quota an app has used. Exact at every moment.
    pub fn usage(&mut self, app: AppId) -> Result<Usage, Error> {
        const COLUMNS: [&str; 2] = ["keys", "bytes"];
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(USAGE)
            .cond_where(is("app", app.as_uuid()));
        let usage = self.0.query_one(&select, |row| {
            let mut cells = row.cells(USAGE, &COLUMNS);
            Ok(Usage {
                keys: cells.u64()?,
                bytes: cells.u64()?,
            })
        })?;
        Ok(usage.unwrap_or_default())
    }

    fn stored(
        &mut self,
        app: AppId,
        namespace: Namespace,
        key: &str,
    ) -> Result<Option<Stored>, Error> {
        const COLUMNS: [&str; 2] = ["version", "size"];
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(ENTRY)
            .cond_where(at(app, namespace, key));
        self.0.query_one(&select, |row| {
            let mut cells = row.cells(ENTRY, &COLUMNS);
            Ok(Stored {
                version: cells.u64()?,
                size: cells.u64()?,
            })
        })
    }

    /// Adds to an app's usage and draws its next version; `None` when that would break the limits.
    fn account_for(
        &mut self,
        app: AppId,
        growth: Growth,
        limits: Option<KvLimits>,
    ) -> Result<Option<u64>, Error> {
        let mut update = Query::update();
        update
            .table(USAGE)
            .value("keys", Expr::col("keys").add(growth.keys))
            .value("bytes", Expr::col("bytes").add(growth.bytes))
            .value("last_version", Expr::col("last_version").add(1_i64))
            .cond_where(is("app", app.as_uuid()))
            .returning_col("last_version");
        if let Some(limits) = limits {
            if growth.keys > 0 {
                update.and_where(Expr::col("keys").add(growth.keys).lte(number(limits.keys)));
            }
            if growth.bytes > 0 {
                update.and_where(
                    Expr::col("bytes")
                        .add(growth.bytes)
                        .lte(number(limits.bytes)),
                );
            }
        }
        let drawn = self
            .0
            .query_one(&update, |row| row.cells(USAGE, &["last_version"]).u64())?;
        if drawn.is_some() {
            return Ok(drawn);
        }
        // Either there is no room, or this is the app's first key.
        let mut known = Query::select();
        known
            .column("keys")
            .from(USAGE)
            .cond_where(is("app", app.as_uuid()));
        let fits = limits.is_none_or(|limits| {
            u64::try_from(growth.keys).is_ok_and(|keys| keys <= limits.keys)
                && u64::try_from(growth.bytes).is_ok_and(|bytes| bytes <= limits.bytes)
        });
        if !fits || self.0.query_one(&known, |_| Ok(()))?.is_some() {
            return Ok(None);
        }
        let first = [
            app.as_uuid().into(),
            growth.keys.into(),
            growth.bytes.into(),
            1_i64.into(),
        ];
        self.0
            .insert(USAGE, ["app", "keys", "bytes", "last_version"], first)?;
        Ok(Some(1))
    }
}

#[derive(Clone, Copy)]
struct Stored {
    version: u64,
    size: u64,
}

/// By how much a write changes an app's usage.
#[derive(Clone, Copy)]
struct Growth {
    keys: i64,
    bytes: i64,
}

impl Growth {
    fn new(before: Option<u64>, after: Option<u64>) -> Self {
        let signed =
            |size: Option<u64>| i64::try_from(size.unwrap_or_default()).unwrap_or(i64::MAX);
        Self {
            keys: i64::from(after.is_some()) - i64::from(before.is_some()),
            bytes: signed(after).saturating_sub(signed(before)),
        }
    }
}

fn home(namespace: Namespace) -> (&'static str, Uuid) {
    match namespace {
        Namespace::Personal(account) => ("personal", account.as_uuid()),
        Namespace::Shared(group) => ("shared", group.as_uuid()),
        Namespace::Public => ("public", Uuid::nil()),
        Namespace::Server => ("server", Uuid::nil()),
    }
}

fn at(app: AppId, namespace: Namespace, key: &str) -> Condition {
    let (scope, owner) = home(namespace);
    Cond::all()
        .add(Expr::col("app").eq(app.as_uuid()))
        .add(Expr::col("scope").eq(scope))
        .add(Expr::col("owner").eq(owner))
        .add(Expr::col("key").eq(key))
}

/// The least text greater than every text with this prefix; `None` when there is none. The order of code points is the
/// order of UTF-8 bytes.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exactly_the_texts_with_the_prefix_lie_in_its_range(prefix: String, other: String, tail: String) {
            let in_range = |text: &str| {
                text >= prefix.as_str() && end_of_prefix(&prefix).is_none_or(|end| text < end.as_str())
            };
            let extended = format!("{prefix}{tail}");
            prop_assert!(in_range(&extended));
            prop_assert_eq!(in_range(&other), other.starts_with(&prefix));
        }

        #[test]
        fn nothing_lies_between_a_prefix_range_and_its_end(stem: String, last: char) {
            let prefix = format!("{stem}{last}");
            if let Some(end) = end_of_prefix(&prefix) {
                prop_assert!(!end.starts_with(&prefix) && end > prefix);
            }
        }
    }

    #[test]
    fn the_range_of_the_greatest_character_is_open_or_ends_at_the_character_before() {
        assert_eq!(end_of_prefix(""), None);
        assert_eq!(end_of_prefix("\u{10FFFF}\u{10FFFF}"), None);
        assert_eq!(end_of_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("a\u{D7FF}").as_deref(), Some("a\u{E000}"));
    }
}
