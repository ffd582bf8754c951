//! JSON APIs: thin handlers that extract, call one use case and convert to a wire type.

mod apps;
mod cli_login;
pub(crate) mod data;
pub(crate) mod health;
pub(crate) mod issuer;
mod owner_kv;
mod publish;
mod session;
pub(crate) mod wire;

use crate::routes::{Routes, unknown, wrong_method};

/// Everything under `/v1`.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .merge(session::routes())
        .merge(cli_login::routes())
        .merge(apps::routes())
        .merge(owner_kv::routes())
        .merge(data::routes())
        .merge(publish::routes())
        .with(|router| {
            router
                .fallback(unknown)
                .method_not_allowed_fallback(wrong_method)
        })
}
