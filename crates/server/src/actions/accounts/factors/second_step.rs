//! The second step of a sign-in, and signing in by a passkey alone.

use accounts::{Account, Methods, SessionOrigin};
use secret::SecretString;
use serde::{Deserialize, Serialize};
use storage::Ceremony;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyAuthentication};

use super::{
    Challenge, TypedSecond,
    ceremony::{self, NewCeremony, Purpose},
    codes, load,
    passkeys::{answered, begin, claimed, judge, note_use},
    take_code, webauthn,
};
use crate::{
    Change, Context, Error, KnownDevice, Peer,
    actions::accounts::{Pending, SignedIn, sessions::NewSession, sign_in::wrong_credentials},
};

/// The code of the refusal of a sign-in that lacks its second factor.
pub const SECOND_FACTOR_REQUIRED: &str = "second_factor_required";

/// Wrong codes after which the first step has to be taken again.
const MOST_TRIES: u32 = 5;

/// What a sign-in that waits for its second factor can be finished with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// A code of an authenticator app.
    pub authenticator: bool,
    /// A passkey.
    pub passkey: bool,
    /// A recovery code.
    pub recovery_code: bool,
}

/// What is known of the first step.
#[derive(Debug, Serialize, Deserialize)]
struct FirstStep {
    generation: u64,
    amr: String,
    origin: String,
    device: String,
}

/// A second step that may be asked for; prepared so that it can be within any transaction.
#[derive(Clone)]
pub(in crate::actions::accounts) struct SecondStep {
    ceremony: NewCeremony,
    amr: Methods,
    origin: SessionOrigin,
    device: String,
}

impl SecondStep {
    pub(in crate::actions::accounts) fn prepare(
        context: &Context,
        amr: Methods,
        origin: SessionOrigin,
        device: &str,
    ) -> Result<Self, Error> {
        Ok(Self {
            ceremony: NewCeremony::prepare(context, Purpose::SecondStep, None, None, &())?,
            amr,
            origin,
            device: device.to_owned(),
        })
    }

    /// Asks for the second step if the account has anything to take it with. May run several times.
    pub(in crate::actions::accounts) fn ask(
        &self,
        change: &mut Change<'_>,
        account: &Account,
    ) -> Result<Option<Pending>, Error> {
        if !load(change, account.id)?.ask_for_second() {
            return Ok(None);
        }
        let first = FirstStep {
            generation: account.generation,
            amr: self.amr.to_string(),
            origin: self.origin.as_str().to_owned(),
            device: self.device.clone(),
        };
        let data = serde_json::to_string(&first).map_err(|cause| Error::internal(&cause))?;
        let ceremony = self.ceremony.for_account(account.id, data);
        ceremony.insert(change)?;
        Ok(Some(Pending {
            token: ceremony.token(),
            expires_at: ceremony.expires_at(),
        }))
    }
}

/// What a sign-in of this browser waits for.
pub async fn find_second_step(context: &Context, token: &str) -> Result<Asked, Error> {
    let waiting = find(context, token).await?;
    let account = waiting.account.ok_or_else(ceremony::lapsed)?;
    let factors = context.storage.read(move |tx| load(tx, account)).await?;
    Ok(Asked {
        authenticator: factors.authenticator,
        passkey: factors.passkeys > 0 && webauthn::passkeys_work(context),
        recovery_code: factors.recovery_codes > 0,
    })
}

async fn find(context: &Context, token: &str) -> Result<Ceremony, Error> {
    let (digest, now) = (ceremony::digest(token)?, context.now());
    let find = move |tx: &mut storage::Tx| {
        let purpose = Purpose::SecondStep.name();
        let found = tx.ceremonies().find(digest, purpose, now)?;
        found
            .filter(|waiting| waiting.tries < MOST_TRIES)
            .ok_or_else(ceremony::lapsed)
    };
    context.storage.read(find).await
}

/// Finishes a sign-in by a code.
pub async fn second_step_by_code(
    context: &Context,
    token: &str,
    code: SecretString,
    peer: Peer,
    known: Option<&KnownDevice>,
) -> Result<SignedIn, Error> {
    let typed = TypedSecond::new(code);
    let waiting = find(context, token).await?;
    let account = waiting.account.ok_or_else(ceremony::lapsed)?;
    let first: FirstStep = ceremony::data(&waiting)?;
    let (digest, now) = (waiting.digest, context.now());
    let known = known.and_then(|known| known.proven(&context.master_key, account));
    let attempt = typed
        .can_be_guessed()
        .then(|| context.throttle.begin_code(account, peer, known, now))
        .transpose()?;
    // Apart from what follows, so that a wrong code counts although it changes nothing else.
    let purpose = Purpose::SecondStep.name();
    let count = move |change: &mut Change<'_>| {
        let counted = change
            .ceremonies()
            .count_try(digest, purpose, MOST_TRIES, now)?;
        counted.map(drop).ok_or_else(ceremony::lapsed)
    };
    context.change(count).await?;
    let session = session(context, &first)?;
    let keys = context.clone();
    let signed_in = context
        .change(move |change| {
            let account = finish(change, digest, now)?;
            let code = take_code(&keys, change, &account, &typed, &first.device, now)?;
            let mut session = session.for_account(account.id);
            session.session.amr = session.session.amr.and_then(code);
            session.insert(change)?;
            Ok(session.into_signed_in(account))
        })
        .await?;
    if let Some(attempt) = attempt {
        attempt.succeeded();
    }
    Ok(signed_in)
}

/// Asks the passkeys of the account whose sign-in waits.
pub async fn begin_second_step_by_passkey(
    context: &Context,
    token: &str,
) -> Result<Challenge, Error> {
    let waiting = find(context, token).await?;
    let account = waiting.account.ok_or_else(ceremony::lapsed)?;
    let passkeys = context
        .storage
        .read(move |tx| tx.passkeys().list(account))
        .await?;
    let (options, state) = webauthn::ask(context, &passkeys)?;
    let purpose = Purpose::SecondStepPasskey;
    let new = NewCeremony::prepare(context, purpose, Some(account), None, &state)?;
    begin(context, new, options).await
}

/// Finishes a sign-in by a passkey.
pub async fn second_step_by_passkey(
    context: &Context,
    token: &str,
    challenge: &str,
    answer: &str,
) -> Result<SignedIn, Error> {
    let waiting = find(context, token).await?;
    let first: FirstStep = ceremony::data(&waiting)?;
    let asked = answered(context, challenge, Purpose::SecondStepPasskey, None).await?;
    let passkey = claimed(context, answer).await?;
    if asked.account != waiting.account || Some(passkey.account) != waiting.account {
        return Err(webauthn::wrong_passkey());
    }
    let state: PasskeyAuthentication = ceremony::data(&asked)?;
    let answer = judge(context, webauthn::check(context, &state, passkey, answer)).await?;
    let session = session(context, &first)?;
    let (digest, now) = (waiting.digest, context.now());
    context
        .change(move |change| {
            let account = finish(change, digest, now)?;
            let key = note_use(change, &answer)?;
            let mut session = session.for_account(account.id);
            session.session.amr = session.session.amr.and_then(key);
            session.insert(change)?;
            Ok(session.into_signed_in(account))
        })
        .await
}

/// Takes the waiting sign-in away, and gives its account if it is still as it was.
fn finish(
    change: &mut Change<'_>,
    digest: [u8; 32],
    now: jiff::Timestamp,
) -> Result<Account, Error> {
    let waiting = ceremony::take(change, digest, Purpose::SecondStep, now)?;
    let first: FirstStep = ceremony::data(&waiting)?;
    let id = waiting.account.ok_or_else(ceremony::lapsed)?;
    let account = change.accounts().find(id)?;
    account
        // A password that was changed in the meantime ends what was begun with the old one.
        .filter(|account| account.active && account.generation == first.generation)
        .ok_or_else(ceremony::lapsed)
}

fn session(context: &Context, first: &FirstStep) -> Result<NewSession, Error> {
    let amr = Methods::from_text(&first.amr).ok_or_else(ceremony::lapsed)?;
    let origin = SessionOrigin::from_name(&first.origin).ok_or_else(ceremony::lapsed)?;
    Ok(NewSession::prepare_for_anybody(
        context,
        amr,
        origin,
        &first.device,
    ))
}

/// Checks the second factor of somebody who presents everything at once; `None` when none is asked for.
pub(in crate::actions::accounts) async fn prove_second(
    context: &Context,
    account: &Account,
    code: Option<SecretString>,
    peer: Peer,
    known: Option<&KnownDevice>,
) -> Result<Option<Methods>, Error> {
    let id = account.id;
    let factors = context.storage.read(move |tx| load(tx, id)).await?;
    if !factors.ask_for_second() {
        return Ok(None);
    }
    let code = code.filter(|code| !code.expose().trim().is_empty());
    let Some(code) = code else {
        return Err(Error::new(
            http::StatusCode::UNAUTHORIZED,
            SECOND_FACTOR_REQUIRED,
            "This account asks for a second factor; send a code of its authenticator app or a recovery code.",
        ));
    };
    let typed = TypedSecond::new(code);
    let now = context.now();
    let known = known.and_then(|known| known.proven(&context.master_key, id));
    let attempt = typed
        .can_be_guessed()
        .then(|| context.throttle.begin_code(id, peer, known, now))
        .transpose()?;
    let keys = context.clone();
    let proven = context
        .change(move |change| {
            let account = change.accounts().find(id)?;
            let account = account.ok_or_else(codes::wrong_code)?;
            take_code(&keys, change, &account, &typed, "a program", now)
        })
        .await?;
    if let Some(attempt) = attempt {
        attempt.succeeded();
    }
    Ok(Some(proven))
}

/// Begins a sign-in by a passkey alone: whichever the browser keeps for this server.
pub async fn begin_sign_in_by_passkey(context: &Context, peer: Peer) -> Result<Challenge, Error> {
    // Anybody may ask, and each challenge is kept for a while.
    context.challenge_rate.check(peer)?;
    let (options, state) = webauthn::ask_any(context)?;
    let new = NewCeremony::prepare(context, Purpose::SignInPasskey, None, None, &state)?;
    begin(context, new, options).await
}

/// Signs in by a passkey alone. Its device made sure who holds it, so no second factor is asked for.
pub async fn sign_in_by_passkey(
    context: &Context,
    challenge: &str,
    answer: &str,
    device: &str,
) -> Result<SignedIn, Error> {
    let asked = answered(context, challenge, Purpose::SignInPasskey, None).await?;
    let passkey = claimed(context, answer).await?;
    let state: DiscoverableAuthentication = ceremony::data(&asked)?;
    let answer = judge(
        context,
        webauthn::check_any(context, state, passkey, answer),
    )
    .await?;
    if !answer.verified {
        return Err(webauthn::wrong_passkey());
    }
    let id = answer.passkey.account;
    let origin = SessionOrigin::Passkey;
    let session = NewSession::prepare(context, id, Methods::NONE, origin, device);
    context
        .change(move |change| {
            let account = change.accounts().find(id)?;
            let account = account.filter(|account| account.active);
            let account = account.ok_or_else(wrong_credentials)?;
            let mut session = session.clone();
            session.session.amr = note_use(change, &answer)?;
            session.insert(change)?;
            Ok(session.into_signed_in(account))
        })
        .await
}
