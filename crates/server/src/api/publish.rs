//! Publishing, rollback, restart, versions and logs.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use futures_util::{StreamExt as _, stream};
use http::header;
use http_body_util::BodyExt as _;
use protocol::control::{Activated, LogLine, Rollback, VersionDiff, VersionInfo};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt as _, sync::mpsc};

use crate::{
    Context, Error,
    actions::{
        accounts::authenticate_session,
        publish::{self, Activation, PublishOptions, PublishQuery, Report, Upload},
    },
    extract::{Caller, Json, OwnedApp, Path, Query},
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/apps/publish", publish)
        .get("/apps/{slug}/versions", versions)
        .get("/apps/{slug}/versions/{version}/diff", diff)
        .post("/apps/{slug}/rollback", rollback)
        .post("/apps/{slug}/restart", restart)
        .get("/apps/{slug}/logs", logs)
}

async fn publish(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<PublishQuery>,
    body: Body,
) -> Result<Response, Error> {
    let options = PublishOptions::try_from(query)?;
    let upload = receive(&context, body).await?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let report = Report::new(context.clock.clone(), sender);
    let work = publish::publish(&context, &caller.account, options, upload, report).await?;
    // A task of its own: the publish ends in order also when the publisher hangs up.
    tokio::spawn(work);
    let events = stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    Ok(ndjson(events))
}

/// Writes the body to a temporary file, up to the limit.
async fn receive(context: &Context, mut body: Body) -> Result<Upload, Error> {
    let failed = |error: std::io::Error| Error::internal(&error);
    let limit = context.config.apps.upload_bytes.get();
    let folder = context.hosting().incoming();
    tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
    let file = tempfile::Builder::new()
        .prefix("upload-")
        .tempfile_in(&folder)
        .map_err(failed)?;
    let mut writer =
        tokio::io::BufWriter::new(tokio::fs::File::from_std(file.reopen().map_err(failed)?));
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Error::bad_request("unreadable_body", "The upload broke off; try again.")
        })?;
        if let Ok(data) = frame.into_data() {
            bytes += data.len() as u64;
            if bytes > limit {
                return Err(Error::body_too_large().with("limit", limit));
            }
            writer.write_all(&data).await.map_err(failed)?;
        }
    }
    writer.flush().await.map_err(failed)?;
    Ok(Upload { file })
}

async fn versions(
    State(context): State<Context>,
    owned: OwnedApp,
) -> Result<axum::Json<Vec<VersionInfo>>, Error> {
    Ok(axum::Json(publish::versions(&context, &owned.app).await?))
}

async fn diff(
    State(context): State<Context>,
    owned: OwnedApp,
    Path((_, version)): Path<(String, u32)>,
) -> Result<axum::Json<VersionDiff>, Error> {
    let plan = publish::plan_of(&context, &owned.app, version)
        .await?
        .ok_or_else(Error::not_found)?;
    Ok(axum::Json(VersionDiff {
        version,
        diff: plan.diff,
    }))
}

async fn rollback(
    State(context): State<Context>,
    owned: OwnedApp,
    Json(body): Json<Rollback>,
) -> Result<axum::Json<Activated>, Error> {
    let by = &owned.owner.account;
    let activation = publish::rollback(&context, by, &owned.app, body.version).await?;
    Ok(axum::Json(activated(&activation)))
}

async fn restart(
    State(context): State<Context>,
    owned: OwnedApp,
) -> Result<axum::Json<Activated>, Error> {
    let activation = publish::restart(&context, &owned.owner.account, &owned.app).await?;
    Ok(axum::Json(activated(&activation)))
}

const fn activated(activation: &Activation) -> Activated {
    Activated {
        previous: activation.previous,
        version: activation.version,
        seconds: activation.seconds,
    }
}

/// How often it is looked whether somebody who follows a log still may.
const STILL_ALLOWED_EVERY: Duration = Duration::from_millis(800);

#[derive(Deserialize)]
struct LogQuery {
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    build: bool,
    version: Option<u32>,
}

async fn logs(
    State(context): State<Context>,
    owned: OwnedApp,
    Query(query): Query<LogQuery>,
) -> Result<Response, Error> {
    let log = publish::log(&context, &owned.app, query.version, query.build).await?;
    let follow = log.follow.filter(|_| query.follow);
    let session = owned.owner.session.id;
    let tick = tokio::time::interval(STILL_ALLOWED_EVERY);
    let later = stream::unfold(follow.map(|follow| (follow, tick)), move |follow| {
        let context = context.clone();
        async move {
            let (mut follow, mut tick) = follow?;
            loop {
                tokio::select! {
                    line = follow.next() => return Some((line?, Some((follow, tick)))),
                    () = context.stopping.cancelled() => return None,
                    _ = tick.tick() => {
                        if !matches!(authenticate_session(&context, session).await, Ok(Some(_))) {
                            return None;
                        }
                    }
                }
            }
        }
    });
    Ok(ndjson::<LogLine>(stream::iter(log.lines).chain(later)))
}

/// A stream of JSON objects, one a line, sent as they come.
fn ndjson<T: Serialize>(items: impl futures_util::Stream<Item = T> + Send + 'static) -> Response {
    let lines = items.map(|item| {
        let mut line = serde_json::to_vec(&item).expect("wire types are plain data");
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "application/x-ndjson")
        .header(header::CACHE_CONTROL, "no-store")
        // Proxies in front of us must not hold lines back.
        .header("x-accel-buffering", "no")
        .body(Body::from_stream(lines))
        .expect("our own header values are well formed")
}
