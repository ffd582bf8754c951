//! Making an account for somebody: the command line's way, on the storage itself.

use accounts::{Account, Role};
use storage::EventKind;

use super::{NewAccount, invitations};
use crate::{Context, Error};

/// Makes an account with a role. Invitations of its address are taken up at once.
pub async fn create_account(
    context: &Context,
    account: NewAccount,
    role: Role,
) -> Result<Account, Error> {
    let account = account
        .check_official()?
        .hash(context)
        .await?
        .record(role, context.now());
    let made = context.change(move |change| {
        change.accounts().insert(&account)?;
        change.event(EventKind::AccountCreated, account.id)?;
        invitations::take_up(change, &account)?;
        Ok(account.clone())
    });
    made.await.map(|account| Account {
        password: None,
        ..account
    })
}
