//! Changing the standing of accounts: the rule applied within a transaction, and what follows from it.

use accounts::{
    Account, Actor, AuthorityRefusal, Consequence, Email, Ended, Standing, Username,
    change_standing,
};
use ids::AccountId;
use jiff::Timestamp;
use storage::EventKind;

use super::sessions;
use crate::{Change, Error};

/// The actor in the standing they have now, which may have changed since the request came in.
pub(super) fn current(change: &mut Change<'_>, actor: Actor) -> Result<Actor, Error> {
    let Actor::Account { id, .. } = actor else {
        return Ok(actor);
    };
    let account = change.accounts().find(id)?;
    account
        .filter(|account| account.active)
        .map(|account| Actor::of(&account))
        .ok_or_else(|| AuthorityRefusal::OutOfReach.into())
}

/// Applies the rule to an account.
pub(super) fn decide(
    change: &mut Change<'_>,
    actor: Actor,
    account: &Account,
    wanted: Standing,
) -> Result<Consequence, Error> {
    let actor = current(change, actor)?;
    let others = change.accounts().count_other_superadmins(account.id)?;
    Ok(change_standing(actor, account, wanted, others)?)
}

/// Writes a changed account with what follows, each with its event.
pub(super) fn write(
    change: &mut Change<'_>,
    before: &Account,
    mut account: Account,
    consequence: Consequence,
    now: Timestamp,
) -> Result<Account, Error> {
    let id = account.id;
    account.updated_at = now;
    if consequence.raises_generation {
        account.generation += 1;
    }
    change.accounts().update(&account)?;
    if let Some(reason) = consequence.ends_sessions {
        sessions::end_all(change, id, None, Ended { at: now, reason })?;
    }
    let kind = if before.active && !account.active {
        EventKind::AccountDisabled
    } else if consequence.raises_generation {
        EventKind::AccountGeneration
    } else {
        EventKind::AccountChanged
    };
    change.event(kind, id)?;
    Ok(account)
}

/// The account of this id. The owner's place that nobody has taken yet is none.
pub(super) fn find_person(
    tx: &mut storage::Tx,
    id: AccountId,
) -> Result<Option<Account>, storage::Error> {
    let found = tx.accounts().find(id)?;
    Ok(found.filter(|account| !account.is_pending()))
}

/// A free username for an account that is made by its address alone.
pub(super) fn free_username(
    change: &mut Change<'_>,
    email: &Email,
    random: [u8; 4],
) -> Result<String, Error> {
    for name in Username::candidates(email.local(), random) {
        if change.accounts().find_by_username(name.as_str())?.is_none() {
            return Ok(name.to_string());
        }
    }
    // The last candidate is random: this is as likely as a guessed token.
    Err(Error::taken("username"))
}
