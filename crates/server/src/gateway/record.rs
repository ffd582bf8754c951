//! Phase 6, record: what is noted of a request, after its answer's head is known.
//!
//! Contract: counts and logs only. No path, query, cookie or token is written down, since any of them may hold a secret.

use axum::response::Response;

use super::authorize::Admission;
use crate::middleware::RouteLabel;

/// Notes how a request for an app ended.
pub(crate) fn record(
    slug: &ids::Slug,
    admission: Option<&Admission>,
    dropped: &[String],
    response: &mut Response,
) {
    let outcome = match admission {
        Some(Admission::Enter(Some(_))) => "viewer",
        Some(Admission::Enter(None)) => "anonymous",
        Some(Admission::SignIn) => "sign_in",
        Some(Admission::Hidden) => "hidden",
        None => "own",
    };
    metrics::counter!("gateway_requests_total", "outcome" => outcome).increment(1);
    if !dropped.is_empty() {
        tracing::warn!(app.slug = %slug, cookies = ?dropped, "the app set cookies that it may not set; they were dropped");
    }
    // The label is the same for all apps, so that metrics do not grow with them.
    response
        .extensions_mut()
        .insert(RouteLabel("(app)".to_owned()));
}
