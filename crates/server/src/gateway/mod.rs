//! The way of a request from the street door into a published app.

mod authenticate;
mod cookies;
mod resolve;
mod rewrite;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::header;

use crate::{Context, Error};

/// Takes requests for app hosts; all others go on to our own routes.
pub async fn intercept(State(context): State<Context>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    if context.config.app_label(host).is_some() {
        Error::not_found().into_response()
    } else {
        next.run(request).await
    }
}
