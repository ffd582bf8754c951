//! What happened to accounts in the current month.

use jiff::{ToSpan as _, tz::TimeZone};

use crate::{Context, Error, extract::Caller};

/// Whose records are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    All,
    /// The caller's own.
    Own,
}

/// Counts of the current month (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// How many people there are in all.
    pub people: u64,
    /// How many records changed in the month, which being made counts as.
    pub updated: u64,
    /// How many were made in the month.
    pub added: u64,
}

/// Counts what happened in the current month.
pub async fn count_activity(
    context: &Context,
    caller: &Caller,
    whose: Whose,
) -> Result<Activity, Error> {
    let today = context.now().to_zoned(TimeZone::UTC);
    let month = today
        .first_of_month()
        .and_then(|first| first.start_of_day())
        .and_then(|since| Ok((since.timestamp(), since.checked_add(1.month())?.timestamp())));
    let (since, until) = month.map_err(|cause| Error::internal(&cause))?;
    let only = (whose == Whose::Own).then_some(caller.account.id);
    let counted = context.storage.scan(move |tx| {
        let people = tx.accounts().count_people("")?;
        let (updated, added) = tx.accounts().count_activity(since, until, only)?;
        Ok::<_, storage::Error>(Activity {
            people,
            updated,
            added,
        })
    });
    Ok(counted.await?)
}
