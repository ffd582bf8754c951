//! Taking up the invitations of an address when its account is made.

use accounts::Account;

use crate::{Change, Error, actions::apps};

/// Makes a new account a member of every app its address was invited to.
pub(super) fn take_up(change: &mut Change<'_>, account: &Account) -> Result<(), Error> {
    for invite in change
        .invites()
        .find_open_by_email(&account.email, account.created_at)?
    {
        apps::take_up_invite(change, invite, account.id, account.created_at)?;
    }
    Ok(())
}
