//! One transaction on either engine.

use sea_query::{
    Condition, DeleteStatement, Expr, InsertStatement, PostgresQueryBuilder, Query,
    SelectStatement, SqliteQueryBuilder, UpdateStatement, Value,
};
use sea_query_rusqlite::RusqliteBinder;
use sea_query_sqlx::SqlxBinder;
use sqlx::{AssertSqlSafe, Postgres, pool::PoolConnection};
use tokio::runtime::Handle;

use crate::{Error, repositories as repo, row::Row};

/// A transaction. Its repositories are grouped by noun: `tx.accounts().find(id)?`.
///
/// Once a statement fails in the database (which a missing record does not), the transaction is lost: every later
/// statement is [`Error::Aborted`] and so is the closure that returns `Ok` all the same. So it is on PostgreSQL, and
/// SQLite is made to do likewise.
#[derive(Debug)]
pub struct Tx {
    pub(crate) connection: Connection,
    /// A statement failed.
    failed: bool,
    /// It failed because of a concurrent transaction: running the closure again may help.
    collided: bool,
    /// Why the first statement failed that did.
    cause: Option<Error>,
    /// The event appended last.
    last_event: Option<u64>,
}

#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres {
        runtime: Handle,
        connection: PoolConnection<Postgres>,
    },
}

/// A statement that both drivers can bind.
pub(crate) trait Statement: RusqliteBinder + SqlxBinder {}

impl Statement for SelectStatement {}
impl Statement for InsertStatement {}
impl Statement for UpdateStatement {}
impl Statement for DeleteStatement {}

impl Tx {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self {
            connection,
            failed: false,
            collided: false,
            cause: None,
            last_event: None,
        }
    }

    /// Forgets what earlier closures did with this connection.
    pub(crate) fn reset(&mut self) {
        self.failed = false;
        self.collided = false;
        self.cause = None;
        self.last_event = None;
    }

    pub(crate) const fn failed(&self) -> bool {
        self.failed
    }

    pub(crate) const fn collided(&self) -> bool {
        self.collided
    }

    /// Why the first statement failed that did.
    pub(crate) const fn take_cause(&mut self) -> Option<Error> {
        self.cause.take()
    }

    pub(crate) const fn last_event(&self) -> Option<u64> {
        self.last_event
    }

    pub(crate) const fn set_last_event(&mut self, seq: u64) {
        self.last_event = Some(seq);
    }

    /// Runs SQL text of our own making, without values and results.
    pub(crate) fn control(&mut self, sql: &'static str) -> Result<(), Error> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.execute([]))
                .map(drop)
                .map_err(|error| Error::from_sqlite(&error)),
            Connection::Postgres {
                runtime,
                connection,
            } => {
                let done = runtime.block_on(sqlx::raw_sql(sql).execute(&mut **connection));
                done.map(drop).map_err(|error| {
                    self.collided |= is_collision(&error);
                    Error::from_postgres(&error)
                })
            }
        }
    }

    /// Runs a statement of a migration.
    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.attempt(|connection| match connection {
            Connection::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Connection::Postgres {
                runtime,
                connection,
            } => {
                let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                Ok(runtime
                    .block_on(script.execute(&mut **connection))
                    .map(drop)?)
            }
        })
    }

    /// Runs a statement and counts the rows it changed.
    pub(crate) fn execute(&mut self, statement: &impl Statement) -> Result<u64, Error> {
        self.attempt(|connection| match connection {
            Connection::Sqlite(connection) => {
                let (sql, values) = statement.build_rusqlite(SqliteQueryBuilder);
                storable(values.0.iter().map(|value| &value.0))?;
                let mut prepared = connection.prepare_cached(&sql)?;
                Ok(prepared.execute(&*values.as_params())? as u64)
            }
            Connection::Postgres {
                runtime,
                connection,
            } => {
                let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
                storable(values.0.iter())?;
                let query = sqlx::query_with(AssertSqlSafe(sql), values);
                Ok(runtime
                    .block_on(query.execute(&mut **connection))?
                    .rows_affected())
            }
        })
    }

    /// Runs a statement and reads all of its rows.
    pub(crate) fn query<T>(
        &mut self,
        statement: &impl Statement,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.attempt(|connection| match connection {
            Connection::Sqlite(connection) => {
                let (sql, values) = statement.build_rusqlite(SqliteQueryBuilder);
                storable(values.0.iter().map(|value| &value.0))?;
                let mut prepared = connection.prepare_cached(&sql)?;
                let mut rows = prepared.query(&*values.as_params())?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(read(&Row::Sqlite(row))?);
                }
                Ok(found)
            }
            Connection::Postgres {
                runtime,
                connection,
            } => {
                let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
                storable(values.0.iter())?;
                let query = sqlx::query_with(AssertSqlSafe(sql), values);
                let rows = runtime.block_on(query.fetch_all(&mut **connection))?;
                Ok(rows
                    .iter()
                    .map(|row| read(&Row::Postgres(row)))
                    .collect::<Result<_, _>>()?)
            }
        })
    }

    /// Runs a statement and reads its first row, if there is one.
    pub(crate) fn query_one<T>(
        &mut self,
        statement: &impl Statement,
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        Ok(self.query(statement, read)?.into_iter().next())
    }

    /// Inserts one row.
    pub(crate) fn insert<const N: usize>(
        &mut self,
        table: &'static str,
        columns: [&'static str; N],
        values: [Expr; N],
    ) -> Result<(), Error> {
        let mut insert = Query::insert();
        insert
            .into_table(table)
            .columns(columns)
            .values_panic(values);
        self.execute(&insert).map(drop)
    }

    /// Writes all columns of the rows that meet the condition, and counts them.
    pub(crate) fn update<const N: usize>(
        &mut self,
        table: &'static str,
        columns: [&'static str; N],
        values: [Expr; N],
        condition: Condition,
    ) -> Result<u64, Error> {
        let mut update = Query::update();
        update
            .table(table)
            .values(columns.into_iter().zip(values))
            .cond_where(condition);
        self.execute(&update)
    }

    fn attempt<T>(
        &mut self,
        run: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        if self.failed {
            return Err(Error::Aborted);
        }
        run(&mut self.connection).map_err(|failure| match failure {
            Failure::Ours(error) => error,
            Failure::Sqlite(error) => self.fail(Error::from_sqlite(&error)),
            Failure::Postgres(error) => {
                self.collided |= is_collision(&error);
                self.fail(Error::from_postgres(&error))
            }
        })
    }

    fn fail(&mut self, error: Error) -> Error {
        self.failed = true;
        self.cause = Some(error.clone());
        error
    }
}

/// The repositories.
impl Tx {
    /// Accounts.
    pub const fn accounts(&mut self) -> repo::Accounts<'_> {
        repo::Accounts(self)
    }

    /// Sessions.
    pub const fn sessions(&mut self) -> repo::Sessions<'_> {
        repo::Sessions(self)
    }

    /// Refresh tokens.
    pub const fn refresh_tokens(&mut self) -> repo::RefreshTokens<'_> {
        repo::RefreshTokens(self)
    }

    /// One-time links.
    pub const fn links(&mut self) -> repo::Links<'_> {
        repo::Links(self)
    }

    /// Authenticator apps.
    pub const fn authenticators(&mut self) -> repo::Authenticators<'_> {
        repo::Authenticators(self)
    }

    /// Recovery codes.
    pub const fn recovery_codes(&mut self) -> repo::RecoveryCodes<'_> {
        repo::RecoveryCodes(self)
    }

    /// Passkeys.
    pub const fn passkeys(&mut self) -> repo::Passkeys<'_> {
        repo::Passkeys(self)
    }

    /// What waits for a person's next step.
    pub const fn ceremonies(&mut self) -> repo::Ceremonies<'_> {
        repo::Ceremonies(self)
    }

    /// What people have to be told.
    pub const fn notices(&mut self) -> repo::Notices<'_> {
        repo::Notices(self)
    }

    /// Identities at outside providers.
    pub const fn identities(&mut self) -> repo::Identities<'_> {
        repo::Identities(self)
    }

    /// Tokens of outside providers that sessions hold.
    pub const fn external_tokens(&mut self) -> repo::ExternalTokens<'_> {
        repo::ExternalTokens(self)
    }

    /// Mailed proofs that are under way.
    pub const fn challenges(&mut self) -> repo::Challenges<'_> {
        repo::Challenges(self)
    }

    /// Sign-ups whose address is not proven yet.
    pub const fn sign_ups(&mut self) -> repo::SignUps<'_> {
        repo::SignUps(self)
    }

    /// Mail to be sent.
    pub const fn outbox(&mut self) -> repo::Outbox<'_> {
        repo::Outbox(self)
    }

    /// Signing keys.
    pub const fn keys(&mut self) -> repo::Keys<'_> {
        repo::Keys(self)
    }

    /// API keys.
    pub const fn api_keys(&mut self) -> repo::ApiKeys<'_> {
        repo::ApiKeys(self)
    }

    /// Apps.
    pub const fn apps(&mut self) -> repo::Apps<'_> {
        repo::Apps(self)
    }

    /// Releases.
    pub const fn releases(&mut self) -> repo::Releases<'_> {
        repo::Releases(self)
    }

    /// Members of apps.
    pub const fn members(&mut self) -> repo::Members<'_> {
        repo::Members(self)
    }

    /// Invitations to apps.
    pub const fn invites(&mut self) -> repo::Invites<'_> {
        repo::Invites(self)
    }

    /// Share groups of apps.
    pub const fn groups(&mut self) -> repo::Groups<'_> {
        repo::Groups(self)
    }

    /// The apps' key-value data.
    pub const fn kv(&mut self) -> repo::Kv<'_> {
        repo::Kv(self)
    }

    /// Services that call the issuer in their own name.
    pub const fn services(&mut self) -> repo::Services<'_> {
        repo::Services(self)
    }

    /// Readers of the event log on behalf of the outside.
    pub const fn event_readers(&mut self) -> repo::EventReaders<'_> {
        repo::EventReaders(self)
    }

    /// The event log.
    pub const fn events(&mut self) -> repo::Events<'_> {
        repo::Events(self)
    }
}

enum Failure {
    /// Found by us; the transaction is unharmed.
    Ours(Error),
    Sqlite(rusqlite::Error),
    Postgres(sqlx::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Postgres(error)
    }
}

/// Serialization failure or deadlock.
fn is_collision(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// Refuses on both engines what one of them cannot store.
fn storable<'v>(mut values: impl Iterator<Item = &'v Value>) -> Result<(), Error> {
    let has_nul = |value: &Value| matches!(value, Value::String(Some(text)) if text.contains('\0'));
    if values.any(has_nul) {
        Err(Error::InvalidText)
    } else {
        Ok(())
    }
}
