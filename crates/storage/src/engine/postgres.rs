//! PostgreSQL: closures run on blocking threads, each in one transaction.
//!
//! Writes are `SERIALIZABLE`: a closure may load, decide and save without thinking of others, as with SQLite's single
//! writer. `REPEATABLE READ` would refuse lost updates as well, but let pass two closures that each read what the
//! other changes (two superadmins who demote each other, say).
//!
//! The price is that closures which touch the same rows collide, above all on the event counter. So that a
//! collision costs at most one more run and never a storm, there is a gate: a first run holds the table `write_gate`
//! in a mode that admits other first runs, a second run in a mode that admits nobody. Locks are given in the order
//! they are asked for, and asking for one takes no snapshot yet, so a second run sees all that was committed before
//! and meets nobody.

use std::{str::FromStr, sync::Arc, sync::Weak, time::Duration, time::Instant};

use rand::RngExt as _;
use secret::SecretString;
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{runtime::Handle, task, time};

use super::guarded;
use crate::{
    Error, Tx, migrations,
    repositories::latest_event,
    storage::{Head, LogEnd},
    tx::Connection,
};

const FIRST_RUN: &str =
    "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE write_gate IN ROW EXCLUSIVE MODE";
const NEXT_RUN: &str =
    "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE write_gate IN EXCLUSIVE MODE";
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
/// Runs of one closure. The second one meets nobody; the others are for deadlocks with programs that know no gate.
const RUNS: u32 = 5;
/// How often commits of other nodes are looked for.
const POLL: Duration = Duration::from_millis(250);
/// How long a look may take; a connection that is slower is given up.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Any number, as long as it stays: only one program migrates a database at a time.
const MIGRATION_LOCK: &str = "BEGIN; SELECT pg_advisory_xact_lock(7305217811)";

/// An open PostgreSQL database.
#[derive(Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Connects and migrates.
    pub(crate) async fn open(
        url: &SecretString,
        connections: u32,
        head: &Arc<LogEnd>,
    ) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url.expose())
            .map_err(|error| Error::from_postgres(&error))?
            .application_name("vestibule")
            .statement_cache_capacity(256);
        // The pool would try again and again and in the end only say that time is up; this says why.
        let trial = time::timeout(PATIENCE, PgConnection::connect_with(&options));
        let trial = trial.await.map_err(|_| Error::Unavailable {
            problem: "it does not answer; check that the database server runs and is reachable"
                .into(),
        })?;
        let trial = trial.map_err(|error| Error::from_postgres(&error))?;
        trial
            .close()
            .await
            .map_err(|error| Error::from_postgres(&error))?;
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(2))
            .acquire_timeout(PATIENCE)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // A node that hangs in a transaction must not hold the event counter for ever.
                    let limits =
                        "SET idle_in_transaction_session_timeout = '30s'; SET lock_timeout = '20s'";
                    sqlx::raw_sql(limits).execute(connection).await.map(drop)
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(|error| Error::from_postgres(&error))?;
        let this = Self { pool };
        let seq = this
            .blocking(|tx| {
                tx.control(MIGRATION_LOCK)?;
                let migrated = migrations::migrate(tx);
                tx.control(if migrated.is_ok() {
                    "COMMIT"
                } else {
                    "ROLLBACK"
                })?;
                migrated?;
                tx.query_one(&latest_event(), |row| row.number("event_counter"))
            })
            .await?;
        head.send_modify(|head| head.seq = seq.unwrap_or_default());
        this.warn_of_lost_commits().await;
        task::spawn(follow(this.pool.clone(), options, Arc::downgrade(head)));
        Ok(this)
    }

    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        self.blocking(move |tx| {
            tx.control(READ)?;
            let result = guarded(tx, work);
            end(tx);
            result
        })
        .await
    }

    pub(crate) async fn write<T, E, F>(&self, mut work: F, head: &Arc<LogEnd>) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnMut(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let head = Arc::clone(head);
        self.blocking(move |tx| {
            let mut run = 0;
            loop {
                run += 1;
                tx.reset();
                let result = once(tx, if run == 1 { FIRST_RUN } else { NEXT_RUN }, &mut work);
                if result.is_ok() {
                    if let Some(seq) = tx.last_event() {
                        Head::advance(&head, seq);
                    }
                    return result;
                }
                if !tx.collided() || run == RUNS {
                    return result;
                }
                metrics::counter!("storage_write_collisions").increment(1);
                std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..2 << run)));
            }
        })
        .await
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Borrows a connection, then a blocking thread.
    async fn blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let connection = self
            .pool
            .acquire()
            .await
            .map_err(|error| Error::from_postgres(&error))?;
        let runtime = Handle::current();
        let done = task::spawn_blocking(move || {
            let mut tx = Tx::new(Connection::Postgres {
                runtime,
                connection,
            });
            work(&mut tx)
        })
        .await;
        done.unwrap_or_else(|_| Err(Error::Panicked.into()))
    }

    async fn warn_of_lost_commits(&self) {
        let setting = sqlx::query_scalar::<_, String>("SHOW synchronous_commit")
            .fetch_one(&self.pool)
            .await;
        if setting.is_ok_and(|setting| setting == "off") {
            tracing::warn!(
                "PostgreSQL runs with synchronous_commit = off: a crash of its host may lose acknowledged writes; \
                 switch it on for this database"
            );
        }
    }
}

/// Runs a closure in one transaction and commits.
fn once<T, E: From<Error>>(
    tx: &mut Tx,
    begin: &'static str,
    work: &mut impl FnMut(&mut Tx) -> Result<T, E>,
) -> Result<T, E> {
    let result = match tx.control(begin) {
        Ok(()) => guarded(tx, work),
        Err(error) => Err(error.into()),
    };
    let result = result.and_then(|value| tx.control("COMMIT").map(|()| value).map_err(E::from));
    if result.is_err() {
        end(tx);
    }
    result
}

/// Leaves the transaction; a connection that cannot is not used again.
fn end(tx: &mut Tx) {
    if tx.control("ROLLBACK").is_err()
        && let Connection::Postgres { connection, .. } = &mut tx.connection
    {
        connection.close_on_drop();
    }
}

/// Looks for events of other nodes until the storage is dropped or closed. On a connection of its own: when all others
/// are busy, looking does not wait for them.
async fn follow(pool: PgPool, options: PgConnectOptions, head: Weak<LogEnd>) {
    let sql = latest_event().to_string(sea_query::PostgresQueryBuilder);
    let mut connection = None;
    let mut failing = false;
    loop {
        tokio::select! {
            () = time::sleep(POLL) => {}
            () = pool.close_event() => return,
        }
        if head.strong_count() == 0 {
            return;
        }
        let begun = Instant::now();
        let look = time::timeout(LOOK_PATIENCE, look(&mut connection, &options, &sql));
        let latest = match look.await {
            Ok(Ok(latest)) => Ok(latest),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it does not answer in time".to_owned()),
        };
        let Some(head) = head.upgrade() else { return };
        match latest {
            Ok(seq) => {
                failing = false;
                Head::advance(&head, u64::try_from(seq).unwrap_or_default());
                head.looked(begun);
            }
            Err(error) => {
                connection = None;
                if !failing {
                    tracing::warn!(error, "cannot look for changes made by other nodes");
                }
                failing = true;
            }
        }
    }
}

async fn look(
    connection: &mut Option<PgConnection>,
    options: &PgConnectOptions,
    sql: &str,
) -> Result<i64, sqlx::Error> {
    if connection.is_none() {
        *connection = Some(PgConnection::connect_with(options).await?);
    }
    let connection = connection.as_mut().expect("it was just made");
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(connection)
        .await
}
