//! Going into an app: who may, and the place of those who come by themselves.

use std::sync::Arc;

use accounts::Account;
use apps::{Access, App, Place};
use ids::{AppId, GroupId, Slug};
use serde_json::json;
use storage::EventKind;

use super::share::make_group;
use crate::{Context, Error, extract::Caller, random};

/// The app of this slug, if the caller may go in; to everybody else it does not exist.
pub async fn enter(context: &Context, caller: &Caller, slug: &Slug) -> Result<Arc<App>, Error> {
    let app = context
        .app_by_slug(slug)
        .await?
        .ok_or_else(Error::not_found)?;
    match find_place(context, &app, &caller.account).await? {
        Some(_) => Ok(app),
        None => Err(Error::not_found()),
    }
}

/// What somebody who is signed in is in an app, and whose shared data they see; `None` when they may not go in.
///
/// Somebody who comes by themselves to an app that is open to all gets a place in it, so that their data has a group,
/// whichever way they came: through the pages or straight to the app's host.
pub(crate) async fn find_place(
    context: &Context,
    app: &App,
    account: &Account,
) -> Result<Option<Place>, Error> {
    let member = if app.owner == account.id {
        None
    } else {
        context.member(app.id, account.id).await?
    };
    match apps::access(app, Some((account.id, member.as_deref()))) {
        Access::Open(place) => Ok(Some(place)),
        Access::Newcomer(_) => take_place(context, app.id, account).await,
        Access::AnonymousOpen | Access::SignInNeeded | Access::NoAccess => Ok(None),
    }
}

async fn take_place(
    context: &Context,
    id: AppId,
    account: &Account,
) -> Result<Option<Place>, Error> {
    let now = context.now();
    let (milliseconds, bytes) = random::id_parts(now);
    let fresh = GroupId::new(milliseconds, bytes);
    let (account, username) = (account.id, account.username.clone());
    context
        .change(move |change| {
            // The flags and the place may have changed since they were read.
            let Some(app) = change.apps().find(id)? else {
                return Ok(None);
            };
            let present = change.members().find(id, account)?;
            match apps::access(&app, Some((account, present.as_ref()))) {
                Access::Open(place) => return Ok(Some(place)),
                Access::Newcomer(_) => {}
                Access::AnonymousOpen | Access::SignInNeeded | Access::NoAccess => {
                    return Ok(None);
                }
            }
            let member = apps::newcomer(&app, account, fresh, now);
            make_group(change, &app, &member, true, &username, now)?;
            change.members().upsert(&member)?;
            change.event_with(
                EventKind::MembershipChanged,
                id,
                &json!({"account": account}),
            )?;
            match apps::access(&app, Some((account, Some(&member)))) {
                Access::Open(place) => Ok(Some(place)),
                _ => Ok(None),
            }
        })
        .await
}
