//! Going into an app: who may, and the place of those who come by themselves.

use std::sync::Arc;

use apps::{Access, App, NewcomerGroup};
use ids::{GroupId, Slug};
use serde_json::json;
use storage::{EventKind, Group};

use crate::{Context, Error, extract::Caller, random};

/// The app of this slug, if the caller may go in; to everybody else it does not exist. Somebody who comes by themselves
/// to an app that is open to all gets a place in it, so that their data has a group.
pub async fn enter(context: &Context, caller: &Caller, slug: &Slug) -> Result<Arc<App>, Error> {
    let app = context
        .app_by_slug(slug)
        .await?
        .ok_or_else(Error::not_found)?;
    let account = caller.account.id;
    let member = context.member(app.id, account).await?;
    match apps::access(&app, Some((account, member.as_deref()))) {
        Access::Open(_) => {}
        Access::Newcomer(_) => take_place(context, caller, &app).await?,
        Access::AnonymousOpen | Access::SignInNeeded | Access::NoAccess => {
            return Err(Error::not_found());
        }
    }
    Ok(app)
}

async fn take_place(context: &Context, caller: &Caller, app: &App) -> Result<(), Error> {
    let now = context.now();
    let (milliseconds, bytes) = random::id_parts(now);
    let fresh = GroupId::new(milliseconds, bytes);
    let (id, account) = (app.id, caller.account.clone());
    context
        .change(move |change| {
            // The flags and the place may have changed since they were read.
            let app = change.apps().find(id)?.ok_or_else(Error::not_found)?;
            let present = change.members().find(id, account.id)?;
            let group = match apps::access(&app, Some((account.id, present.as_ref()))) {
                Access::Open(_) => return Ok(()),
                Access::Newcomer(group) => group,
                Access::AnonymousOpen | Access::SignInNeeded | Access::NoAccess => {
                    return Err(Error::not_found());
                }
            };
            if group == NewcomerGroup::Fresh {
                change.groups().insert(&Group {
                    id: fresh,
                    app: id,
                    account: Some(account.id),
                    label: account.username.clone(),
                    created_at: now,
                })?;
            }
            let member = apps::newcomer(&app, account.id, fresh, now);
            change.members().upsert(&member)?;
            change.event_with(
                EventKind::MembershipChanged,
                id,
                &json!({"account": account.id}),
            )
        })
        .await
}
