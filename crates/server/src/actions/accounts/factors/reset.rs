//! Taking somebody's factors away, for a person who lost them.

use accounts::{Account, Actor};
use ids::AccountId;
use serde_json::json;
use storage::EventKind;

use super::{NoticeKind, tell};
use crate::{
    Context, Error,
    actions::accounts::{authority, require_recent_proof},
    extract::Caller,
};

/// Removes an account's passkeys, authenticator app and recovery codes, and tells the person. The password stays; whoever
/// has none is given a sign-in link.
pub async fn reset_factors(context: &Context, actor: Actor, id: AccountId) -> Result<(), Error> {
    context
        .change(move |change| {
            let actor = authority::current(change, actor)?;
            let account = change.accounts().find(id)?.ok_or_else(Error::not_found)?;
            let is_own = matches!(actor, Actor::Account { id: own, .. } if own == id);
            if is_own || !actor.manages(account.role) {
                return Err(accounts::AuthorityRefusal::OutOfReach.into());
            }
            change.authenticators().delete(id)?;
            change.passkeys().delete_all(id)?;
            change.recovery_codes().delete(id)?;
            change.ceremonies().clear(id)?;
            tell(change, id, NoticeKind::FactorsReset, "")?;
            let what = json!({"what": "factors_reset"});
            change.event_with(EventKind::AccountFactors, id, &what)
        })
        .await
}

/// The same on the pages: by somebody who proved lately who they are.
pub async fn reset_factors_of(
    context: &Context,
    caller: &Caller,
    id: AccountId,
) -> Result<(), Error> {
    require_recent_proof(caller, context.now())?;
    reset_factors(context, Actor::of(&caller.account), id).await
}

/// The same by whoever runs the server, for the account of an address or a username.
pub async fn reset_by_operator(context: &Context, login: &str) -> Result<Account, Error> {
    let login = login.trim().to_lowercase();
    let found = context
        .storage
        .read(move |tx| tx.accounts().find_by_login(&login))
        .await?;
    let account = found.ok_or_else(Error::not_found)?;
    reset_factors(context, Actor::Operator, account.id).await?;
    Ok(account)
}
