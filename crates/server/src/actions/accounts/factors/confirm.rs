//! Confirming that it is still oneself, before something is changed that protects the account.

use accounts::{Method, Methods};
use ids::SessionId;
use secret::SecretString;
use storage::EventKind;
use webauthn_rs::prelude::PasskeyAuthentication;

use super::{
    Challenge, TypedSecond,
    ceremony::{self, NewCeremony, Purpose},
    passkeys::{answered, begin, claimed, judge, note_use},
    take_code, webauthn,
};
use crate::{Change, Context, Error, actions::accounts::passwords, extract::Caller};

/// Confirms by the password.
pub async fn confirm_by_password(
    context: &Context,
    caller: &Caller,
    password: SecretString,
) -> Result<(), Error> {
    let (id, session, now) = (caller.account.id, caller.session.id, context.now());
    let stored = context
        .storage
        .read(move |tx| tx.accounts().find(id))
        .await?
        .and_then(|account| account.password);
    let attempt = context.throttle.begin_again(&caller.session, now)?;
    let verdict = match passwords::verify(context, stored, password).await {
        Ok(verdict) => verdict,
        Err(error) => {
            attempt.undecided();
            return Err(error);
        }
    };
    if !verdict.matches {
        return Err(Error::field("password", "the password is wrong"));
    }
    attempt.succeeded();
    context
        .change(move |change| prove(change, session, Methods::one(Method::Password)))
        .await
}

/// Confirms by a code.
pub async fn confirm_by_code(
    context: &Context,
    caller: &Caller,
    code: SecretString,
) -> Result<(), Error> {
    let (id, session, now) = (caller.account.id, caller.session.id, context.now());
    let typed = TypedSecond::new(code);
    // Counted for the session: whoever found a browser open makes nobody else wait.
    let attempt = context.throttle.begin_again(&caller.session, now)?;
    let (keys, device) = (context.clone(), caller.session.device.clone());
    context
        .change(move |change| {
            let account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            let code = take_code(&keys, change, &account, &typed, &device, now)?;
            prove(change, session, code)
        })
        .await?;
    attempt.succeeded();
    Ok(())
}

/// Asks the caller's passkeys.
pub async fn begin_confirm_by_passkey(
    context: &Context,
    caller: &Caller,
) -> Result<Challenge, Error> {
    let (id, session) = (caller.account.id, caller.session.id);
    let passkeys = context
        .storage
        .read(move |tx| tx.passkeys().list(id))
        .await?;
    let (options, state) = webauthn::ask(context, &passkeys)?;
    let purpose = Purpose::ConfirmPasskey;
    let new = NewCeremony::prepare(context, purpose, Some(id), Some(session), &state)?;
    begin(context, new, options).await
}

/// Confirms by a passkey.
pub async fn confirm_by_passkey(
    context: &Context,
    caller: &Caller,
    challenge: &str,
    answer: &str,
) -> Result<(), Error> {
    let session = caller.session.id;
    let asked = answered(context, challenge, Purpose::ConfirmPasskey, Some(session)).await?;
    let passkey = claimed(context, answer).await?;
    if passkey.account != caller.account.id {
        return Err(webauthn::wrong_passkey());
    }
    let state: PasskeyAuthentication = ceremony::data(&asked)?;
    let answer = judge(context, webauthn::check(context, &state, passkey, answer)).await?;
    context
        .change(move |change| {
            let key = note_use(change, &answer)?;
            prove(change, session, key)
        })
        .await
}

/// Notes that the person behind a session proved who they are. May run several times.
pub(in crate::actions::accounts) fn prove(
    change: &mut Change<'_>,
    id: SessionId,
    proof: Methods,
) -> Result<(), Error> {
    let now = change.now();
    let session = change
        .sessions()
        .find(id)?
        .ok_or_else(Error::unauthorized)?;
    change
        .sessions()
        .prove(id, session.amr.joined(proof), now)?;
    change.event(EventKind::SessionProven, id)
}
