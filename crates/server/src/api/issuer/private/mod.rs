//! The private API, for services and not for people: it is answered to holders of a credential only and stands in no
//! public description.

mod api_keys;
mod events;
mod jti_status;
mod service_token;
mod users;

use serde::de::DeserializeOwned;

use crate::routes::Routes;

/// Everything under `/user/private`.
pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/private/v1/api-keys/introspect", api_keys::introspect)
        .get("/private/v1/events/stream", events::follow)
        .post("/private/users/", users::create)
        .post("/private/v1/jti-status", jti_status::answer)
        .post("/private/v1/service-token", service_token::exchange)
}

/// Reads a JSON object; `None` for anything else.
fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    // A list would be taken for the fields in their order.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    is_object
        .then(|| serde_json::from_slice(body).ok())
        .flatten()
}
