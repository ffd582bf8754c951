//! Taking up the invitations of an address when its account is made.

use accounts::Account;
use jiff::Timestamp;

use crate::{Change, Error, actions::apps};

/// Makes a new account a member of every app its address was invited to.
pub(super) fn take_up(change: &mut Change<'_>, account: &Account) -> Result<(), Error> {
    take_up_at(change, account, account.created_at)
}

/// Makes an account a member of every app its address was invited to: the address has just been proven.
pub(super) fn take_up_at(
    change: &mut Change<'_>,
    account: &Account,
    now: Timestamp,
) -> Result<(), Error> {
    for invite in change.invites().find_open_by_email(&account.email, now)? {
        apps::take_up_invite(change, invite, account.id, now)?;
    }
    Ok(())
}
