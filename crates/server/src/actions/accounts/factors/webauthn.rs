//! Passkeys on the wire (Web Authentication): challenges for browsers, and the checks of what they answer.
//!
//! The verifier demands that the device made sure who holds it, so every passkey is two factors by itself.

use accounts::{Account, Passkey};
use serde_json::Value;
use url::Host;
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, DiscoverableKey, Passkey as Key, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use crate::{Context, Error, error::Chain};

/// Longest answer of a browser, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// A passkey that was registered just now.
#[derive(Debug, Clone)]
pub(super) struct NewKey {
    pub(super) credential: Vec<u8>,
    pub(super) public_key: String,
    pub(super) sign_count: u32,
    pub(super) synced: bool,
}

/// A right answer of a passkey.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) passkey: Passkey,
    pub(super) sign_count: u32,
    pub(super) public_key: String,
    pub(super) verified: bool,
}

/// Whether browsers can keep passkeys for this server: not for one that is reached by a bare IP address.
pub fn passkeys_work(context: &Context) -> bool {
    matches!(context.config.public_url.host(), Some(Host::Domain(_)))
}

fn verifier(context: &Context) -> Result<Webauthn, Error> {
    let url = &context.config.public_url;
    let Some(Host::Domain(domain)) = url.host() else {
        return Err(Error::bad_request(
            "passkeys_need_a_name",
            "Browsers keep passkeys for names only, and this server is reached by an IP address.",
        ));
    };
    // The origin to the letter: apps below the same domain could ask a browser for our passkeys, and their answers
    // must not be good here.
    let builder = WebauthnBuilder::new(domain, url);
    let built = builder.and_then(|builder| builder.rp_name("Vestibule").build());
    built.map_err(|cause| Error::internal(&cause))
}

/// What the browser is asked to make a passkey with, and what the server keeps until it has.
pub(super) fn ask_for_new(
    context: &Context,
    account: &Account,
    known: &[Passkey],
) -> Result<(Value, PasskeyRegistration), Error> {
    let known = known.iter().map(|passkey| passkey.credential.clone());
    let name = account.full_name.as_deref().unwrap_or(&account.username);
    let (asked, state) = verifier(context)?
        .start_passkey_registration(
            account.id.as_uuid(),
            &account.email,
            name,
            Some(known.collect()),
        )
        .map_err(refused)?;
    let mut options = options(&asked.public_key)?;
    // Kept by the device together with the name, so that nothing has to be typed at the next sign-in.
    if let Some(wanted) = options.get_mut("authenticatorSelection") {
        wanted["residentKey"] = "required".into();
        wanted["requireResidentKey"] = true.into();
    }
    Ok((options, state))
}

/// Checks what a browser made.
pub(super) fn check_new(
    context: &Context,
    state: &PasskeyRegistration,
    answer: &str,
) -> Result<NewKey, Error> {
    let answer: RegisterPublicKeyCredential = read(answer)?;
    let key = verifier(context)?
        .finish_passkey_registration(&answer, state)
        .map_err(refused)?;
    let details = Credential::from(key.clone());
    Ok(NewKey {
        credential: details.cred_id,
        public_key: write(&key)?,
        sign_count: details.counter,
        synced: details.backup_eligible,
    })
}

/// Asks one of these passkeys.
pub(super) fn ask(
    context: &Context,
    passkeys: &[Passkey],
) -> Result<(Value, PasskeyAuthentication), Error> {
    let keys: Vec<Key> = passkeys.iter().map(key).collect::<Result<_, _>>()?;
    let (asked, state) = verifier(context)?
        .start_passkey_authentication(&keys)
        .map_err(refused)?;
    Ok((options(&asked.public_key)?, state))
}

/// Asks whatever passkey the browser keeps for this server.
pub(super) fn ask_any(context: &Context) -> Result<(Value, DiscoverableAuthentication), Error> {
    let (asked, state) = verifier(context)?
        .start_discoverable_authentication()
        .map_err(refused)?;
    Ok((options(&asked.public_key)?, state))
}

/// The id of the passkey that answers, before anything is believed of the answer.
pub(super) fn credential_of(answer: &str) -> Result<Vec<u8>, Error> {
    let answer: PublicKeyCredential = read(answer)?;
    Ok(answer.raw_id)
}

/// Checks the answer of one of the passkeys that were asked.
pub(super) fn check(
    context: &Context,
    state: &PasskeyAuthentication,
    passkey: Passkey,
    answer: &str,
) -> Result<Answer, NotAccepted> {
    let answer: PublicKeyCredential = read(answer)?;
    let checked = verifier(context)?.finish_passkey_authentication(&answer, state);
    accepted(passkey, checked)
}

/// Checks the answer of a passkey that nobody asked for by name.
pub(super) fn check_any(
    context: &Context,
    state: DiscoverableAuthentication,
    passkey: Passkey,
    answer: &str,
) -> Result<Answer, NotAccepted> {
    let answer: PublicKeyCredential = read(answer)?;
    let told = answer.get_user_unique_id();
    if told.is_some_and(|told| told != passkey.account.as_uuid().as_bytes()) {
        return Err(NotAccepted::Wrong(wrong_passkey()));
    }
    let key = DiscoverableKey::from(key(&passkey)?);
    let checked = verifier(context)?.finish_discoverable_authentication_v2(&answer, state, &key);
    accepted(passkey, checked)
}

/// Why an answer is not accepted.
pub(super) enum NotAccepted {
    /// It is wrong.
    Wrong(Error),
    /// It is right, but by its count somebody has a copy of the passkey.
    MayBeCopied(Box<Passkey>),
}

impl From<Error> for NotAccepted {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

fn accepted(
    passkey: Passkey,
    checked: Result<webauthn_rs::prelude::AuthenticationResult, WebauthnError>,
) -> Result<Answer, NotAccepted> {
    match checked {
        Ok(result) => {
            let mut key = key(&passkey)?;
            key.update_credential(&result);
            Ok(Answer {
                sign_count: result.counter(),
                public_key: write(&key)?,
                verified: result.user_verified(),
                passkey,
            })
        }
        Err(WebauthnError::CredentialPossibleCompromise) => {
            Err(NotAccepted::MayBeCopied(Box::new(passkey)))
        }
        Err(error) => Err(refused(error).into()),
    }
}

fn key(passkey: &Passkey) -> Result<Key, Error> {
    serde_json::from_str(&passkey.public_key).map_err(|cause| Error::internal(&cause))
}

fn write(key: &Key) -> Result<String, Error> {
    serde_json::to_string(key).map_err(|cause| Error::internal(&cause))
}

fn options(asked: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(asked).map_err(|cause| Error::internal(&cause))
}

fn read<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, Error> {
    let fits = Some(answer).filter(|answer| answer.len() <= LONGEST_ANSWER);
    fits.and_then(|answer| serde_json::from_str(answer).ok())
        .ok_or_else(wrong_passkey)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "read better as `map_err(refused)`"
)]
fn refused(cause: WebauthnError) -> Error {
    tracing::info!(cause = %Chain(&cause), "a passkey's answer was refused");
    wrong_passkey()
}

/// An answer that is not accepted; which of its parts is wrong is logged and not told.
pub(super) fn wrong_passkey() -> Error {
    Error::new(
        http::StatusCode::UNAUTHORIZED,
        "wrong_passkey",
        "The passkey was not accepted here. Try again, or use another way.",
    )
}
