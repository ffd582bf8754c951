//! The schema and how it came about: an append-only list, applied at start under a lock.

mod answered_refreshes;
mod api_keys;
mod event_readers;
mod first;
mod identities;
mod issuer_accounts;
mod mail;
mod schema;
mod second_factors;
mod services;
mod session_proof;
mod signing_key_life;
mod token_pairs;

use crate::{Error, tx::Connection, tx::Tx};

/// The engine a statement is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// The statements that lead from one schema version to the next.
type Migration = fn(Dialect) -> Vec<String>;

/// Version n of the schema is what the first n migrations make. Never change one that was released: append.
const MIGRATIONS: &[Migration] = &[
    first::migration,
    issuer_accounts::migration,
    identities::migration,
    session_proof::migration,
    mail::migration,
    signing_key_life::migration,
    api_keys::migration,
    services::migration,
    event_readers::migration,
    second_factors::migration,
    token_pairs::migration,
    answered_refreshes::migration,
];

/// The newest schema version this program knows.
pub(crate) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("the list is short")
}

/// Brings the database to the newest version. The transaction must hold a lock that keeps other programs out.
pub(crate) fn migrate(tx: &mut Tx) -> Result<(), Error> {
    let dialect = match tx.connection {
        Connection::Sqlite(_) => Dialect::Sqlite,
        Connection::Postgres { .. } => Dialect::Postgres,
    };
    tx.script("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL PRIMARY KEY)")?;
    let found = version(tx)?;
    if found > known() {
        return Err(Error::NewerSchema {
            found,
            known: known(),
        });
    }
    for (migration, version) in MIGRATIONS.iter().zip(1_u32..).skip(found as usize) {
        for statement in migration(dialect) {
            tx.script(&statement)?;
        }
        tx.insert("schema_version", ["version"], [i64::from(version).into()])?;
        tracing::info!(
            schema.version = version,
            "migrated the database to schema version {version}"
        );
    }
    Ok(())
}

/// What a program that knew only the first `version` migrations would have run on an empty database.
#[cfg(feature = "testing")]
pub(crate) fn as_released(version: u32, dialect: Dialect) -> Vec<String> {
    let mut statements =
        vec!["CREATE TABLE schema_version (version bigint NOT NULL PRIMARY KEY)".to_owned()];
    for (migration, version) in MIGRATIONS.iter().zip(1..=version) {
        statements.extend(migration(dialect));
        statements.push(format!(
            "INSERT INTO schema_version (version) VALUES ({version})"
        ));
    }
    statements
}

fn version(tx: &mut Tx) -> Result<u32, Error> {
    let mut newest = sea_query::Query::select();
    newest
        .column("version")
        .from("schema_version")
        .order_by("version", sea_query::Order::Desc)
        .limit(1);
    let found = tx.query_one(&newest, |row| {
        row.cells("schema_version", &["version"]).u32()
    })?;
    Ok(found.unwrap_or_default())
}
