//! What every page has, and how a page becomes an answer with its policy headers.

use std::fmt;

use askama::{Template, filters::HtmlSafe};
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;

use super::ui::{Alert, Moment, Person};

/// What the layout of every page needs.
#[derive(Debug, Clone)]
pub struct Page {
    /// Who is signed in.
    pub viewer: Option<Person>,
    /// Whether the viewer looks after the server: the menu leads to the administration.
    pub is_admin: bool,
    /// The token that each form of this page carries.
    pub csrf: String,
    /// The chosen colors.
    pub theme: Theme,
    /// What the last step has to say, once.
    pub flash: Option<Alert>,
    /// When the page is made.
    pub now: Timestamp,
    /// Path and query of the page, where the theme form returns to.
    pub here: String,
}

impl Page {
    /// The hidden field that proves that a form is ours.
    pub fn csrf_field(&self) -> CsrfField<'_> {
        CsrfField(&self.csrf)
    }

    /// `at` as seen from this page.
    pub const fn moment(&self, at: Timestamp) -> Moment {
        Moment::new(at, self.now)
    }
}

/// The name of the hidden field that carries the token.
pub const CSRF_FIELD: &str = "_csrf";

/// Renders the hidden field.
#[derive(Debug)]
pub struct CsrfField<'a>(&'a str);

impl fmt::Display for CsrfField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is base64url text of ours, so it needs no escape; anything else is not written at all.
        let harmless = self
            .0
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let token = if harmless { self.0 } else { "" };
        write!(
            f,
            r#"<input type="hidden" name="{CSRF_FIELD}" value="{token}">"#
        )
    }
}

impl HtmlSafe for CsrfField<'_> {}

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// The name in the cookie and in the form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads [`Self::as_str`] back; anything else is the system's theme.
    pub fn from_name(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// Which apps a page may have to do with, by their origins (`http://*.localhost:8080`).
#[derive(Debug, Clone, Copy)]
pub enum Apps<'a> {
    /// None.
    Apart,
    /// A form of the page may end at an app after its redirects: browsers hold redirects to `form-action` too.
    FormsLeadTo(&'a str),
    /// The page shows the app in a frame.
    Framed(&'a str),
}

/// The content security policy of a page.
pub fn content_security_policy(apps: Apps<'_>) -> String {
    let (forms, frames) = match apps {
        Apps::Apart => (String::new(), String::new()),
        Apps::FormsLeadTo(origins) => (format!(" {origins}"), String::new()),
        Apps::Framed(origins) => (String::new(), format!("; frame-src 'self' {origins}")),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'{forms}; frame-ancestors 'none'; base-uri 'none'{frames}"
    )
}

/// Answers a page that has nothing to do with an app's origin.
pub fn html(status: StatusCode, page: &impl Template) -> Response {
    html_beside(status, page, Apps::Apart)
}

/// Answers a page with the policy that lets it deal with `apps`.
pub fn html_beside(status: StatusCode, page: &impl Template, apps: Apps<'_>) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong on the server.\n",
            )
                .into_response();
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Cookie"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::try_from(content_security_policy(apps)).unwrap_or(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        )),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_view_page_may_show_frames() {
        let apart = content_security_policy(Apps::Apart);
        assert!(
            !apart.contains("frame-src") && apart.contains("form-action 'self';"),
            "{apart}"
        );
        let framed = content_security_policy(Apps::Framed("http://a.localhost:8080"));
        assert!(
            framed.ends_with("frame-src 'self' http://a.localhost:8080"),
            "{framed}"
        );
        let forms = content_security_policy(Apps::FormsLeadTo("http://*.localhost:8080"));
        assert!(
            forms.contains("form-action 'self' http://*.localhost:8080;"),
            "{forms}"
        );
    }

    #[test]
    fn a_token_that_is_not_ours_is_not_written() {
        assert!(!CsrfField("\"><script>").to_string().contains("script"));
    }
}
