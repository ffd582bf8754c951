//! Sign-ups whose address is not proven yet. They are no accounts: nobody can take an address by typing it.

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Query};

use super::{digest, is, millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "sign_up";
const COLUMNS: [&str; 6] = [
    "email",
    "digest",
    "sealed",
    "created_at",
    "asked_at",
    "expires_at",
];

/// Sign-ups whose address is not proven yet, one an address.
#[derive(Debug)]
pub struct SignUps<'t>(pub(crate) &'t mut Tx);

/// Somebody signed up and was sent a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignUp {
    /// The address, trimmed and lower-cased.
    pub email: String,
    /// SHA-256 of the token that completes it; `None` when the address has an account, so that there is nothing to
    /// complete.
    pub digest: Option<[u8; 32]>,
    /// What was typed, the password as a hash, sealed.
    pub sealed: Vec<u8>,
    /// When the link was made.
    pub created_at: Timestamp,
    /// When a mail was last sent about it.
    pub asked_at: Timestamp,
    /// Forgotten from here on.
    pub expires_at: Timestamp,
}

impl SignUps<'_> {
    /// Adds a sign-up in place of an earlier one of the address.
    pub fn upsert(&mut self, sign_up: &SignUp) -> Result<(), Error> {
        let values = [
            sign_up.email.as_str().into(),
            sign_up.digest.map(|bytes| bytes.to_vec()).into(),
            sign_up.sealed.clone().into(),
            millis(sign_up.created_at),
            millis(sign_up.asked_at),
            millis(sign_up.expires_at),
        ];
        let mut insert = Query::insert();
        insert
            .into_table(TABLE)
            .columns(COLUMNS)
            .values_panic(values)
            .on_conflict(
                OnConflict::column("email")
                    .update_columns(COLUMNS.into_iter().skip(1))
                    .to_owned(),
            );
        self.0.execute(&insert).map(drop)
    }

    /// The sign-up of an address.
    pub fn find(&mut self, email: &str) -> Result<Option<SignUp>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("email", email)),
            read,
        )
    }

    /// The sign-up that a token completes. Nothing changes.
    pub fn find_by_digest(&mut self, token: [u8; 32]) -> Result<Option<SignUp>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("digest", digest(token))),
            read,
        )
    }

    /// Takes the sign-up of a token away. Of any number of callers exactly one gets it.
    pub fn take(&mut self, token: [u8; 32]) -> Result<Option<SignUp>, Error> {
        let mut delete = Query::delete();
        delete
            .from_table(TABLE)
            .cond_where(is("digest", digest(token)))
            .returning(Query::returning().columns(COLUMNS));
        self.0.query_one(&delete, read)
    }

    /// Forgets the sign-up of an address, if there is one.
    pub fn delete(&mut self, email: &str) -> Result<(), Error> {
        self.0
            .execute(
                Query::delete()
                    .from_table(TABLE)
                    .cond_where(is("email", email)),
            )
            .map(drop)
    }

    /// Removes up to `limit` sign-ups that expired before an instant, and counts them.
    pub fn delete_expired(&mut self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("email")
            .from(TABLE)
            .and_where(Expr::col("expires_at").lt(millis(before)))
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("email").in_subquery(chosen)),
        )
    }
}

fn read(row: &Row<'_>) -> Result<SignUp, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(SignUp {
        email: cells.text()?,
        digest: cells.optional_digest()?,
        sealed: cells.bytes()?,
        created_at: cells.time()?,
        asked_at: cells.time()?,
        expires_at: cells.time()?,
    })
}
