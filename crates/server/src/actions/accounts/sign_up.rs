//! Making an account for oneself, as far as the policy lets one.

use accounts::{Method, Methods, Role, SessionOrigin};
use storage::EventKind;
use token::{OpaqueKind, OpaqueToken};

use super::{NewAccount, SignedIn, invitations, sessions::NewSession};
use crate::{
    Context, Error,
    config::{EmailVerification, SignUp},
};

/// Makes an account and signs it in. With the policy `invite-only` the address must have been invited to an app;
/// `invite` is the token of the invitation's link, which also proves the address.
pub async fn sign_up(
    context: &Context,
    account: NewAccount,
    invite: Option<&str>,
    device: &str,
) -> Result<SignedIn, Error> {
    let policy = context.config.accounts.sign_up;
    if policy == SignUp::Closed {
        return Err(closed());
    }
    // Where addresses are proven, only an invitation's link makes an account at once; see `register`.
    let verifies = context.config.accounts.email_verification != EmailVerification::Off;
    let account = account.check()?;
    let invite = invite
        .map(|token| OpaqueToken::parse(OpaqueKind::Invite, token).map(|token| token.digest()));
    let invite = invite.and_then(Result::ok);
    let (email, now) = (account.email().to_owned(), context.now());
    let invited = move |tx: &mut storage::Tx| {
        let Some(digest) = invite else {
            return Ok(false);
        };
        let found = tx.invites().find_by_digest(digest)?;
        Ok::<_, Error>(found.is_some_and(|invite| {
            invite.email == email && invite.revoked_at.is_none() && now < invite.expires_at
        }))
    };
    // Before the hash, so that nobody uninvited can make the server work.
    if policy == SignUp::InviteOnly && !context.storage.read(invited.clone()).await? {
        return Err(closed());
    }
    let account = account.hash(context).await?;
    let record = account.record(Role::User, now);
    let password = Methods::one(Method::Password);
    let origin = SessionOrigin::Password;
    let new = NewSession::prepare(context, record.id, password, origin, device);
    let (new, record) = context
        .change(move |change| {
            let is_invited = invited(change)?;
            if policy == SignUp::InviteOnly && !is_invited {
                return Err(closed());
            }
            if verifies && !is_invited {
                return Err(Error::forbidden(
                    "This invitation is over; sign up without it, and confirm your address by mail.",
                ));
            }
            let mut record = record.clone();
            record.email_verified = is_invited;
            change.accounts().insert(&record)?;
            change.event(EventKind::AccountCreated, record.id)?;
            // Only who holds an invitation's link has shown that the address is theirs.
            if is_invited {
                invitations::take_up(change, &record)?;
            }
            new.insert(change)?;
            Ok((new.clone(), record))
        })
        .await?;
    Ok(new.into_signed_in(record))
}

fn closed() -> Error {
    Error::forbidden("Accounts are made by invitation here; ask the owner of the app for a link.")
}
