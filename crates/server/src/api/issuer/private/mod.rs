//! The private API, for services and not for people: it is answered to holders of a credential only and stands in no
//! public description.

mod api_keys;
mod service_token;

use crate::routes::Routes;

/// Everything under `/user/private`.
pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/private/v1/api-keys/introspect", api_keys::introspect)
        .post("/private/v1/service-token", service_token::exchange)
}
