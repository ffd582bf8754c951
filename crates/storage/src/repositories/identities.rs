//! Identities at outside providers.

use ::accounts::Identity;
use ids::AccountId;
use jiff::Timestamp;
use sea_query::{Condition, Order, Query};

use super::{changed, is, millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "identity";
const COLUMNS: [&str; 6] = [
    "provider",
    "subject",
    "account",
    "email",
    "created_at",
    "last_used_at",
];

/// The identities.
#[derive(Debug)]
pub struct Identities<'t>(pub(crate) &'t mut Tx);

impl Identities<'_> {
    /// Adds an identity. [`Error::Conflict`] when it is somebody's already.
    pub fn insert(&mut self, identity: &Identity) -> Result<(), Error> {
        let values = [
            identity.provider.as_str().into(),
            identity.subject.as_str().into(),
            identity.account.as_uuid().into(),
            identity.email.clone().into(),
            millis(identity.created_at),
            millis(identity.last_used_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// The identity of this provider and subject.
    pub fn find(&mut self, provider: &str, subject: &str) -> Result<Option<Identity>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(key(provider, subject)),
            read,
        )
    }

    /// Notes that somebody signed in by an identity, and the address its provider tells now.
    pub fn touch(
        &mut self,
        provider: &str,
        subject: &str,
        email: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            ["email", "last_used_at"],
            [email.map(str::to_owned).into(), millis(now)],
            key(provider, subject),
        )?;
        changed(rows, TABLE)
    }

    /// An account's identities, in the order they were joined to it.
    pub fn list(&mut self, account: AccountId) -> Result<Vec<Identity>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("account", account.as_uuid()))
            .order_by("created_at", Order::Asc)
            .order_by("provider", Order::Asc)
            .order_by("subject", Order::Asc);
        self.0.query(&select, read)
    }

    /// Removes an account's identity. [`Error::NotFound`] when it is not the account's.
    pub fn delete(
        &mut self,
        account: AccountId,
        provider: &str,
        subject: &str,
    ) -> Result<(), Error> {
        let rows = self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .cond_where(key(provider, subject).add(is("account", account.as_uuid()))),
        )?;
        changed(rows, TABLE)
    }
}

fn key(provider: &str, subject: &str) -> Condition {
    is("provider", provider).add(is("subject", subject))
}

fn read(row: &Row<'_>) -> Result<Identity, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Identity {
        provider: cells.text()?,
        subject: cells.text()?,
        account: ids::AccountId::from_uuid(cells.uuid()?),
        email: cells.optional_text()?,
        created_at: cells.time()?,
        last_used_at: cells.time()?,
    })
}
