//! Phase 5, forward: sends the request to the app's live release and streams the answer back.
//!
//! Contract: the request is rewritten already. Nothing is sent twice: another try is made only while no byte was sent, which
//! makes a restart of the app a short wait. Failures tell the side: 4xx when the request is at fault, 502 and 504 when the app is.

use std::time::Duration;

use apps::App;
use axum::{body::Body, extract::Request, response::Response};
use forward::{Error as ForwardError, Forwarder, Retry};
use http::StatusCode;
use tokio::time::Instant;

use super::{
    house::{House, Instance},
    page,
};
use crate::Error;

/// How long a request waits for an app that is starting.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(40);

/// Forwards.
pub(crate) async fn forward<H: House>(
    house: &H,
    forwarder: &Forwarder<Body>,
    app: &App,
    mut request: Request,
    navigation: bool,
) -> Response {
    let begun = Instant::now();
    loop {
        let patient = begun.elapsed() < PATIENCE;
        let failure = match house.instance(app) {
            Instance::Live(upstream) => match forwarder.send(&upstream, request).await {
                Ok(answer) => return answer.map(Body::new),
                Err(failure) => failure,
            },
            Instance::Starting if patient => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            instance => return absent(&instance, navigation),
        };
        match failure.request {
            Some(unsent)
                if failure.error.retry() == Retry::Safe
                    && failure.error.is_refused()
                    && patient =>
            {
                request = *unsent;
                tokio::time::sleep(PAUSE).await;
            }
            _ => return failed(&failure.error, navigation),
        }
    }
}

fn absent(instance: &Instance, navigation: bool) -> Response {
    match instance {
        Instance::Live(_) | Instance::Starting => page::unavailable(
            navigation,
            "app_starting",
            "The app is starting",
            "This page loads again by itself in a moment.",
            Some(2),
        ),
        Instance::Crashed => page::unavailable(
            navigation,
            "app_crashed",
            "The app does not start",
            "It ended several times in a row. Its owner sees why in the log.",
            Some(30),
        ),
        Instance::Absent => page::unavailable(
            navigation,
            "app_stopped",
            "The app is not running",
            "No release of this app is live. Its owner can publish one or start it again.",
            None,
        ),
    }
}

fn failed(error: &ForwardError, navigation: bool) -> Response {
    tracing::info!(cause = %crate::error::Chain(error), side = ?error.side(), "not forwarded");
    let (status, code, text) = match error {
        ForwardError::Request(why) => (StatusCode::BAD_REQUEST, "bad_request", *why),
        ForwardError::RequestHead => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "request_head_too_large",
            "The request's header fields are too many or too large.",
        ),
        ForwardError::Downstream(_) => (
            StatusCode::BAD_REQUEST,
            "request_broke_off",
            "The request's body broke off.",
        ),
        ForwardError::Connect { .. } => return absent(&Instance::Starting, navigation),
        ForwardError::HeadTimeout | ForwardError::BodyIdle => (
            StatusCode::GATEWAY_TIMEOUT,
            "app_timeout",
            "The app did not answer in time.",
        ),
        ForwardError::ResetBeforeHead { .. } | ForwardError::ResetInBody(_) => (
            StatusCode::BAD_GATEWAY,
            "app_closed",
            "The app closed the connection before it answered.",
        ),
        ForwardError::Answer(_) => (
            StatusCode::BAD_GATEWAY,
            "app_answer",
            "The app's answer cannot be understood.",
        ),
    };
    let title = if status.is_server_error() {
        "The app failed"
    } else {
        "The request cannot be taken"
    };
    page::answer(
        navigation,
        Error::new(status, code, text),
        &page::Page {
            title,
            text,
            ..page::Page::default()
        },
    )
}
