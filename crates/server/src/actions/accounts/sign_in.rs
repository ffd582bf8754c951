//! Signing in by password or by a one-time link.

use accounts::{Account, Methods, SessionOrigin};
use ids::AccountId;
use secret::SecretString;

use super::{
    Finished, FirstFactor, SignedIn, by_mail, factors,
    finish::{Step, finish_sign_in},
    links,
    links::{NewLink, Purpose},
    passwords,
    sessions::NewSession,
};
use crate::{Context, Error, KnownDevice, Peer};

/// What somebody presents to sign in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Email address or username, as typed.
    pub login: String,
    /// The password as typed.
    pub password: SecretString,
    /// A code of the second factor, from those who cannot be asked for it in a second step.
    pub otp: Option<SecretString>,
    /// Where the request came from.
    pub peer: Peer,
    /// What the browser says about itself.
    pub device: Option<KnownDevice>,
}

/// Signs in by password, as far as that leads. Unknown, wrong and inactive are answered alike in status, text and
/// time: a hash is always computed, against a dummy when there is no account.
pub async fn sign_in(
    context: &Context,
    credentials: Credentials,
    device: &str,
    origin: SessionOrigin,
) -> Result<Finished, Error> {
    let account = check_password(context, credentials).await?;
    finish_sign_in(context, account, FirstFactor::Password, device, origin).await
}

/// Signs in by password and, where the account asks for one, the code beside it: the way of programs, which are not
/// asked in a second step.
pub async fn sign_in_at_once(
    context: &Context,
    credentials: Credentials,
    device: &str,
    origin: SessionOrigin,
) -> Result<SignedIn, Error> {
    let (account, amr) = prove(context, credentials).await?;
    begin(context, account, amr, device, origin).await
}

/// The account whose login, password and second factor these are, and what they amount to.
pub(super) async fn prove(
    context: &Context,
    credentials: Credentials,
) -> Result<(Account, Methods), Error> {
    let (code, peer) = (credentials.otp.clone(), credentials.peer);
    let known = credentials.device.clone();
    let account = check_password(context, credentials).await?;
    let first = FirstFactor::Password.methods();
    let second = factors::prove_second(context, &account, code, peer, known.as_ref()).await?;
    Ok((
        account,
        second.map_or(first, |second| first.and_then(second)),
    ))
}

/// The account whose login and password these are.
pub(super) async fn check_password(
    context: &Context,
    credentials: Credentials,
) -> Result<Account, Error> {
    let login = credentials.login.trim().to_lowercase();
    let found = find(context, &login).await?;
    let known = found.as_ref().zip(credentials.device.as_ref());
    let known = known.and_then(|(account, device)| device.proven(&context.master_key, account.id));
    let attempt = context
        .throttle
        .begin(&login, credentials.peer, known, context.now())?;
    let stored = found.as_ref().and_then(|account| account.password.clone());
    let verdict = match passwords::verify(context, stored, credentials.password.clone()).await {
        Ok(verdict) => verdict,
        Err(error) => {
            attempt.undecided();
            return Err(error);
        }
    };
    let Some(account) = found.filter(|account| verdict.matches && account.active) else {
        if by_mail::is_waiting(context, &login, &credentials.password).await? {
            return Err(email_unverified());
        }
        return Err(wrong_credentials());
    };
    attempt.succeeded();
    if by_mail::unverified(context, &account) {
        return Err(email_unverified());
    }
    if verdict.outdated {
        passwords::renew(
            context,
            account.id,
            account.password.clone(),
            credentials.password,
        )
        .await?;
    }
    Ok(account)
}

async fn find(context: &Context, login: &str) -> Result<Option<Account>, Error> {
    if login.contains('\0') {
        return Ok(None);
    }
    let login = login.to_owned();
    Ok(context
        .storage
        .read(move |tx| tx.accounts().find_by_login(&login))
        .await?)
}

/// Begins a session for somebody who has proven who they are.
async fn begin(
    context: &Context,
    account: Account,
    amr: Methods,
    device: &str,
    origin: SessionOrigin,
) -> Result<SignedIn, Error> {
    let new = NewSession::prepare(context, account.id, amr, origin, device);
    let id = account.id;
    let new = context
        .change(move |change| {
            // The account may have been disabled while the password was checked.
            if !change
                .accounts()
                .find(id)?
                .is_some_and(|account| account.active)
            {
                return Err(wrong_credentials());
            }
            new.insert(change)?;
            Ok(new.clone())
        })
        .await?;
    Ok(new.into_signed_in(account))
}

/// Makes a link that signs an account in once.
pub async fn create_sign_in_link(context: &Context, account: AccountId) -> Result<String, Error> {
    let link = NewLink::prepare(context, Purpose::SignIn, account);
    context
        .change(move |change| link.insert(change).map(|()| link.address.clone()))
        .await
}

/// Whether a sign-in link could be used now.
pub async fn is_sign_in_link_open(context: &Context, token: &str) -> Result<bool, Error> {
    links::is_open(context, token, Purpose::SignIn).await
}

/// Signs in by a one-time link, as far as that leads. The link is used up either way.
pub async fn sign_in_by_link(
    context: &Context,
    token: &str,
    device: &str,
) -> Result<Finished, Error> {
    let (digest, now) = (links::digest(token)?, context.now());
    let step = Step::prepare(context, FirstFactor::Link, device, SessionOrigin::Link)?;
    let (outcome, account) = context
        .change(move |change| {
            let id = links::redeem(change, digest, Purpose::SignIn, now)?;
            let account = change
                .accounts()
                .find(id)?
                .filter(|account| account.active)
                .ok_or_else(links::used_up)?;
            Ok((step.take(change, &account)?, account))
        })
        .await?;
    Ok(outcome.into_finished(account))
}

/// The password is right, and the address was never proven.
fn email_unverified() -> Error {
    Error::new(
        http::StatusCode::FORBIDDEN,
        "email_unverified",
        "Confirm your email address first: open the link in the message that was sent to it.",
    )
}

pub(super) fn wrong_credentials() -> Error {
    Error::new(
        http::StatusCode::UNAUTHORIZED,
        "wrong_credentials",
        "Email, username or password is wrong; check them and try again.",
    )
}
