//! The key set that access tokens are verified with.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{Context, error::IssuerError};

/// `GET /.well-known/jwks.json` (RFC 7517 §5), below `/user` and at the root.
pub(crate) async fn key_set(
    State(context): State<Context>,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    let signing = context.signing().await?;
    let etag = HeaderValue::from_str(&signing.etag).expect("a quoted digest makes a header");
    let seconds = context.config.issuer.key_cache_life.duration().as_secs();
    let kept =
        HeaderValue::from_str(&format!("public, max-age={seconds}")).expect("digits make a header");
    let cached = [(header::ETAG, etag), (header::CACHE_CONTROL, kept)];
    if is_known(&headers, &signing.etag) {
        return Ok((StatusCode::NOT_MODIFIED, cached).into_response());
    }
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    Ok((cached, json, Body::from(signing.jwks.clone())).into_response())
}

/// Whether the client has what it asks for (RFC 9110 §13.1.2): tags are compared weakly, and `*` is any.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_known_in_lists_weak_or_by_the_star() {
        let known = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(line));
            }
            is_known(&headers, "\"abc\"")
        };
        for lines in [
            &["\"abc\""][..],
            &["W/\"abc\""],
            &["*"],
            &["\"x\", W/\"abc\" ,\"y\""],
            &["\"x\"", "\"abc\""],
        ] {
            assert!(known(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[""],
            &["abc"],
            &["\"ab\""],
            &["W/W/\"abc\""],
            &["\"*\""],
        ] {
            assert!(!known(lines), "{lines:?}");
        }
    }
}
