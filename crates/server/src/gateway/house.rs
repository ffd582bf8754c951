//! What the phases ask of the rest of the server. A trait, so that the whole way of a request can be tested without one.

use std::sync::Arc;

use apps::App;
use forward::Upstream;
use ids::{AccountId, AppId, GroupId, SessionId, Slug};
use jiff::Timestamp;
use token::{
    MacKey, MasterKey,
    viewer::{CapKey, ViewerKey, ViewerRole},
};
use tokio::sync::watch;

use crate::{Config, Error};

/// The rest of the server.
pub(crate) trait House: Clone + Send + Sync + 'static {
    /// Settings.
    fn config(&self) -> &Config;

    /// The present time.
    fn now(&self) -> Timestamp;

    /// The app of that name. Answered from memory.
    fn find_app(&self, slug: &Slug)
    -> impl Future<Output = Result<Option<Arc<App>>, Error>> + Send;

    /// What a session may do in an app at this moment. Answered from memory, at most a second old.
    fn find_standing(
        &self,
        app: &App,
        session: SessionId,
        account: AccountId,
    ) -> impl Future<Output = Result<Standing, Error>> + Send;

    /// Changes whenever somebody may have lost a right, and from time to time.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Where the app's live release is served.
    fn instance(&self, app: &App) -> Instance;

    /// Uses a handoff code up; `None` when it is unknown, expired or used.
    fn redeem(&self, code: &str) -> impl Future<Output = Result<Option<Handoff>, Error>> + Send;
}

/// What a session may do in an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The session ended, or its account was disabled.
    SignedOut,
    /// Somebody is signed in and may not open the app.
    NoAccess,
    /// Somebody is signed in and may.
    Viewer(Person),
}

/// A viewer of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// Their address.
    pub(crate) email: String,
    /// Their name on the server.
    pub(crate) username: String,
    /// Whether the address was proven.
    pub(crate) verified: bool,
    /// The group whose `shared:` data they see.
    pub(crate) group: GroupId,
    /// What they are to the app.
    pub(crate) role: ViewerRole,
}

/// The state of an app's live release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Instance {
    /// It answers here.
    Live(Upstream),
    /// It will answer soon.
    Starting,
    /// It ended again and again.
    Crashed,
    /// There is none: nothing was published, or it was stopped.
    Absent,
}

/// What a handoff code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handoff {
    /// The app it was made for.
    pub(crate) app: AppId,
    /// The session it carries over.
    pub(crate) session: SessionId,
    /// Whose session.
    pub(crate) account: AccountId,
    /// The hash of the browser's nonce.
    pub(crate) state: String,
}

/// The keys that are the same for all apps.
pub(crate) struct Keys {
    pub(crate) master: MasterKey,
    pub(crate) cap: CapKey,
    pub(crate) ticket: MacKey,
}

impl Keys {
    /// Derives the keys.
    pub(crate) fn new(master: MasterKey) -> Self {
        Self {
            cap: master.viewer_cap_key(),
            ticket: master.gateway_cookie_key(),
            master,
        }
    }
}

/// What is made once for an app and used for each request: names and keys.
pub(crate) struct Door {
    pub(crate) slug: Slug,
    pub(crate) origin: String,
    /// The host as people see it, with the port unless it is the scheme's own.
    pub(crate) host: http::HeaderValue,
    /// The host without the port.
    pub(crate) domain: String,
    pub(crate) scheme: &'static str,
    pub(crate) secret: http::HeaderValue,
    pub(crate) viewer_key: ViewerKey,
    /// Who may show the app in a frame.
    pub(crate) frame_policy: http::HeaderValue,
}

impl Door {
    /// Makes the door of an app.
    pub(crate) fn new(config: &Config, keys: &Keys, app: &App) -> Self {
        let origin = config.app_origin(&app.slug);
        let policy = format!("frame-ancestors 'self' {}", config.shell_origin());
        let host = origin
            .split_once("://")
            .map_or(origin.as_str(), |(_scheme, host)| host);
        let mut secret = http::HeaderValue::from_str(keys.master.gateway_secret(app.id).expose())
            .expect("hexadecimal digits are a header value");
        secret.set_sensitive(true);
        Self {
            slug: app.slug.clone(),
            host: http::HeaderValue::from_str(host).expect("a checked host is a header value"),
            domain: format!("{}.{}", app.slug, config.server.apps_domain.as_str()),
            scheme: if config.public_url.scheme() == "https" {
                "https"
            } else {
                "http"
            },
            secret,
            viewer_key: keys.master.viewer_key(app.id),
            frame_policy: http::HeaderValue::from_str(&policy)
                .expect("an origin is a header value"),
            origin,
        }
    }
}
