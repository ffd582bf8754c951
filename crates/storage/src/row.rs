//! Reading rows, written once for both engines.

use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use crate::Error;

/// One row of a result.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r sqlx::postgres::PgRow),
}

/// A type that both engines can read from a column.
pub(crate) trait Cell:
    rusqlite::types::FromSql + for<'d> sqlx::Decode<'d, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>
{
}

impl<T> Cell for T where
    T: rusqlite::types::FromSql
        + for<'d> sqlx::Decode<'d, sqlx::Postgres>
        + sqlx::Type<sqlx::Postgres>
{
}

impl Row<'_> {
    fn get<T: Cell>(&self, index: usize) -> Result<T, String> {
        match self {
            Self::Sqlite(row) => row.get(index).map_err(|error| error.to_string()),
            Self::Postgres(row) => row.try_get(index).map_err(|error| error.to_string()),
        }
    }

    /// Reads the row's columns from left to right; the names are for error messages.
    pub(crate) const fn cells<'c>(
        &'c self,
        table: &'static str,
        columns: &'c [&'static str],
    ) -> Cells<'c> {
        Cells {
            row: self,
            table,
            columns,
            next: 0,
        }
    }

    /// The one number of a row that has a single column.
    pub(crate) fn number(&self, table: &'static str) -> Result<u64, Error> {
        self.cells(table, &["count"]).u64()
    }

    /// The first column as text, whatever its type.
    fn id(&self) -> String {
        self.get::<Uuid>(0)
            .map(|id| id.to_string())
            .or_else(|_| self.get::<i64>(0).map(|id| id.to_string()))
            .or_else(|_| self.get::<String>(0))
            .or_else(|_| {
                self.get::<Vec<u8>>(0)
                    .map(|bytes| format!("0x{}", bytes.into_iter().fold(String::new(), hex_digits)))
            })
            .unwrap_or_else(|_| "of unreadable id".into())
    }
}

/// Adds a byte to a text as two digits.
fn hex_digits(mut text: String, byte: u8) -> String {
    use std::fmt::Write as _;
    let _ = write!(text, "{byte:02x}");
    text
}

/// A cursor over the columns of a row, in the order they were selected.
pub(crate) struct Cells<'c> {
    row: &'c Row<'c>,
    table: &'static str,
    columns: &'c [&'static str],
    next: usize,
}

impl Cells<'_> {
    fn take<T: Cell>(&mut self) -> Result<T, Error> {
        self.next += 1;
        self.row
            .get(self.next - 1)
            .map_err(|problem| self.corrupt(problem))
    }

    /// An error about the column read last.
    fn corrupt(&self, problem: impl Into<String>) -> Error {
        let column = self
            .columns
            .get(self.next.wrapping_sub(1))
            .copied()
            .unwrap_or("of unknown name");
        Error::Corrupt {
            table: self.table,
            column,
            id: self.row.id(),
            problem: problem.into(),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        let number = self.take::<i64>()?;
        u64::try_from(number).map_err(|_| self.corrupt(format!("{number} is negative")))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        let number = self.take::<i64>()?;
        u32::try_from(number).map_err(|_| self.corrupt(format!("{number} is out of range")))
    }

    pub(crate) fn optional_u32(&mut self) -> Result<Option<u32>, Error> {
        let number = self.take::<Option<i64>>()?;
        number
            .map(|number| {
                u32::try_from(number).map_err(|_| self.corrupt(format!("{number} is out of range")))
            })
            .transpose()
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        self.take()
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, Error> {
        self.take()
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        self.take()
    }

    pub(crate) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.take()
    }

    pub(crate) fn digest(&mut self) -> Result<[u8; 32], Error> {
        let bytes = self.take::<Vec<u8>>()?;
        bytes
            .try_into()
            .map_err(|bytes: Vec<u8>| self.corrupt(format!("{} bytes instead of 32", bytes.len())))
    }

    pub(crate) fn optional_digest(&mut self) -> Result<Option<[u8; 32]>, Error> {
        let bytes = self.take::<Option<Vec<u8>>>()?;
        bytes
            .map(|bytes| {
                bytes.try_into().map_err(|bytes: Vec<u8>| {
                    self.corrupt(format!("{} bytes instead of 32", bytes.len()))
                })
            })
            .transpose()
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, Error> {
        self.take()
    }

    pub(crate) fn optional_uuid(&mut self) -> Result<Option<Uuid>, Error> {
        self.take()
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Error> {
        self.take()
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Error> {
        let milliseconds = self.take::<i64>()?;
        Timestamp::from_millisecond(milliseconds).map_err(|error| self.corrupt(error.to_string()))
    }

    pub(crate) fn optional_time(&mut self) -> Result<Option<Timestamp>, Error> {
        let milliseconds = self.take::<Option<i64>>()?;
        milliseconds
            .map(|milliseconds| {
                Timestamp::from_millisecond(milliseconds).map_err(|e| self.corrupt(e.to_string()))
            })
            .transpose()
    }

    /// A text that `read` understands.
    pub(crate) fn parsed<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        let text = self.take::<String>()?;
        read(&text).ok_or_else(|| self.corrupt(format!("{text:?} has no meaning here")))
    }

    /// An optional text that `read` understands.
    pub(crate) fn optional_parsed<T>(
        &mut self,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let text = self.take::<Option<String>>()?;
        text.map(|text| {
            read(&text).ok_or_else(|| self.corrupt(format!("{text:?} has no meaning here")))
        })
        .transpose()
    }
}
