//! Everything that is served, by listener.

use axum::{
    Router, extract::DefaultBodyLimit, middleware::from_fn_with_state, response::IntoResponse as _,
    routing::get,
};
use http::StatusCode;

use crate::{Context, Error, api, gateway, middleware, shell};

/// Largest body of a request that says nothing else about its limit.
const BODY_BYTES: usize = 1024 * 1024;

/// The public listener: app hosts go to the gateway, everything else is ours.
pub fn public(context: &Context) -> Router {
    let own = Router::new()
        .nest("/v1", api::routes())
        .merge(shell::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(axum::middleware::from_fn(middleware::tag_route))
        .layer(axum::middleware::from_fn(middleware::security_headers))
        .with_state(context.clone());
    let all = Router::new()
        .fallback_service(own)
        .layer(from_fn_with_state(context.clone(), gateway::intercept));
    middleware::outermost(all)
}

/// The data socket, reachable by published apps: the key-value store and nothing else.
pub fn data(context: &Context) -> Router {
    let own = Router::new()
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(axum::middleware::from_fn(middleware::tag_route))
        .with_state(context.clone());
    middleware::outermost(own)
}

/// The admin listener: health and metrics.
pub fn admin(context: &Context) -> Router {
    let own = Router::new()
        .route("/livez", get(api::health::livez))
        .route("/readyz", get(api::health::readyz))
        .route("/metrics", get(api::health::metrics))
        .fallback(unknown)
        .with_state(context.clone());
    middleware::outermost(own)
}

/// Answers what no route matched.
pub(crate) async fn unknown() -> Error {
    Error::not_found()
}

/// Answers a known path with a wrong method.
pub(crate) async fn wrong_method() -> axum::response::Response {
    Error::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not take that method.",
    )
    .into_response()
}
