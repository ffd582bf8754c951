//! Phase 4, rewrite: what the app gets to see of a request, and what the browser gets to see of the app's answer.
//!
//! Contract: pure changes of header fields. Afterwards a request holds exactly one statement of each fact that only the gateway
//! can know, and none of our secrets but the viewer token, which is meant for the app. Runs before the body is touched and
//! cannot fail.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};

use super::{authenticate::VIEWER_TOKEN, cookies};

/// Proves to the app that a request came through the gateway.
pub(crate) const GATEWAY: HeaderName = HeaderName::from_static("x-vestibule-gateway");
/// Whether a viewer is needed at this moment.
pub(crate) const GATE: HeaderName = HeaderName::from_static("x-vestibule-gate");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: &str = "x-request-id";

/// Fields by which clients could pass for somebody else, beside those of [`is_ours`]: apps believe them because proxies set them.
const FORGEABLE: [HeaderName; 7] = [
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-original-host"),
];

/// Whether a viewer is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Closed,
    /// No.
    Open,
}

/// What the gateway says about a request.
#[derive(Debug, Clone)]
pub(crate) struct Stamp<'a> {
    /// The app's gateway secret.
    pub(crate) secret: HeaderValue,
    /// Whether a viewer is needed.
    pub(crate) gate: Gate,
    /// A fresh viewer token.
    pub(crate) viewer: Option<&'a str>,
    /// Who connected; `None` over a Unix socket.
    pub(crate) client: Option<IpAddr>,
    /// `http` or `https`, as people see it.
    pub(crate) scheme: &'static str,
    /// The app's host as people see it, with the port.
    pub(crate) host: HeaderValue,
}

/// Makes a request ready for the app.
pub(crate) fn request(
    method: &Method,
    version: Version,
    headers: &mut HeaderMap,
    stamp: Stamp<'_>,
) {
    // First, so that `Connection` cannot name away what is added below.
    forward::hop_by_hop::clean_request(method, version, headers);
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in ours.iter().chain(&FORGEABLE) {
        headers.remove(name);
    }
    drop_own_credentials(headers);
    rewrite_cookies(headers, stamp.viewer);
    if let Some(token) = stamp
        .viewer
        .and_then(|token| HeaderValue::from_str(token).ok())
    {
        headers.insert(VIEWER_TOKEN, token);
    }
    headers.insert(GATEWAY, stamp.secret);
    headers.insert(
        GATE,
        HeaderValue::from_static(match stamp.gate {
            Gate::Closed => "closed",
            Gate::Open => "open",
        }),
    );
    if let Some(client) = stamp.client {
        let client = HeaderValue::from_str(&client.to_canonical().to_string())
            .expect("an address is a header value");
        headers.insert(FORWARDED_FOR, client);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(stamp.scheme));
    headers.insert(FORWARDED_HOST, stamp.host.clone());
    headers.insert(header::HOST, stamp.host);
}

/// Whether a field is one of those only the gateway may set: ours under both names, and `X-Forwarded-*`. Underscores count as
/// hyphens, because some servers make them the same.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    // Nearly all names end here.
    if !matches!(name, [b'x', b'-' | b'_', b'v' | b'e' | b'f', ..]) {
        return false;
    }
    let starts = |prefix: &[u8]| {
        name.len() >= prefix.len()
            && name
                .iter()
                .zip(prefix)
                .all(|(byte, wanted)| byte == wanted || (*byte == b'_' && *wanted == b'-'))
    };
    starts(b"x-vestibule-") || starts(b"x-ellivate-") || starts(b"x-forwarded-")
}

/// Drops a bearer token of this server's own API: it was meant for another host, and the app must not learn it.
fn drop_own_credentials(headers: &mut HeaderMap) {
    let own = |value: &HeaderValue| {
        let text = value.as_bytes().trim_ascii();
        text.len() > 7
            && text[..7].eq_ignore_ascii_case(b"bearer ")
            && text[7..].trim_ascii().starts_with(b"vst_")
    };
    if headers.get_all(header::AUTHORIZATION).iter().any(own) {
        headers.remove(header::AUTHORIZATION);
    }
}

/// Takes our cookies out, leaves the app's own byte for byte, and puts the fresh token in.
fn rewrite_cookies(headers: &mut HeaderMap, viewer: Option<&str>) {
    if viewer.is_none() && !headers.contains_key(header::COOKIE) {
        return;
    }
    let mut line = Vec::new();
    let mut alias = false;
    for value in headers.get_all(header::COOKIE) {
        for pair in value.as_bytes().split(|byte| *byte == b';') {
            let name = cookie_name(pair);
            alias |= name == cookies::VIEWER_ALIAS.as_bytes();
            if !pair.trim_ascii().is_empty() && !is_own_cookie(name) {
                push_pair(&mut line, &[pair.trim_ascii()]);
            }
        }
    }
    if let Some(token) = viewer {
        push_pair(
            &mut line,
            &[cookies::VIEWER.as_bytes(), b"=", token.as_bytes()],
        );
        if alias {
            push_pair(
                &mut line,
                &[cookies::VIEWER_ALIAS.as_bytes(), b"=", token.as_bytes()],
            );
        }
    }
    headers.remove(header::COOKIE);
    if let (false, Ok(line)) = (line.is_empty(), HeaderValue::from_bytes(&line)) {
        headers.insert(header::COOKIE, line);
    }
}

fn push_pair(line: &mut Vec<u8>, parts: &[&[u8]]) {
    if !line.is_empty() {
        line.extend_from_slice(b"; ");
    }
    for part in parts {
        line.extend_from_slice(part);
    }
}

fn cookie_name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

fn is_own_cookie(name: &[u8]) -> bool {
    is_gateway_cookie(name)
        || [cookies::VIEWER, cookies::VIEWER_ALIAS]
            .iter()
            .any(|own| name == own.as_bytes())
}

/// The cookies that no app sees or sets.
fn is_gateway_cookie(name: &[u8]) -> bool {
    [cookies::TICKET, cookies::NONCE, cookies::SESSION]
        .iter()
        .any(|own| name == own.as_bytes())
}

/// Makes an app's answer ready for the browser; gives the names of the cookies that were dropped.
///
/// An app cannot set our cookies, nor a cookie for other hosts than its own; it cannot clear or redirect what belongs to the
/// whole site; and it cannot, by echoing, tell the browser what the gateway told it.
pub(crate) fn answer(headers: &mut HeaderMap, app_host: &str) -> Vec<String> {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in &ours {
        headers.remove(name);
    }
    // Both would reach beyond the app's own origin: to sibling hosts, and to other ports of this machine.
    headers.remove("clear-site-data");
    headers.remove("alt-svc");
    headers.remove(REQUEST_ID);
    if !headers
        .get_all(header::SET_COOKIE)
        .iter()
        .any(|value| is_refused_cookie(value, app_host))
    {
        return Vec::new();
    }
    let mut dropped = Vec::new();
    let mut kept = Vec::new();
    for value in headers.get_all(header::SET_COOKIE) {
        if is_refused_cookie(value, app_host) {
            dropped.push(
                String::from_utf8_lossy(cookie_name(value.as_bytes()))
                    .chars()
                    .take(80)
                    .collect(),
            );
        } else {
            kept.push(value.clone());
        }
    }
    headers.remove(header::SET_COOKIE);
    for value in kept {
        headers.append(header::SET_COOKIE, value);
    }
    dropped
}

fn is_refused_cookie(value: &HeaderValue, app_host: &str) -> bool {
    let mut parts = value.as_bytes().split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    // A nameless cookie `=vestibule_app=x` is sent as `vestibule_app=x`.
    let nameless = cookie_name(pair).is_empty();
    let wider = parts.any(|attribute| {
        let name = cookie_name(attribute);
        let value = attribute
            .splitn(2, |byte| *byte == b'=')
            .nth(1)
            .unwrap_or_default()
            .trim_ascii();
        let value = value.strip_prefix(b".").unwrap_or(value);
        name.eq_ignore_ascii_case(b"domain")
            && !value.is_empty()
            && !value.eq_ignore_ascii_case(app_host.as_bytes())
    });
    nameless || is_gateway_cookie(cookie_name(pair)) || wider
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        map
    }

    fn stamp(viewer: Option<&str>) -> Stamp<'_> {
        Stamp {
            secret: HeaderValue::from_static("5ec2e7"),
            gate: Gate::Closed,
            viewer,
            client: Some([10, 0, 0, 7].into()),
            scheme: "https",
            host: HeaderValue::from_static("notes.example.com"),
        }
    }

    fn stamped(fields: &[(&str, &str)], viewer: Option<&str>) -> HeaderMap {
        let mut map = headers(fields);
        request(&Method::GET, Version::HTTP_11, &mut map, stamp(viewer));
        map
    }

    const STAMP: [(&str, &str); 6] = [
        ("x-vestibule-gateway", "5ec2e7"),
        ("x-vestibule-gate", "closed"),
        ("x-forwarded-for", "10.0.0.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "notes.example.com"),
        ("host", "notes.example.com"),
    ];

    #[test]
    fn identity_from_outside_is_replaced_under_every_spelling() {
        let forged = stamped(
            &[
                ("x-vestibule-gateway", "forged"),
                ("x-vestibule-gate", "open"),
                ("x-vestibule-gate", "open"),
                ("x_vestibule_gate", "open"),
                ("x-vestibule_gate", "open"),
                ("x-ellivate-gate", "open"),
                ("x-vestibule-viewer-token", "forged"),
                ("x-ellivate-viewer-token", "forged"),
                ("x-vestibule-anything", "1"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-prefix", "/admin"),
                ("x-real-ip", "1.2.3.4"),
                ("forwarded", "for=1.2.3.4"),
                ("host", "other.example.com"),
                (
                    "connection",
                    "x-vestibule-gateway, x-forwarded-for, x-vestibule-gate",
                ),
            ],
            None,
        );
        assert_eq!(forged, headers(&STAMP));
    }

    #[test]
    fn our_cookies_stay_out_and_other_cookies_pass_unchanged() {
        let cookie = "a=1; vestibule_app=T; b=\"x y\"; vestibule_handoff=N ;vestibule_session = S; c==; vestibule_appx=2";
        let map = stamped(&[("cookie", cookie), ("cookie", "d=4")], None);
        assert_eq!(
            map.get_all("cookie").iter().collect::<Vec<_>>(),
            ["a=1; b=\"x y\"; c==; vestibule_appx=2; d=4"]
        );
        assert!(!stamped(&[("cookie", "vestibule_app=T")], None).contains_key("cookie"));
    }

    #[test]
    fn the_fresh_token_replaces_the_one_that_came() {
        let map = stamped(
            &[
                ("cookie", "vestibule_viewer_token=old; a=1"),
                ("x-ellivate-viewer-token", "old"),
            ],
            Some("new"),
        );
        assert_eq!(map["cookie"], "a=1; vestibule_viewer_token=new");
        assert_eq!(map["x-vestibule-viewer-token"], "new");
        assert!(!map.contains_key("x-ellivate-viewer-token"));
        let map = stamped(&[("cookie", "ellivate_viewer_token=old")], Some("new"));
        assert_eq!(
            map["cookie"],
            "vestibule_viewer_token=new; ellivate_viewer_token=new"
        );
        assert!(!stamped(&[("cookie", "ellivate_viewer_token=old")], None).contains_key("cookie"));
    }

    #[test]
    fn a_token_of_our_own_api_does_not_reach_the_app_and_the_apps_own_does() {
        assert!(
            !stamped(&[("authorization", "Bearer vst_s_abc")], None).contains_key("authorization")
        );
        assert_eq!(
            stamped(&[("authorization", "Bearer mine")], None)["authorization"],
            "Bearer mine"
        );
    }

    #[test]
    fn an_app_sets_no_cookie_of_ours_and_none_for_other_hosts() {
        let mut map = headers(&[
            ("set-cookie", "vestibule_app=x"),
            ("set-cookie", " vestibule_session =x; Path=/"),
            ("set-cookie", "=vestibule_app=x"),
            ("set-cookie", "a=1; Domain=example.com"),
            ("set-cookie", "b=1; domain = .EXAMPLE.com; Path=/"),
            ("set-cookie", "c=1; Domain=.notes.example.com"),
            ("set-cookie", "d=1; HttpOnly"),
            ("set-cookie", "vestibule_viewer_token=x"),
            ("x-vestibule-gateway", "5ec2e7"),
            ("clear-site-data", "\"cookies\""),
            ("x-app", "1"),
        ]);
        let dropped = answer(&mut map, "notes.example.com");
        assert_eq!(
            dropped,
            ["vestibule_app", "vestibule_session", "", "a", "b"]
        );
        let kept = headers(&[
            ("set-cookie", "c=1; Domain=.notes.example.com"),
            ("set-cookie", "d=1; HttpOnly"),
            ("set-cookie", "vestibule_viewer_token=x"),
            ("x-app", "1"),
        ]);
        assert_eq!(map, kept);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_each_fact_is_stated_once_and_by_us(
            fields in prop::collection::vec(
                (
                    "(x[-_](vestibule|ellivate|forwarded)[-_](gate|gateway|viewer-token|for|host)|cookie|connection|accept)",
                    "(vestibule_app=T|vestibule_session=S|a=b|x-vestibule-gate|; |,|=){0,6}",
                ),
                0..12,
            ),
        ) {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let map = stamped(&fields, Some("fresh"));
            for (name, value) in STAMP {
                prop_assert_eq!(map.get_all(name).iter().collect::<Vec<_>>(), [value]);
            }
            let ours: Vec<_> = map.keys().filter(|name| is_ours(name)).collect();
            prop_assert_eq!(ours.len(), 6, "{:?}", ours);
            prop_assert_eq!(&map["x-vestibule-viewer-token"], "fresh");
            let line = map["cookie"].to_str().unwrap();
            for pair in line.split(';') {
                let name = pair.split('=').next().unwrap().trim();
                prop_assert!(![cookies::TICKET, cookies::NONCE, cookies::SESSION].contains(&name), "{}", line);
            }
        }
    }
}
