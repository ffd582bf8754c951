//! What an account is protected by beyond its password: passkeys, an authenticator app, recovery codes.

mod authenticator;
mod ceremony;
mod codes;
mod confirm;
mod notices;
mod passkeys;
mod reset;
mod second_step;
mod webauthn;

use accounts::{Factors, Passkey, WaysIn};
use ids::AccountId;
use jiff::Timestamp;
use storage::Tx;

use crate::{Context, Error, extract::Caller};

pub use authenticator::{
    Enrolment, begin_authenticator, confirm_authenticator, remove_authenticator,
};
pub use codes::{RecoveryCodes, WRONG_CODE, new_recovery_codes};
pub(super) use codes::{TypedSecond, take_code};
pub(super) use confirm::prove;
pub use confirm::{
    begin_confirm_by_passkey, confirm_by_code, confirm_by_passkey, confirm_by_password,
};
pub use notices::{NoticeKind, list_notices, see_notices, tell};
pub use passkeys::{
    Challenge, Registered, begin_passkey, finish_passkey, remove_passkey, rename_passkey,
};
pub use reset::{reset_by_operator, reset_factors, reset_factors_of};
pub use second_step::{
    Asked, SECOND_FACTOR_REQUIRED, begin_second_step_by_passkey, begin_sign_in_by_passkey,
    find_second_step, second_step_by_code, second_step_by_passkey, sign_in_by_passkey,
};
pub(super) use second_step::{SecondStep, prove_second};
pub use webauthn::passkeys_work;

/// What an account is protected by, to be shown to its owner.
#[derive(Debug, Clone)]
pub struct Protection {
    /// Counted.
    pub factors: Factors,
    /// The passkeys, the first one first.
    pub passkeys: Vec<Passkey>,
    /// Since when there is an authenticator app.
    pub authenticator_since: Option<Timestamp>,
    /// When the recovery codes were made.
    pub recovery_codes_made: Option<Timestamp>,
    /// Accounts at outside providers.
    pub identities: usize,
}

/// What protects the caller's account.
pub async fn protection(context: &Context, caller: &Caller) -> Result<Protection, Error> {
    let id = caller.account.id;
    let load = move |tx: &mut Tx| {
        let authenticator = tx.authenticators().find(id)?;
        Ok::<_, Error>(Protection {
            factors: load(tx, id)?,
            passkeys: tx.passkeys().list(id)?,
            authenticator_since: authenticator.and_then(|app| app.confirmed_at),
            recovery_codes_made: tx.recovery_codes().made_at(id)?,
            identities: tx.identities().list(id)?.len(),
        })
    };
    context.storage.read(load).await
}

/// What the caller can confirm with that it is them.
pub async fn factors(context: &Context, caller: &Caller) -> Result<Factors, Error> {
    let id = caller.account.id;
    context.storage.read(move |tx| load(tx, id)).await
}

/// Counts what an account is protected by.
pub(super) fn load(tx: &mut Tx, account: AccountId) -> Result<Factors, Error> {
    let password = tx.accounts().find(account)?;
    let authenticator = tx.authenticators().find(account)?;
    Ok(Factors {
        password: password.is_some_and(|account| account.password.is_some()),
        authenticator: authenticator.is_some_and(|app| app.confirmed_at.is_some()),
        passkeys: tx.passkeys().list(account)?.len(),
        recovery_codes: tx.recovery_codes().count_unused(account)?,
    })
}

/// The ways by which an account can be signed in to. An identity counts while its provider is among the `offered`.
pub(super) fn ways_in(
    tx: &mut Tx,
    account: AccountId,
    offered: &[String],
) -> Result<WaysIn, Error> {
    let factors = load(tx, account)?;
    let identities = tx.identities().list(account)?.into_iter();
    Ok(WaysIn {
        password: factors.password,
        identities: identities
            .filter(|identity| offered.contains(&identity.provider))
            .count(),
        passkeys: factors.passkeys,
    })
}
