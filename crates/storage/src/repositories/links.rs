//! One-time links.

use ids::AccountId;
use jiff::Timestamp;
use sea_query::{Condition, Expr, ExprTrait, Query};

use super::{digest, is, millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "link";
const COLUMNS: [&str; 6] = [
    "digest",
    "purpose",
    "account",
    "data",
    "created_at",
    "expires_at",
];

/// The one-time links.
#[derive(Debug)]
pub struct Links<'t>(pub(crate) &'t mut Tx);

/// A link or code that works once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it is for; the name belongs to the use case.
    pub purpose: String,
    /// Whom it concerns. The link goes with the account.
    pub account: Option<AccountId>,
    /// What the use case wants to know again, as JSON text.
    pub data: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Refused from here on.
    pub expires_at: Timestamp,
}

impl Links<'_> {
    /// Adds a link.
    pub fn insert(&mut self, link: &Link) -> Result<(), Error> {
        let values = [
            digest(link.digest),
            link.purpose.as_str().into(),
            link.account.map(|id| id.as_uuid()).into(),
            link.data.as_str().into(),
            millis(link.created_at),
            millis(link.expires_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// The link, if it could be redeemed now. Nothing changes.
    pub fn peek(&mut self, token: [u8; 32], now: Timestamp) -> Result<Option<Link>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(open(token, now)),
            read,
        )
    }

    /// Uses the link up. Of any number of callers exactly one gets it; `None` when it is unknown, expired or used.
    pub fn redeem(&mut self, token: [u8; 32], now: Timestamp) -> Result<Option<Link>, Error> {
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("redeemed_at", millis(now))
            .cond_where(open(token, now))
            .returning(Query::returning().columns(COLUMNS));
        self.0.query_one(&update, read)
    }

    /// Replaces the data of a link that could be redeemed now; `false` when there is none.
    pub fn set_data(&mut self, token: [u8; 32], data: &str, now: Timestamp) -> Result<bool, Error> {
        Ok(self
            .0
            .update(TABLE, ["data"], [data.into()], open(token, now))?
            == 1)
    }

    /// Removes up to `limit` links that expired before an instant, and counts them.
    pub fn delete_expired(&mut self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("digest")
            .from(TABLE)
            .and_where(Expr::col("expires_at").lt(millis(before)))
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("digest").in_subquery(chosen)),
        )
    }
}

fn open(token: [u8; 32], now: Timestamp) -> Condition {
    is("digest", digest(token))
        .add(Expr::col("redeemed_at").is_null())
        .add(Expr::col("expires_at").gt(millis(now)))
}

fn read(row: &Row<'_>) -> Result<Link, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Link {
        digest: cells.digest()?,
        purpose: cells.text()?,
        account: cells.optional_uuid()?.map(AccountId::from_uuid),
        data: cells.text()?,
        created_at: cells.time()?,
        expires_at: cells.time()?,
    })
}
