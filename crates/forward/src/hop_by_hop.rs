//! Header fields that are meant for one connection only, and their removal (RFC 9110 §7.6.1).
//!
//! Both functions can run twice on the same fields without further effect. So whoever adds fields of its own to a request runs
//! [`clean_request`] first: a `Connection` field from outside can then not name, and so remove, what was added.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};

/// Fields of one connection, besides those that `Connection` names.
const CONNECTION_FIELDS: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Fields that `Connection` cannot name away: without them the message would mean something else.
const KEPT: [HeaderName; 2] = [header::HOST, header::CONTENT_LENGTH];

/// Whether a request asks to become a WebSocket (RFC 6455 §4.1).
pub fn is_websocket(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    // Most requests do not have the field; look for it first.
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && method == Method::GET
        && version == Version::HTTP_11
        && options(headers).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// Removes the fields of the downstream connection from a request.
///
/// A WebSocket handshake keeps exactly `Connection: upgrade` and `Upgrade: websocket`; no other protocol can be asked for (an
/// `h2c` upgrade would open a way around every check made for a single request). `TE: trailers` is kept, other codings are not.
pub fn clean_request(method: &Method, version: Version, headers: &mut HeaderMap) {
    let websocket = is_websocket(method, version, headers);
    let trailers = headers.contains_key(header::TE)
        && tokens(headers, &header::TE).any(|t| t.eq_ignore_ascii_case(b"trailers"));
    remove(headers);
    if websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    } else if trailers {
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes the fields of the upstream connection from an answer.
pub fn clean_answer(headers: &mut HeaderMap) {
    remove(headers);
}

fn remove(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = options(headers)
            .filter_map(|option| HeaderName::from_bytes(option).ok())
            .filter(|name| !KEPT.contains(name))
            .collect();
        headers.remove(header::CONNECTION);
        for name in &named {
            headers.remove(name);
        }
    }
    for name in &CONNECTION_FIELDS {
        headers.remove(name);
    }
}

/// The members of all `Connection` fields.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    tokens(headers, &header::CONNECTION)
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    fn cleaned(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = headers(fields);
        clean_request(&Method::GET, Version::HTTP_11, &mut map);
        map
    }

    #[test]
    fn fields_of_the_connection_and_those_it_names_are_removed() {
        let left = cleaned(&[
            ("connection", "close, X-Mine"),
            ("connection", "x-too"),
            ("x-mine", "1"),
            ("x-too", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ]);
        assert_eq!(left, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn host_and_length_cannot_be_named_away() {
        let left = cleaned(&[
            ("connection", "host, content-length"),
            ("host", "a"),
            ("content-length", "3"),
        ]);
        assert_eq!(left, headers(&[("host", "a"), ("content-length", "3")]));
    }

    #[test]
    fn a_websocket_handshake_keeps_its_upgrade_and_no_other_protocol_does() {
        let left = cleaned(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
        ]);
        assert_eq!(
            left,
            headers(&[("connection", "upgrade"), ("upgrade", "websocket")])
        );
        for upgrade in ["h2c", "websocket, h2c", "TLS/1.0"] {
            assert!(
                cleaned(&[
                    ("connection", "upgrade, http2-settings"),
                    ("upgrade", upgrade)
                ])
                .is_empty()
            );
        }
        assert!(
            cleaned(&[("upgrade", "websocket")]).is_empty(),
            "not named in Connection"
        );
    }

    #[test]
    fn only_trailers_survive_of_te() {
        let left = cleaned(&[("te", "gzip, trailers"), ("connection", "te")]);
        assert_eq!(left, headers(&[("connection", "te"), ("te", "trailers")]));
    }

    fn any_field() -> impl Strategy<Value = (String, Vec<u8>)> {
        let name = prop_oneof![
            Just("connection".to_owned()),
            Just("te".to_owned()),
            Just("upgrade".to_owned()),
            Just("keep-alive".to_owned()),
            "[a-c]",
            "x-[a-c]",
        ];
        let value = prop_oneof![
            "(close|upgrade|websocket|trailers|x-[a-c]|[a-c]| |,){0,6}"
                .prop_map(String::into_bytes),
            prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..12),
        ];
        (name, value)
    }

    proptest! {
        #[test]
        fn what_is_left_names_nothing_and_everything_else_is_untouched(
            fields in prop::collection::vec(any_field(), 0..12),
        ) {
            let mut before = HeaderMap::new();
            for (name, value) in &fields {
                before.append(HeaderName::try_from(name.as_str()).unwrap(), HeaderValue::from_bytes(value).unwrap());
            }
            let mut after = before.clone();
            clean_request(&Method::GET, Version::HTTP_11, &mut after);

            let named: Vec<Vec<u8>> = options(&before).map(<[u8]>::to_ascii_lowercase).collect();
            for name in before.keys() {
                let connection_field = *name == header::CONNECTION || CONNECTION_FIELDS.contains(name);
                if !connection_field {
                    let expected: Vec<_> = before.get_all(name).iter().collect();
                    let left: Vec<_> = after.get_all(name).iter().collect();
                    let gone = named.iter().any(|n| n == name.as_str().as_bytes());
                    prop_assert_eq!(left, if gone { vec![] } else { expected });
                }
            }
            prop_assert!(after.get(header::CONNECTION).is_none_or(|v| v == "upgrade" || v == "te"));

            let mut twice = after.clone();
            clean_request(&Method::GET, Version::HTTP_11, &mut twice);
            prop_assert_eq!(twice, after);
        }
    }
}
