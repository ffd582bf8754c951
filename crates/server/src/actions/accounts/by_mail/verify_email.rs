//! Proving that an address is one's own.

use accounts::{ChallengeInvalid, ChallengePurpose};
use storage::EventKind;

use super::{Request, capabilities, digest, look, normal, redeem, unavailable, waiting};
use crate::{
    Context, Error, Peer,
    actions::accounts::invitations,
    config::EmailVerification,
    mail::{self, Use},
};

const PURPOSE: ChallengePurpose = ChallengePurpose::VerifyEmail;

/// An address that was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The address.
    pub email: String,
    /// Whose it is.
    pub username: String,
    /// Whether the account was made by that.
    pub is_new: bool,
}

/// Asks for a mail that proves an address. Everybody is answered alike.
pub async fn request_verification(context: &Context, email: &str, peer: Peer) -> Result<(), Error> {
    if capabilities(context).email_verification == EmailVerification::Off {
        return Err(unavailable());
    }
    let email = normal(email)?;
    match context
        .mail_rate
        .ask(context, "verify_email", &email, peer)?
    {
        Use::Send => mail::ask(context, "verify_email", email, Request::VerifyEmail).await,
        Use::AlreadySent => Ok(()),
    }
}

/// The address that a token would prove now; `None` when it is no good.
pub async fn find_verification(context: &Context, token: &str) -> Result<Option<String>, Error> {
    let Ok(digest) = digest(PURPOSE, token) else {
        return Ok(None);
    };
    let now = context.now();
    context
        .storage
        .read(move |tx| {
            if let Some(waiting) = waiting::find(tx, digest, now)? {
                return Ok(Some(waiting.email));
            }
            match look(tx, digest, PURPOSE, now) {
                Ok((challenge, _)) => Ok(Some(challenge.email)),
                Err(error) if error.code == "challenge_invalid" => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
}

/// Proves an address, and makes the account where somebody signed up with it.
pub async fn confirm_email(context: &Context, token: &str, peer: Peer) -> Result<Proven, Error> {
    let digest = digest(PURPOSE, token)?;
    context.mail_rate.redeem(context, peer)?;
    let now = context.now();
    let maker = waiting::Maker::prepare(context);
    context
        .change(move |change| {
            if let Some(account) = maker.complete(change, digest, now)? {
                return Ok(Proven {
                    email: account.email,
                    username: account.username,
                    is_new: true,
                });
            }
            let (_, mut account) = redeem(change, digest, PURPOSE, now)?;
            if account.email_verified {
                return Err(ChallengeInvalid.into());
            }
            account.email_verified = true;
            account.updated_at = now;
            change.accounts().update(&account)?;
            change.event(EventKind::AccountChanged, account.id)?;
            invitations::take_up_at(change, &account, now)?;
            Ok(Proven {
                email: account.email,
                username: account.username,
                is_new: false,
            })
        })
        .await
}
