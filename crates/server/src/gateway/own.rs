//! The paths of an app's host that belong to the gateway: the sign-in hop, and the viewer token for scripts.
//!
//! The hop: `/.vestibule/start` gives the browser a nonce and sends it to the pages with the nonce's hash; these send it back to
//! `/.vestibule/handoff` with a one-time code that is bound to that hash. So a code is of no use in another browser, and nobody
//! can be signed in as somebody else by a link. The nonce stays for a few minutes, so that two tabs can hop at once.

use apps::{App, NextPath};
use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use token::sealed::GatewayCookie;

use super::{
    Gateway, authenticate,
    authorize::Admission,
    cookies,
    house::{Door, House, Standing},
    page,
};
use crate::{Error, random};

/// The paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnPath {
    /// `/.vestibule/start?next=`.
    Start,
    /// `/.vestibule/handoff?code=&next=`.
    Handoff,
    /// `/.vestibule/viewer.js`.
    ViewerScript,
    /// `/vestibule-handoff?token=&next=`, also under the name that another platform's shell uses.
    TokenHandoff,
    /// Anything else below `/.vestibule`: between gateway and app only.
    Reserved,
}

/// Tells whether a path is the gateway's. Encoded spellings count as the same path, as they do for apps.
pub(crate) fn own_path(path: &str) -> Option<OwnPath> {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    match decoded.as_ref() {
        "/.vestibule/start" => Some(OwnPath::Start),
        "/.vestibule/handoff" => Some(OwnPath::Handoff),
        "/.vestibule/viewer.js" => Some(OwnPath::ViewerScript),
        "/vestibule-handoff" | "/ellivate-handoff" => Some(OwnPath::TokenHandoff),
        decoded => {
            let first = decoded
                .split(['/', '\\'])
                .find(|part| !part.is_empty() && *part != ".");
            (first == Some(".vestibule")).then_some(OwnPath::Reserved)
        }
    }
}

impl<H: House> Gateway<H> {
    /// Answers one of the gateway's own paths.
    pub(super) async fn own(
        &self,
        path: OwnPath,
        app: &App,
        door: &Door,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Response, Error> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Ok(crate::routes::wrong_method().await.into_response());
        }
        let navigation = authenticate::is_navigation(method, headers);
        match path {
            OwnPath::Start => Ok(self.start(door, uri, headers)),
            OwnPath::Handoff => self.handoff(app, door, uri, headers).await,
            OwnPath::TokenHandoff => self.token_handoff(app, door, uri).await,
            OwnPath::ViewerScript => self.viewer_script(app, door, headers).await,
            OwnPath::Reserved => Ok(page::hidden(navigation, &self.shell_address("/"))),
        }
    }

    fn start(&self, door: &Door, uri: &Uri, headers: &HeaderMap) -> Response {
        let kept = cookies::find(headers, cookies::NONCE).filter(|nonce| is_nonce(nonce));
        let nonce = kept.map_or_else(
            || URL_SAFE_NO_PAD.encode(random::bytes::<32>()),
            str::to_owned,
        );
        let next = next_path(uri);
        let target = format!(
            "{}&state={}",
            self.open_address(door, next.as_str()),
            state_of(&nonce)
        );
        redirect(
            StatusCode::SEE_OTHER,
            &target,
            [cookies::set_nonce(&nonce, self.marks())],
        )
    }

    async fn handoff(
        &self,
        app: &App,
        door: &Door,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Response, Error> {
        let next = next_path(uri);
        let code = parameter(uri, "code").unwrap_or_default();
        let handoff = self.house.redeem(&code).await?;
        let nonce = cookies::find(headers, cookies::NONCE).unwrap_or_default();
        let bound = handoff.filter(|handoff| {
            let same_browser = state_of(nonce).as_bytes().ct_eq(handoff.state.as_bytes());
            is_nonce(nonce) && bool::from(same_browser) && handoff.app == app.id
        });
        let Some(handoff) = bound else {
            return Ok(self.hop_failed(door, next.as_str(), StatusCode::BAD_REQUEST));
        };
        let standing = self
            .house
            .find_standing(app, handoff.session, handoff.account)
            .await?;
        let Standing::Viewer(person) = standing else {
            return Ok(page::hidden(true, &self.shell_address("/")));
        };
        let now = self.house.now();
        let ticket = GatewayCookie {
            session: handoff.session,
            account: handoff.account,
            app: app.id,
            issued_at: now,
        };
        let token = self.mint(app, door, handoff.session, handoff.account, &person, now);
        let set = [
            cookies::set_ticket(&ticket.encode(&self.keys.ticket), self.marks()),
            cookies::set_viewer(token.expose(), super::LIFETIME_SECONDS, self.marks()),
        ];
        Ok(redirect(StatusCode::SEE_OTHER, next.as_str(), set))
    }

    /// The handoff of older shells: the token itself is in the address, and is taken once.
    async fn token_handoff(&self, app: &App, door: &Door, uri: &Uri) -> Result<Response, Error> {
        let next = next_path(uri);
        let Some(token) = parameter(uri, "token").filter(|token| !token.is_empty()) else {
            return Ok(self.hop_failed(door, next.as_str(), StatusCode::BAD_REQUEST));
        };
        let trusted = self.trust(app, &token);
        let fresh = trusted.filter(|trusted| {
            let entry = self.taken.entry(trusted.jti).or_insert(());
            entry.is_fresh()
        });
        let Some(trusted) = fresh else {
            return Ok(self.hop_failed(door, next.as_str(), StatusCode::UNAUTHORIZED));
        };
        let standing = self
            .house
            .find_standing(app, trusted.session, trusted.account)
            .await?;
        if !matches!(standing, Standing::Viewer(_)) {
            return Ok(self.hop_failed(door, next.as_str(), StatusCode::UNAUTHORIZED));
        }
        let seconds = trusted.expires_at.as_second() - self.house.now().as_second();
        let set = [cookies::set_viewer(&token, seconds, self.marks())];
        Ok(redirect(StatusCode::TEMPORARY_REDIRECT, next.as_str(), set))
    }

    fn hop_failed(&self, door: &Door, next: &str, status: StatusCode) -> Response {
        let open = self.open_address(door, next);
        let text = "The link was used already, has expired, or was opened in another browser.";
        let page = page::Page {
            title: "Please open the app again",
            text,
            link: Some(("Open the app", &open)),
            ..page::Page::default()
        };
        page::answer(true, Error::new(status, "bad_handoff", text), &page)
    }

    /// The viewer token for scripts of the app's own pages, which ask for it by including this file.
    async fn viewer_script(
        &self,
        app: &App,
        door: &Door,
        headers: &HeaderMap,
    ) -> Result<Response, Error> {
        // A page of another origin that includes this file would run it, and so learn the token.
        if headers
            .get("sec-fetch-site")
            .is_none_or(|site| site != "same-origin")
        {
            return Ok(
                Error::forbidden("Only pages of the app itself may include this file.")
                    .into_response(),
            );
        }
        let entry = self.admit(app, door, &Method::GET, headers, false).await?;
        let (Admission::Enter(Some(_)), Some(token)) = (&entry.admission, &entry.token) else {
            return Ok(page::sign_in(false, &self.open_address(door, "/")));
        };
        // A token is base64url text and dots, so it needs no escaping.
        let script = format!(
            "window.VESTIBULE_VIEWER_TOKEN=window.ELLIVATE_VIEWER_TOKEN=\"{}\";\n",
            token.expose()
        );
        let mut response = script.into_response();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (
                header::HeaderName::from_static("cross-origin-resource-policy"),
                "same-origin",
            ),
        ] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        if let Some(cookie) = entry.cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// The address on the pages that opens this app and leads to `next` in it.
    pub(super) fn open_address(&self, door: &Door, next: &str) -> String {
        let next = utf8_percent_encode(next, NON_ALPHANUMERIC);
        self.shell_address(&format!("/open/{}?next={next}", door.slug))
    }

    pub(super) fn shell_address(&self, path: &str) -> String {
        format!("{}{path}", self.house.config().shell_origin())
    }

    pub(super) fn marks(&self) -> cookies::Marks {
        if self.house.config().secure_cookies() {
            cookies::Marks::Framed
        } else {
            cookies::Marks::Plain
        }
    }
}

fn redirect<const N: usize>(status: StatusCode, target: &str, set: [HeaderValue; N]) -> Response {
    let Ok(location) = HeaderValue::from_str(target) else {
        return Error::bad_request("bad_next", "The address to go on to cannot be used.")
            .into_response();
    };
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    for cookie in set {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Where in the app to go on to.
fn next_path(uri: &Uri) -> NextPath {
    NextPath::parse(&parameter(uri, "next").unwrap_or_default())
}

/// The hash of a nonce that goes round over the pages.
fn state_of(nonce: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(nonce))
}

fn is_nonce(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encoded_and_doubled_spellings_of_our_paths_are_ours() {
        for (path, expected) in [
            ("/.vestibule/start", Some(OwnPath::Start)),
            ("/%2evestibule/handoff", Some(OwnPath::Handoff)),
            ("/.vestibule/health", Some(OwnPath::Reserved)),
            ("/%2Evestibule%2Fhealth", Some(OwnPath::Reserved)),
            ("//.vestibule/health", Some(OwnPath::Reserved)),
            ("/./.vestibule/x", Some(OwnPath::Reserved)),
            ("/.vestibule", Some(OwnPath::Reserved)),
            ("/.vestibules", None),
            ("/x/.vestibule/health", None),
            ("/", None),
        ] {
            assert_eq!(own_path(path), expected, "{path}");
        }
    }

    #[test]
    fn next_leads_to_the_app_and_to_none_of_our_paths() {
        let next = |text: &str| {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("next", text)
                .finish();
            let uri = format!("/.vestibule/start?{query}").parse().expect("a URI");
            next_path(&uri).as_str().to_owned()
        };
        for good in ["/", "/a/b?c=d&e=//f#g", "/a%20b"] {
            assert_eq!(next(good), good);
        }
        for bad in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "/a\r\nb",
            "/.vestibule/start",
            "/%2evestibule/start",
            "/ellivate-handoff?token=x",
        ] {
            assert_eq!(next(bad), "/", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn next_never_is_one_of_our_paths(text in "[/\\\\.%2e a-z?#]{0,6}(\\.|%2e|%2E)vestibule[/a-z]{0,6}") {
            let path = NextPath::parse(&text);
            let path = path.as_str().split(['?', '#']).next().unwrap_or_default();
            prop_assert_eq!(own_path(path), None);
        }
    }
}
