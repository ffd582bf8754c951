//! Reading credentials and their surroundings out of request headers. Plain functions; nothing is verified here.

use http::{HeaderMap, Method, header};

use crate::known_device::{self, KnownDevice};

/// The cookie that carries the session token of the pages.
pub const SESSION_COOKIE: &str = "vestibule_session";

/// How a session token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `Authorization: Bearer`, which browsers never add by themselves.
    Bearer,
    /// The cookie, which browsers add to requests that other sites cause too.
    Cookie,
}

/// The token of `Authorization: Bearer <token>` (RFC 6750 §2.1); the scheme's case does not matter.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .trim()
        .split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The first value of a cookie (RFC 6265 §5.4).
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

/// The session token of a request: the bearer token when there is one, else the cookie.
pub fn session_token(headers: &HeaderMap) -> Option<(&str, Via)> {
    bearer(headers)
        .map(|token| (token, Via::Bearer))
        .or_else(|| cookie(headers, SESSION_COOKIE).map(|token| (token, Via::Cookie)))
}

/// What caused a request, as far as the browser tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// One of our own pages.
    OurPage,
    /// A page of another site, or of an app.
    AnotherSite,
    /// It was not told: a program, or a browser that says neither.
    Untold,
}

/// What caused a request. `SameSite` alone does not do, since apps on hosts below ours count as the same site.
pub fn cause(headers: &HeaderMap, shell_origin: &str) -> Cause {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) if site != "same-origin" => Cause::AnotherSite,
        (_, Some(origin)) if is_ours(origin, shell_origin) => Cause::OurPage,
        (_, Some(_)) => Cause::AnotherSite,
        (Some(_), None) => Cause::OurPage,
        (None, None) => Cause::Untold,
    }
}

/// Whether an origin is the shell's: its own, or another name of this machine when it is served to this machine only.
fn is_ours(origin: &str, shell_origin: &str) -> bool {
    let port_here = |origin: &str| {
        let host = origin.strip_prefix("http://")?;
        port_on_this_machine(host).map(str::to_owned)
    };
    origin == shell_origin
        || (port_here(shell_origin).is_some() && port_here(origin) == port_here(shell_origin))
}

/// What follows the name of this machine in a host: nothing, or a colon and the port. `None` for other hosts.
pub(crate) fn port_on_this_machine(host: &str) -> Option<&str> {
    let names = ["localhost", "127.0.0.1", "[::1]"];
    let port = names.iter().find_map(|name| host.strip_prefix(name))?;
    (port.is_empty() || port.starts_with(':')).then_some(port)
}

/// What the browser says about itself, unverified.
pub fn known_device(headers: &HeaderMap) -> Option<KnownDevice> {
    KnownDevice::read(cookie(headers, known_device::COOKIE)?)
}

/// Whether a request may rely on the cookie alone: it changes nothing, or one of our own pages caused it.
pub fn may_rely_on_cookie(method: &Method, headers: &HeaderMap, shell_origin: &str) -> bool {
    method.is_safe() || cause(headers, shell_origin) == Cause::OurPage
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_bearer_token_is_preferred_to_the_cookie() {
        let both = headers(&[
            ("authorization", "bEaReR  one "),
            ("cookie", "a=b; vestibule_session=two"),
        ]);
        assert_eq!(session_token(&both), Some(("one", Via::Bearer)));
        let cookie = headers(&[
            ("authorization", "Basic x"),
            ("cookie", "a=b; vestibule_session=two; vestibule_session=3"),
        ]);
        assert_eq!(session_token(&cookie), Some(("two", Via::Cookie)));
        assert_eq!(
            session_token(&headers(&[("cookie", "xvestibule_session=two")])),
            None
        );
        assert_eq!(
            session_token(&headers(&[("authorization", "Bearer ")])),
            None
        );
    }

    #[test]
    fn only_our_own_pages_may_change_things_by_cookie() {
        let shell = "http://localhost:8080";
        for (pairs, allowed) in [
            (&[("origin", shell)][..], true),
            (
                &[("origin", shell), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (&[("sec-fetch-site", "same-origin")], true),
            (
                &[
                    ("origin", "http://notes.localhost:8080"),
                    ("sec-fetch-site", "same-site"),
                ],
                false,
            ),
            (&[("origin", "http://notes.localhost:8080")], false),
            (&[("origin", "null")], false),
            (
                &[("origin", shell), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (&[("sec-fetch-site", "none")], false),
            (&[], false),
            (&[("origin", "http://127.0.0.1:8080")], true),
            (&[("origin", "http://[::1]:8080")], true),
            (&[("origin", "http://127.0.0.1:8081")], false),
            (&[("origin", "https://127.0.0.1:8080")], false),
            (&[("origin", "http://127.0.0.1.example.com:8080")], false),
            (&[("origin", "http://localhost.:8080")], false),
        ] {
            assert_eq!(
                may_rely_on_cookie(&Method::POST, &headers(pairs), shell),
                allowed,
                "{pairs:?}"
            );
            assert!(may_rely_on_cookie(&Method::GET, &headers(pairs), shell));
        }
    }

    proptest! {
        #[test]
        fn any_cookie_header_is_read_without_a_panic(bytes: Vec<u8>, name in "[a-z]{0,3}") {
            let Ok(value) = http::HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(header::COOKIE, value.clone()), (header::AUTHORIZATION, value)]);
            cookie(&headers, &name);
            bearer(&headers);
        }
    }
}
