//! Everything that is served, by listener.

mod table;

use std::time::Duration;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
use http::StatusCode;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::{Context, Error, api, gateway, middleware, shell};

pub use table::{Route, Routes};

/// Largest body of a request that says nothing else about its limit.
const BODY_BYTES: usize = 1024 * 1024;
/// A body of which nothing more has come for this long is given up, so that a connection cannot be held for nothing.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// Our own routes on the public listener.
fn own() -> Routes {
    Routes::new()
        .nest("/v1", api::routes())
        .nest("/user", api::issuer::routes())
        .get("/.well-known/jwks.json", api::issuer::key_set)
        .merge(probes())
        .merge(shell::routes())
}

/// Every route of every listener, so that a test can ask of each who may call it.
pub fn list() -> Vec<Route> {
    own().merge(metrics()).finish().1
}

/// The public listener: app hosts go to the gateway, everything else is ours.
pub fn public(context: &Context) -> Router {
    let own = own().finish().0;
    let own = own
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(from_fn_with_state(
            context.clone(),
            api::data::allow_app_origin,
        ))
        .layer(from_fn_with_state(
            context.clone(),
            api::issuer::allow_origins,
        ))
        .layer(from_fn(middleware::tag_route))
        .layer(from_fn_with_state(context.clone(), shell::for_people))
        .layer(from_fn(middleware::security_headers))
        .with_state(context.clone());
    let gateway = gateway::open(context);
    let all = Router::new()
        .fallback_service(own)
        .layer(from_fn_with_state(gateway, gateway::intercept));
    middleware::outermost(all)
}

/// The data socket, reachable by published apps: the key-value store and nothing else.
pub fn data(context: &Context) -> Router {
    let own = Routes::new().nest("/v1", api::data::routes()).finish().0;
    let own = own
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(middleware::tag_route))
        .with_state(context.clone());
    middleware::outermost(own)
}

/// The admin listener: health and metrics.
pub fn admin(context: &Context) -> Router {
    middleware::outermost(
        probes()
            .merge(metrics())
            .finish()
            .0
            .fallback(unknown)
            .with_state(context.clone()),
    )
}

/// What a load balancer or service manager asks; on both listeners, since it may reach only one.
fn probes() -> Routes {
    Routes::new()
        .get("/livez", api::health::livez)
        .get("/readyz", api::health::readyz)
}

fn metrics() -> Routes {
    Routes::new().get("/metrics", api::health::metrics)
}

/// Answers what no route matched.
pub(crate) async fn unknown() -> Error {
    Error::not_found()
}

/// Answers a known path with a wrong method.
pub(crate) async fn wrong_method() -> Error {
    Error::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not take that method.",
    )
}
