//! `/v1/apps/{slug}/kv`: an owner's look into their app's data. Other viewers' personal keys stay closed.

use axum::{
    body::Bytes,
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, request::Parts};
use kv::Lane;
use serde::Deserialize;
use serde_json::json;

use super::data::{ListQuery, answer, expected, missing};
use crate::{
    Context, Error,
    actions::kv as actions,
    extract::{OwnedApp, Path, Query},
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/apps/{slug}/kv", list)
        .get("/apps/{slug}/kv/{key}", get)
        .put("/apps/{slug}/kv/{key}", put)
        .delete("/apps/{slug}/kv/{key}", delete)
}

/// The owner as a viewer of their own app.
struct OwnerLane {
    owned: OwnedApp,
    lane: Lane,
}

#[derive(Debug, Deserialize)]
struct WhoseQuery {
    viewer: Option<String>,
}

impl FromRequestParts<Context> for OwnerLane {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Error> {
        let owned = OwnedApp::from_request_parts(parts, context).await?;
        let Query(whose) = Query::<WhoseQuery>::from_request_parts(parts, context).await?;
        let own = owned.owner.account.id;
        if whose.viewer.is_some_and(|viewer| viewer != own.to_string()) {
            return Err(Error::forbidden(
                "Personal keys are for their viewer alone; the owner cannot read them.",
            ));
        }
        let lane = actions::owner_lane(&owned.app, owned.app.default_group);
        Ok(Self { owned, lane })
    }
}

async fn list(
    State(context): State<Context>,
    owner: OwnerLane,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let keys = actions::list(&context, &owner.owned.app, owner.lane, &query.prefix).await?;
    Ok(axum::Json(json!({"keys": keys})).into_response())
}

async fn get(
    State(context): State<Context>,
    owner: OwnerLane,
    Path((_, key)): Path<(String, String)>,
) -> Result<Response, Error> {
    actions::get(&context, &owner.owned.app, owner.lane, &key)
        .await?
        .map(answer)
        .ok_or_else(missing)
}

async fn put(
    State(context): State<Context>,
    owner: OwnerLane,
    Path((_, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Error> {
    let expected = expected(&headers)?;
    actions::put(
        &context,
        &owner.owned.app,
        owner.lane,
        &key,
        &body,
        expected,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(
    State(context): State<Context>,
    owner: OwnerLane,
    Path((_, key)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    actions::delete(&context, &owner.owned.app, owner.lane, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
