//! Hashing and checking passwords on the hash threads.

use accounts::{Account, HashError, HashParameters, Password, Scheme, Verdict};
use ids::AccountId;
use secret::SecretString;

use crate::{Context, Error, config, random};

/// Hashes a new password.
pub(super) async fn hash(context: &Context, password: Password) -> Result<SecretString, Error> {
    let (parameters, salt) = (parameters(&context.config.accounts), random::bytes());
    let hashed = context
        .hasher
        .run(move |memory| accounts::hash(&password, salt, parameters, memory))
        .await?;
    hashed.map_err(|cause| Error::internal(&cause))
}

/// Checks a password. Without a stored one the same work is done for nothing, so that time tells nothing.
pub(super) async fn verify(
    context: &Context,
    stored: Option<SecretString>,
    password: SecretString,
) -> Result<Verdict, Error> {
    let parameters = parameters(&context.config.accounts);
    let check =
        move |memory: &mut _| accounts::verify(&password, stored.as_ref(), parameters, memory);
    let verdict = context.hasher.run(check).await?;
    verdict.map_err(|cause| Error::internal(&cause))
}

/// Hashes a password anew at the cost of today. `stored` is the hash it was checked against: when another one is in
/// force by now, that one stays.
pub(super) async fn renew(
    context: &Context,
    id: AccountId,
    stored: Option<SecretString>,
    password: SecretString,
) -> Result<(), Error> {
    let (parameters, salt) = (parameters(&context.config.accounts), random::bytes());
    let hashed = context
        .hasher
        .run(move |memory| accounts::rehash(&password, salt, parameters, memory))
        .await?
        .map_err(|cause| Error::internal(&cause))?;
    context
        .change(move |change| {
            let account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            if is_same(account.password.as_ref(), stored.as_ref()) {
                change.accounts().update(&Account {
                    password: Some(hashed.clone()),
                    ..account
                })?;
            }
            Ok(())
        })
        .await
}

/// How a stored hash was made, if passwords can be compared with it here.
pub(super) fn scheme(context: &Context, stored: &SecretString) -> Result<Scheme, HashError> {
    accounts::scheme(stored, parameters(&context.config.accounts))
}

/// Whether two stored hashes are the same text.
pub(super) fn is_same(a: Option<&SecretString>, b: Option<&SecretString>) -> bool {
    a.map(SecretString::expose) == b.map(SecretString::expose)
}

fn parameters(settings: &config::Accounts) -> HashParameters {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let lanes = number(settings.argon2_lanes.get());
    HashParameters {
        // The least that the lanes need, whatever was written down.
        memory_kib: number(settings.argon2_memory_kib.get()).max(8 * lanes),
        passes: number(settings.argon2_passes.get()),
        lanes,
    }
}
