//! The layers around every route, and why each stands where it stands.
//!
//! Outermost first: request id and span (so that everything below is logged with the id), panics (so that one becomes
//! a 500 with that id), then per listener the gateway, and around our own routes security headers and the body limit.

use std::any::Any;

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::{Error, Peer, random};

/// Carries a request's id, in and out.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The template of the route that answered, for logs and metrics: paths may hold tokens, templates do not.
#[derive(Debug, Clone)]
pub(crate) struct RouteLabel(pub(crate) String);

/// Puts the layers of all listeners around a router.
pub(crate) fn outermost(inner: Router) -> Router {
    Router::new()
        .fallback_service(inner)
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(from_fn(observe))
}

/// Gives the request an id, a span and one line in the log.
async fn observe(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers().get(&REQUEST_ID));
    request.headers_mut().insert(REQUEST_ID.clone(), id.clone());
    let method = request.method().clone();
    let span = tracing::info_span!("request", "request.id" = id.to_str().unwrap_or_default());
    let client = match request.extensions().get::<Peer>() {
        Some(Peer::Address(address)) => Some(address.ip()),
        Some(Peer::Local) | None => None,
    };
    let begun = std::time::Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = begun.elapsed();
    let label = response.extensions_mut().remove::<RouteLabel>();
    let route = label.as_ref().map_or("(none)", |label| label.0.as_str());
    let status = response.status().as_u16();
    let bytes = response.body().size_hint().exact();
    crate::metrics::answered(route, method_label(&method), status, elapsed, bytes);
    span.in_scope(|| {
        tracing::info!(
            client.address = client.map(tracing::field::display),
            http.method = method_label(&method),
            http.route = route,
            http.status = status,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    response.headers_mut().insert(REQUEST_ID.clone(), id);
    response
}

/// The method as a label; methods are outside text, so unknown ones share a label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Takes over an id from outside when it is harmless, else makes one.
fn request_id(given: Option<&HeaderValue>) -> HeaderValue {
    let harmless = |value: &&HeaderValue| {
        let harmless_byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=64).contains(&value.len()) && value.as_bytes().iter().all(harmless_byte)
    };
    given.filter(harmless).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&hex::encode(random::bytes::<16>()))
            .expect("hexadecimal digits make a header")
    })
}

/// Notes which route answered.
pub(crate) async fn tag_route(request: Request, next: Next) -> Response {
    let label = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| RouteLabel(path.as_str().to_owned()));
    let mut response = next.run(request).await;
    if let Some(label) = label {
        response.extensions_mut().insert(label);
    }
    response
}

/// Headers that every answer of our own carries; pages add their content security policy.
pub(crate) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn answer_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    tracing::error!(panic = text, "a handler panicked");
    Error::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong on the server.",
    )
    .into_response()
}
