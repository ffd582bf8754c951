//! The way of a request from the street door into a published app.
//!
//! Six phases, a file each, in this order: `resolve` the host, `authenticate`, `authorize`, `rewrite`, `forward`,
//! `record`. Nothing reaches an app but through all of them. Beside them stand the gateway's `own` paths on an app's host.

mod authenticate;
mod authorize;
mod context_house;
mod cookies;
mod forward;
mod house;
mod leash;
#[cfg(test)]
mod leash_tests;
mod own;
mod page;
mod record;
mod resolve;
mod rewrite;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use apps::App;
use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use ids::{AccountId, AppId, SessionId, Slug};
use jiff::Timestamp;
use moka::sync::Cache;
use secret::SecretString;
use token::{
    MasterKey,
    sealed::GatewayCookie,
    viewer::{self, TrustedViewer, ViewerClaims},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    authenticate::Evidence,
    authorize::{Admission, Caller},
    house::{Door, Keys, Person},
    leash::Leash,
    resolve::Destination,
};
use crate::{Context, Error, Peer, random};

pub use self::context_house::issue_handoff;
pub(crate) use self::house::{House, Standing};

/// How long a viewer token lives.
const LIFETIME_SECONDS: i64 = viewer::LIFETIME.as_secs().cast_signed();
/// How long a browser's ticket is taken at most; the session behind it may end earlier.
const TICKET_SECONDS: i64 = 30 * 24 * 60 * 60;

/// The gateway of one server.
pub(crate) struct Gateway<H> {
    house: H,
    keys: Keys,
    forwarder: ::forward::Forwarder<Body>,
    doors: Cache<AppId, Arc<Door>>,
    /// Tokens that came in an address, so that each is taken once.
    taken: Cache<Uuid, ()>,
}

/// A request that has passed authentication and authorization.
struct Entry {
    admission: Admission,
    /// A token that is good for some minutes, when there is a viewer.
    token: Option<SecretString>,
    /// Gives the browser a new token.
    cookie: Option<HeaderValue>,
}

/// The gateway of a server.
pub(crate) fn open(context: &Context) -> Arc<Gateway<Context>> {
    Arc::new(Gateway::new(context.clone(), context.master_key.clone()))
}

/// Takes requests for app hosts; all others go on to our own routes.
pub(crate) async fn intercept<H: House>(
    State(gateway): State<Arc<Gateway<H>>>,
    request: Request,
    next: Next,
) -> Response {
    match resolve::resolve(gateway.house.config(), request.uri(), request.headers()) {
        Destination::Shell => next.run(request).await,
        // On the heap, so that requests for our own pages do not carry room for it.
        Destination::App(slug) => Box::pin(gateway.enter(slug, request)).await,
        Destination::Nowhere => {
            let navigation = authenticate::is_navigation(request.method(), request.headers());
            page::hidden(navigation, &gateway.shell_address("/"))
        }
        Destination::Unclear => {
            Error::bad_request("bad_host", "Send one readable Host field.").into_response()
        }
    }
}

impl<H: House> Gateway<H> {
    /// Makes a gateway without connections.
    pub(crate) fn new(house: H, master: MasterKey) -> Self {
        Self {
            house,
            keys: Keys::new(master),
            forwarder: ::forward::Forwarder::new(::forward::Limits::default()),
            doors: Cache::new(10_000),
            taken: Cache::builder()
                .max_capacity(100_000)
                .time_to_live(2 * viewer::LIFETIME)
                .build(),
        }
    }

    async fn enter(&self, slug: Slug, request: Request) -> Response {
        match self.pass(&slug, request).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        }
    }

    /// Leads a request through the phases.
    async fn pass(&self, slug: &Slug, mut request: Request) -> Result<Response, Error> {
        let navigation = authenticate::is_navigation(request.method(), request.headers());
        let Some(app) = self.house.find_app(slug).await? else {
            return Ok(page::hidden(navigation, &self.shell_address("/")));
        };
        let door = self.door(&app);
        if let Some(path) = own::own_path(request.uri().path()) {
            let mut response = self
                .own(
                    path,
                    &app,
                    &door,
                    request.method(),
                    request.uri(),
                    request.headers(),
                )
                .await?;
            record::record(slug, None, &[], &mut response);
            return Ok(response);
        }
        let websocket = ::forward::hop_by_hop::is_websocket(
            request.method(),
            request.version(),
            request.headers(),
        );
        // Before the caller is looked at, so that no change goes by unseen.
        let changes = self.house.changes();
        let entry = self
            .admit(&app, &door, request.method(), request.headers(), websocket)
            .await?;
        let mut dropped = Vec::new();
        let mut response = match &entry.admission {
            Admission::Hidden => page::hidden(navigation, &self.shell_address("/")),
            Admission::SignIn => {
                let next = request
                    .uri()
                    .path_and_query()
                    .map_or("/", |target| target.as_str());
                page::sign_in(navigation, &self.open_address(&door, next))
            }
            Admission::Enter(viewer) => {
                let (method, version) = (request.method().clone(), request.version());
                let client = match request.extensions().get::<Peer>() {
                    Some(Peer::Address(address)) => Some(address.ip()),
                    Some(Peer::Local) | None => None,
                };
                let stamp = rewrite::Stamp {
                    secret: door.secret.clone(),
                    gate: authorize::gate(&app),
                    viewer: entry.token.as_ref().map(|token| token.expose().as_str()),
                    client,
                    scheme: door.scheme,
                    host: door.host.clone(),
                };
                let gated = viewer.is_some() || app.requires_auth;
                rewrite::request(&method, version, request.headers_mut(), stamp);
                let mut leash = Leash::new(&self.house, changes, &app, viewer.as_ref());
                let tunnel = websocket.then(CancellationToken::new);
                if let Some(tunnel) = &tunnel {
                    let end = ::forward::TunnelEnd(tunnel.clone());
                    request.extensions_mut().insert(end);
                }
                let forwarding =
                    forward::forward(&self.house, &self.forwarder, &app, request, navigation);
                let mut response = tokio::select! {
                    biased;
                    response = forwarding => response,
                    () = leash.broken() => {
                        return Ok(page::sign_in(navigation, &self.open_address(&door, "/")));
                    }
                };
                match tunnel.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
                    Some(tunnel) => {
                        tokio::spawn(async move {
                            tokio::select! {
                                () = leash.broken() => tunnel.cancel(),
                                () = tunnel.cancelled() => {}
                            }
                        });
                    }
                    None => response = response.map(|body| leash.hold(body)),
                }
                dropped = rewrite::answer(response.headers_mut(), &door.domain);
                if gated {
                    // Keeps other sites from showing the app in a frame to somebody who is signed in
                    // (clickjacking). Policies add up, so the app's own can only be stricter.
                    response
                        .headers_mut()
                        .append(header::CONTENT_SECURITY_POLICY, door.frame_policy.clone());
                }
                if let Some(cookie) = entry.cookie.filter(|_| !is_shared(response.headers())) {
                    response.headers_mut().append(header::SET_COOKIE, cookie);
                }
                response
            }
        };
        record::record(slug, Some(&entry.admission), &dropped, &mut response);
        Ok(response)
    }

    /// Phases 2 and 3: who is it, and may they in.
    async fn admit(
        &self,
        app: &App,
        door: &Door,
        method: &Method,
        headers: &HeaderMap,
        websocket: bool,
    ) -> Result<Entry, Error> {
        let evidence = authenticate::evidence(method, headers, &door.origin, websocket);
        let now = self.house.now();
        let (proven, sent, renewable) = match evidence {
            Evidence::Nothing | Evidence::Unusable => (None, None, false),
            Evidence::Token(text) => {
                let trusted = self.trust(app, text);
                (
                    trusted.map(|t| (t.session, t.account)),
                    trusted.map(|t| (t, text)),
                    false,
                )
            }
            Evidence::Cookies { ticket, token } => {
                let sent = token.and_then(|text| Some((self.trust(app, text)?, text)));
                match ticket.and_then(|text| self.ticket(app, text, now)) {
                    Some(ticket) => (Some((ticket.session, ticket.account)), sent, true),
                    None => (sent.map(|(t, _)| (t.session, t.account)), sent, false),
                }
            }
        };
        let caller = match proven {
            None => None,
            Some((session, account)) => {
                let standing = self.house.find_standing(app, session, account).await?;
                Some(Caller {
                    session,
                    account,
                    standing,
                })
            }
        };
        let admission = authorize::authorize(authorize::gate(app), caller);
        let Admission::Enter(Some(viewer)) = &admission else {
            return Ok(Entry {
                admission,
                token: None,
                cookie: None,
            });
        };
        let current = sent.filter(|(trusted, _)| {
            (trusted.session, trusted.account) == (viewer.session, viewer.account)
                && (trusted.group, trusted.role) == (viewer.person.group, viewer.person.role)
        });
        let left = current.map_or(0, |(trusted, _)| {
            trusted.expires_at.as_second() - now.as_second()
        });
        if let Some((_, text)) = current.filter(|_| !renewable || left > LIFETIME_SECONDS / 3) {
            return Ok(Entry {
                token: Some(SecretString::new(text.to_owned())),
                admission,
                cookie: None,
            });
        }
        // A token without a ticket is not prolonged, only brought up to date.
        let end = match sent {
            Some((trusted, _)) if !renewable => trusted.expires_at,
            _ => now,
        };
        let token = self.mint_until(
            app,
            door,
            viewer.session,
            viewer.account,
            &viewer.person,
            now,
            end,
        );
        let cookie =
            renewable.then(|| cookies::set_viewer(token.expose(), LIFETIME_SECONDS, self.marks()));
        Ok(Entry {
            admission,
            token: Some(token),
            cookie,
        })
    }

    /// What can be believed of a token: only what is covered by the MAC that no app can make.
    fn trust(&self, app: &App, token: &str) -> Option<TrustedViewer> {
        viewer::verify_cap(
            token,
            app.id,
            &self.keys.cap,
            self.house.now(),
            Duration::ZERO,
        )
        .ok()
    }

    fn ticket(&self, app: &App, text: &str, now: Timestamp) -> Option<GatewayCookie> {
        let ticket = GatewayCookie::decode(text, &self.keys.ticket).ok()?;
        let age = now.as_second() - ticket.issued_at.as_second();
        (ticket.app == app.id && age < TICKET_SECONDS).then_some(ticket)
    }

    fn mint(
        &self,
        app: &App,
        door: &Door,
        session: SessionId,
        account: AccountId,
        person: &Person,
        now: Timestamp,
    ) -> SecretString {
        self.mint_until(app, door, session, account, person, now, now)
    }

    /// Makes a token; one that is to end at or before `now` gets its whole life instead.
    #[expect(clippy::too_many_arguments, reason = "each is one claim, or its key")]
    fn mint_until(
        &self,
        app: &App,
        door: &Door,
        session: SessionId,
        account: AccountId,
        person: &Person,
        now: Timestamp,
        end: Timestamp,
    ) -> SecretString {
        let seconds = now.as_second();
        let end = if end > now {
            end.as_second()
        } else {
            seconds + LIFETIME_SECONDS
        };
        let at =
            |seconds| Timestamp::from_second(seconds).expect("the present is within the calendar");
        let (milliseconds, random) = random::id_parts(now);
        let claims = ViewerClaims {
            issuer: self.house.config().shell_origin(),
            app: app.id,
            account,
            email: person.email.clone(),
            username: person.username.clone(),
            verified: person.verified,
            group: person.group,
            role: person.role,
            session,
            issued_at: at(seconds),
            expires_at: at(end),
            jti: uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid(),
        };
        viewer::mint(&claims, &door.viewer_key, &self.keys.cap)
    }

    fn door(&self, app: &App) -> Arc<Door> {
        if let Some(door) = self.doors.get(&app.id).filter(|door| door.slug == app.slug) {
            return door;
        }
        let door = Arc::new(Door::new(self.house.config(), &self.keys, app));
        self.doors.insert(app.id, Arc::clone(&door));
        door
    }
}

/// Whether an answer may be kept by caches that others share: then nobody's token may be in it.
fn is_shared(headers: &HeaderMap) -> bool {
    headers.get_all(header::CACHE_CONTROL).iter().any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        [&b"public"[..], b"s-maxage"]
            .iter()
            .any(|word| value.windows(word.len()).any(|part| part == *word))
    })
}
