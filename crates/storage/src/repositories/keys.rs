//! Signing keys.

use std::time::Duration;

use sea_query::{Order, Query};
use token::{
    Algorithm,
    rotation::{KeyLife, KeyState},
};

use super::{changed, is, millis, number, optional_millis};
use crate::{Error, Tx};

const TABLE: &str = "signing_key";
const COLUMNS: [&str; 11] = [
    "kid",
    "algorithm",
    "sealed_private",
    "public_jwk",
    "state",
    "created_at",
    "published_at",
    "retired_at",
    "current_at",
    "token_life",
    "switches_itself",
];

/// The signing keys.
#[derive(Debug)]
pub struct Keys<'t>(pub(crate) &'t mut Tx);

/// A key that signs access tokens. The private half is stored only encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its id, its algorithm and what it is used for.
    pub life: KeyLife,
    /// The private half, encrypted by the caller.
    pub sealed_private: Vec<u8>,
    /// The public half as a JSON Web Key; `null` for a secret key.
    pub public_jwk: String,
}

impl Keys<'_> {
    /// Adds a key.
    pub fn insert(&mut self, key: &SigningKey) -> Result<(), Error> {
        let life = &key.life;
        let values = [
            life.kid.as_str().into(),
            life.algorithm.as_str().into(),
            key.sealed_private.clone().into(),
            key.public_jwk.as_str().into(),
            life.state.as_str().into(),
            millis(life.created_at),
            millis(life.published_at),
            optional_millis(life.retired_at),
            optional_millis(life.current_at),
            seconds(life.token_life),
            life.switches_itself.into(),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// Overwrites what a key is used for. The key itself never changes.
    pub fn update(&mut self, life: &KeyLife) -> Result<(), Error> {
        let columns = [
            "state",
            "published_at",
            "retired_at",
            "current_at",
            "token_life",
            "switches_itself",
        ];
        let values = [
            life.state.as_str().into(),
            millis(life.published_at),
            optional_millis(life.retired_at),
            optional_millis(life.current_at),
            seconds(life.token_life),
            life.switches_itself.into(),
        ];
        let rows = self
            .0
            .update(TABLE, columns, values, is("kid", life.kid.as_str()))?;
        changed(rows, "signing key")
    }

    /// Removes a key, its encrypted private half with it.
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
            let kid = cells.text()?;
            let algorithm = cells.parsed(Algorithm::from_name)?;
            let (sealed_private, public_jwk) = (cells.bytes()?, cells.text()?);
            let state = cells.parsed(KeyState::from_name)?;
            let created_at = cells.time()?;
            Ok(SigningKey {
                life: KeyLife {
                    kid,
                    algorithm,
                    state,
                    created_at,
                    published_at: cells.optional_time()?.unwrap_or(created_at),
                    retired_at: cells.optional_time()?,
                    current_at: cells.optional_time()?,
                    token_life: Duration::from_secs(cells.u64()?),
                    switches_itself: cells.bool()?,
                },
                sealed_private,
                public_jwk,
            })
        })
    }
}

/// A span as it is stored: whole seconds, rounded up.
fn seconds(span: Duration) -> sea_query::Expr {
    number(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}
