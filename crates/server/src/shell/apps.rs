//! The dashboard, and going into an app: in the shell's frame or in a tab of its own.

use std::sync::Arc;

use apps::{App, NextPath};
use axum::response::Response;
use http::StatusCode;
use ids::Slug;
use serde::Deserialize;

use super::{
    page::Apps,
    pages::{self, AppCard, Waiting},
    releases::log_line,
    ui::AppState,
    visit::{Visit, go},
};
use crate::{
    Context, Error,
    actions::{apps as actions, publish},
    extract::{Path, Query},
    gateway::issue_handoff,
};

/// Lines of the log that a crashed app shows.
const LAST_LINES: usize = 30;

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Deserialize)]
pub(super) struct Hop {
    #[serde(default)]
    next: String,
    #[serde(default)]
    state: String,
}

/// `GET /`.
pub(super) async fn dashboard(
    visit: Visit,
    Query(search): Query<Search>,
) -> Result<Response, Error> {
    let context = &visit.context;
    let lists = actions::list(context, visit.caller()?).await?;
    let page = visit.page();
    let query: String = search.q.trim().chars().take(100).collect();
    let total = lists.mine.len() + lists.shared.len();
    let card = |listed: actions::Listed, mine: bool| AppCard {
        host: host_of(context, &listed.app),
        state: state_of(context, &listed.app),
        owner: (!mine).then_some(listed.owner_username),
        is_public: listed.app.is_public,
        requires_auth: listed.app.requires_auth,
        version: listed.app.live_version,
        published: listed.published_at.map(|at| page.moment(at)),
        slug: listed.app.slug.to_string(),
        name: listed.app.name,
    };
    let cards = |list: Vec<actions::Listed>, mine: bool| -> Vec<AppCard> {
        let cards = list.into_iter().map(|listed| card(listed, mine));
        cards.filter(|card| card.matches(&query)).collect()
    };
    let (mine, shared) = (cards(lists.mine, true), cards(lists.shared, false));
    let server = context.config.shell_origin();
    let page = pages::Dashboard {
        notices: super::security::notices(&visit).await?,
        page,
        mine,
        shared,
        total,
        query,
        server,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `GET /view/{slug}`: without the slash, relative links of the page would lead astray.
pub(super) async fn view_root(Path(slug): Path<String>) -> Result<Response, Error> {
    let slug = parse(&slug)?;
    Ok(go(&format!("/view/{slug}/")))
}

/// `GET /view/{slug}/{path}`.
pub(super) async fn view(
    visit: Visit,
    uri: http::Uri,
    Path(slug): Path<Vec<String>>,
) -> Result<Response, Error> {
    let slug = parse(slug.first().map_or("", String::as_str))?;
    let caller = visit.caller()?;
    let app = actions::enter(&visit.context, caller, &slug).await?;
    let is_own = app.owner == caller.account.id;
    if let Some(waiting) = waiting(state_of(&visit.context, &app)) {
        let log = match (is_own, waiting) {
            (true, Waiting::Crashed) => last_lines(&visit.context, &app).await?,
            _ => Vec::new(),
        };
        let page = pages::ViewState {
            page: visit.page(),
            slug: app.slug.to_string(),
            name: app.name.clone(),
            owned: is_own,
            waiting,
            log,
        };
        return Ok(visit.show(StatusCode::SERVICE_UNAVAILABLE, &page));
    }
    let owner = if is_own {
        None
    } else {
        visit.context.account(app.owner).await?
    };
    // The path within the app, as it stands in the shell's address.
    let whole = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = whole
        .strip_prefix(&format!("/view/{slug}"))
        .filter(|path| path.starts_with('/'))
        .unwrap_or("/");
    let origin = visit.context.config.app_origin(&app.slug);
    let start = start_address(&origin, path);
    let page = pages::View {
        page: visit.page(),
        slug: app.slug.to_string(),
        name: app.name.clone(),
        owner: owner.map(|owner| owner.username.clone()),
        frame: start.clone(),
        own_tab: start,
        origin: origin.clone(),
    };
    // Frames follow redirects: from the app's host to the pages and back.
    Ok(visit.show_beside(StatusCode::OK, &page, Apps::Framed(&origin)))
}

/// `GET /open/{slug}?state=&next=`: the pages' half of the hop that carries a sign-in to an app's host.
pub(super) async fn open(
    visit: Visit,
    Path(slug): Path<String>,
    Query(hop): Query<Hop>,
) -> Result<Response, Error> {
    let slug = parse(&slug)?;
    let caller = visit.caller()?;
    let app = actions::enter(&visit.context, caller, &slug).await?;
    let origin = visit.context.config.app_origin(&app.slug);
    // The app's host checks the path again; here it only has to be one.
    let next = NextPath::parse(&hop.next);
    if hop.state.is_empty() {
        return Ok(go(&start_address(&origin, next.as_str())));
    }
    if !is_state(&hop.state) {
        return Err(Error::bad_request(
            "bad_state",
            "The way to the app began wrong. Open the app again.",
        ));
    }
    let code = issue_handoff(&visit.context, &caller.session, app.id, &hop.state).await?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("code", code.expose())
        .append_pair("next", next.as_str())
        .finish();
    Ok(go(&format!("{origin}/.vestibule/handoff?{query}")))
}

/// Where a browser begins the hop to an app.
fn start_address(origin: &str, path: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", path)
        .finish();
    format!("{origin}/.vestibule/start?{query}")
}

/// SHA-256 of the browser's nonce in base64url.
fn is_state(state: &str) -> bool {
    state.len() == 43
        && state
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A text that is no slug names nothing.
fn parse(slug: &str) -> Result<Slug, Error> {
    slug.parse().map_err(|_| Error::not_found())
}

/// Host and port of an app.
pub(super) fn host_of(context: &Context, app: &App) -> String {
    let origin = context.config.app_origin(&app.slug);
    origin
        .split_once("://")
        .map_or(origin.clone(), |(_, host)| host.to_owned())
}

/// How an app stands.
pub(super) fn state_of(context: &Context, app: &App) -> AppState {
    let state = context.app_state(app.id, app.live_version);
    AppState::from_name(state.name).unwrap_or(AppState::Stopped)
}

/// Why an app cannot be shown in its frame now. One that merely is not running may be on its way up: its own host
/// tells then.
fn waiting(state: AppState) -> Option<Waiting> {
    match state {
        AppState::Live | AppState::Stopped => None,
        AppState::Starting | AppState::BackingOff => Some(Waiting::Starting),
        AppState::Publishing => Some(Waiting::Publishing),
        AppState::Crashed => Some(Waiting::Crashed),
        AppState::Unpublished => Some(Waiting::NotRunning),
    }
}

/// The last lines of an app that cannot be shown; for its owner.
async fn last_lines(context: &Context, app: &App) -> Result<Vec<pages::LogLine>, Error> {
    let mut lines = match publish::log(context, app, None, false).await {
        Ok(log) => log.lines,
        Err(publish::LogError::NoVersion) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    lines.drain(..lines.len().saturating_sub(LAST_LINES));
    Ok(lines.into_iter().map(log_line).collect())
}

/// The head of an app's pages.
pub(super) fn head(context: &Context, app: &Arc<App>, tab: pages::Tab) -> pages::AppHead {
    pages::AppHead {
        slug: app.slug.to_string(),
        name: app.name.clone(),
        url: context.config.app_origin(&app.slug),
        state: state_of(context, app),
        tab,
    }
}
