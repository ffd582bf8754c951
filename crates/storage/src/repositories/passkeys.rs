//! Passkeys.

use ::accounts::Passkey;
use ids::{AccountId, PasskeyId};
use jiff::Timestamp;
use sea_query::{Condition, Expr, ExprTrait, Order, Query};

use super::{changed, is, millis, optional_millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "passkey";
const COLUMNS: [&str; 9] = [
    "id",
    "account",
    "credential",
    "name",
    "public_key",
    "sign_count",
    "synced",
    "created_at",
    "last_used_at",
];

/// The passkeys.
#[derive(Debug)]
pub struct Passkeys<'t>(pub(crate) &'t mut Tx);

impl Passkeys<'_> {
    /// Adds a passkey. [`Error::Conflict`] when its credential is registered already.
    pub fn insert(&mut self, passkey: &Passkey) -> Result<(), Error> {
        let values = [
            passkey.id.as_uuid().into(),
            passkey.account.as_uuid().into(),
            passkey.credential.clone().into(),
            passkey.name.as_str().into(),
            passkey.public_key.as_str().into(),
            i64::from(passkey.sign_count).into(),
            passkey.synced.into(),
            millis(passkey.created_at),
            optional_millis(passkey.last_used_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// The passkey of this id.
    pub fn find(&mut self, id: PasskeyId) -> Result<Option<Passkey>, Error> {
        self.one(is("id", id.as_uuid()))
    }

    /// The passkey that its device knows under this id.
    pub fn find_by_credential(&mut self, credential: &[u8]) -> Result<Option<Passkey>, Error> {
        self.one(is("credential", credential.to_vec()))
    }

    /// An account's passkeys, the first one first.
    pub fn list(&mut self, account: AccountId) -> Result<Vec<Passkey>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("account", account.as_uuid()))
            .order_by("created_at", Order::Asc)
            .order_by("id", Order::Asc);
        self.0.query(&select, read)
    }

    /// Notes that a passkey was used: its count, and what its device tells of it now.
    pub fn note_use(
        &mut self,
        id: PasskeyId,
        sign_count: u32,
        public_key: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            ["sign_count", "public_key", "last_used_at"],
            [i64::from(sign_count).into(), public_key.into(), millis(now)],
            is("id", id.as_uuid()),
        )?;
        changed(rows, TABLE)
    }

    /// Gives one of an account's passkeys another name. [`Error::NotFound`] when it has none of this id.
    pub fn rename(&mut self, account: AccountId, id: PasskeyId, name: &str) -> Result<(), Error> {
        let rows = self
            .0
            .update(TABLE, ["name"], [name.into()], own(account, id))?;
        changed(rows, TABLE)
    }

    /// Removes one of an account's passkeys. [`Error::NotFound`] when it has none of this id.
    pub fn delete(&mut self, account: AccountId, id: PasskeyId) -> Result<(), Error> {
        let rows = self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .cond_where(own(account, id)),
        )?;
        changed(rows, TABLE)
    }

    /// Removes all of an account's passkeys, and counts them.
    pub fn delete_all(&mut self, account: AccountId) -> Result<u64, Error> {
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .cond_where(is("account", account.as_uuid())),
        )
    }

    fn one(&mut self, condition: Condition) -> Result<Option<Passkey>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(condition),
            read,
        )
    }
}

fn own(account: AccountId, id: PasskeyId) -> Condition {
    is("id", id.as_uuid()).add(Expr::col("account").eq(account.as_uuid()))
}

fn read(row: &Row<'_>) -> Result<Passkey, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Passkey {
        id: PasskeyId::from_uuid(cells.uuid()?),
        account: AccountId::from_uuid(cells.uuid()?),
        credential: cells.bytes()?,
        name: cells.text()?,
        public_key: cells.text()?,
        sign_count: cells.u32()?,
        synced: cells.bool()?,
        created_at: cells.time()?,
        last_used_at: cells.optional_time()?,
    })
}
