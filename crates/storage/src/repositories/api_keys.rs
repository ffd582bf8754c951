//! API keys, how often they may be used, and how often they were.

use ::accounts::{
    api_key::ApiKey,
    quota::{Limits, Usage, Window},
};
use ids::{AccountId, ApiKeyId};
use jiff::Timestamp;
use sea_query::{Cond, Condition, Expr, ExprTrait, Func, OnConflict, Order, Query};

use super::{digest, is, millis, number, optional_millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "api_key";
const COLUMNS: [&str; 10] = [
    "id",
    "account",
    "name",
    "access_mode",
    "audiences",
    "created_at",
    "updated_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
];
const KEY_LIMIT: &str = "api_key_limit";
const ACCOUNT_LIMIT: &str = "account_api_key_limit";
const LIMITS: [&str; 4] = ["per_minute", "per_hour", "per_day", "per_month"];
const USAGE: &str = "api_key_usage";
const WINDOWS: [&str; 8] = [
    "minute_start",
    "minute_count",
    "hour_start",
    "hour_count",
    "day_start",
    "day_count",
    "month_start",
    "month_count",
];

/// The API keys. They go with their account.
#[derive(Debug)]
pub struct ApiKeys<'t>(pub(crate) &'t mut Tx);

/// Whose limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOf {
    /// One key's.
    Key(ApiKeyId),
    /// Those of each key of an account that has none of its own.
    Account(AccountId),
}

impl LimitOf {
    fn place(self) -> (&'static str, &'static str, uuid::Uuid) {
        match self {
            Self::Key(id) => (KEY_LIMIT, "api_key", id.as_uuid()),
            Self::Account(id) => (ACCOUNT_LIMIT, "account", id.as_uuid()),
        }
    }
}

impl ApiKeys<'_> {
    /// Adds a key; `text_digest` is the SHA-256 of its text.
    pub fn insert(&mut self, key: &ApiKey, text_digest: [u8; 32]) -> Result<(), Error> {
        let mut insert = Query::insert();
        insert
            .into_table(TABLE)
            .columns(COLUMNS.into_iter().chain(["digest"]))
            .values_panic([
                key.id.as_uuid().into(),
                key.account.as_uuid().into(),
                key.name.as_str().into(),
                key.access_mode.as_str().into(),
                serde_json::json!(key.audiences).to_string().into(),
                millis(key.created_at),
                millis(key.updated_at),
                millis(key.expires_at),
                optional_millis(key.revoked_at),
                optional_millis(key.last_used_at),
                digest(text_digest),
            ]);
        self.0.execute(&insert).map(drop)
    }

    /// The key of this id, usable or not.
    pub fn find(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, Error> {
        self.one(is("id", id.as_uuid()))
    }

    /// The key whose text has this digest, usable or not.
    pub fn find_by_digest(&mut self, text_digest: [u8; 32]) -> Result<Option<ApiKey>, Error> {
        self.one(is("digest", digest(text_digest)))
    }

    /// All keys of an account, the newest first.
    pub fn list_of(&mut self, account: AccountId) -> Result<Vec<ApiKey>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("account", account.as_uuid()))
            .order_by("id", Order::Desc);
        self.0.query(&select, read)
    }

    /// How many keys of an account can be used.
    pub fn count_usable(&mut self, account: AccountId, now: Timestamp) -> Result<u64, Error> {
        let mut select = Query::select();
        select
            .expr(Func::count(Expr::col("id")))
            .from(TABLE)
            .cond_where(is("account", account.as_uuid()))
            .and_where(Expr::col("revoked_at").is_null())
            .and_where(Expr::col("expires_at").gt(millis(now)));
        let count = self.0.query_one(&select, |row| row.number(TABLE))?;
        Ok(count.unwrap_or_default())
    }

    /// Revokes a key. `false`, and no change, when it was revoked before (or is unknown).
    pub fn revoke(&mut self, id: ApiKeyId, at: Timestamp) -> Result<bool, Error> {
        let live = is("id", id.as_uuid()).add(Expr::col("revoked_at").is_null());
        let rows = self.0.update(
            TABLE,
            ["revoked_at", "updated_at"],
            [millis(at), millis(at)],
            live,
        )?;
        Ok(rows == 1)
    }

    /// Notes when a key was used last, unless a later use is known.
    pub fn note_use(&mut self, id: ApiKeyId, at: Timestamp) -> Result<(), Error> {
        let earlier = Cond::any()
            .add(Expr::col("last_used_at").is_null())
            .add(Expr::col("last_used_at").lt(millis(at)));
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("last_used_at", millis(at))
            .cond_where(is("id", id.as_uuid()))
            .cond_where(earlier);
        self.0.execute(&update).map(drop)
    }

    /// Removes up to `limit` keys that expired or were revoked before an instant, and counts them.
    pub fn delete_ended(&mut self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("id")
            .from(TABLE)
            .cond_where(
                Cond::any()
                    .add(Expr::col("expires_at").lt(millis(before)))
                    .add(Expr::col("revoked_at").lt(millis(before))),
            )
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("id").in_subquery(chosen)),
        )
    }

    /// The limits that were set for a key or an account; all absent when none were.
    pub fn limits(&mut self, of: LimitOf) -> Result<Limits, Error> {
        let (table, column, id) = of.place();
        let mut select = Query::select();
        select
            .columns(LIMITS)
            .from(table)
            .cond_where(is(column, id));
        let limits = self.0.query_one(&select, |row| {
            let mut cells = row.cells(table, &LIMITS);
            let mut limits = Limits::default();
            for limit in &mut limits.0 {
                *limit = cells.optional_u32()?;
            }
            Ok(limits)
        })?;
        Ok(limits.unwrap_or_default())
    }

    /// Sets the limits of a key or an account; all absent takes them back.
    pub fn set_limits(&mut self, of: LimitOf, limits: Limits) -> Result<(), Error> {
        let (table, column, id) = of.place();
        self.0
            .execute(Query::delete().from_table(table).cond_where(is(column, id)))?;
        if limits == Limits::default() {
            return Ok(());
        }
        let [minute, hour, day, month] = limits.0.map(|limit| limit.map(i64::from).into());
        let [a, b, c, d] = LIMITS;
        self.0.insert(
            table,
            [column, a, b, c, d],
            [id.into(), minute, hour, day, month],
        )
    }

    /// How often a key was used, as far as it was written down.
    pub fn usage(&mut self, id: ApiKeyId) -> Result<Usage, Error> {
        let mut select = Query::select();
        select
            .columns(WINDOWS)
            .from(USAGE)
            .cond_where(is("api_key", id.as_uuid()));
        let usage = self.0.query_one(&select, |row| {
            let mut cells = row.cells(USAGE, &WINDOWS);
            let mut usage = Usage::default();
            for window in &mut usage.0 {
                *window = Window {
                    start: cells.time()?,
                    count: cells.u64()?,
                };
            }
            Ok(usage)
        })?;
        Ok(usage.unwrap_or_default())
    }

    /// Adds uses of a key to those written down, and gives them all. A key that is gone has none.
    pub fn add_usage(&mut self, id: ApiKeyId, more: &Usage) -> Result<Usage, Error> {
        let mut exists = Query::select();
        exists
            .column("id")
            .from(TABLE)
            .cond_where(is("id", id.as_uuid()));
        if self.0.query_one(&exists, |_| Ok(()))?.is_none() {
            return Ok(Usage::default());
        }
        let mut usage = self.usage(id)?;
        usage.add(more);
        let numbers = usage
            .0
            .iter()
            .flat_map(|window| [millis(window.start), number(window.count)]);
        let mut insert = Query::insert();
        insert
            .into_table(USAGE)
            .columns(["api_key"].into_iter().chain(WINDOWS))
            .values_panic([id.as_uuid().into()].into_iter().chain(numbers))
            .on_conflict(
                OnConflict::column("api_key")
                    .update_columns(WINDOWS)
                    .to_owned(),
            );
        self.0.execute(&insert)?;
        Ok(usage)
    }

    fn one(&mut self, condition: Condition) -> Result<Option<ApiKey>, Error> {
        let mut select = Query::select();
        select.columns(COLUMNS).from(TABLE).cond_where(condition);
        self.0.query_one(&select, read)
    }
}

fn read(row: &Row<'_>) -> Result<ApiKey, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(ApiKey {
        id: ApiKeyId::from_uuid(cells.uuid()?),
        account: AccountId::from_uuid(cells.uuid()?),
        name: cells.text()?,
        access_mode: cells.parsed(::accounts::api_key::AccessMode::from_name)?,
        audiences: cells.parsed(|text| serde_json::from_str(text).ok())?,
        created_at: cells.time()?,
        updated_at: cells.time()?,
        expires_at: cells.time()?,
        revoked_at: cells.optional_time()?,
        last_used_at: cells.optional_time()?,
    })
}
