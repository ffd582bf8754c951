//! The gateway's own answers on an app's host: small pages for people, JSON for programs.

use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, sync::LazyLock};

use crate::Error;

/// Leads the whole window to the link, also out of a frame; when the browser does not allow that, the link is still there.
const LEAVE: &str = "const a=document.getElementById('go');try{top.location.replace(a.href)}catch{location.replace(a.href)}";
const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:26rem;padding:0 1.25rem;\
    color-scheme:light dark}h1{font-size:1.25rem}a{color:LinkText}a:focus-visible{outline:2px solid}";

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'",
        hash(LEAVE),
        hash(STYLE)
    )
});

/// What a page shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    /// The text and target of a link out of the frame.
    pub(crate) link: Option<(&'a str, &'a str)>,
    /// Follow the link at once.
    pub(crate) leave: bool,
    /// Load the address again after so many seconds.
    pub(crate) again: Option<u32>,
}

/// Answers with the page for a navigation, else with the error as JSON.
pub(crate) fn answer(navigation: bool, error: Error, page: &Page<'_>) -> Response {
    let (status, headers) = (error.status, error.headers.clone());
    if !navigation {
        return error.into_response();
    }
    let mut response = (status, render(page)).into_response();
    let answer = response.headers_mut();
    answer.extend(headers);
    for (name, value) in [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_str(&POLICY).expect("the policy is ASCII text"),
        ),
    ] {
        answer.insert(name, value);
    }
    response
}

fn render(page: &Page<'_>) -> String {
    let (title, text) = (escape(page.title), escape(page.text));
    let mut html = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    if let Some(seconds) = page.again {
        let _ = write!(html, "<meta http-equiv=\"refresh\" content=\"{seconds}\">");
    }
    let _ = write!(
        html,
        "<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{text}</p>"
    );
    if let Some((label, target)) = page.link {
        let _ = write!(
            html,
            "<p><a id=\"go\" target=\"_top\" href=\"{}\">{}</a></p>",
            escape(target),
            escape(label)
        );
        if page.leave {
            let _ = write!(html, "<script>{LEAVE}</script>");
        }
    }
    html.push_str("</main></body></html>");
    html
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// 404: no such app, or none of the caller's business. Both look the same.
pub(crate) fn hidden(navigation: bool, shell: &str) -> Response {
    let page = Page {
        title: "There is nothing here",
        text: "This address belongs to no app, or to one that was not shared with you.",
        link: Some(("Go to your apps", shell)),
        ..Page::default()
    };
    answer(navigation, Error::not_found(), &page)
}

/// 401: somebody has to sign in. `open` is the address on the pages that leads back here.
pub(crate) fn sign_in(navigation: bool, open: &str) -> Response {
    let error = Error::new(
        StatusCode::UNAUTHORIZED,
        "viewer_required",
        "Sign in to open this app.",
    )
    .with("shell", open)
    .with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Vestibule"),
    );
    let page = Page {
        title: "Sign in to open this app",
        text: "You are being taken to the sign-in page.",
        link: Some(("Continue", open)),
        leave: true,
        ..Page::default()
    };
    answer(navigation, error, &page)
}

/// 503: the app cannot answer now.
pub(crate) fn unavailable(
    navigation: bool,
    code: &'static str,
    title: &str,
    text: &'static str,
    again: Option<u32>,
) -> Response {
    let mut error = Error::new(StatusCode::SERVICE_UNAVAILABLE, code, text);
    if let Some(seconds) = again {
        error = error.with_header(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer(
        navigation,
        error,
        &Page {
            title,
            text,
            again,
            ..Page::default()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_from_outside_becomes_markup() {
        let hostile = "http://x/\"><script>alert(1)</script>'";
        let response = sign_in(true, hostile);
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Vestibule");
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            !html.contains("<script>alert") && html.contains("&quot;&gt;&lt;script&gt;alert"),
            "{html}"
        );
        assert_eq!(html.matches("<script>").count(), 1);
    }

    #[test]
    fn programs_get_json() {
        let response = sign_in(false, "http://localhost:8080/open/notes");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}
