//! Phase 2, authenticate: what a request says about its viewer, and whether that may be believed.
//!
//! Contract: reads headers only; nothing is looked up. A token in a header was put there on purpose, so it counts alone, good
//! or bad. Cookies come by themselves, also with requests that other sites cause, so they count only when the browser does not
//! say that another origin is behind the request. `SameSite` cannot do that for us: apps are shown in a frame.

use http::{HeaderMap, HeaderName, Method, header};

use super::cookies;

/// The viewer token by header.
pub(crate) const VIEWER_TOKEN: HeaderName = HeaderName::from_static("x-vestibule-viewer-token");
/// The same under the name that clients written for another platform send.
pub(crate) const VIEWER_TOKEN_ALIAS: HeaderName =
    HeaderName::from_static("x-ellivate-viewer-token");

/// What a request says about its viewer. Nothing is verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence<'a> {
    /// Nothing, or nothing that may be believed.
    Nothing,
    /// A token sent on purpose. If it is bad, the request has no viewer, whatever else it says.
    Token(&'a str),
    /// Tokens were sent on purpose and contradict each other or cannot be read.
    Unusable,
    /// Cookies of a request that the app's own origin, or the person, caused.
    Cookies {
        /// The sealed ticket.
        ticket: Option<&'a str>,
        /// The viewer token, as a cookie.
        token: Option<&'a str>,
    },
}

/// Collects the evidence. `app_origin` is for example `http://notes.localhost:8080`.
pub(crate) fn evidence<'a>(
    method: &Method,
    headers: &'a HeaderMap,
    app_origin: &str,
    websocket: bool,
) -> Evidence<'a> {
    let mut token = None;
    for name in [&VIEWER_TOKEN, &VIEWER_TOKEN_ALIAS] {
        for value in headers.get_all(name) {
            let Ok(value) = value.to_str() else {
                return Evidence::Unusable;
            };
            // Clients send an empty field when they have no token.
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            if token.is_some_and(|token| token != value) {
                return Evidence::Unusable;
            }
            token = Some(value);
        }
    }
    if websocket {
        token = token.or_else(|| protocol_token(headers));
    }
    if let Some(token) = token {
        return Evidence::Token(token);
    }
    let ticket = cookies::find(headers, cookies::TICKET);
    let token = cookies::find(headers, cookies::VIEWER)
        .or_else(|| cookies::find(headers, cookies::VIEWER_ALIAS));
    if (ticket.is_none() && token.is_none()) || is_foreign(method, headers, app_origin, websocket) {
        return Evidence::Nothing;
    }
    Evidence::Cookies { ticket, token }
}

/// The token in `Sec-WebSocket-Protocol: viewer.<token>`, the only field that a browser's script can set in a handshake.
fn protocol_token(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|entry| entry.trim().strip_prefix("viewer."))
        .filter(|token| !token.is_empty())
}

/// Whether another origin caused a request that may change something or opens a WebSocket.
///
/// Browsers always send `Origin` with those, so a request without it comes from another kind of client. Another app on a
/// sibling host is as foreign as any other site.
pub(crate) fn is_foreign(
    method: &Method,
    headers: &HeaderMap,
    app_origin: &str,
    websocket: bool,
) -> bool {
    if method.is_safe() && !websocket {
        return false;
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(_), Some(_)) => true,
        (Some(origin), None) => !origin
            .as_bytes()
            .eq_ignore_ascii_case(app_origin.as_bytes()),
        (None, _) => headers
            .get("sec-fetch-site")
            .is_some_and(|site| site != "same-origin" && site != "none"),
    }
}

/// Whether the answer will be shown as a page: only then is HTML of use.
pub(crate) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return false;
    }
    if let Some(mode) = headers.get("sec-fetch-mode") {
        return mode == "navigate";
    }
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    accept
        .split(',')
        .next()
        .is_some_and(|first| first.trim().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const APP: &str = "http://notes.localhost:8080";
    const BOTH: (&str, &str) = ("cookie", "a=b; vestibule_app=T; vestibule_viewer_token=V");

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        map
    }

    #[track_caller]
    fn check(method: &Method, websocket: bool, fields: &[(&str, &str)], expected: Evidence<'_>) {
        let headers = headers(fields);
        assert_eq!(
            evidence(method, &headers, APP, websocket),
            expected,
            "{method} {fields:?}"
        );
    }

    const COOKIES: Evidence<'_> = Evidence::Cookies {
        ticket: Some("T"),
        token: Some("V"),
    };

    #[test]
    fn a_header_counts_before_cookies_and_an_empty_one_is_absent() {
        check(&Method::GET, false, &[BOTH], COOKIES);
        check(
            &Method::GET,
            false,
            &[BOTH, ("x-vestibule-viewer-token", "H")],
            Evidence::Token("H"),
        );
        check(
            &Method::GET,
            false,
            &[BOTH, ("x-ellivate-viewer-token", " H ")],
            Evidence::Token("H"),
        );
        check(
            &Method::GET,
            false,
            &[BOTH, ("x-ellivate-viewer-token", " ")],
            COOKIES,
        );
        let alias = ("cookie", "ellivate_viewer_token=E");
        check(
            &Method::GET,
            false,
            &[alias],
            Evidence::Cookies {
                ticket: None,
                token: Some("E"),
            },
        );
        check(
            &Method::GET,
            false,
            &[("cookie", "vestibule_session=S")],
            Evidence::Nothing,
        );
    }

    #[test]
    fn tokens_that_contradict_each_other_are_unusable() {
        let two = [
            ("x-vestibule-viewer-token", "A"),
            ("x-ellivate-viewer-token", "B"),
        ];
        check(&Method::GET, false, &two, Evidence::Unusable);
        let same = [
            ("x-vestibule-viewer-token", "A"),
            ("x-ellivate-viewer-token", "A"),
        ];
        check(&Method::GET, false, &same, Evidence::Token("A"));
    }

    #[test]
    fn cookies_do_not_count_when_another_origin_wants_to_change_something() {
        for (fields, own) in [
            (&[][..], true),
            (&[("origin", APP)], true),
            (&[("origin", APP), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (
                &[
                    ("origin", "http://other.localhost:8080"),
                    ("sec-fetch-site", "same-site"),
                ],
                false,
            ),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (
                &[("origin", APP), ("origin", "https://evil.example")],
                false,
            ),
            (
                &[("origin", "http://notes.localhost:8080.evil.example")],
                false,
            ),
        ] {
            let fields = [&[BOTH], fields].concat();
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                check(
                    &method,
                    false,
                    &fields,
                    if own { COOKIES } else { Evidence::Nothing },
                );
            }
            check(&Method::GET, false, &fields, COOKIES);
            check(
                &Method::GET,
                true,
                &fields,
                if own { COOKIES } else { Evidence::Nothing },
            );
        }
    }

    #[test]
    fn a_token_sent_on_purpose_counts_from_any_origin() {
        let foreign = ("origin", "https://partner.example");
        check(
            &Method::POST,
            false,
            &[foreign, ("x-vestibule-viewer-token", "H")],
            Evidence::Token("H"),
        );
        check(
            &Method::GET,
            true,
            &[foreign, ("sec-websocket-protocol", "chat, viewer.a.b.c")],
            Evidence::Token("a.b.c"),
        );
        check(
            &Method::GET,
            false,
            &[("sec-websocket-protocol", "viewer.a.b.c")],
            Evidence::Nothing,
        );
    }

    #[test]
    fn pages_are_told_from_calls() {
        for (fields, navigation) in [
            (&[("sec-fetch-mode", "navigate")][..], true),
            (
                &[("sec-fetch-mode", "cors"), ("accept", "text/html")],
                false,
            ),
            (&[("accept", "text/html,application/xhtml+xml")], true),
            (&[("accept", "application/json, text/html")], false),
            (&[("accept", "*/*")], false),
            (&[], false),
        ] {
            assert_eq!(
                is_navigation(&Method::GET, &headers(fields)),
                navigation,
                "{fields:?}"
            );
        }
        assert!(!is_navigation(
            &Method::DELETE,
            &headers(&[("accept", "text/html")])
        ));
    }

    proptest! {
        #[test]
        fn any_fields_are_read_without_a_panic(values in prop::collection::vec(prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..30), 5)) {
            let names = ["cookie", "origin", "x-vestibule-viewer-token", "sec-websocket-protocol", "accept"];
            let headers = names.iter().zip(values).map(|(name, value)| {
                (HeaderName::from_static(name), http::HeaderValue::from_bytes(&value).unwrap())
            }).collect();
            for websocket in [true, false] {
                evidence(&Method::POST, &headers, APP, websocket);
            }
            is_navigation(&Method::GET, &headers);
        }
    }
}
