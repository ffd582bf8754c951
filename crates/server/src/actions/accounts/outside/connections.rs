//! The identities of an account: which ones there are, joining one that waits, letting one go.

use accounts::{Account, Identity, WaitingLink, may_link};
use storage::{EventKind, Link};
use token::{OpaqueKind, OpaqueToken};

use super::come_back::{WAITING_PURPOSE, Waits, insert_identity};
use crate::{
    Context, Error,
    actions::accounts::{factors::ways_in, require_recent_proof},
    extract::Caller,
};

/// A provider, and the caller's identity there.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The provider's name.
    pub provider: String,
    /// What people call it.
    pub label: String,
    /// Whether people may sign in by it now.
    pub is_offered: bool,
    /// The identity that is joined to the account.
    pub identity: Option<Identity>,
}

/// An identity that waits to be joined.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// What people call the provider.
    pub label: String,
    /// The address it told.
    pub email: String,
    /// Whether it waits for the caller.
    pub is_callers: bool,
}

/// Every provider that is offered, and every identity of the caller.
pub async fn connections(context: &Context, caller: &Caller) -> Result<Vec<Connection>, Error> {
    let account = caller.account.id;
    let identities = context
        .storage
        .scan(move |tx| tx.identities().list(account))
        .await?;
    let offered = super::labels(context);
    let mut connections: Vec<_> = identities
        .iter()
        .map(|identity| {
            let label = offered.iter().find(|(name, _)| *name == identity.provider);
            Connection {
                provider: identity.provider.clone(),
                label: label.map_or_else(|| identity.provider.clone(), |(_, label)| label.clone()),
                is_offered: label.is_some(),
                identity: Some(identity.clone()),
            }
        })
        .collect();
    for (provider, label) in offered {
        if identities
            .iter()
            .all(|identity| identity.provider != provider)
        {
            connections.push(Connection {
                provider,
                label,
                is_offered: true,
                identity: None,
            });
        }
    }
    Ok(connections)
}

/// The identity that waits under a token.
pub async fn waiting(
    context: &Context,
    caller: &Caller,
    token: &str,
) -> Result<Option<Waiting>, Error> {
    let Ok(token) = OpaqueToken::parse(OpaqueKind::Link, token) else {
        return Ok(None);
    };
    let (digest, now) = (token.digest(), context.now());
    let link = context
        .storage
        .read(move |tx| tx.links().peek(digest, now))
        .await?;
    let Some((link, waits)) = link.and_then(read) else {
        return Ok(None);
    };
    let labels = super::labels(context).into_iter();
    let label = labels.into_iter().find(|(name, _)| *name == waits.provider);
    Ok(label.map(|(_, label)| Waiting {
        label,
        email: waits.email,
        is_callers: link.account == Some(caller.account.id),
    }))
}

fn read(link: Link) -> Option<(Link, Waits)> {
    if link.purpose != WAITING_PURPOSE {
        return None;
    }
    let waits = serde_json::from_str(&link.data).ok()?;
    Some((link, waits))
}

/// Joins the identity that waits under a token to the caller's account. They proved lately who they are, by another
/// way.
pub async fn join(context: &Context, caller: &Caller, token: &str) -> Result<(), Error> {
    let token = OpaqueToken::parse(OpaqueKind::Link, token).map_err(|_| gone())?;
    let (digest, now) = (token.digest(), context.now());
    let session = caller.session.clone();
    context
        .change(move |change| {
            let link = change.links().redeem(digest, now)?;
            // An error rolls the redemption back, so that a confirmation can be made up for.
            let (link, waits) = link.and_then(read).ok_or_else(gone)?;
            let meant_for = link.account.ok_or_else(gone)?;
            let found = change.identities().find(&waits.provider, &waits.subject)?;
            let waiting = WaitingLink {
                account: meant_for,
                owner: found.as_ref().map(|identity| identity.account),
            };
            may_link(waiting, &session, now)?;
            if found.is_some() {
                return Ok(());
            }
            let account = change
                .accounts()
                .find(meant_for)?
                .ok_or_else(Error::not_found)?;
            // The provider vouches for the address, and the account's owner for the provider's word.
            if account.email == waits.email && !account.email_verified {
                change.accounts().update(&Account {
                    email_verified: true,
                    updated_at: now,
                    ..account
                })?;
                change.event(EventKind::AccountChanged, meant_for)?;
            }
            insert_identity(change, waits, meant_for, now)
        })
        .await
}

/// Lets one of the caller's identities go, unless it is the last way in.
pub async fn unlink(
    context: &Context,
    caller: &Caller,
    provider: &str,
    subject: &str,
) -> Result<(), Error> {
    require_recent_proof(caller, context.now())?;
    let account = caller.account.id;
    let (provider, subject) = (provider.to_owned(), subject.to_owned());
    let offered = super::offered(context);
    context
        .change(move |change| {
            let ways = ways_in(change, account, &offered)?;
            // An identity of a provider that is not offered any more is no way in.
            if offered.contains(&provider) && !ways.may_unlink() {
                return Err(Error::new(
                    http::StatusCode::CONFLICT,
                    "last_way_in",
                    "This is the only way into your account. Set a password first.",
                ));
            }
            change.identities().delete(account, &provider, &subject)?;
            let payload = serde_json::json!({ "provider": provider });
            change.event_with(EventKind::IdentityUnlinked, account, &payload)
        })
        .await
}

fn gone() -> Error {
    Error::new(
        http::StatusCode::GONE,
        "nothing_waits",
        "Nothing waits to be connected any more; begin again.",
    )
}
