//! One's own account.

use accounts::Actor;
use axum::{Extension, Json, extract::State};
use http::StatusCode;
use protocol::issuer::{Message, ProfileUpdated, UserPublic};

use super::{
    fields::{self, Fields},
    users::{EMAIL_TAKEN, message, profile, refusal},
    wire::user_public,
};
use crate::{
    Context, Peer, actions::accounts as actions, error::IssuerError, extract::TokenCaller,
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/profile/get/me/", get)
        .patch("/profile/update/me/", update)
        .patch("/profile/me/password/", change_password)
        .delete("/profile/delete/me/", delete)
}

async fn get(TokenCaller(caller): TokenCaller) -> Json<UserPublic> {
    // The account itself, not what the token claims of it.
    Json(user_public(&caller.account))
}

async fn update(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    TokenCaller(caller): TokenCaller,
    mut body: Fields,
) -> Result<Json<ProfileUpdated>, IssuerError> {
    let wanted = profile(&mut body);
    body.finish()?;
    let changed = actions::update_profile(&context, &caller, wanted, peer).await;
    let user = changed.map_err(|error| refusal(error, StatusCode::CONFLICT, EMAIL_TAKEN))?;
    Ok(Json(ProfileUpdated {
        success: true,
        user: user_public(&user),
    }))
}

async fn change_password(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
    mut body: Fields,
) -> Result<Json<Message>, IssuerError> {
    let current = body.required("current_password", fields::typed_password);
    let new = body.required("new_password", fields::new_password);
    body.finish()?;
    let (Some(current), Some(new)) = (current, new) else {
        unreachable!("a field that is missing was refused")
    };
    let changed = actions::change_password(&context, &caller, &current, new).await;
    changed.map_err(|error| {
        let field = error.extra.get("field").and_then(serde_json::Value::as_str);
        match (error.code, field) {
            ("bad_field", Some("current_password")) => {
                IssuerError::new(StatusCode::BAD_REQUEST, "Incorrect password")
            }
            ("same_password", _) => IssuerError::new(
                StatusCode::BAD_REQUEST,
                "New password cannot be the same as the current one",
            ),
            ("bad_field", Some("password")) => error.with("field", "new_password").into(),
            _ => error.into(),
        }
    })?;
    Ok(message("Password updated successfully"))
}

async fn delete(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
) -> Result<Json<Message>, IssuerError> {
    if caller.account.role.is_superuser() {
        return Err(IssuerError::new(
            StatusCode::FORBIDDEN,
            "Super users are not allowed to delete themselves",
        ));
    }
    let actor = Actor::of(&caller.account);
    let deleted = actions::delete_account(&context, actor, caller.account.id).await;
    deleted.map_err(|error| refusal(error, StatusCode::CONFLICT, EMAIL_TAKEN))?;
    Ok(message("User deleted successfully"))
}
