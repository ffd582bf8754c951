//! The issuer's area, `/user`: tokens for services that verify them with the key set. One file a resource.

mod key_set;
mod login;
mod private;

use http::StatusCode;

use crate::{error::IssuerError, routes::Routes};

pub(crate) use key_set::key_set;

/// Everything under `/user`.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .merge(login::routes())
        .merge(private::routes())
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
