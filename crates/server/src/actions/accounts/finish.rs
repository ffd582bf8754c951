//! Where every sign-in finishes: after the first factor, whatever it was.

use accounts::{Account, Method, Methods, SessionOrigin};
use jiff::Timestamp;
use secret::SecretString;

use super::{
    factors::SecondStep,
    sessions::{NewSession, SignedIn},
    sign_in::wrong_credentials,
};
use crate::{Change, Context, Error};

/// What somebody presented first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstFactor {
    /// The password.
    Password,
    /// A one-time link.
    Link,
    /// An outside identity provider's word.
    Social,
}

impl FirstFactor {
    /// The registered names for it.
    pub(super) const fn methods(self) -> Methods {
        match self {
            Self::Password => Methods::one(Method::Password),
            Self::Link | Self::Social => Methods::NONE,
        }
    }
}

/// How far a sign-in has come after its first factor.
#[derive(Debug, Clone)]
pub enum Finished {
    /// All the way.
    SignedIn(Box<SignedIn>),
    /// The account asks for a second factor. Nothing is open yet.
    SecondFactor(Pending),
}

/// A sign-in that waits for its second factor. It belongs to the browser that keeps the token.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What the second step is taken with; kept in a cookie.
    pub token: SecretString,
    /// The first step has to be taken again from here on.
    pub expires_at: Timestamp,
}

/// Finishes a sign-in whose first factor was right: begins a session, or asks for the second factor.
pub async fn finish_sign_in(
    context: &Context,
    account: Account,
    how: FirstFactor,
    device: &str,
    origin: SessionOrigin,
) -> Result<Finished, Error> {
    let step = Step::prepare(context, how, device, origin)?;
    let id = account.id;
    let outcome = context
        .change(move |change| {
            // The account may have been disabled while the first factor was checked.
            let account = change.accounts().find(id)?;
            let account = account.filter(|account| account.active);
            step.take(change, &account.ok_or_else(wrong_credentials)?)
        })
        .await?;
    Ok(outcome.into_finished(account))
}

/// The step after the first factor, prepared so that it can be taken within any transaction.
#[derive(Clone)]
pub(super) struct Step {
    session: NewSession,
    second: SecondStep,
}

/// What the step came to, before it is committed.
pub(super) enum Outcome {
    SignedIn(Box<NewSession>),
    SecondFactor(Pending),
}

impl Step {
    pub(super) fn prepare(
        context: &Context,
        how: FirstFactor,
        device: &str,
        origin: SessionOrigin,
    ) -> Result<Self, Error> {
        let amr = how.methods();
        Ok(Self {
            session: NewSession::prepare_for_anybody(context, amr, origin, device),
            second: SecondStep::prepare(context, amr, origin, device)?,
        })
    }

    /// Takes the step for the account that turned out to be meant. May run several times.
    pub(super) fn take(
        &self,
        change: &mut Change<'_>,
        account: &Account,
    ) -> Result<Outcome, Error> {
        if let Some(pending) = self.second.ask(change, account)? {
            return Ok(Outcome::SecondFactor(pending));
        }
        let session = self.session.for_account(account.id);
        session.insert(change)?;
        Ok(Outcome::SignedIn(Box::new(session)))
    }
}

impl Outcome {
    pub(super) fn into_finished(self, account: Account) -> Finished {
        match self {
            Self::SignedIn(session) => {
                Finished::SignedIn(Box::new(session.into_signed_in(account)))
            }
            Self::SecondFactor(pending) => Finished::SecondFactor(pending),
        }
    }
}
