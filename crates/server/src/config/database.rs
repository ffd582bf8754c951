//! Where records are kept.

use secret::SecretString;

use super::setting::section;

section! {
    /// Where records are kept.
    Database {
        /// A PostgreSQL address such as `postgres://user:password@host/database`. The embedded SQLite file in
        /// the data directory is used when left out.
        "database.url" url: Option<SecretString>,
    }
}
