//! What people have to be told of their accounts, until they have seen it.

use ids::{AccountId, NoticeId};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query};

use super::{is, millis};
use crate::{Error, Tx};

const TABLE: &str = "notice";
const COLUMNS: [&str; 5] = ["id", "account", "kind", "detail", "created_at"];

/// The notices.
#[derive(Debug)]
pub struct Notices<'t>(pub(crate) &'t mut Tx);

/// Something that happened to an account and that its owner may not have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Stable identity.
    pub id: NoticeId,
    /// Whose account.
    pub account: AccountId,
    /// What happened; the name belongs to the use case.
    pub kind: String,
    /// More about it, for example the device; may be empty.
    pub detail: String,
    /// When it happened.
    pub created_at: Timestamp,
}

impl Notices<'_> {
    /// Adds a notice.
    pub fn insert(&mut self, notice: &Notice) -> Result<(), Error> {
        let values = [
            notice.id.as_uuid().into(),
            notice.account.as_uuid().into(),
            notice.kind.as_str().into(),
            notice.detail.as_str().into(),
            millis(notice.created_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// An account's notices, the newest first, `limit` at most.
    pub fn list(&mut self, account: AccountId, limit: u32) -> Result<Vec<Notice>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("account", account.as_uuid()))
            .order_by("created_at", Order::Desc)
            .order_by("id", Order::Desc)
            .limit(limit.into());
        self.0.query(&select, |row| {
            let mut cells = row.cells(TABLE, &COLUMNS);
            Ok(Notice {
                id: NoticeId::from_uuid(cells.uuid()?),
                account: AccountId::from_uuid(cells.uuid()?),
                kind: cells.text()?,
                detail: cells.text()?,
                created_at: cells.time()?,
            })
        })
    }

    /// Removes an account's notices up to an instant: the person has seen them.
    pub fn seen(&mut self, account: AccountId, until: Timestamp) -> Result<(), Error> {
        let condition =
            is("account", account.as_uuid()).add(Expr::col("created_at").lte(millis(until)));
        self.0
            .execute(Query::delete().from_table(TABLE).cond_where(condition))
            .map(drop)
    }

    /// Removes up to `limit` notices from before an instant, and counts them.
    pub fn delete_old(&mut self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("id")
            .from(TABLE)
            .and_where(Expr::col("created_at").lt(millis(before)))
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("id").in_subquery(chosen)),
        )
    }
}
