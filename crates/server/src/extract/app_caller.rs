//! Who calls the data API: an app's own code by its key, or a viewer's browser by their token alone.

use std::{sync::Arc, time::Duration};

use apps::App;
use axum::extract::{FromRequestParts, RawPathParams};
use http::{HeaderMap, header, request::Parts};
use ids::AppId;
use kv::Lane;
use token::viewer;

use super::credentials::bearer;
use crate::{
    Context, Error,
    actions::kv::{anonymous_lane, server_lane},
    gateway::{House as _, Standing},
};

/// Work that an app began while a token was good may use it this much longer.
const APP_GRACE: Duration = Duration::from_mins(15);
const VIEWER_HEADERS: [&str; 2] = ["x-vestibule-viewer-token", "x-ellivate-viewer-token"];
const LANE_HEADER: &str = "x-vestibule-lane";

/// The app of the path and the lane its call runs in. Everything a viewer stands on (session, account, place in the
/// app) is looked up at each call, in memory.
#[derive(Debug, Clone)]
pub struct AppCaller {
    /// The app.
    pub app: Arc<App>,
    /// On whose behalf.
    pub lane: Lane,
}

impl FromRequestParts<Context> for AppCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Error> {
        let variables = RawPathParams::from_request_parts(parts, context)
            .await
            .map_err(|_| {
                Error::bad_request(
                    "bad_key",
                    "The key in the path is not percent-encoded UTF-8.",
                )
            })?;
        let id = variables
            .iter()
            .find_map(|(name, value)| (name == "app").then_some(value));
        let id: AppId = id
            .and_then(|id| id.parse().ok())
            .ok_or_else(Error::unauthorized)?;
        let headers = &parts.headers;
        let is_app = match bearer(headers) {
            Some(key) => {
                context
                    .master_key
                    .verify_app_key(id, key)
                    .map_err(|_| Error::unauthorized())?;
                true
            }
            // Another scheme is a mistake, not the absence of a key.
            None if headers.contains_key(header::AUTHORIZATION) => {
                return Err(Error::unauthorized());
            }
            None => false,
        };
        let token = viewer_token(headers)?;
        if !is_app && token.is_none() {
            return Err(Error::unauthorized());
        }
        let app = context.app(id).await?.ok_or_else(Error::unauthorized)?;
        let lane = match (token, lane_header(headers)?) {
            (Some(token), _) => viewer_lane(context, &app, token, is_app).await?,
            (None, Some(())) => anonymous_lane(&app),
            (None, None) => server_lane(&app),
        };
        Ok(Self { app, lane })
    }
}

fn viewer_token(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut found = None;
    for value in VIEWER_HEADERS.iter().filter_map(|name| headers.get(*name)) {
        let text = value.to_str().map_err(|_| Error::viewer_required())?.trim();
        if !text.is_empty() && found.is_none() {
            found = Some(text);
        }
    }
    Ok(found)
}

/// Whether the call says that it is made inside a request without a viewer. Said twice, it is not clear what is meant.
fn lane_header(headers: &HeaderMap) -> Result<Option<()>, Error> {
    let mut values = headers.get_all(LANE_HEADER).iter();
    match (
        values.next().map(http::HeaderValue::as_bytes),
        values.next(),
    ) {
        (None, _) => Ok(None),
        (Some(b"request"), None) => Ok(Some(())),
        _ => Err(Error::bad_request(
            "bad_lane",
            "X-Vestibule-Lane is `request`, once, or absent.",
        )),
    }
}

async fn viewer_lane(
    context: &Context,
    app: &App,
    token: &str,
    is_app: bool,
) -> Result<Lane, Error> {
    let grace = if is_app { APP_GRACE } else { Duration::ZERO };
    let cap = context.master_key.viewer_cap_key();
    let trusted = viewer::verify_cap(token, app.id, &cap, context.now(), grace)
        .map_err(|_| Error::viewer_required())?;
    match context
        .find_standing(app, trusted.session, trusted.account)
        .await?
    {
        Standing::Viewer(person) => Ok(Lane::Viewer {
            account: trusted.account,
            group: person.group,
        }),
        Standing::SignedOut | Standing::NoAccess => Err(Error::viewer_required()),
    }
}
