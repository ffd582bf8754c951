//! A request to the pages: who makes it, and what its answer needs.

use ::accounts::Role;
use askama::Template;
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};

use super::{
    cookies::{
        self, FLASH_COOKIE, FORM_COOKIE, Kept, SECOND_STEP_COOKIE, SESSION_COOKIE, THEME_COOKIE,
        cookie,
    },
    device, form,
    next::Next,
    page::{Apps, Page, Theme, html_beside},
    ui::{Alert, Person, Tone},
};
use crate::{
    Context, Error, Peer,
    actions::accounts::{self, Finished, Pending, SignedIn},
    extract::{Caller, credentials::known_device},
    known_device::KnownDevice,
    random,
};

/// Who looks at a page, by the session cookie alone: a bearer token opens no page.
#[derive(Clone)]
pub(super) struct Visit {
    /// Settings, storage, clock.
    pub(super) context: Context,
    /// The browser's name for the list of sessions.
    pub(super) device: String,
    /// Where the request came from.
    pub(super) peer: Peer,
    /// What the browser says about who signed in from it before.
    pub(super) known_device: Option<KnownDevice>,
    caller: Option<Caller>,
    page: Page,
    /// What the tokens of this browser's forms are bound to.
    binding: String,
    /// A form cookie that the browser does not have yet.
    new_form_cookie: Option<String>,
}

impl FromRequestParts<Context> for Visit {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Error> {
        let caller = match cookie(&parts.headers, SESSION_COOKIE) {
            Some(token) => accounts::authenticate(context, token).await?,
            None => None,
        };
        Ok(Self::new(context, parts, caller))
    }
}

impl Visit {
    /// A visit of `caller`, or of somebody unknown.
    pub(super) fn new(context: &Context, parts: &Parts, caller: Option<Caller>) -> Self {
        let headers = &parts.headers;
        let now = context.now();
        let mut new_form_cookie = None;
        let binding = if let Some(caller) = &caller {
            format!("session {}", caller.session.id)
        } else {
            let kept = cookie(headers, FORM_COOKIE)
                .filter(|value| is_form_cookie(value))
                .map(str::to_owned);
            let value = kept.unwrap_or_else(|| {
                let fresh = URL_SAFE_NO_PAD.encode(random::bytes::<32>());
                new_form_cookie.insert(fresh).clone()
            });
            format!("browser {value}")
        };
        let viewer = caller.as_ref().map(|caller| Person {
            username: caller.account.username.clone(),
            email: caller.account.email.clone(),
            full_name: caller.account.full_name.clone(),
        });
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok())
            .unwrap_or_default();
        let is_admin = caller
            .as_ref()
            .is_some_and(|caller| caller.account.role >= Role::Admin);
        let page = Page {
            viewer,
            is_admin,
            csrf: form::token(context, &binding),
            theme: cookie(headers, THEME_COOKIE).map_or(Theme::System, Theme::from_name),
            flash: form::open_flash(context, headers, now)
                .map(|(tone, text)| Alert::new(tone, text)),
            now,
            here: parts
                .uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        };
        Self {
            context: context.clone(),
            device: device::name(agent),
            peer: parts
                .extensions
                .get::<Peer>()
                .copied()
                .unwrap_or(Peer::Local),
            known_device: known_device(headers),
            caller,
            page,
            binding,
            new_form_cookie,
        }
    }

    /// Who is signed in, or 401; the pages send the person to sign in then.
    pub(super) fn caller(&self) -> Result<&Caller, Error> {
        self.caller.as_ref().ok_or_else(Error::unauthorized)
    }

    /// Who is signed in.
    pub(super) fn find_caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// What the layout needs.
    pub(super) fn page(&self) -> Page {
        self.page.clone()
    }

    /// Whether a form's token was made for this browser.
    pub(super) fn accepts_form(&self, token: &str) -> bool {
        form::verify(&self.context, &self.binding, token)
    }

    /// Answers with a page.
    pub(super) fn show(&self, status: StatusCode, page: &impl Template) -> Response {
        self.show_beside(status, page, Apps::Apart)
    }

    /// Answers with a page whose form may lead into an app.
    pub(super) fn show_door(&self, status: StatusCode, page: &impl Template) -> Response {
        self.show_beside(status, page, Apps::FormsLeadTo(&self.app_origins()))
    }

    /// Answers with a page that deals with `apps`.
    pub(super) fn show_beside(
        &self,
        status: StatusCode,
        page: &impl Template,
        apps: Apps<'_>,
    ) -> Response {
        let mut response = html_beside(status, page, apps);
        let config = &self.context.config;
        if let Some(value) = &self.new_form_cookie {
            add_cookie(
                &mut response,
                cookies::set(config, FORM_COOKIE, value, Kept::Session),
            );
        }
        if self.page.flash.is_some() {
            add_cookie(
                &mut response,
                cookies::set(config, FLASH_COOKIE, "", Kept::Not),
            );
        }
        response
    }

    /// Goes there and says something on arrival.
    pub(super) fn go_saying(&self, to: &str, tone: Tone, text: &str) -> Response {
        let mut response = go(to);
        let sealed = form::seal_flash(&self.context, tone, text, self.page.now);
        add_cookie(
            &mut response,
            cookies::set(
                &self.context.config,
                FLASH_COOKIE,
                &sealed,
                Kept::Seconds(60),
            ),
        );
        response
    }

    /// Goes on after the first factor of a sign-in: to where the person wanted, or to the second step.
    pub(super) async fn go_on(&self, next: &Next, finished: Finished) -> Result<Response, Error> {
        match finished {
            Finished::SignedIn(signed_in) => self.go_signed_in(next, &signed_in).await,
            Finished::SecondFactor(pending) => Ok(self.go_to_second_step(next, &pending)),
        }
    }

    /// Asks for the second factor. What waits for it is kept in a cookie of this browser alone.
    fn go_to_second_step(&self, next: &Next, pending: &Pending) -> Response {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next.as_str())
            .finish();
        let mut response = go(&format!("/signin/second-factor?{query}"));
        let left = pending.expires_at.as_second() - self.page.now.as_second();
        let value = pending.token.expose();
        add_cookie(
            &mut response,
            cookies::set(
                &self.context.config,
                SECOND_STEP_COOKIE,
                value,
                Kept::Seconds(left),
            ),
        );
        response
    }

    /// Gives the browser its session and goes on. A session it had before ends.
    pub(super) async fn go_signed_in(
        &self,
        next: &Next,
        signed_in: &SignedIn,
    ) -> Result<Response, Error> {
        if let Some(former) = &self.caller {
            accounts::sign_out(&self.context, former).await?;
        }
        let mut response = go(next.as_str());
        let left = signed_in.session.expires_at.as_second() - self.page.now.as_second();
        let value = signed_in.token.expose();
        add_cookie(
            &mut response,
            cookies::set(
                &self.context.config,
                SESSION_COOKIE,
                value,
                Kept::Seconds(left),
            ),
        );
        let device = self
            .known_device
            .clone()
            .unwrap_or_else(KnownDevice::fresh)
            .remember(&self.context.master_key, signed_in.account.id);
        add_cookie(
            &mut response,
            cookies::known_device(&self.context.config, &device),
        );
        Ok(response)
    }

    /// Takes the session cookie away and goes on.
    pub(super) fn go_signed_out(&self, to: &str, text: &str) -> Response {
        let mut response = self.go_saying(to, Tone::Good, text);
        add_cookie(
            &mut response,
            cookies::set(&self.context.config, SESSION_COOKIE, "", Kept::Not),
        );
        response
    }

    /// The origins of all apps, for a content security policy.
    pub(super) fn app_origins(&self) -> String {
        let config = &self.context.config;
        let port = config
            .public_url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        format!(
            "{}://*.{}{port}",
            config.public_url.scheme(),
            config.server.apps_domain.as_str()
        )
    }
}

/// Goes to a path of ours, or to an app, with a new request.
pub(super) fn go(to: &str) -> Response {
    let location = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Adds a `Set-Cookie`.
pub(super) fn add_cookie(response: &mut Response, cookie: HeaderValue) {
    let headers: &mut HeaderMap = response.headers_mut();
    headers.append(header::SET_COOKIE, cookie);
}

fn is_form_cookie(value: &str) -> bool {
    value.len() == 43
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
