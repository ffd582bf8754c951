//! The first start: an owner without a password, and the link that completes the account.

use accounts::{Account, Method, Methods, Role, SessionOrigin};
use ids::AccountId;
use storage::EventKind;

use super::{
    NewAccount, SignedIn, first_superuser, links,
    links::{NewLink, Purpose},
    sessions::NewSession,
    sign_in::create_sign_in_link,
};
use crate::{Context, Error, random};

/// Makes the superuser that the settings name or else the pending owner when there is none yet, and gives a one-time
/// setup link as long as nobody has completed it. `None` once there is an owner.
pub async fn ensure_owner(context: &Context) -> Result<Option<String>, Error> {
    if first_superuser::ensure(context).await? {
        return Ok(None);
    }
    let now = context.now();
    let (milliseconds, bytes) = random::id_parts(now);
    let id = AccountId::new(milliseconds, bytes);
    let pending = Account {
        id,
        // Both are replaced at setup; neither can be chosen by anybody, as no valid address or name looks like this.
        email: format!("pending:{id}"),
        username: format!("pending:{id}"),
        full_name: None,
        avatar: None,
        provider: accounts::PASSWORD_PROVIDER.to_owned(),
        role: Role::Superadmin,
        roles: Vec::new(),
        active: true,
        email_verified: false,
        generation: 1,
        password: None,
        created_at: now,
        updated_at: now,
    };
    let candidate = NewLink::prepare(context, Purpose::Setup, id);
    let first = context.change({
        let (pending, link) = (pending.clone(), candidate);
        move |change| {
            if change.accounts().count_superadmins()? > 0 {
                return Ok(None);
            }
            change.accounts().insert(&pending)?;
            change.event(EventKind::AccountCreated, pending.id)?;
            link.insert(change)?;
            Ok(Some(link.address.clone()))
        }
    });
    if let Some(address) = first.await? {
        return Ok(Some(address));
    }
    let Some(owner) = context.storage.read(pending_owner).await? else {
        return Ok(None);
    };
    let link = NewLink::prepare(context, Purpose::Setup, owner.id);
    context
        .change(move |change| link.insert(change).map(|()| Some(link.address.clone())))
        .await
}

/// The owner who has not completed the account yet: among the first accounts, and without a password.
pub(super) fn pending_owner(tx: &mut storage::Tx) -> Result<Option<Account>, Error> {
    let mut first = first_accounts(tx)?.into_iter();
    Ok(first.find(|account| account.password.is_none() && account.email.starts_with("pending:")))
}

/// Accounts in the order they were made; the owner is the first superadmin of them.
fn first_accounts(tx: &mut storage::Tx) -> Result<Vec<Account>, Error> {
    Ok(tx.accounts().list(storage::Page {
        after: None,
        limit: 1000,
    })?)
}

/// The owner of the server, pending or not: the first superadmin. [`ensure_owner`] makes one.
pub async fn owner(context: &Context) -> Result<Account, Error> {
    let find = |tx: &mut storage::Tx| {
        let mut first = first_accounts(tx)?.into_iter();
        first
            .find(|account| account.role.is_superuser() && account.active)
            .ok_or_else(Error::not_found)
    };
    context.storage.read(find).await
}

/// A one-time link for the owner: to complete the account as long as that is open, afterwards to sign in.
pub async fn owner_link(context: &Context) -> Result<String, Error> {
    if let Some(setup) = ensure_owner(context).await? {
        return Ok(setup);
    }
    let owner = owner(context).await?;
    create_sign_in_link(context, owner.id).await
}

/// Whether a setup link could be used now.
pub async fn is_setup_open(context: &Context, token: &str) -> Result<bool, Error> {
    links::is_open(context, token, Purpose::Setup).await
}

/// Completes the pending owner's account and signs them in.
pub async fn complete_setup(
    context: &Context,
    token: &str,
    account: NewAccount,
    device: &str,
) -> Result<SignedIn, Error> {
    let digest = links::digest(token)?;
    let account = account.check_official()?;
    if !is_setup_open(context, token).await? {
        // Before the hash, so that nobody without a link can make the server work.
        return Err(links::used_up());
    }
    let account = account.hash(context).await?;
    let now = context.now();
    let password = Methods::one(Method::Password);
    let new = NewSession::prepare_for_anybody(context, password, SessionOrigin::Link, device);
    let (session, owner) = context
        .change(move |change| {
            let id = links::redeem(change, digest, Purpose::Setup, now)?;
            let owner = change
                .accounts()
                .find(id)?
                .filter(|owner| owner.password.is_none());
            let owner = account.complete(owner.ok_or_else(links::used_up)?, now);
            change.accounts().update(&owner)?;
            change.event(EventKind::AccountChanged, id)?;
            let new = new.for_account(id);
            new.insert(change)?;
            Ok((new, owner))
        })
        .await?;
    Ok(session.into_signed_in(owner))
}
