//! Going into an app: who may, and the place of those who come by themselves.

use std::sync::Arc;

use apps::{App, DataMode, Member, Newcomers};
use ids::{GroupId, Slug};
use serde_json::json;
use storage::EventKind;

use super::share::group_of;
use crate::{Context, Error, extract::Caller, random};

/// The app of this slug, if the caller may go in; to everybody else it does not exist. Somebody who comes by themselves
/// to an app that is open to all gets a place in it, so that their data has a group.
pub async fn enter(context: &Context, caller: &Caller, slug: &Slug) -> Result<Arc<App>, Error> {
    let app = context
        .app_by_slug(slug)
        .await?
        .ok_or_else(Error::not_found)?;
    let account = caller.account.id;
    if app.owner == account {
        return Ok(app);
    }
    let open_to_all = app.is_public || !app.requires_auth;
    match context.member(app.id, account).await? {
        Some(member) if member.invited || open_to_all => Ok(app),
        None if open_to_all => {
            take_place(context, caller, &app).await?;
            Ok(app)
        }
        _ => Err(Error::not_found()),
    }
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
            if app.requires_auth && !app.is_public {
                return Err(Error::not_found());
            }
            if change.members().find(id, account.id)?.is_some() {
                return Ok(());
            }
            let mode = match app.newcomers {
                Newcomers::Join => DataMode::Join,
                Newcomers::OwnGroup => DataMode::OwnCopy,
            };
            let group = group_of(
                change,
                &app,
                mode,
                fresh,
                account.id,
                &account.username,
                now,
            )?;
            change.members().upsert(&Member {
                app: id,
                account: account.id,
                group,
                mode,
                invited: false,
                created_at: now,
                last_seen_at: None,
            })?;
            change.event_with(
                EventKind::MembershipChanged,
                id,
                &json!({"account": account.id}),
            )
        })
        .await
}
