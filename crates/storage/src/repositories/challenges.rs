//! Mailed proofs that are under way.

use ::accounts::{Challenge, ChallengePurpose};
use ids::AccountId;
use jiff::Timestamp;
use sea_query::{Condition, Expr, ExprTrait, Query};

use super::{digest, is, millis, number};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "challenge";
const COLUMNS: [&str; 7] = [
    "account",
    "purpose",
    "digest",
    "email",
    "generation",
    "created_at",
    "expires_at",
];

/// Mailed proofs that are under way: of each account at most one for a purpose.
#[derive(Debug)]
pub struct Challenges<'t>(pub(crate) &'t mut Tx);

impl Challenges<'_> {
    /// Adds a challenge in place of the one that the account had for the purpose.
    pub fn replace(&mut self, challenge: &Challenge) -> Result<(), Error> {
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .cond_where(slot(challenge.account, challenge.purpose)),
        )?;
        let values = [
            challenge.account.as_uuid().into(),
            challenge.purpose.as_str().into(),
            digest(challenge.digest),
            challenge.email.as_str().into(),
            number(challenge.generation),
            millis(challenge.created_at),
            millis(challenge.expires_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// The challenge of a token. Nothing changes.
    pub fn find(&mut self, token: [u8; 32]) -> Result<Option<Challenge>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("digest", digest(token))),
            read,
        )
    }

    /// The challenge that an account has for a purpose.
    pub fn find_live(
        &mut self,
        account: AccountId,
        purpose: ChallengePurpose,
    ) -> Result<Option<Challenge>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(slot(account, purpose)),
            read,
        )
    }

    /// Takes the challenge of a token away. Of any number of callers exactly one gets it.
    pub fn take(&mut self, token: [u8; 32]) -> Result<Option<Challenge>, Error> {
        let mut delete = Query::delete();
        delete
            .from_table(TABLE)
            .cond_where(is("digest", digest(token)))
            .returning(Query::returning().columns(COLUMNS));
        self.0.query_one(&delete, read)
    }

    /// Removes the account's challenges but those for one purpose.
    pub fn clear(
        &mut self,
        account: AccountId,
        except: Option<ChallengePurpose>,
    ) -> Result<(), Error> {
        let mut condition = is("account", account.as_uuid());
        if let Some(purpose) = except {
            condition = condition.add(Expr::col("purpose").ne(purpose.as_str()));
        }
        self.0
            .execute(Query::delete().from_table(TABLE).cond_where(condition))
            .map(drop)
    }

    /// Removes up to `limit` challenges that expired before an instant, and counts them.
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

fn slot(account: AccountId, purpose: ChallengePurpose) -> Condition {
    is("account", account.as_uuid()).add(Expr::col("purpose").eq(purpose.as_str()))
}

fn read(row: &Row<'_>) -> Result<Challenge, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Challenge {
        account: AccountId::from_uuid(cells.uuid()?),
        purpose: cells.parsed(ChallengePurpose::from_name)?,
        digest: cells.digest()?,
        email: cells.text()?,
        generation: cells.u64()?,
        created_at: cells.time()?,
        expires_at: cells.time()?,
    })
}
