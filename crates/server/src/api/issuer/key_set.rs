//! The key set that access tokens are verified with.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{Context, error::IssuerError};

/// How long verifiers may keep the key set.
const KEY_SET_CACHE: &str = "public, max-age=300";

/// `GET /.well-known/jwks.json` (RFC 7517 §5), below `/user` and at the root.
pub(crate) async fn key_set(
    State(context): State<Context>,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    let signing = context.signing().await?;
    let etag = HeaderValue::from_str(&signing.etag).expect("a quoted digest makes a header");
    let cached = [
        (header::ETAG, etag),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static(KEY_SET_CACHE),
        ),
    ];
    let asked = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_known = |tag: &str| {
        matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == signing.etag
    };
    if asked.split(',').any(is_known) {
        return Ok((StatusCode::NOT_MODIFIED, cached).into_response());
    }
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    Ok((cached, json, Body::from(signing.jwks.clone())).into_response())
}
