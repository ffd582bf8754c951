//! The cookies of an app's host that are ours.

use http::{HeaderMap, HeaderValue, header};

/// The ticket that lets a browser into one app. Only the gateway reads it.
pub(crate) const TICKET: &str = "vestibule_app";
/// The nonce that binds a sign-in hop to a browser.
pub(crate) const NONCE: &str = "vestibule_handoff";
/// The viewer token as apps read it.
pub(crate) const VIEWER: &str = "vestibule_viewer_token";
/// The same under the name that code written for another platform reads.
pub(crate) const VIEWER_ALIAS: &str = "ellivate_viewer_token";
/// The session of the pages. It is never set on an app's host; whoever sends it there meant another host.
pub(crate) const SESSION: &str = crate::extract::credentials::SESSION_COOKIE;

/// How long a sign-in hop may take.
const NONCE_SECONDS: i64 = 10 * 60;

/// How cookies are marked on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// Apps are shown in a frame of another site: `Secure; SameSite=None; Partitioned`.
    Framed,
    /// Plain http beyond this machine, where browsers refuse `Secure`.
    Plain,
}

impl Marks {
    fn text(self) -> &'static str {
        match self {
            Self::Framed => "Path=/; HttpOnly; Secure; SameSite=None; Partitioned",
            Self::Plain => "Path=/; HttpOnly; SameSite=Lax",
        }
    }
}

/// The first value of a cookie (RFC 6265 §5.4). Other cookies beside it may hold any bytes.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

/// `Set-Cookie` for a ticket.
pub(crate) fn set_ticket(sealed: &str, marks: Marks) -> HeaderValue {
    set(TICKET, sealed, super::TICKET_SECONDS, marks)
}

/// `Set-Cookie` for a viewer token that ends in so many seconds.
pub(crate) fn set_viewer(token: &str, seconds: i64, marks: Marks) -> HeaderValue {
    set(VIEWER, token, seconds.max(0), marks)
}

/// `Set-Cookie` for the nonce of a sign-in hop.
pub(crate) fn set_nonce(nonce: &str, marks: Marks) -> HeaderValue {
    set(NONCE, nonce, NONCE_SECONDS, marks)
}

fn set(name: &str, value: &str, seconds: i64, marks: Marks) -> HeaderValue {
    HeaderValue::from_str(&format!(
        "{name}={value}; Max-Age={seconds}; {}",
        marks.text()
    ))
    .expect("tokens and tickets are base64url text with dots")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_marked_for_frames_or_for_plain_http() {
        assert_eq!(
            set_viewer("a.b.c", 900, Marks::Framed),
            "vestibule_viewer_token=a.b.c; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"
        );
        assert_eq!(
            set_nonce("n", Marks::Plain),
            "vestibule_handoff=n; Max-Age=600; Path=/; HttpOnly; SameSite=Lax"
        );
    }
}
