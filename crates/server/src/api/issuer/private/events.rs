//! `GET /user/private/v1/events/stream`: what ends tokens, as it happens (server-sent events, HTML §9.2).

use std::{convert::Infallible, ops::RangeInclusive, time::Duration};

use accounts::service::EVENT_STREAM;
use axum::{
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::{HeaderMap, header};
use jiff::SignedDuration;

use crate::{
    Context,
    error::IssuerError,
    extract::PrivateCaller,
    feed::{self, stream::Asked},
};

/// How often a heartbeat comes when nobody asks for another rhythm.
const HEARTBEAT_SECONDS: u32 = 15;
/// The slowest rhythm: the clients' own patience is a minute.
const SLOWEST_SECONDS: u32 = 30;
/// How much of the past is told at most: a day, which is longer than access tokens live.
const LONGEST_PAST_SECONDS: u32 = 86_400;

/// Streams until the caller goes or may not listen any more. `?heartbeat=<seconds>`, 1 to 30, asks for another rhythm,
/// `?since=<seconds>`, 0 to 86400, for what was told in the past.
pub(super) async fn follow(
    State(context): State<Context>,
    caller: PrivateCaller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, IssuerError> {
    caller.require(EVENT_STREAM)?;
    let heartbeat = seconds(query.as_deref(), "heartbeat", 1..=SLOWEST_SECONDS)?;
    let since = seconds(query.as_deref(), "since", 0..=LONGEST_PAST_SECONDS)?;
    // What is no text is no place of ours either.
    let last_event_id = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or_default());
    let asked = Asked {
        last_event_id,
        since: since.map(|seconds| SignedDuration::from_secs(seconds.into())),
        heartbeat: Duration::from_secs(heartbeat.unwrap_or(HEARTBEAT_SECONDS).into()),
    };
    let pieces = feed::stream::open(&context, caller.0, asked).await?;
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

/// A parameter that is a number of seconds; `None` when it is left out.
fn seconds(
    query: Option<&str>,
    name: &'static str,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>, IssuerError> {
    let asked = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find_map(|(key, value)| (key == name).then_some(value));
    let Some(text) = asked else { return Ok(None) };
    let seconds = text.parse().ok().filter(|seconds| range.contains(seconds));
    let wrong = || format!("it is {} to {} seconds", range.start(), range.end());
    seconds
        .map(Some)
        .ok_or_else(|| IssuerError::invalid(name, wrong()))
}
