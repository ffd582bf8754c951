//! Sessions that hold token pairs.

use accounts::Actor;
use axum::{Json, extract::State};
use http::StatusCode;
use ids::{AccountId, SessionId};
use protocol::issuer::{Listed, Message, SessionPublic};

use super::{
    fields::{self, Fields, Paging, PathId},
    users::{message, not_found as user_not_found},
    wire::session_public,
};
use crate::{
    Context,
    actions::accounts::{self as actions, NewExternalTokens},
    error::IssuerError,
    extract::{SuperuserToken, TokenCaller},
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/sessions/", list)
        .get("/sessions/get/{id}/", get)
        .get("/sessions/get-by-user/{id}/", get_by_user)
        .get("/sessions/get-current/", get_current)
        .post("/sessions/refresh-google-tokens/", replace_external_tokens)
        .delete("/sessions/delete-by-user/{id}/", delete_by_user)
        .delete("/sessions/delete/{id}/", delete)
}

async fn list(
    State(context): State<Context>,
    SuperuserToken(_): SuperuserToken,
    Paging(window): Paging,
) -> Result<Json<Listed<SessionPublic>>, IssuerError> {
    let (sessions, count) = actions::list_token_sessions(&context, window).await?;
    let data = sessions.iter().map(session_public).collect();
    Ok(Json(Listed { data, count }))
}

async fn get(
    State(context): State<Context>,
    SuperuserToken(_): SuperuserToken,
    PathId(id): PathId<SessionId>,
) -> Result<Json<SessionPublic>, IssuerError> {
    let found = actions::find_token_session(&context, id).await?;
    found
        .map(|session| Json(session_public(&session)))
        .ok_or_else(not_found)
}

async fn get_by_user(
    State(context): State<Context>,
    SuperuserToken(_): SuperuserToken,
    PathId(id): PathId<AccountId>,
) -> Result<Json<SessionPublic>, IssuerError> {
    let found = actions::latest_token_session(&context, id).await?;
    found
        .map(|session| Json(session_public(&session)))
        .ok_or_else(not_found)
}

async fn get_current(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
) -> Result<Json<SessionPublic>, IssuerError> {
    let found = actions::find_token_session(&context, caller.session.id).await?;
    found
        .map(|session| Json(session_public(&session)))
        .ok_or_else(|| {
            // The spelling is what clients compare.
            IssuerError::new(StatusCode::BAD_REQUEST, "The user session unavelable")
        })
}

async fn replace_external_tokens(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
    mut body: Fields,
) -> Result<Json<SessionPublic>, IssuerError> {
    let access = body.required("external_access_token", fields::opaque);
    let refresh = body.given("external_refresh_token", fields::opaque);
    let expires_at = body.given("external_token_expires_at", fields::time);
    body.finish()?;
    let Some(access) = access else {
        unreachable!("a field that is missing was refused")
    };
    let tokens = NewExternalTokens {
        access,
        refresh,
        expires_at,
    };
    let replaced = actions::replace_external_tokens(&context, &caller, tokens).await?;
    let session = replaced.ok_or_else(|| {
        IssuerError::new(
            StatusCode::BAD_REQUEST,
            "The session provider is not google",
        )
    })?;
    Ok(Json(session_public(&session)))
}

async fn delete_by_user(
    State(context): State<Context>,
    SuperuserToken(caller): SuperuserToken,
    PathId(id): PathId<AccountId>,
) -> Result<Json<Message>, IssuerError> {
    let ended = actions::end_user_sessions(&context, Actor::of(&caller.account), id).await;
    ended.map_err(|error| match error.code {
        "not_found" => user_not_found(),
        "out_of_reach" => IssuerError::not_enough_privileges(),
        _ => error.into(),
    })?;
    // The text is the one of deleting an account; clients know it so.
    Ok(message("User deleted successfully"))
}

async fn delete(
    State(context): State<Context>,
    SuperuserToken(caller): SuperuserToken,
    PathId(id): PathId<SessionId>,
) -> Result<Json<Message>, IssuerError> {
    let ended = actions::end_user_session(&context, Actor::of(&caller.account), id).await;
    ended.map_err(|error| match error.code {
        "not_found" => not_found(),
        "out_of_reach" => IssuerError::not_enough_privileges(),
        _ => error.into(),
    })?;
    Ok(message("Session deleted successfully"))
}

fn not_found() -> IssuerError {
    IssuerError::new(StatusCode::NOT_FOUND, "Session not found")
}
