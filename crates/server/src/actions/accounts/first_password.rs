//! A password for an account that has none: its person came by an outside provider.

use accounts::{Account, Password};
use secret::SecretString;
use storage::EventKind;

use super::{by_mail::forgot_page, passwords, require_recent_proof};
use crate::{
    Context, Error,
    extract::Caller,
    mail::{Letter, NewMail},
};

/// Gives the caller's account its first password. They proved lately who they are; there is no password to ask for.
pub async fn set_first_password(
    context: &Context,
    caller: &Caller,
    new: SecretString,
) -> Result<(), Error> {
    let (id, now) = (caller.account.id, context.now());
    require_recent_proof(caller, now)?;
    let new = Password::parse(new, &[&caller.account.email, &caller.account.username])?;
    let hashed = passwords::hash(context, new).await?;
    let (notice, forgot) = (NewMail::prepare(context), forgot_page(context));
    context
        .change(move |change| {
            let account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            if account.password.is_some() {
                return Err(Error::new(
                    http::StatusCode::CONFLICT,
                    "password_exists",
                    "The account has a password by now; reload the page to change it.",
                ));
            }
            let account = Account {
                password: Some(hashed.clone()),
                updated_at: now,
                ..account
            };
            change.accounts().update(&account)?;
            change.event(EventKind::AccountChanged, id)?;
            let letter = Letter::PasswordChanged {
                username: account.username,
                forgot: forgot.clone(),
            };
            notice.insert_notice(change, &account.email, &letter)
        })
        .await?;
    context.mail.ring();
    Ok(())
}
