//! What can go wrong, in words that tell the operator what to do.

use std::path::PathBuf;

/// Why something could not be read or stored. Unless said otherwise nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The record that was to be changed, or one that it refers to, does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// The kind of record.
        what: &'static str,
    },
    /// The record cannot go while others refer to it, as an account cannot that owns apps.
    #[error("the record is still needed by others; remove those first")]
    InUse,
    /// Another record already has this value.
    #[error("this {what} is already taken")]
    Conflict {
        /// The field, for example `email`, `username` or `slug`.
        what: &'static str,
    },
    /// A text holds the character NUL, which PostgreSQL cannot store.
    #[error("a text holds the character NUL (U+0000); remove it")]
    InvalidText,
    /// A stored value does not mean anything.
    #[error("table {table}, column {column}, row {id}: {problem}; restore the row from a backup")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// The row's first column, as text.
        id: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// The database was made by a newer program.
    #[error(
        "the database has schema version {found}, but this program knows only up to {known}; start the newer program \
         that migrated it, or restore the backup made before that"
    )]
    NewerSchema {
        /// The database's version.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The SQLite file cannot be opened or made.
    #[error("cannot open the database {path}: {problem}")]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The disk is full. Nothing of the write was kept.
    #[error("the disk that holds the database is full; free some space and try again")]
    DiskFull,
    /// Others kept the database locked for too long, or concurrent changes kept colliding.
    #[error("the database is busy: {problem}; try again, and look for a process that holds it")]
    Busy {
        /// What was waited for.
        problem: String,
    },
    /// The database cannot be reached or used at present.
    #[error("the database is unavailable: {problem}")]
    Unavailable {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A closure panicked; its changes were rolled back.
    #[error("the operation panicked and was rolled back; this is a defect of the program")]
    Panicked,
    /// A closure went on after one of its statements had failed; its changes were rolled back.
    #[error(
        "the operation went on after a failed statement and was rolled back; this is a defect of the program"
    )]
    Aborted,
    /// The storage was closed.
    #[error("the database was closed because the program is stopping")]
    Closed,
    /// The database refused a statement; a defect of the program.
    #[error("the database refused a statement; this is a defect of the program: {problem}")]
    Database {
        /// What the database said.
        problem: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anything being mended.
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::Unavailable { .. } | Self::DiskFull
        )
    }

    pub(crate) fn from_sqlite(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let problem = error.to_string();
        let rusqlite::Error::SqliteFailure(failure, detail) = error else {
            return Self::Database { problem };
        };
        match (failure.code, failure.extended_code) {
            (Code::ConstraintViolation, rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => RELATED,
            (Code::ConstraintViolation, rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER) => Self::InUse,
            (
                Code::ConstraintViolation,
                rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ) => {
                // "UNIQUE constraint failed: account.email" becomes the name that PostgreSQL's index has.
                let column = detail
                    .as_deref()
                    .and_then(|text| text.split(": ").nth(1))
                    .unwrap_or_default();
                Self::taken(
                    &column
                        .split(',')
                        .next()
                        .unwrap_or_default()
                        .replace('.', "_"),
                )
            }
            (Code::DiskFull, _) => Self::DiskFull,
            (Code::DatabaseBusy | Code::DatabaseLocked, _) => Self::Busy {
                problem: "another process kept writing to it".into(),
            },
            (Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen, _) => Self::Unavailable {
                problem: format!(
                    "{problem}; let the user that runs this program write to the data directory"
                ),
            },
            (Code::SystemIoFailure, _) => Self::Unavailable {
                problem: format!("{problem}; check the disk that holds the data directory"),
            },
            (Code::DatabaseCorrupt | Code::NotADatabase, _) => Self::Unavailable {
                problem: format!("{problem}; the file is damaged, restore a backup"),
            },
            _ => Self::Database { problem },
        }
    }

    pub(crate) fn from_postgres(error: &sqlx::Error) -> Self {
        let problem = error.to_string();
        match error {
            sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default()
            {
                "23505" => Self::taken(database.constraint().unwrap_or_default()),
                "23503" => RELATED,
                "23001" => Self::InUse,
                "22021" => Self::InvalidText,
                "53100" => Self::DiskFull,
                "40001" | "40P01" => Self::Busy {
                    problem: "concurrent changes kept colliding".into(),
                },
                "55P03" => Self::Busy {
                    problem: "a lock was not given in time".into(),
                },
                "28000" | "28P01" => Self::Unavailable {
                    problem: format!(
                        "{problem}; correct the user and password in the database URL"
                    ),
                },
                "3D000" => Self::Unavailable {
                    problem: format!("{problem}; create the database, then start again"),
                },
                "42501" => Self::Unavailable {
                    problem: format!(
                        "{problem}; grant the database user all rights on its database and schema"
                    ),
                },
                code if ["08", "53", "57", "58"]
                    .iter()
                    .any(|class| code.starts_with(class)) =>
                {
                    Self::Unavailable {
                        problem: format!("{problem}; check the database server and its log"),
                    }
                }
                _ => Self::Database { problem },
            },
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Busy {
                problem: "no connection to the server became free in time".into(),
            },
            sqlx::Error::Configuration(_) => Self::Unavailable {
                problem: format!("{problem}; correct the database URL"),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable {
                problem: format!("{problem}; check that the database server runs and is reachable"),
            },
            _ => Self::Database { problem },
        }
    }

    /// A unique index refused a value. Index names are `table_column`, the same on both engines.
    fn taken(index: &str) -> Self {
        let what = match index {
            "account_email" => "email",
            "account_username" => "username",
            "app_slug" => "slug",
            _ => "record",
        };
        Self::Conflict { what }
    }
}

const RELATED: Error = Error::NotFound {
    what: "a record that this one refers to",
};
