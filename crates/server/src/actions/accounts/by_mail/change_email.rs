//! Changing an account's address: it counts once the new one is proven, and the old one hears of it and can take it
//! back.

use accounts::{Account, Challenge, ChallengeInvalid, ChallengePurpose, Email, EndReason, Ended};
use jiff::Timestamp;
use storage::EventKind;

use super::{FreshToken, Request, capabilities, digest, look, redeem};
use crate::{
    Change, Context, Error, Peer,
    actions::accounts::{invitations, sessions},
    mail::{self, Letter, NewMail, Use},
};

const PURPOSE: ChallengePurpose = ChallengePurpose::ChangeEmail;
const UNDO: ChallengePurpose = ChallengePurpose::UndoEmailChange;

/// What became of a wish for another address.
#[derive(Debug, Clone)]
pub enum EmailChange {
    /// It is the address already.
    Same,
    /// It counts once it is proven; a mail was sent to it, unless it belongs to another account.
    Mailed,
    /// It counts.
    Changed(Box<Account>),
}

/// Changes an account's address. With `accounts.email_change_confirmation` a mail goes to the new one first, and the
/// answer does not tell whether somebody else has it; else 409 tells.
pub async fn change_email(
    context: &Context,
    account: &Account,
    new: &str,
    peer: Peer,
) -> Result<EmailChange, Error> {
    let new = Email::parse(new)?.as_str().to_owned();
    if new == account.email {
        return Ok(EmailChange::Same);
    }
    let id = account.id;
    if capabilities(context).email_change_confirmation {
        if context.mail_rate.ask(context, "change_email", &new, peer)? == Use::Send {
            let request = Request::ChangeEmail {
                account: id.as_uuid(),
                generation: account.generation,
            };
            mail::ask(context, "change_email", new, request).await?;
        }
        return Ok(EmailChange::Mailed);
    }
    let mover = Mover::prepare(context);
    let now = context.now();
    let changed = context
        .change(move |change| {
            let account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            mover.change(change, account, &new, false, now)
        })
        .await?;
    context.mail.ring();
    Ok(EmailChange::Changed(Box::new(Account {
        password: None,
        ..changed
    })))
}

/// The address that a token would change an account to now, and whose; `None` when it is no good.
pub async fn find_email_change(
    context: &Context,
    token: &str,
) -> Result<Option<(String, String)>, Error> {
    find(context, token, PURPOSE).await
}

/// The address that a token would give an account back now, and whose; `None` when it is no good.
pub async fn find_undo(context: &Context, token: &str) -> Result<Option<(String, String)>, Error> {
    find(context, token, UNDO).await
}

async fn find(
    context: &Context,
    token: &str,
    purpose: ChallengePurpose,
) -> Result<Option<(String, String)>, Error> {
    let Ok(digest) = digest(purpose, token) else {
        return Ok(None);
    };
    let now = context.now();
    context
        .storage
        .read(move |tx| match look(tx, digest, purpose, now) {
            Ok((challenge, account)) => Ok(Some((challenge.email, account.username))),
            Err(error) if error.code == "challenge_invalid" => Ok(None),
            Err(error) => Err(error),
        })
        .await
}

/// Changes the address to the one that the token proves.
pub async fn confirm_email_change(
    context: &Context,
    token: &str,
    peer: Peer,
) -> Result<Account, Error> {
    let digest = digest(PURPOSE, token)?;
    context.mail_rate.redeem(context, peer)?;
    let (mover, now) = (Mover::prepare(context), context.now());
    let changed = context
        .change(move |change| {
            let (challenge, account) = redeem(change, digest, PURPOSE, now)?;
            if change.accounts().find_by_email(&challenge.email)?.is_some() {
                // Somebody took the address meanwhile. Saying so would tell that they did.
                return Err(ChallengeInvalid.into());
            }
            mover.change(change, account, &challenge.email, true, now)
        })
        .await?;
    context.mail.ring();
    Ok(Account {
        password: None,
        ..changed
    })
}

/// Takes a change of address back: the account has its old address and no password, everybody is signed out, and the
/// token that is returned sets a new password.
pub async fn undo_email_change(
    context: &Context,
    token: &str,
    peer: Peer,
) -> Result<String, Error> {
    let digest = digest(UNDO, token)?;
    context.mail_rate.redeem(context, peer)?;
    let now = context.now();
    let reset = FreshToken::make(context, ChallengePurpose::ResetPassword);
    let token = reset.token.clone();
    context
        .change(move |change| {
            let (challenge, mut account) = redeem(change, digest, UNDO, now)?;
            if change.accounts().find_by_email(&challenge.email)?.is_some() {
                return Err(ChallengeInvalid.into());
            }
            account.email.clone_from(&challenge.email);
            account.email_verified = true;
            // Whoever changed the address may know the password.
            account.password = None;
            account.generation += 1;
            account.updated_at = now;
            change.accounts().update(&account)?;
            let ended = Ended {
                at: now,
                reason: EndReason::Revoked,
            };
            sessions::end_all(change, account.id, None, ended)?;
            change.challenges().clear(account.id, None)?;
            change.challenges().replace(&Challenge::new(
                &account,
                ChallengePurpose::ResetPassword,
                &account.email,
                reset.digest,
                now,
            ))?;
            change.event(EventKind::AccountChanged, account.id)?;
            change.event(EventKind::AccountGeneration, account.id)
        })
        .await?;
    Ok(token)
}

/// Changes the address and tells the old one.
#[derive(Clone)]
pub(in crate::actions::accounts) struct Mover {
    notice: NewMail,
    undo: FreshToken,
}

impl Mover {
    pub(in crate::actions::accounts) fn prepare(context: &Context) -> Self {
        Self {
            notice: NewMail::prepare(context),
            undo: FreshToken::make(context, UNDO),
        }
    }

    pub(in crate::actions::accounts) fn change(
        &self,
        change: &mut Change<'_>,
        account: Account,
        new: &str,
        is_proven: bool,
        now: Timestamp,
    ) -> Result<Account, Error> {
        let old = account.email.clone();
        let changed = Account {
            email: new.to_owned(),
            email_verified: is_proven,
            updated_at: now,
            ..account
        };
        change.accounts().update(&changed)?;
        // Proofs that are under way are of the old address.
        change.challenges().clear(changed.id, Some(UNDO))?;
        // Whoever has stolen the account and changes the address twice must not thereby take the first address its way
        // back: the oldest one counts until it lapses.
        let earlier = change.challenges().find_live(changed.id, UNDO)?;
        let goes_on = earlier.is_some_and(|undo| now < undo.expires_at);
        if !goes_on {
            let undo = Challenge::new(&changed, UNDO, &old, self.undo.digest, now);
            change.challenges().replace(&undo)?;
        }
        let letter = Letter::EmailChanged {
            username: changed.username.clone(),
            new_email: new.to_owned(),
            undo: (!goes_on).then(|| self.undo.link.clone()),
        };
        self.notice.insert_notice(change, &old, &letter)?;
        if is_proven {
            invitations::take_up_at(change, &changed, now)?;
        }
        change.event(EventKind::AccountChanged, changed.id)?;
        Ok(changed)
    }
}
