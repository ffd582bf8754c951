//! A new password in place of a forgotten one. Second factors stay: a mailbox is not a person.

use accounts::{ChallengePurpose, EndReason, Ended, Password};
use secret::SecretString;
use storage::EventKind;

use super::{Request, capabilities, digest, forgot_page, look, normal, redeem, unavailable};
use crate::{
    Context, Error, Peer,
    actions::accounts::{invitations, passwords, sessions},
    mail::{self, Letter, NewMail, Use},
};

const PURPOSE: ChallengePurpose = ChallengePurpose::ResetPassword;

/// Asks for a mail that lets its reader set a new password. Everybody is answered alike.
pub async fn request_password_reset(
    context: &Context,
    email: &str,
    peer: Peer,
) -> Result<(), Error> {
    if !capabilities(context).password_reset {
        return Err(unavailable());
    }
    let email = normal(email)?;
    match context
        .mail_rate
        .ask(context, "reset_password", &email, peer)?
    {
        Use::Send => mail::ask(context, "reset_password", email, Request::ResetPassword).await,
        Use::AlreadySent => Ok(()),
    }
}

/// Whose password a token would set now; `None` when it is no good.
pub async fn is_password_reset_open(
    context: &Context,
    token: &str,
) -> Result<Option<String>, Error> {
    let Ok(digest) = digest(PURPOSE, token) else {
        return Ok(None);
    };
    let now = context.now();
    context
        .storage
        .read(move |tx| match look(tx, digest, PURPOSE, now) {
            Ok((_, account)) => Ok(Some(account.username)),
            Err(error) if error.code == "challenge_invalid" => Ok(None),
            Err(error) => Err(error),
        })
        .await
}

/// Sets a new password, ends every session of the account and makes every token issued before worthless.
pub async fn confirm_password_reset(
    context: &Context,
    token: &str,
    new: SecretString,
    peer: Peer,
) -> Result<(), Error> {
    let digest = digest(PURPOSE, token)?;
    context.mail_rate.redeem(context, peer)?;
    let now = context.now();
    // Before the hash, so that nobody without a link can make the server work; and a password that is refused leaves
    // the link good for a better one.
    let (_, account) = context
        .storage
        .read(move |tx| look(tx, digest, PURPOSE, now))
        .await?;
    let new = Password::parse(new, &[&account.email, &account.username])?;
    let hashed = passwords::hash(context, new).await?;
    let notice = NewMail::prepare(context);
    let forgot = forgot_page(context);
    context
        .change(move |change| {
            let (_, mut account) = redeem(change, digest, PURPOSE, now)?;
            let was_proven = account.email_verified;
            account.password = Some(hashed.clone());
            account.generation += 1;
            // The link came by mail to this address.
            account.email_verified = true;
            account.updated_at = now;
            change.accounts().update(&account)?;
            change
                .challenges()
                .clear(account.id, Some(ChallengePurpose::UndoEmailChange))?;
            let ended = Ended {
                at: now,
                reason: EndReason::PasswordChanged,
            };
            sessions::end_all(change, account.id, None, ended)?;
            change.event(EventKind::AccountGeneration, account.id)?;
            if !was_proven {
                invitations::take_up_at(change, &account, now)?;
            }
            let letter = Letter::PasswordChanged {
                username: account.username.clone(),
                forgot: forgot.clone(),
            };
            notice.insert_notice(change, &account.email, &letter)
        })
        .await?;
    context.mail.ring();
    Ok(())
}
