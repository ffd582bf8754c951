//! The issuer's area, `/user`: tokens for services that verify them with the key set. One file a resource.

mod account_flows;
mod api_keys;
mod cors;
mod dashboard;
mod fields;
mod google;
mod key_set;
mod login;
mod private;
mod profile;
mod users;
mod wire;

use http::StatusCode;

use crate::{error::IssuerError, routes::Routes};

pub(crate) use cors::allow_origins;
pub(crate) use key_set::key_set;

/// Everything under `/user`.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .merge(login::routes())
        .merge(private::routes())
        .merge(users::routes())
        .merge(profile::routes())
        .merge(dashboard::routes())
        .merge(google::routes())
        .merge(account_flows::routes())
        .merge(api_keys::routes())
        .get("/.well-known/jwks.json", key_set)
        .with(|router| {
            router
                .fallback(unknown)
                .method_not_allowed_fallback(wrong_method)
        })
}

async fn unknown() -> IssuerError {
    IssuerError::new(StatusCode::NOT_FOUND, "Not Found")
}

async fn wrong_method() -> IssuerError {
    IssuerError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}
