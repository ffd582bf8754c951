//! Changing one's password.

use accounts::{ChallengePurpose, EndReason, Ended, Method, Methods, Password};
use secret::SecretString;
use storage::EventKind;

use super::{by_mail::forgot_page, factors, passwords, sessions};
use crate::{
    Context, Error,
    extract::Caller,
    mail::{Letter, NewMail},
};

/// Changes the caller's password. Every other session ends and every access token issued before is worthless.
pub async fn change_password(
    context: &Context,
    caller: &Caller,
    current: &SecretString,
    new: SecretString,
) -> Result<(), Error> {
    let is_same = current.expose() == new.expose();
    let new = Password::parse(new, &[&caller.account.email, &caller.account.username])?;
    let (id, now) = (caller.account.id, context.now());
    let stored = context
        .storage
        .read(move |tx| tx.accounts().find(id))
        .await?
        .and_then(|account| account.password);
    // Whoever found a browser open guesses no faster than at the door.
    let attempt = context.throttle.begin_again(&caller.session, now)?;
    let verdict = match passwords::verify(context, stored.clone(), current.clone()).await {
        Ok(verdict) => verdict,
        Err(error) => {
            attempt.undecided();
            return Err(error);
        }
    };
    if verdict.matches {
        attempt.succeeded();
    } else {
        return Err(Error::field(
            "current_password",
            "the current password is wrong",
        ));
    }
    if is_same {
        return Err(Error::bad_request(
            "same_password",
            "The new password is the current one; choose another.",
        )
        .with("field", "new_password"));
    }
    let hashed = passwords::hash(context, new).await?;
    let session = caller.session.id;
    let (notice, forgot) = (NewMail::prepare(context), forgot_page(context));
    context
        .change(move |change| {
            let mut account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            // Two changes at once: the second one's check was of a password that is no longer in force.
            if !passwords::is_same(account.password.as_ref(), stored.as_ref()) {
                return Err(Error::field(
                    "current_password",
                    "the password was changed just now; try again",
                ));
            }
            account.password = Some(hashed.clone());
            account.generation += 1;
            account.updated_at = now;
            change.accounts().update(&account)?;
            let ended = Ended {
                at: now,
                reason: EndReason::PasswordChanged,
            };
            sessions::end_all(change, id, Some(session), ended)?;
            change
                .challenges()
                .clear(id, Some(ChallengePurpose::UndoEmailChange))?;
            change.event(EventKind::AccountGeneration, id)?;
            let letter = Letter::PasswordChanged {
                username: account.username.clone(),
                forgot: forgot.clone(),
            };
            // An access token may do without a session that lives; then there is nothing to note it on.
            let kept = change.sessions().find(session)?;
            if kept.is_some_and(|kept| kept.ended.is_none()) {
                factors::prove(change, session, Methods::one(Method::Password))?;
            }
            notice.insert_notice(change, &account.email, &letter)
        })
        .await?;
    context.mail.ring();
    Ok(())
}
