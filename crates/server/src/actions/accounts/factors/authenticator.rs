//! Setting an authenticator app up, and removing it.

use accounts::{totp, totp::Authenticator};
use secret::{Secret, SecretBytes, SecretString};
use serde_json::json;
use storage::EventKind;

use super::codes::{self, NewRecoveryCodes, RecoveryCodes, open_secret, seal_secret};
use crate::{Context, Error, actions::accounts::require_recent_proof, extract::Caller, random};

/// An authenticator app that is being set up.
#[derive(Debug)]
pub struct Enrolment {
    /// `otpauth://totp/…`, for the picture.
    pub address: SecretString,
    /// The secret as people type it.
    pub spelled: SecretString,
}

/// Begins to set an authenticator app up, or shows again what was begun. Nothing is asked of it until its first code
/// was right.
pub async fn begin_authenticator(context: &Context, caller: &Caller) -> Result<Enrolment, Error> {
    let (id, now) = (caller.account.id, context.now());
    require_recent_proof(caller, now)?;
    let secret = SecretBytes::new(random::bytes::<{ totp::SECRET_BYTES }>().to_vec());
    let fresh = Authenticator {
        account: id,
        sealed_secret: seal_secret(context, id, &secret),
        created_at: now,
        confirmed_at: None,
        last_step: 0,
    };
    let sealed = context
        .change(move |change| match change.authenticators().find(id)? {
            Some(app) if app.confirmed_at.is_some() => Err(Error::new(
                http::StatusCode::CONFLICT,
                "authenticator_exists",
                "You have an authenticator app; remove it before you set up another one.",
            )),
            Some(app) => Ok(app.sealed_secret),
            None => {
                change.authenticators().insert(&fresh)?;
                Ok(fresh.sealed_secret.clone())
            }
        })
        .await?;
    let secret = open_secret(context, id, &sealed)?;
    let place = context.config.public_url.host_str().unwrap_or("Vestibule");
    Ok(Enrolment {
        address: totp::address(&secret, place, &caller.account.email),
        spelled: totp::spell(&secret),
    })
}

/// Finishes setting the app up by its first code. With the first factor of an account come its recovery codes.
pub async fn confirm_authenticator(
    context: &Context,
    caller: &Caller,
    code: SecretString,
) -> Result<Option<RecoveryCodes>, Error> {
    let (id, now) = (caller.account.id, context.now());
    require_recent_proof(caller, now)?;
    let code = Secret::new(code.expose().replace([' ', '-'], ""));
    let recovery = NewRecoveryCodes::prepare(context, id);
    let keys = context.clone();
    context
        .change(move |change| {
            let found = change.authenticators().find(id)?;
            let app = found
                .filter(|app| app.confirmed_at.is_none())
                .ok_or_else(|| {
                    Error::new(
                        http::StatusCode::CONFLICT,
                        "nothing_to_confirm",
                        "No authenticator app is being set up; begin again.",
                    )
                })?;
            let secret = open_secret(&keys, id, &app.sealed_secret)?;
            let step = totp::accept(&secret, code.expose(), app.last_step, now)?;
            // The code that showed that the app works is used up: it does not sign anybody in.
            change.authenticators().take_step(id, step)?;
            change.authenticators().confirm(id, now)?;
            let what = json!({"what": "authenticator_added"});
            change.event_with(EventKind::AccountFactors, id, &what)?;
            codes::with_the_first(change, &recovery, id, now)
        })
        .await
}

/// Removes the caller's authenticator app.
pub async fn remove_authenticator(context: &Context, caller: &Caller) -> Result<(), Error> {
    let (id, now) = (caller.account.id, context.now());
    require_recent_proof(caller, now)?;
    context
        .change(move |change| {
            if !change.authenticators().delete(id)? {
                return Err(Error::not_found());
            }
            codes::drop_if_alone(change, id)?;
            let what = json!({"what": "authenticator_removed"});
            change.event_with(EventKind::AccountFactors, id, &what)
        })
        .await
}
