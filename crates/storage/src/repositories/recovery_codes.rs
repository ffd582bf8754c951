//! Recovery codes. Only a MAC of each is known.

use ids::AccountId;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::{digest, is, millis};
use crate::{Error, Tx};

const TABLE: &str = "recovery_code";

/// The recovery codes.
#[derive(Debug)]
pub struct RecoveryCodes<'t>(pub(crate) &'t mut Tx);

impl RecoveryCodes<'_> {
    /// Gives an account new codes in place of those it had.
    pub fn replace(
        &mut self,
        account: AccountId,
        macs: &[[u8; 32]],
        now: Timestamp,
    ) -> Result<(), Error> {
        self.delete(account)?;
        for mac in macs {
            let values = [account.as_uuid().into(), digest(*mac), millis(now)];
            self.0
                .insert(TABLE, ["account", "mac", "created_at"], values)?;
        }
        Ok(())
    }

    /// Uses a code up. Of any number of callers with one code exactly one is told `true`.
    pub fn redeem(
        &mut self,
        account: AccountId,
        mac: [u8; 32],
        now: Timestamp,
    ) -> Result<bool, Error> {
        let unused = is("account", account.as_uuid())
            .add(Expr::col("mac").eq(digest(mac)))
            .add(Expr::col("used_at").is_null());
        let rows = self.0.update(TABLE, ["used_at"], [millis(now)], unused)?;
        Ok(rows == 1)
    }

    /// How many codes an account has left.
    pub fn count_unused(&mut self, account: AccountId) -> Result<usize, Error> {
        let mut select = Query::select();
        select
            .expr(Expr::col("mac").count())
            .from(TABLE)
            .cond_where(is("account", account.as_uuid()).add(Expr::col("used_at").is_null()));
        let count = self.0.query_one(&select, |row| row.number(TABLE))?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or(usize::MAX))
    }

    /// When an account was given its codes; `None` when it has none.
    pub fn made_at(&mut self, account: AccountId) -> Result<Option<Timestamp>, Error> {
        let mut select = Query::select();
        select
            .column("created_at")
            .from(TABLE)
            .cond_where(is("account", account.as_uuid()))
            .limit(1);
        self.0
            .query_one(&select, |row| row.cells(TABLE, &["created_at"]).time())
    }

    /// Removes an account's codes.
    pub fn delete(&mut self, account: AccountId) -> Result<(), Error> {
        self.0
            .execute(
                Query::delete()
                    .from_table(TABLE)
                    .cond_where(is("account", account.as_uuid())),
            )
            .map(drop)
    }
}
