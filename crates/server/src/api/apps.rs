//! `/v1/apps`: listing, flags, people, deletion. Publishing is in `publish`.

use axum::extract::State;
use http::StatusCode;
use ids::{AccountId, InviteId};
use protocol::control::{AppChanges, AppInfo, AppList, People, Share, ShareResult};

use super::wire;
use crate::{
    Context, Error,
    actions::apps as actions,
    extract::{Caller, Json, OwnedApp, Path, VisibleApp},
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

async fn list(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<AppList>, Error> {
    let lists = actions::list(&context, &caller).await?;
    let info =
        |apps: Vec<actions::Listed>| apps.iter().map(|app| wire::app(&context, app)).collect();
    Ok(axum::Json(AppList {
        mine: info(lists.mine),
        shared: info(lists.shared),
    }))
}

async fn show(
    State(context): State<Context>,
    visible: VisibleApp,
) -> Result<axum::Json<AppInfo>, Error> {
    let listed = actions::describe(&context, &visible.app).await?;
    Ok(axum::Json(wire::app(&context, &listed)))
}

async fn change(
    State(context): State<Context>,
    owned: OwnedApp,
    Json(body): Json<AppChanges>,
) -> Result<axum::Json<AppInfo>, Error> {
    let changes = actions::Changes {
        name: body.name,
        is_public: body.is_public,
        requires_auth: body.requires_auth,
        newcomers: body
            .newcomers
            .as_deref()
            .map(actions::newcomers)
            .transpose()?,
    };
    let changed = actions::change(&context, &owned, changes).await?;
    let listed = actions::describe(&context, &changed).await?;
    Ok(axum::Json(wire::app(&context, &listed)))
}

async fn delete(State(context): State<Context>, owned: OwnedApp) -> Result<StatusCode, Error> {
    actions::delete(&context, &owned).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn people(
    State(context): State<Context>,
    owned: OwnedApp,
) -> Result<axum::Json<People>, Error> {
    let people = actions::people(&context, &owned).await?;
    Ok(axum::Json(People {
        members: people.members.iter().map(wire::person).collect(),
        invites: people.invites.iter().map(wire::invite).collect(),
    }))
}

async fn share(
    State(context): State<Context>,
    owned: OwnedApp,
    Json(body): Json<Share>,
) -> Result<axum::Json<Vec<ShareResult>>, Error> {
    let mode = body
        .mode
        .as_deref()
        .map_or(Ok(apps::DataMode::Join), actions::data_mode)?;
    let shared = actions::share(&context, &owned, &body.addresses.join("\n"), mode).await?;
    Ok(axum::Json(shared.iter().map(wire::share_result).collect()))
}

async fn unshare(
    State(context): State<Context>,
    owned: OwnedApp,
    Path((_, account)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let account: AccountId = account.parse().map_err(|_| Error::not_found())?;
    actions::unshare(&context, &owned, account).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_invite(
    State(context): State<Context>,
    owned: OwnedApp,
    Path((_, invite)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let invite: InviteId = invite.parse().map_err(|_| Error::not_found())?;
    actions::revoke_invite(&context, &owned, invite).await?;
    Ok(StatusCode::NO_CONTENT)
}
