//! The issuer's area, `/user`: tokens for services that verify them with the key set. One file a resource.

mod account_flows;
mod api_keys;
mod cors;
mod dashboard;
mod fields;
mod google;
mod health;
mod key_set;
mod login;
mod openapi;
mod private;
mod profile;
mod sessions;
mod slash;
mod users;
mod wire;

use std::sync::Arc;

use axum::{
    extract::OriginalUri,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, Uri, header};

use self::{openapi::openapi, slash::Served};
use crate::{error::IssuerError, routes::Routes};

pub(crate) use cors::allow_origins;
pub(crate) use key_set::key_set;

/// Where this area begins.
const PREFIX: &str = "/user";

/// Everything under `/user`.
pub(crate) fn routes() -> Routes {
    let routes = Routes::new()
        .merge(login::routes())
        .merge(private::routes())
        .merge(users::routes())
        .merge(profile::routes())
        .merge(sessions::routes())
        .merge(dashboard::routes())
        .merge(google::routes())
        .merge(account_flows::routes())
        .merge(api_keys::routes())
        .merge(health::routes())
        .get("/.well-known/jwks.json", key_set)
        .get("/openapi.json", openapi);
    let served = Arc::new(Served::new(routes.paths().map(str::to_owned)));
    routes.with(|router| {
        router
            .fallback(async move |OriginalUri(uri): OriginalUri| unknown(&served, &uri))
            .method_not_allowed_fallback(wrong_method)
    })
}

/// Leads a path with a wrong ending to the right one; refuses every other.
fn unknown(served: &Served, uri: &Uri) -> Response {
    match served.other_ending(PREFIX, uri) {
        Some(location) => {
            let location = [(header::LOCATION, location)];
            (StatusCode::TEMPORARY_REDIRECT, location).into_response()
        }
        None => IssuerError::new(StatusCode::NOT_FOUND, "Not Found").into_response(),
    }
}

async fn wrong_method() -> IssuerError {
    IssuerError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}
