//! An app's output: a page, and a stream of what follows.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use protocol::control::LogLine;
use serde::Deserialize;

use super::{
    apps::head,
    pages::{self, LogKind, Tab},
    releases::log_line,
    visit::Visit,
};
use crate::{
    Context, Error,
    actions::{accounts::authenticate_session, publish},
    extract::{OwnedApp, Query},
};

/// How often a stream asks whether its reader may still read.
const STILL_ALLOWED_EVERY: Duration = Duration::from_millis(800);

#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    build: bool,
    version: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct From {
    version: Option<u32>,
    #[serde(default)]
    after: String,
}

/// `GET /apps/{slug}/logs`.
pub(super) async fn logs(
    visit: Visit,
    owned: OwnedApp,
    Query(which): Query<Which>,
) -> Result<Response, Error> {
    let app = &owned.app;
    let log = match publish::log(&visit.context, app, which.version, which.build).await {
        Err(publish::LogError::NoVersion) if which.version.is_none() => None,
        log => Some(log?),
    };
    let (lines, follows) = log.map_or((Vec::new(), false), |log| (log.lines, log.follow.is_some()));
    let mut place = Place::default();
    for line in &lines {
        place.pass(line);
    }
    let version = which.version.or(app.live_version.filter(|_| !which.build));
    let stream = follows.then(|| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("after", &place.to_text());
        if let Some(version) = version {
            query.append_pair("version", &version.to_string());
        }
        format!("/apps/{}/logs/stream?{}", app.slug, query.finish())
    });
    let page = pages::Logs {
        page: visit.page(),
        app: head(&visit.context, app, Tab::Logs),
        kind: if which.build {
            LogKind::Build
        } else {
            LogKind::Run
        },
        version,
        lines: lines.into_iter().map(log_line).collect(),
        stream,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `GET /apps/{slug}/logs/stream`: lines as server-sent events (HTML §9.2), each with the place it stands at, so that a
/// browser that comes back goes on from there. Ends with the release, and when the reader may no longer read.
pub(super) async fn stream(
    State(context): State<Context>,
    owned: OwnedApp,
    headers: HeaderMap,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    let log = publish::log(&context, &owned.app, from.version, false).await?;
    let seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or(&from.after);
    let seen = Place::parse(seen);
    let mut place = Place::default();
    let known: Vec<Event> = log
        .lines
        .iter()
        .filter_map(|line| {
            place.pass(line);
            place.is_after(&seen).then(|| event(line, &place))
        })
        .collect();
    let tick = tokio::time::interval(STILL_ALLOWED_EVERY);
    let follow = log.follow.map(|follow| (follow, place, tick));
    let later = stream::unfold(follow, move |follow| {
        let (context, session) = (context.clone(), owned.owner.session.id);
        async move {
            let (mut follow, mut place, mut tick) = follow?;
            loop {
                tokio::select! {
                    line = follow.next() => {
                        let Some(line) = line else {
                            return Some((Event::default().event("end").data("{}"), None));
                        };
                        place.pass(&line);
                        return Some((event(&line, &place), Some((follow, place, tick))));
                    }
                    // The connection closes without an end: the browser comes back to the next server.
                    () = context.stopping.cancelled() => return None,
                    _ = tick.tick() => {
                        let allowed = authenticate_session(&context, session).await;
                        if !matches!(allowed, Ok(Some(_))) {
                            return Some((Event::default().event("end").data("{}"), None));
                        }
                    }
                }
            }
        }
    });
    let events = stream::iter(known).chain(later).map(Ok::<_, Infallible>);
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response();
    let headers = response.headers_mut();
    headers.insert("cache-control", http::HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(response)
}

fn event(line: &LogLine, place: &Place) -> Event {
    Event::default()
        .id(place.to_text())
        .data(serde_json::to_string(line).expect("a line is plain data"))
}

/// A place in a log: the time of a line, and how many lines of that very time have passed. Times are texts of one
/// form, so they compare as texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: String,
    passed: usize,
}

impl Place {
    fn pass(&mut self, line: &LogLine) {
        if self.at == line.at {
            self.passed += 1;
        } else {
            *self = Self {
                at: line.at.clone(),
                passed: 1,
            };
        }
    }

    fn is_after(&self, other: &Self) -> bool {
        self > other
    }

    fn to_text(&self) -> String {
        format!("{}/{}", self.at, self.passed)
    }

    /// Reads a place back; what cannot be read is the beginning.
    fn parse(text: &str) -> Self {
        let read = || {
            let (at, passed) = text.split_once('/')?;
            Some(Self {
                at: at.to_owned(),
                passed: passed.parse().ok()?,
            })
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(at: &str) -> LogLine {
        LogLine {
            at: at.into(),
            stream: "stdout".into(),
            level: "info".into(),
            text: "x".into(),
        }
    }

    #[test]
    fn a_reader_who_comes_back_misses_no_line_and_sees_none_twice() {
        let lines: Vec<_> = ["10:00", "10:00", "10:01", "10:01", "10:01", "10:02"]
            .map(line)
            .into();
        for seen in 0..=lines.len() {
            let mut left = Place::default();
            lines[..seen].iter().for_each(|line| left.pass(line));
            let left = Place::parse(&left.to_text());
            let mut place = Place::default();
            let missed = lines.iter().filter(|line| {
                place.pass(line);
                place.is_after(&left)
            });
            assert_eq!(missed.count(), lines.len() - seen);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_place(text: String) {
            let _ = Place::parse(&text);
        }
    }
}
