//! `GET /user/private/v1/events/stream`: what ends tokens, as it happens (server-sent events, HTML §9.2).

use std::{convert::Infallible, time::Duration};

use accounts::service::EVENT_STREAM;
use axum::{
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::{HeaderMap, header};

use crate::{Context, error::IssuerError, extract::PrivateCaller, feed};

/// How often a heartbeat comes when nobody asks for another rhythm.
const HEARTBEAT_SECONDS: u64 = 15;
/// The slowest rhythm: the clients' own patience is a minute.
const SLOWEST_SECONDS: u64 = 30;

/// Streams until the caller goes or may not listen any more. `?heartbeat=<seconds>`, 1 to 30, asks for another rhythm.
pub(super) async fn follow(
    State(context): State<Context>,
    caller: PrivateCaller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    caller.require(EVENT_STREAM)?;
    let heartbeat = heartbeat(query.as_deref()).ok_or_else(|| {
        IssuerError::invalid("heartbeat", format!("it is 1 to {SLOWEST_SECONDS} seconds"))
    })?;
    // What is no text is no place of ours either.
    let last_event_id = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or_default());
    let pieces = feed::stream::open(&context, caller.0, last_event_id, heartbeat).await?;
    let body = stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

fn heartbeat(query: Option<&str>) -> Option<Duration> {
    let asked = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "heartbeat").then_some(value));
    let seconds = match asked {
        None => HEARTBEAT_SECONDS,
        Some(text) => text.parse().ok()?,
    };
    (1..=SLOWEST_SECONDS)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}
