//! The cookies of an app's host that are ours, and the sealed ticket in one of them.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use ids::{AccountId, SessionId};
use jiff::Timestamp;
use uuid::Uuid;

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

/// How long a ticket is taken at most; the session behind it may end earlier.
const TICKET_SECONDS: i64 = 30 * 24 * 60 * 60;
/// How long a sign-in hop may take.
const NONCE_SECONDS: i64 = 10 * 60;
const VERSION: u8 = 1;
const PAYLOAD: usize = 1 + 16 + 16 + 8;

/// Whose browser it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The session of the pages that the browser came from.
    pub(crate) session: SessionId,
    /// Whose session.
    pub(crate) account: AccountId,
    /// When it was handed over.
    pub(crate) issued_at: Timestamp,
}

impl Ticket {
    /// Writes the ticket under a key that only this app's tickets have.
    pub(crate) fn seal(&self, key: &hmac::Key) -> String {
        let mut bytes = Vec::with_capacity(PAYLOAD + 32);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.session.as_uuid().as_bytes());
        bytes.extend_from_slice(self.account.as_uuid().as_bytes());
        bytes.extend_from_slice(&self.issued_at.as_millisecond().to_be_bytes());
        let tag = hmac::sign(key, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a ticket back; `None` when it was not sealed under this key or is too old.
    pub(crate) fn open(text: &str, key: &hmac::Key, now: Timestamp) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, tag) = bytes.split_at_checked(PAYLOAD)?;
        hmac::verify(key, payload, tag).ok()?;
        let uuid = |from: usize| Uuid::from_slice(payload.get(from..from + 16)?).ok();
        let issued_at = i64::from_be_bytes(payload.get(33..)?.try_into().ok()?);
        let ticket = Self {
            session: SessionId::from_uuid(uuid(1)?),
            account: AccountId::from_uuid(uuid(17)?),
            issued_at: Timestamp::from_millisecond(issued_at).ok()?,
        };
        let age = now.as_second() - ticket.issued_at.as_second();
        (payload[0] == VERSION && age < TICKET_SECONDS).then_some(ticket)
    }
}

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
    set(TICKET, sealed, TICKET_SECONDS, marks)
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
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn ticket() -> Ticket {
        Ticket {
            session: SessionId::new(1, [1; 10]),
            account: AccountId::new(2, [2; 10]),
            issued_at: Timestamp::from_second(1_000_000).unwrap(),
        }
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_ticket_opens_under_its_own_key_until_it_is_too_old() {
        let sealed = ticket().seal(&key(1));
        assert_eq!(Ticket::open(&sealed, &key(1), after(5)), Some(ticket()));
        assert_eq!(
            Ticket::open(&sealed, &key(2), after(5)),
            None,
            "another app's key"
        );
        assert_eq!(Ticket::open(&sealed, &key(1), after(TICKET_SECONDS)), None);
    }

    proptest! {
        #[test]
        fn a_changed_ticket_never_opens(at in 0_usize..73, bit in 0_u32..8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(ticket().seal(&key(1))).unwrap();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Ticket::open(&URL_SAFE_NO_PAD.encode(bytes), &key(1), after(5)), None);
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text: String) {
            prop_assert_eq!(Ticket::open(&text, &key(1), after(5)), None);
        }
    }

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
