//! What waits for a person's next step: a sign-in for its second factor, a passkey's challenge for its answer.

use ids::{AccountId, SessionId};
use jiff::Timestamp;
use sea_query::{Condition, Expr, ExprTrait, Query};

use super::{digest, is, millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "ceremony";
const COLUMNS: [&str; 8] = [
    "digest",
    "purpose",
    "account",
    "session",
    "data",
    "tries",
    "created_at",
    "expires_at",
];

/// The ceremonies under way.
#[derive(Debug)]
pub struct Ceremonies<'t>(pub(crate) &'t mut Tx);

/// Something in two steps whose second one has not come yet. It belongs to the browser that keeps its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it is for; the name belongs to the use case.
    pub purpose: String,
    /// Whom it concerns. It goes with the account.
    pub account: Option<AccountId>,
    /// In which session it was begun. It goes with the session.
    pub session: Option<SessionId>,
    /// What the use case wants to know again, as JSON text.
    pub data: String,
    /// Wrong answers so far.
    pub tries: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// Refused from here on.
    pub expires_at: Timestamp,
}

impl Ceremonies<'_> {
    /// Adds a ceremony.
    pub fn insert(&mut self, ceremony: &Ceremony) -> Result<(), Error> {
        let values = [
            digest(ceremony.digest),
            ceremony.purpose.as_str().into(),
            ceremony.account.map(|id| id.as_uuid()).into(),
            ceremony.session.map(|id| id.as_uuid()).into(),
            ceremony.data.as_str().into(),
            i64::from(ceremony.tries).into(),
            millis(ceremony.created_at),
            millis(ceremony.expires_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// The ceremony of this token and purpose, if it is still under way. Nothing changes.
    pub fn find(
        &mut self,
        token: [u8; 32],
        purpose: &str,
        now: Timestamp,
    ) -> Result<Option<Ceremony>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(open(token, purpose, now)),
            read,
        )
    }

    /// Takes the ceremony away to finish it. Of any number of callers exactly one gets it.
    pub fn take(
        &mut self,
        token: [u8; 32],
        purpose: &str,
        now: Timestamp,
    ) -> Result<Option<Ceremony>, Error> {
        let mut delete = Query::delete();
        delete
            .from_table(TABLE)
            .cond_where(open(token, purpose, now))
            .returning(Query::returning().columns(COLUMNS));
        self.0.query_one(&delete, read)
    }

    /// Counts a try, of `most` at most, and gives the ceremony; `None` when there is none, or no try is left.
    pub fn count_try(
        &mut self,
        token: [u8; 32],
        purpose: &str,
        most: u32,
        now: Timestamp,
    ) -> Result<Option<Ceremony>, Error> {
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("tries", Expr::col("tries").add(1_i64))
            .cond_where(open(token, purpose, now).add(Expr::col("tries").lt(i64::from(most))))
            .returning(Query::returning().columns(COLUMNS));
        self.0.query_one(&update, read)
    }

    /// Removes an account's ceremonies: what protects it has changed.
    pub fn clear(&mut self, account: AccountId) -> Result<(), Error> {
        self.0
            .execute(
                Query::delete()
                    .from_table(TABLE)
                    .cond_where(is("account", account.as_uuid())),
            )
            .map(drop)
    }

    /// Removes up to `limit` ceremonies that expired before an instant, and counts them.
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

fn open(token: [u8; 32], purpose: &str, now: Timestamp) -> Condition {
    is("digest", digest(token))
        .add(Expr::col("purpose").eq(purpose))
        .add(Expr::col("expires_at").gt(millis(now)))
}

fn read(row: &Row<'_>) -> Result<Ceremony, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Ceremony {
        digest: cells.digest()?,
        purpose: cells.text()?,
        account: cells.optional_uuid()?.map(AccountId::from_uuid),
        session: cells.optional_uuid()?.map(SessionId::from_uuid),
        data: cells.text()?,
        tries: cells.u32()?,
        created_at: cells.time()?,
        expires_at: cells.time()?,
    })
}
