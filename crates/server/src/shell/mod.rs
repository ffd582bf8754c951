//! The signed-in pages, server-rendered over the same use cases as the APIs.

use crate::routes::{Routes, unknown};

/// Every page, and the answer to unknown addresses.
pub fn routes() -> Routes {
    Routes::new().with(|router| router.fallback(unknown))
}
