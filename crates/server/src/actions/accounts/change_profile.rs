//! Changing how others see one.

use accounts::Account;
use storage::EventKind;

use super::new_account;
use crate::{Context, Error, extract::Caller};

/// Changes the caller's full name; `None` takes it away.
pub async fn change_full_name(
    context: &Context,
    caller: &Caller,
    full_name: Option<String>,
) -> Result<(), Error> {
    let full_name = new_account::full_name(full_name.as_deref().unwrap_or_default())?;
    let (id, now) = (caller.account.id, context.now());
    context
        .change(move |change| {
            let account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            change.accounts().update(&Account {
                full_name: full_name.clone(),
                updated_at: now,
                ..account
            })?;
            change.event(EventKind::AccountChanged, id)
        })
        .await
}
