//! What the forms that ask a passkey have in common: the challenge for the script, and the cookie that binds it to the
//! browser.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, header};

use super::{
    cookies::{self, CEREMONY_COOKIE, Kept},
    visit::{Visit, add_cookie},
};
use crate::{Error, actions::accounts::factors::Challenge};

/// How long a browser keeps the cookie, in seconds: as long as the server waits for the answer.
const SECONDS: i64 = 300;

/// Gives the script its challenge.
pub(super) fn challenge(visit: &Visit, challenge: &Challenge) -> Response {
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut response = ([no_store], Json(&challenge.options)).into_response();
    add_cookie(
        &mut response,
        cookies::set(
            &visit.context.config,
            CEREMONY_COOKIE,
            challenge.token.expose(),
            Kept::Seconds(SECONDS),
        ),
    );
    response
}

/// What this browser was given with its challenge.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Error> {
    cookies::cookie(headers, CEREMONY_COOKIE).ok_or_else(|| {
        Error::new(
            http::StatusCode::GONE,
            "step_lapsed",
            "This took longer than five minutes, or was begun in another browser. Begin again.",
        )
    })
}
