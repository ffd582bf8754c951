//! Signing up without a word about whether the address has an account.

use accounts::{Email, Password, Username};
use secret::SecretString;

use super::{Request, Typed, capabilities, unavailable};
use crate::{
    Context, Error, Peer,
    actions::accounts::{new_account, passwords},
    mail::{self, Use},
};

/// A sign-up as typed.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Email address.
    pub email: String,
    /// Username; made from the address when left out, or when somebody else has it by then.
    pub username: Option<String>,
    /// Full name.
    pub full_name: Option<String>,
    /// Password.
    pub password: SecretString,
}

/// Takes a sign-up. Everybody is answered alike; the rest goes by mail to the address.
pub async fn register(
    context: &Context,
    registration: Registration,
    peer: Peer,
) -> Result<(), Error> {
    if !capabilities(context).public_sign_up {
        return Err(unavailable());
    }
    let email = Email::parse(&registration.email)?;
    let username = registration
        .username
        .as_deref()
        .map(Username::parse)
        .transpose()?;
    let full_name = registration.full_name.as_deref().unwrap_or_default();
    let full_name = new_account::full_name(full_name)?;
    let personal = username.as_ref().map_or("", Username::as_str);
    let password = Password::parse(registration.password, &[email.as_str(), personal])?;
    let sends = context
        .mail_rate
        .ask(context, "sign_up", email.as_str(), peer)?;
    // Also for one that is left out: the same work for everybody.
    let password = passwords::hash(context, password).await?;
    if sends == Use::AlreadySent {
        return Ok(());
    }
    let request = Request::SignUp(Typed {
        username: username.map(|name| name.as_str().to_owned()),
        full_name,
        password: password.expose().clone(),
    });
    mail::ask(context, "sign_up", email.as_str().to_owned(), request).await
}
