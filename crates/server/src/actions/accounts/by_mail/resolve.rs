//! Finding out what there is to say to an address that mail was asked for, and writing it in place of the request.

use accounts::{Account, Challenge, ChallengePurpose};
use ids::AccountId;
use jiff::Timestamp;
use storage::{Mail, MailState};

use super::{FreshToken, Request, Typed, forgot_page, waiting};
use crate::{
    Change, Context, Error,
    config::EmailVerification,
    mail::{self, Letter, Rewrite},
};

/// What the decisions need, with everything random made beforehand.
#[derive(Clone)]
struct Resolver {
    context: Context,
    rewrite: Rewrite,
    token: FreshToken,
    maker: waiting::Maker,
    now: Timestamp,
}

/// Deals with a request for mail. May be done again after it was cut off: the request is gone once it is done.
pub(crate) async fn resolve_mail(context: &Context, asked: &Mail) -> Result<(), Error> {
    let request: Request = match mail::open(context, asked) {
        Ok(request) => request,
        Err(cause) => return Err(Error::internal(&cause)),
    };
    let purpose = match request {
        Request::SignUp(_) | Request::VerifyEmail => ChallengePurpose::VerifyEmail,
        Request::ResetPassword => ChallengePurpose::ResetPassword,
        Request::ChangeEmail { .. } => ChallengePurpose::ChangeEmail,
    };
    let resolver = Resolver {
        context: context.clone(),
        rewrite: Rewrite::prepare(context),
        token: FreshToken::make(context, purpose),
        maker: waiting::Maker::prepare(context),
        now: context.now(),
    };
    let id = asked.id;
    context
        .change(move |change| {
            // Somebody else may have dealt with it after this server was thought dead.
            let asked = change.outbox().find(id)?;
            let Some(asked) = asked.filter(|mail| mail.state == MailState::Asked) else {
                return Ok(());
            };
            let letter = match &request {
                Request::SignUp(typed) => resolver.sign_up(change, &asked.email, typed)?,
                Request::VerifyEmail => resolver.verify(change, &asked.email)?,
                Request::ResetPassword => resolver.reset(change, &asked.email)?,
                Request::ChangeEmail {
                    account,
                    generation,
                } => {
                    let account = AccountId::from_uuid(*account);
                    resolver.change_email(change, &asked.email, account, *generation)?
                }
            };
            resolver.rewrite.settle(change, asked, letter.as_ref())
        })
        .await
}

impl Resolver {
    fn sign_up(
        &self,
        change: &mut Change<'_>,
        email: &str,
        typed: &Typed,
    ) -> Result<Option<Letter>, Error> {
        let verification = self.context.config.accounts.email_verification;
        let found = change.accounts().find_by_email(email)?;
        if verification == EmailVerification::Required {
            // Also for an address that has an account, with nothing to complete: whoever signs in with what they have
            // just typed is told the same.
            let digest = found.is_none().then_some(self.token.digest);
            waiting::insert(change, &self.context, email, typed, digest, self.now)?;
        }
        if let Some(account) = found {
            let can_be_told = account.active && self.context.config.mail.is_configured();
            return Ok(can_be_told.then(|| Letter::AlreadyThere {
                username: account.username,
                sign_in: format!("{}/signin", self.context.config.shell_origin()),
                forgot: forgot_page(&self.context),
            }));
        }
        match verification {
            EmailVerification::Required => Ok(Some(Letter::SignUp {
                link: self.token.link.clone(),
            })),
            EmailVerification::Optional => {
                let account = self.maker.make(change, email, typed, false, self.now)?;
                self.challenge(change, &account, ChallengePurpose::VerifyEmail, email)?;
                Ok(Some(Letter::VerifyEmail {
                    username: account.username,
                    link: self.token.link.clone(),
                }))
            }
            EmailVerification::Off => {
                self.maker.make(change, email, typed, false, self.now)?;
                Ok(None)
            }
        }
    }

    fn verify(&self, change: &mut Change<'_>, email: &str) -> Result<Option<Letter>, Error> {
        if let Some(account) = change.accounts().find_by_email(email)? {
            if account.email_verified || !account.active {
                return Ok(None);
            }
            self.challenge(change, &account, ChallengePurpose::VerifyEmail, email)?;
            return Ok(Some(Letter::VerifyEmail {
                username: account.username,
                link: self.token.link.clone(),
            }));
        }
        let renewed = waiting::renew(change, email, self.token.digest, self.now)?;
        Ok(renewed.then(|| Letter::SignUp {
            link: self.token.link.clone(),
        }))
    }

    fn reset(&self, change: &mut Change<'_>, email: &str) -> Result<Option<Letter>, Error> {
        let found = change.accounts().find_by_email(email)?;
        let Some(account) = found.filter(|account| account.active) else {
            return Ok(None);
        };
        self.challenge(change, &account, ChallengePurpose::ResetPassword, email)?;
        Ok(Some(Letter::ResetPassword {
            username: account.username,
            link: self.token.link.clone(),
        }))
    }

    fn change_email(
        &self,
        change: &mut Change<'_>,
        email: &str,
        account: AccountId,
        generation: u64,
    ) -> Result<Option<Letter>, Error> {
        let account = change.accounts().find(account)?;
        let account = account.filter(|account| account.active && account.generation == generation);
        let Some(account) = account else {
            return Ok(None);
        };
        if change.accounts().find_by_email(email)?.is_some() {
            return Ok(None);
        }
        self.challenge(change, &account, ChallengePurpose::ChangeEmail, email)?;
        Ok(Some(Letter::ChangeEmail {
            username: account.username,
            link: self.token.link.clone(),
        }))
    }

    fn challenge(
        &self,
        change: &mut Change<'_>,
        account: &Account,
        purpose: ChallengePurpose,
        email: &str,
    ) -> Result<(), Error> {
        let challenge = Challenge::new(account, purpose, email, self.token.digest, self.now);
        Ok(change.challenges().replace(&challenge)?)
    }
}
