//! The signed-in pages, server-rendered over the same use cases as the APIs.
//!
//! `pages` holds what each page shows, as plain values with their templates; `ui` the components that they are made
//! of; `assets` the style sheet and scripts.

pub mod assets;
pub mod page;
pub mod pages;
pub mod ui;

use crate::routes::{Routes, unknown};

/// Every page, and the answer to unknown addresses.
pub fn routes() -> Routes {
    Routes::new()
        .get("/_static/{hash}/{name}", assets::serve)
        .with(|router| router.fallback(unknown))
}
