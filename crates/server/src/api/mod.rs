//! JSON APIs: thin handlers that extract, call one use case and convert to a wire type.

pub(crate) mod health;

use crate::routes::{Routes, unknown, wrong_method};

/// Everything under `/v1`.
pub(crate) fn routes() -> Routes {
    Routes::new().with(|router| {
        router
            .fallback(unknown)
            .method_not_allowed_fallback(wrong_method)
    })
}
