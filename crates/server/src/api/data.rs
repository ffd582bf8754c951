//! `/v1/data/{app}/kv`: the key-value store as apps and their viewers' browsers use it.

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use kv::{Entry, Number};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use storage::Expected;

use crate::{
    Context, Error,
    actions::kv as actions,
    extract::{AppCaller, Json, Path, Query},
    routes::Routes,
};

/// No value may be configured to be larger than this; the configured limit is checked with its own message.
const LARGEST_BODY: usize = 17 * 1024 * 1024;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/data/{app}/kv", list)
        .on(Method::OPTIONS, "/data/{app}/kv", preflight)
        .get("/data/{app}/kv/{key}", get)
        .put("/data/{app}/kv/{key}", put)
        .delete("/data/{app}/kv/{key}", delete)
        .on(Method::OPTIONS, "/data/{app}/kv/{key}", preflight)
        .post("/data/{app}/kv/{key}/append", append)
        .post("/data/{app}/kv/{key}/incr", incr)
        .with(|router| router.layer(DefaultBodyLimit::max(LARGEST_BODY)))
}

/// `?prefix=`.
#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    pub(super) prefix: String,
}

/// The body of `incr`: what to add, 1 unless said otherwise.
#[derive(Debug, Deserialize)]
struct Incr {
    by: Option<Box<RawValue>>,
}

async fn list(
    State(context): State<Context>,
    caller: AppCaller,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let keys = actions::list(&context, &caller.app, caller.lane, &query.prefix).await?;
    Ok(axum::Json(json!({"keys": keys})).into_response())
}

async fn get(
    State(context): State<Context>,
    caller: AppCaller,
    key: Key,
) -> Result<Response, Error> {
    let entry = actions::get(&context, &caller.app, caller.lane, &key.0).await?;
    entry.map(answer).ok_or_else(|| missing_near(&key.0))
}

async fn put(
    State(context): State<Context>,
    caller: AppCaller,
    key: Key,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, Error> {
    let expected = expected(&headers)?;
    let body = body.map_err(|_| Error::body_too_large())?;
    let version = actions::put(&context, &caller.app, caller.lane, &key.0, &body, expected).await?;
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, etag(version))]).into_response())
}

async fn delete(
    State(context): State<Context>,
    caller: AppCaller,
    key: Key,
) -> Result<StatusCode, Error> {
    actions::delete(&context, &caller.app, caller.lane, &key.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn append(
    State(context): State<Context>,
    caller: AppCaller,
    key: Key,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, Error> {
    let body = body.map_err(|_| Error::body_too_large())?;
    let (length, version) =
        actions::append(&context, &caller.app, caller.lane, &key.0, &body).await?;
    Ok(axum::Json(json!({"length": length, "version": version})).into_response())
}

async fn incr(
    State(context): State<Context>,
    caller: AppCaller,
    key: Key,
    Json(body): Json<Incr>,
) -> Result<Response, Error> {
    let by = body
        .by
        .map_or(Ok(Number::Whole(1)), |by| Number::parse(by.get()))?;
    let (sum, version) = actions::increment(&context, &caller.app, caller.lane, &key.0, by).await?;
    // The sum prints as JSON, a fraction as a fraction.
    let body = format!(r#"{{"value":{sum},"version":{version}}}"#);
    Ok((
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        body,
    )
        .into_response())
}

/// The key in the path, percent-decoded.
struct Key(String);

impl axum::extract::FromRequestParts<Context> for Key {
    type Rejection = Error;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        context: &Context,
    ) -> Result<Self, Error> {
        let bad = |_| {
            Error::bad_request(
                "bad_key",
                "The key in the path is not percent-encoded UTF-8.",
            )
        };
        let path = Path::<(String, String)>::from_request_parts(parts, context)
            .await
            .map_err(bad)?;
        Ok(Self(path.0.1))
    }
}

/// `{"value": <as written>, "version": …, "updated_at": …}`; the value is not read and written again.
pub(super) fn answer(entry: Entry) -> Response {
    let Entry {
        value,
        version,
        updated_at,
    } = entry;
    let body = format!(r#"{{"value":{value},"version":{version},"updated_at":"{updated_at}"}}"#);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::ETAG, etag(version)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

pub(super) fn missing() -> Error {
    Error::new(
        StatusCode::NOT_FOUND,
        "missing",
        "There is nothing under this key.",
    )
}

/// There is nothing, and perhaps the key says why: `Shared:x` is a personal key.
fn missing_near(key: &str) -> Error {
    match kv::near_miss(key) {
        None => missing(),
        Some(meant) => Error::new(
            StatusCode::NOT_FOUND,
            "missing",
            format!("There is nothing under this personal key. Did you mean `{meant}`?"),
        ),
    }
}

fn etag(version: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("a quoted number makes a header")
}

/// `If-Match: "n"` or `If-None-Match: *` (RFC 9110 §13.1).
pub(super) fn expected(headers: &HeaderMap) -> Result<Expected, Error> {
    let bad = || {
        Error::bad_request(
            "bad_condition",
            "Send `If-Match: \"<version>\"` or `If-None-Match: *`.",
        )
    };
    match (
        headers.get(header::IF_MATCH),
        headers.get(header::IF_NONE_MATCH),
    ) {
        (None, None) => Ok(Expected::Any),
        (None, Some(any)) if any.as_bytes() == b"*" => Ok(Expected::Absent),
        (Some(version), None) => version
            .to_str()
            .ok()
            .and_then(|text| {
                text.trim()
                    .strip_prefix('"')?
                    .strip_suffix('"')?
                    .parse()
                    .ok()
            })
            .map(Expected::Version)
            .ok_or_else(bad),
        _ => Err(bad()),
    }
}

const ALLOWED_METHODS: &str = "GET, HEAD, PUT, POST, DELETE";
const ALLOWED_HEADERS: &str =
    "content-type, if-match, if-none-match, x-vestibule-viewer-token, x-ellivate-viewer-token";

/// `OPTIONS`: what a browser asks before it calls. [`allow_app_origin`] adds who may.
async fn preflight() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// Lets browsers show answers to pages of the app's own origin, and to nobody else.
pub(crate) async fn allow_app_origin(
    State(context): State<Context>,
    request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with("/v1/data/") {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let app = request
        .uri()
        .path()
        .split('/')
        .nth(3)
        .and_then(|id| id.parse().ok());
    let allowed = match (&origin, app) {
        (Some(origin), Some(app)) => match context.app(app).await {
            Ok(Some(app)) => context.config.app_origin(&app.slug).as_bytes() == origin.as_bytes(),
            _ => false,
        },
        _ => false,
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.filter(|_| allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("etag, retry-after"),
        );
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        );
    }
    response
}
