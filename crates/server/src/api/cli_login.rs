//! `/v1/cli-login`: a command line's sign-in that is confirmed in a browser.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use protocol::control::{CliLogin, CliLoginPoll, CliLoginRequest};

use super::wire;
use crate::{
    Context, Error,
    actions::accounts::cli_login::{self, Poll},
    extract::Json,
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/cli-login", begin)
        .post("/cli-login/poll", poll)
}

async fn begin(
    State(context): State<Context>,
    Json(body): Json<CliLoginRequest>,
) -> axum::Json<CliLogin> {
    let begun = cli_login::begin(&context, &body.device);
    axum::Json(CliLogin {
        url: format!(
            "{}/cli-login/{}",
            context.config.shell_origin(),
            begun.request
        ),
        code: begun.code,
        poll_secret: begun.poll_secret.expose().clone(),
        expires_in: cli_login::LIFETIME.as_secs().unsigned_abs(),
        interval: 2,
    })
}

async fn poll(
    State(context): State<Context>,
    Json(body): Json<CliLoginPoll>,
) -> Result<Response, Error> {
    Ok(match cli_login::poll(&context, &body.poll_secret).await? {
        Poll::Waiting => (
            StatusCode::ACCEPTED,
            axum::Json(serde_json::json!({"state": "waiting"})),
        )
            .into_response(),
        Poll::Confirmed(signed_in) => axum::Json(wire::signed_in(&signed_in)).into_response(),
        Poll::Denied => Error::forbidden("The sign-in was denied in the browser.").into_response(),
        Poll::Lapsed => Error::new(
            StatusCode::GONE,
            "lapsed",
            "The sign-in was not confirmed in time; begin again.",
        )
        .into_response(),
    })
}
