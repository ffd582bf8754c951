//! Pages that say one thing: a notice, a question before a deed, an error.

use askama::Template;

use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Field, Icon},
};

/// A way on from a notice.
#[derive(Debug, Clone)]
pub struct NoticeLink {
    /// A path of ours.
    pub href: String,
    /// What people read.
    pub label: String,
}

impl NoticeLink {
    /// A link to a path of ours.
    pub fn new(href: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            href: href.into(),
            label: label.into(),
        }
    }
}

/// Says something and offers ways on; the first is the main one.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    /// The layout.
    pub page: Page,
    /// The heading.
    pub title: String,
    /// One paragraph each.
    pub text: Vec<String>,
    /// Ways on.
    pub links: Vec<NoticeLink>,
}

/// Asks before something is done that cannot be taken back lightly. Shown as a dialog where scripts run.
#[derive(Debug, Template)]
#[template(path = "confirm.html")]
pub struct Confirm {
    /// The layout.
    pub page: Page,
    /// The question.
    pub title: String,
    /// What will be lost or shown, one paragraph each.
    pub text: Vec<String>,
    /// Where the form is posted.
    pub action: String,
    /// Hidden fields.
    pub hidden: Vec<(&'static str, String)>,
    /// A field to fill in first, for example the app's name.
    pub field: Option<Field>,
    /// The button's words: a verb and its object.
    pub button: String,
    /// Whether the deed destroys something.
    pub destroys: bool,
    /// Where the way back leads.
    pub back: String,
}

/// Something did not work.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The layout.
    pub page: Page,
    /// The HTTP status.
    pub status: u16,
    /// The heading.
    pub title: String,
    /// What to do next.
    pub text: String,
    /// What the operator finds it by in the log.
    pub request_id: Option<String>,
    /// Ways on.
    pub links: Vec<NoticeLink>,
}

impl ErrorPage {
    /// The heading for a status.
    pub const fn title_for(status: u16) -> &'static str {
        match status {
            400 | 415 | 422 => "That did not arrive as it should",
            401 => "Please sign in",
            403 => "That is not allowed",
            404 => "There is nothing here for you",
            405 => "This address does not take that",
            409 => "Somebody was faster",
            410 => "This is over",
            413 => "That is too large",
            429 => "One moment, please",
            503 => "Vestibule is busy",
            _ => "Something went wrong here",
        }
    }
}
