//! Signing keys.

use jiff::Timestamp;
use sea_query::{Order, Query};

use super::{changed, is, millis, optional_millis};
use crate::{Error, Tx};

const TABLE: &str = "signing_key";
const COLUMNS: [&str; 8] = [
    "kid",
    "algorithm",
    "sealed_private",
    "public_jwk",
    "state",
    "created_at",
    "published_at",
    "retired_at",
];

/// The signing keys.
#[derive(Debug)]
pub struct Keys<'t>(pub(crate) &'t mut Tx);

/// A key that signs access tokens. The private half is stored only encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its id in token headers and in the key set.
    pub kid: String,
    /// The algorithm's JOSE name.
    pub algorithm: String,
    /// The private half, encrypted by the caller.
    pub sealed_private: Vec<u8>,
    /// The public half as a JSON Web Key.
    pub public_jwk: String,
    /// What it is used for at present.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when verifiers could know it.
    pub published_at: Option<Timestamp>,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
}

/// What a signing key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, but does not sign yet, so that verifiers can learn it.
    Next,
    /// Signs.
    Current,
    /// Signs no more, and is published until the last token it signed has expired.
    Retired,
}

impl KeyState {
    /// The name kept in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
        }
    }

    /// Reads a kept name back; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Next, Self::Current, Self::Retired]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl Keys<'_> {
    /// Adds a key.
    pub fn insert(&mut self, key: &SigningKey) -> Result<(), Error> {
        self.0.insert(TABLE, COLUMNS, values(key))
    }

    /// Overwrites the whole record.
    pub fn update(&mut self, key: &SigningKey) -> Result<(), Error> {
        let rows = self
            .0
            .update(TABLE, COLUMNS, values(key), is("kid", key.kid.as_str()))?;
        changed(rows, "signing key")
    }

    /// Removes a key.
    pub fn delete(&mut self, kid: &str) -> Result<(), Error> {
        let rows = self
            .0
            .execute(Query::delete().from_table(TABLE).cond_where(is("kid", kid)))?;
        changed(rows, "signing key")
    }

    /// All keys, the oldest first.
    pub fn list(&mut self) -> Result<Vec<SigningKey>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .order_by("created_at", Order::Asc)
            .order_by("kid", Order::Asc);
        self.0.query(&select, |row| {
            let mut cells = row.cells(TABLE, &COLUMNS);
            Ok(SigningKey {
                kid: cells.text()?,
                algorithm: cells.text()?,
                sealed_private: cells.bytes()?,
                public_jwk: cells.text()?,
                state: cells.parsed(KeyState::from_name)?,
                created_at: cells.time()?,
                published_at: cells.optional_time()?,
                retired_at: cells.optional_time()?,
            })
        })
    }
}

fn values(key: &SigningKey) -> [sea_query::Expr; 8] {
    [
        key.kid.as_str().into(),
        key.algorithm.as_str().into(),
        key.sealed_private.clone().into(),
        key.public_jwk.as_str().into(),
        key.state.as_str().into(),
        millis(key.created_at),
        optional_millis(key.published_at),
        optional_millis(key.retired_at),
    ]
}
