//! `/v1/session`: signing in, asking who one is, signing out.

use accounts::SessionOrigin;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use protocol::control::{SessionInfo, SignIn, SignedIn};
use secret::SecretString;

use super::wire;
use crate::{
    Context, Error, Peer,
    actions::accounts::{self as actions, Credentials},
    extract::{Caller, Json, credentials::known_device},
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/session", sign_in)
        .get("/session", show)
        .delete("/session", sign_out)
}

async fn sign_in(
    State(context): State<Context>,
    axum::Extension(peer): axum::Extension<Peer>,
    headers: HeaderMap,
    Json(body): Json<SignIn>,
) -> Result<axum::Json<SignedIn>, Error> {
    let credentials = Credentials {
        login: body.login,
        password: SecretString::new(body.password),
        otp: body.otp.map(SecretString::new),
        peer,
        device: known_device(&headers),
    };
    let signed_in =
        actions::sign_in_at_once(&context, credentials, &body.device, SessionOrigin::Cli).await?;
    Ok(axum::Json(wire::signed_in(&signed_in)))
}

async fn show(caller: Caller) -> axum::Json<SessionInfo> {
    axum::Json(SessionInfo {
        account: wire::account(&caller.account),
        expires_at: caller.session.expires_at.to_string(),
    })
}

async fn sign_out(State(context): State<Context>, caller: Caller) -> Result<StatusCode, Error> {
    actions::sign_out(&context, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
