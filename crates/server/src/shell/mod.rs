//! The signed-in pages, server-rendered over the same use cases as the APIs.

use axum::Router;

use crate::{Context, routes};

/// Every page, and the answer to unknown addresses.
pub fn routes() -> Router<Context> {
    Router::new().fallback(routes::unknown)
}
