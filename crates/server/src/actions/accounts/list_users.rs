//! Looking accounts up, for whoever looks after them.

use accounts::Account;
use ids::AccountId;
use storage::Window;

use super::authority::find_person;
use crate::{Context, Error};

/// A part of the people in whose address or names a text is (all, when it is empty), in order of creation, and how many
/// there are. Without passwords.
pub async fn list_users(
    context: &Context,
    text: &str,
    window: Window,
) -> Result<(Vec<Account>, u64), Error> {
    let text = text.to_owned();
    let (people, count) = context
        .storage
        .scan(move |tx| {
            let count = tx.accounts().count_people(&text)?;
            Ok::<_, storage::Error>((tx.accounts().list_people(&text, window)?, count))
        })
        .await?;
    Ok((people.into_iter().map(without_password).collect(), count))
}

/// A person's account, without the password.
pub async fn find_user(context: &Context, id: AccountId) -> Result<Option<Account>, Error> {
    let found = context.storage.read(move |tx| find_person(tx, id)).await?;
    Ok(found.map(without_password))
}

fn without_password(account: Account) -> Account {
    Account {
        password: None,
        ..account
    }
}
