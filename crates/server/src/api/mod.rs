//! JSON APIs: thin handlers that extract, call one use case and convert to a wire type.

pub(crate) mod health;

use axum::Router;

use crate::{Context, routes};

/// Everything under `/v1`.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .fallback(routes::unknown)
        .method_not_allowed_fallback(routes::wrong_method)
}
