//! Health and metrics, on the admin listener.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

use crate::{Context, Error};

/// `GET /livez`: the process runs.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the server can do its work.
pub(crate) async fn readyz(State(context): State<Context>) -> Response {
    match context.not_ready().await {
        None => "ready\n".into_response(),
        Some(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {reason}\n"),
        )
            .into_response(),
    }
}

/// `GET /metrics`: Prometheus text format.
pub(crate) async fn metrics() -> Result<Response, Error> {
    let handle = crate::metrics::install().ok_or_else(Error::not_found)?;
    let content_type = (
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    );
    Ok(([content_type], handle.render()).into_response())
}
