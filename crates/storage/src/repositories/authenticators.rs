//! Authenticator apps.

use ::accounts::totp::Authenticator;
use ids::AccountId;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::{changed, is, millis, number, optional_millis};
use crate::{Error, Tx};

const TABLE: &str = "authenticator";
const COLUMNS: [&str; 5] = [
    "account",
    "sealed_secret",
    "created_at",
    "confirmed_at",
    "last_step",
];

/// The authenticator apps: of each account one at most.
#[derive(Debug)]
pub struct Authenticators<'t>(pub(crate) &'t mut Tx);

impl Authenticators<'_> {
    /// Adds an authenticator. [`Error::Conflict`] when the account has one, confirmed or not.
    pub fn insert(&mut self, authenticator: &Authenticator) -> Result<(), Error> {
        let values = [
            authenticator.account.as_uuid().into(),
            authenticator.sealed_secret.clone().into(),
            millis(authenticator.created_at),
            optional_millis(authenticator.confirmed_at),
            number(authenticator.last_step),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// The authenticator of an account, confirmed or not.
    pub fn find(&mut self, account: AccountId) -> Result<Option<Authenticator>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("account", account.as_uuid())),
            |row| {
                let mut cells = row.cells(TABLE, &COLUMNS);
                Ok(Authenticator {
                    account: AccountId::from_uuid(cells.uuid()?),
                    sealed_secret: cells.bytes()?,
                    created_at: cells.time()?,
                    confirmed_at: cells.optional_time()?,
                    last_step: cells.u64()?,
                })
            },
        )
    }

    /// Notes that the first code was right. [`Error::NotFound`] when there is none to confirm.
    pub fn confirm(&mut self, account: AccountId, at: Timestamp) -> Result<(), Error> {
        let unconfirmed = is("account", account.as_uuid()).add(Expr::col("confirmed_at").is_null());
        let rows = self
            .0
            .update(TABLE, ["confirmed_at"], [millis(at)], unconfirmed)?;
        changed(rows, TABLE)
    }

    /// Notes that the code of a step was taken. Of any number of callers with one code exactly one is told `true`; a
    /// step that is not later than the one taken last is told `false`.
    pub fn take_step(&mut self, account: AccountId, step: u64) -> Result<bool, Error> {
        let earlier = is("account", account.as_uuid()).add(Expr::col("last_step").lt(number(step)));
        let rows = self
            .0
            .update(TABLE, ["last_step"], [number(step)], earlier)?;
        Ok(rows == 1)
    }

    /// Removes the authenticator of an account; `false` when it has none.
    pub fn delete(&mut self, account: AccountId) -> Result<bool, Error> {
        let rows = self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .cond_where(is("account", account.as_uuid())),
        )?;
        Ok(rows == 1)
    }
}
