//! `/v1/apps`: listing, flags, people, deletion. Publishing is in `publish`.

use axum::extract::State;
use http::StatusCode;
use ids::{AccountId, InviteId};
use protocol::control::{AppChanges, AppInfo, AppList, People, Share, ShareResult};

use super::wire;
use crate::{
    Context, Error,
    actions::apps as actions,
    extract::{Caller, Json, Path},
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/apps", list)
        .get("/apps/{slug}", show)
        .patch("/apps/{slug}", change)
        .delete("/apps/{slug}", delete)
        .get("/apps/{slug}/people", people)
        .post("/apps/{slug}/people", share)
        .delete("/apps/{slug}/people/{account}", unshare)
        .delete("/apps/{slug}/people/invites/{invite}", revoke_invite)
}

async fn list(State(context): State<Context>, caller: Caller) -> Result<axum::Json<AppList>, Error> {
    let lists = actions::list(&context, &caller).await?;
    let info = |apps: Vec<actions::Listed>| apps.iter().map(|app| wire::app(&context, app)).collect();
    Ok(axum::Json(AppList { mine: info(lists.mine), shared: info(lists.shared) }))
}

async fn show(
    State(context): State<Context>,
    caller: Caller,
    Path(slug): Path<String>,
) -> Result<axum::Json<AppInfo>, Error> {
    let app = actions::for_member(&context, &caller, &slug).await?;
    let listed = actions::describe(&context, &app).await?;
    Ok(axum::Json(wire::app(&context, &listed)))
}

async fn change(
    State(context): State<Context>,
    caller: Caller,
    Path(slug): Path<String>,
    Json(changes): Json<AppChanges>,
) -> Result<axum::Json<AppInfo>, Error> {
    let app = actions::for_owner(&context, &caller, &slug).await?;
    let changed = actions::change(&context, &app, changes.into()).await?;
    let listed = actions::describe(&context, &changed).await?;
    Ok(axum::Json(wire::app(&context, &listed)))
}

async fn delete(
    State(context): State<Context>,
    caller: Caller,
    Path(slug): Path<String>,
) -> Result<StatusCode, Error> {
    let app = actions::for_owner(&context, &caller, &slug).await?;
    actions::delete(&context, &app).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn people(
    State(context): State<Context>,
    caller: Caller,
    Path(slug): Path<String>,
) -> Result<axum::Json<People>, Error> {
    let app = actions::for_owner(&context, &caller, &slug).await?;
    let people = actions::people(&context, &app).await?;
    Ok(axum::Json(People {
        members: people.members.iter().map(wire::person).collect(),
        invites: people.invites.iter().map(wire::invite).collect(),
    }))
}

async fn share(
    State(context): State<Context>,
    caller: Caller,
    Path(slug): Path<String>,
    Json(body): Json<Share>,
) -> Result<axum::Json<Vec<ShareResult>>, Error> {
    let app = actions::for_owner(&context, &caller, &slug).await?;
    let mode = actions::data_mode(body.mode.as_deref())?;
    let shared = actions::share(&context, &caller, &app, &body.addresses.join("\n"), mode).await?;
    Ok(axum::Json(shared.iter().map(wire::share_result).collect()))
}

async fn unshare(
    State(context): State<Context>,
    caller: Caller,
    Path((slug, account)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let app = actions::for_owner(&context, &caller, &slug).await?;
    let account: AccountId = account.parse().map_err(|_| Error::not_found())?;
    actions::unshare(&context, &app, account).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_invite(
    State(context): State<Context>,
    caller: Caller,
    Path((slug, invite)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let app = actions::for_owner(&context, &caller, &slug).await?;
    let invite: InviteId = invite.parse().map_err(|_| Error::not_found())?;
    actions::revoke_invite(&context, &app, invite).await?;
    Ok(StatusCode::NO_CONTENT)
}
