//! The cookies of the pages. All are `HttpOnly` but the theme's, which a script of ours writes too.

use http::HeaderValue;

pub(super) use crate::extract::credentials::{SESSION_COOKIE, cookie};
use crate::{Config, known_device};

/// Binds the forms of somebody who is not signed in to their browser.
pub(super) const FORM_COOKIE: &str = "vestibule_form";
/// What the last step has to say, once.
pub(super) const FLASH_COOKIE: &str = "vestibule_flash";
/// A sign-in that waits for its second factor.
pub(super) const SECOND_STEP_COOKIE: &str = "vestibule_second_step";
/// Binds a trip to an outside provider of identities to the browser.
const BROWSER_COOKIE: &str = "vestibule_browser";
/// The same where browsers keep every other host from setting it (RFC 6265bis §4.1.3.2).
const BROWSER_COOKIE_OF_HOST: &str = "__Host-vestibule_browser";
/// An outside identity that waits to be joined to an account.
pub(super) const JOINING_COOKIE: &str = "vestibule_joining";
/// A challenge that a passkey is to answer.
pub(super) const CEREMONY_COOKIE: &str = "vestibule_ceremony";
/// The chosen colors.
pub(super) const THEME_COOKIE: &str = "vestibule_theme";

/// The name of the cookie that binds a trip to an outside provider to the browser.
pub(crate) fn browser_cookie(config: &Config) -> &'static str {
    if config.public_url.scheme() == "https" {
        BROWSER_COOKIE_OF_HOST
    } else {
        BROWSER_COOKIE
    }
}

/// How long a cookie is kept, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept {
    /// Until the browser closes.
    Session,
    /// For some time.
    Seconds(i64),
    /// Not any longer.
    Not,
}

/// Remembers a browser that somebody signed in from.
pub(crate) fn known_device(config: &Config, value: &str) -> HeaderValue {
    let kept = Kept::Seconds(known_device::COOKIE_SECONDS);
    set(config, known_device::COOKIE, value, kept)
}

/// A `Set-Cookie` for all of our pages. The value must be free of separators.
pub(crate) fn set(config: &Config, name: &str, value: &str, kept: Kept) -> HeaderValue {
    let age = match kept {
        Kept::Session => String::new(),
        Kept::Seconds(seconds) => format!("; Max-Age={}", seconds.max(0)),
        Kept::Not => "; Max-Age=0".to_owned(),
    };
    let hidden = if name == THEME_COOKIE {
        ""
    } else {
        "; HttpOnly"
    };
    // Browsers take `Secure` cookies from http://localhost only in part; there is no network to protect from there.
    let secure = if config.public_url.scheme() == "https" {
        "; Secure"
    } else {
        ""
    };
    let text = format!("{name}={value}; Path=/; SameSite=Lax{hidden}{secure}{age}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
