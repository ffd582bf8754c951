//! Hashing and checking passwords on the hash threads.

use accounts::Account;
use ids::AccountId;
use secret::SecretString;

use crate::{Context, Error, phc, random};

/// What a check found.
pub(super) struct Verdict {
    /// The password is right.
    pub(super) matches: bool,
    /// It is right but was hashed at another cost than is configured now.
    pub(super) outdated: bool,
}

/// Hashes a new password.
pub(super) async fn hash(context: &Context, password: SecretString) -> Result<SecretString, Error> {
    let (cost, salt) = (
        phc::Cost::of(&context.config.accounts),
        random::bytes::<16>(),
    );
    let hashed = context
        .hasher
        .run(move |memory| phc::hash(&password, &salt, cost, memory))
        .await?;
    Ok(hashed)
}

/// Checks a password. Without a stored one the same work is done for nothing, so that time tells nothing.
pub(super) async fn verify(
    context: &Context,
    stored: Option<SecretString>,
    password: SecretString,
) -> Result<Verdict, Error> {
    let cost = phc::Cost::of(&context.config.accounts);
    let verdict = context.hasher.run(move |memory| match stored {
        Some(stored) => {
            let matches = phc::verify(&password, &stored, memory);
            Verdict {
                matches,
                outdated: matches && !phc::is_of_cost(&stored, cost),
            }
        }
        None => {
            phc::hash(&password, &[0; 16], cost, memory);
            Verdict {
                matches: false,
                outdated: false,
            }
        }
    });
    Ok(verdict.await?)
}

/// Hashes a password anew at the configured cost.
pub(super) async fn renew(
    context: &Context,
    id: AccountId,
    password: SecretString,
) -> Result<(), Error> {
    let hashed = hash(context, password).await?;
    context
        .change(move |change| {
            let account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            change.accounts().update(&Account {
                password: Some(hashed.clone()),
                ..account
            })?;
            Ok(())
        })
        .await
}
