//! Which database, and how many connections to it.

use std::{path::PathBuf, thread};

use secret::SecretString;

/// Where the data is kept.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// The path of an SQLite file; it is made when missing, its directory is not.
    Sqlite(PathBuf),
    /// A PostgreSQL address, `postgres://user:password@host:port/database`.
    Postgres(SecretString),
}

/// How to open the database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the data is kept.
    pub url: DatabaseUrl,
    /// SQLite connections for [`crate::Storage::read`], and as many again for [`crate::Storage::scan`]; at least 1.
    pub readers: usize,
    /// Most connections to a PostgreSQL server; at least 2.
    pub connections: u32,
}

impl Settings {
    /// Settings that suit a machine of this size: a reader for each core (at least 4), 16 PostgreSQL connections.
    pub fn new(url: DatabaseUrl) -> Self {
        let cores = thread::available_parallelism().map_or(4, usize::from);
        Self {
            url,
            readers: cores.max(4),
            connections: 16,
        }
    }
}
