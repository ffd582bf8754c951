//! Probing a started release before any traffic reaches it: does it answer, and is the gate closed?

use std::time::Duration;

use apps::App;
use axum::body::Body;
use forward::Upstream;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use runtime::Instance;

use super::ActivateError;
use crate::Context;

/// How long one probe may take. Startup is over by then; only the app's own `/` may be slow.
const PROBE: Duration = Duration::from_secs(20);
/// The most of an answer that is looked at.
const LOOK: usize = 64 * 1024;

/// Verifies an instance. A warning does not stop it from going live.
pub(crate) async fn verify(
    context: &Context,
    app: &App,
    instance: &Instance,
) -> Result<Option<String>, ActivateError> {
    let secret = context.master_key.gateway_secret(app.id);
    let gateway = |path: &str, gate: &str| {
        Request::get(path)
            .header(header::HOST, host(context, app))
            .header("x-vestibule-gateway", secret.expose().as_str())
            .header("x-vestibule-gate", gate)
            .header(header::ACCEPT, "application/json")
    };
    // The owner's first look, with the gate open so that no token has to be minted for it. It comes first: what an app does to
    // its gate while it answers shows below.
    let look = probe(
        context,
        instance,
        gateway("/", "open").header(header::ACCEPT, "text/html"),
    )
    .await;
    let health = probe(context, instance, gateway("/.vestibule/health", "closed")).await?;
    let wired = health.status == StatusCode::OK
        && serde_json::from_slice::<serde_json::Value>(&health.body)
            .is_ok_and(|body| body["wired"] == true);
    if !wired {
        return Err(ActivateError::Ungated);
    }
    let stranger = probe(context, instance, gateway("/", "closed")).await?;
    if stranger.status != StatusCode::UNAUTHORIZED {
        tracing::error!(app = %app.id, status = %stranger.status, "a release let a stranger in");
        return Err(ActivateError::Ungated);
    }
    Ok(match look {
        Ok(answer) if answer.status.is_server_error() => Some(format!(
            "/ answers {} when nobody is signed in; see the log",
            answer.status.as_u16()
        )),
        Ok(_) => None,
        Err(_) => Some("/ does not answer".to_owned()),
    })
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

async fn probe(
    context: &Context,
    instance: &Instance,
    request: http::request::Builder,
) -> Result<Answer, ActivateError> {
    let failed = |reason: String| ActivateError::Verify {
        reason,
        log: log_tail(instance),
    };
    let request = request
        .body(Body::empty())
        .expect("our own header values are well formed");
    let path = request.uri().path().to_owned();
    let upstream = Upstream::unix(instance.socket_path());
    let exchange = async {
        let answer = context
            .hosting()
            .forwarder
            .send(&upstream, request)
            .await
            .map_err(|failure| failure.error.to_string())?;
        let status = answer.status();
        // More than we look at, or an endless stream: the head has told enough.
        let body = match tokio::time::timeout(
            Duration::from_secs(2),
            Limited::new(answer.into_body(), LOOK).collect(),
        )
        .await
        {
            Ok(Ok(body)) => body.to_bytes().to_vec(),
            _ => Vec::new(),
        };
        Ok::<_, String>(Answer { status, body })
    };
    match tokio::time::timeout(PROBE, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(cause)) => Err(failed(format!("{path} could not be asked: {cause}"))),
        Err(_) => Err(failed(format!(
            "{path} did not answer within {} s",
            PROBE.as_secs()
        ))),
    }
}

fn host(context: &Context, app: &App) -> String {
    let origin = context.config.app_origin(&app.slug);
    origin
        .split_once("://")
        .map_or(origin.clone(), |(_, host)| host.to_owned())
}

/// The last lines of what an instance said.
pub(crate) fn log_tail(instance: &Instance) -> Vec<String> {
    instance
        .log()
        .tail(200)
        .into_iter()
        .map(|line| line.text)
        .collect()
}
