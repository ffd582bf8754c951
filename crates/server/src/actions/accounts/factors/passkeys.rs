//! Registering, naming and removing passkeys, and what all their answers have in common.

use accounts::{Methods, Passkey, passkey};
use ids::{PasskeyId, SessionId};
use secret::SecretString;
use serde_json::{Value, json};
use storage::{Ceremony, EventKind};
use webauthn_rs::prelude::PasskeyRegistration;

use super::{
    NoticeKind,
    ceremony::{self, NewCeremony, Purpose},
    codes::{self, NewRecoveryCodes, RecoveryCodes},
    tell, ways_in,
    webauthn::{self, Answer, NotAccepted},
};
use crate::{
    Change, Context, Error,
    actions::accounts::{outside, require_recent_proof},
    extract::Caller,
    random,
};

/// What a browser is given to ask a passkey with.
#[derive(Debug)]
pub struct Challenge {
    /// The `publicKey` of the browser's call.
    pub options: Value,
    /// Kept in a cookie until the answer: it is good in that browser only, once and for five minutes.
    pub token: SecretString,
}

/// A passkey was registered.
#[derive(Debug)]
pub struct Registered {
    /// What it is called.
    pub name: String,
    /// The recovery codes that come with the first factor of an account.
    pub recovery_codes: Option<RecoveryCodes>,
}

/// Begins to register a passkey.
pub async fn begin_passkey(context: &Context, caller: &Caller) -> Result<Challenge, Error> {
    let (id, session) = (caller.account.id, caller.session.id);
    require_recent_proof(caller, context.now())?;
    let known = context
        .storage
        .read(move |tx| tx.passkeys().list(id))
        .await?;
    if known.len() >= passkey::MOST {
        return Err(Error::bad_request(
            "too_many_passkeys",
            "You have twenty passkeys; remove one that you do not use first.",
        ));
    }
    let (options, state) = webauthn::ask_for_new(context, &caller.account, &known)?;
    let purpose = Purpose::NewPasskey;
    let new = NewCeremony::prepare(context, purpose, Some(id), Some(session), &state)?;
    begin(context, new, options).await
}

/// Registers the passkey that the browser made. With the first factor of an account come its recovery codes.
pub async fn finish_passkey(
    context: &Context,
    caller: &Caller,
    token: &str,
    answer: &str,
    name: &str,
    device: &str,
) -> Result<Registered, Error> {
    let (id, now) = (caller.account.id, context.now());
    require_recent_proof(caller, now)?;
    let ceremony = answered(context, token, Purpose::NewPasskey, Some(caller.session.id)).await?;
    let state: PasskeyRegistration = ceremony::data(&ceremony)?;
    let key = webauthn::check_new(context, &state, answer)?;
    let (milliseconds, bytes) = random::id_parts(now);
    let new = Passkey {
        id: PasskeyId::new(milliseconds, bytes),
        account: id,
        credential: key.credential,
        name: passkey::name(name, device),
        public_key: key.public_key,
        sign_count: key.sign_count,
        synced: key.synced,
        created_at: now,
        last_used_at: None,
    };
    let codes = NewRecoveryCodes::prepare(context, id);
    context
        .change(move |change| {
            change.passkeys().insert(&new)?;
            let what = json!({"what": "passkey_added", "passkey": new.id});
            change.event_with(EventKind::AccountFactors, id, &what)?;
            Ok(Registered {
                name: new.name.clone(),
                recovery_codes: codes::with_the_first(change, &codes, id, now)?,
            })
        })
        .await
}

/// Gives one of the caller's passkeys another name.
pub async fn rename_passkey(
    context: &Context,
    caller: &Caller,
    id: PasskeyId,
    name: &str,
) -> Result<(), Error> {
    let (account, name) = (caller.account.id, passkey::name(name, ""));
    context
        .storage
        .write(move |tx| tx.passkeys().rename(account, id, &name))
        .await?;
    Ok(())
}

/// Removes one of the caller's passkeys, unless they could not sign in any more without it.
pub async fn remove_passkey(
    context: &Context,
    caller: &Caller,
    id: PasskeyId,
) -> Result<(), Error> {
    let (account, now) = (caller.account.id, context.now());
    require_recent_proof(caller, now)?;
    let offered = outside::offered(context);
    context
        .change(move |change| {
            let found = change.passkeys().find(id)?;
            if found.is_none_or(|passkey| passkey.account != account) {
                return Err(Error::not_found());
            }
            if !ways_in(change, account, &offered)?.may_remove_passkey() {
                return Err(Error::new(
                    http::StatusCode::CONFLICT,
                    "last_way_in",
                    "This passkey is the only way to sign in to your account; add another way first.",
                ));
            }
            change.passkeys().delete(account, id)?;
            codes::drop_if_alone(change, account)?;
            let what = json!({"what": "passkey_removed", "passkey": id});
            change.event_with(EventKind::AccountFactors, account, &what)
        })
        .await
}

/// Writes a ceremony down and gives the browser its challenge.
pub(super) async fn begin(
    context: &Context,
    new: NewCeremony,
    options: Value,
) -> Result<Challenge, Error> {
    let token = new.token();
    context.change(move |change| new.insert(change)).await?;
    Ok(Challenge { options, token })
}

/// Takes the ceremony of an answer, right or wrong: a challenge is answered once. `session` is the one it must have
/// been begun in.
pub(super) async fn answered(
    context: &Context,
    token: &str,
    purpose: Purpose,
    session: Option<SessionId>,
) -> Result<Ceremony, Error> {
    let (digest, now) = (ceremony::digest(token)?, context.now());
    let taken = context.change(move |change| ceremony::take(change, digest, purpose, now));
    let taken = taken.await?;
    if taken.session == session {
        Ok(taken)
    } else {
        Err(ceremony::lapsed())
    }
}

/// The passkey that an answer claims to come from.
pub(super) async fn claimed(context: &Context, answer: &str) -> Result<Passkey, Error> {
    let credential = webauthn::credential_of(answer)?;
    let find = move |tx: &mut storage::Tx| tx.passkeys().find_by_credential(&credential);
    let found = context.storage.read(find).await?;
    found.ok_or_else(webauthn::wrong_passkey)
}

/// A right answer, or its refusal; the owner of a passkey that may have been copied is told.
pub(super) async fn judge(
    context: &Context,
    answer: Result<Answer, NotAccepted>,
) -> Result<Answer, Error> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(NotAccepted::Wrong(error)) => Err(error),
        Err(NotAccepted::MayBeCopied(passkey)) => {
            let (account, id) = (passkey.account, passkey.id);
            context
                .change(move |change| {
                    tell(
                        change,
                        account,
                        NoticeKind::PasskeyMayBeCopied,
                        &passkey.name,
                    )?;
                    let what = json!({"what": "passkey_may_be_copied", "passkey": id});
                    change.event_with(EventKind::AccountFactors, account, &what)
                })
                .await?;
            Err(passkey::MayBeCopied.into())
        }
    }
}

/// Notes that a passkey was used, and gives what that proves. Its count is looked at once more, since another answer
/// may have come in between. May run several times.
pub(super) fn note_use(change: &mut Change<'_>, answer: &Answer) -> Result<Methods, Error> {
    let id = answer.passkey.id;
    let now = change.now();
    let present = change.passkeys().find(id)?;
    let present = present.ok_or_else(webauthn::wrong_passkey)?;
    passkey::check_count(present.sign_count, answer.sign_count)?;
    change
        .passkeys()
        .note_use(id, answer.sign_count, &answer.public_key, now)?;
    Ok(Methods::passkey(answer.passkey.synced, answer.verified))
}
