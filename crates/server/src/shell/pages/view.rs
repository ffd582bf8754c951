//! An app in the shell's frame, and what stands in its place while it cannot be shown.

use askama::Template;

use super::LogLine;
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{AppState, Icon},
};

/// `GET /view/{slug}/{path}`.
#[derive(Debug, Template)]
#[template(path = "view.html")]
pub struct View {
    /// The layout.
    pub page: Page,
    /// The name in its address.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// Whose it is, when not the viewer's.
    pub owner: Option<String>,
    /// Its origin.
    pub origin: String,
    /// What the frame opens: the start of the hop that signs the viewer in to the app.
    pub frame: String,
    /// The app in a tab of its own, by the same hop.
    pub own_tab: String,
}

/// The app cannot be shown now.
#[derive(Debug, Template)]
#[template(path = "view_state.html")]
pub struct ViewState {
    /// The layout.
    pub page: Page,
    /// The name in its address.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// Whether the viewer owns it.
    pub owned: bool,
    /// What it waits for.
    pub waiting: Waiting,
    /// The last lines of its log; shown to the owner only.
    pub log: Vec<LogLine>,
}

/// Why an app cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It starts; the page asks again.
    Starting,
    /// A release is on its way; the page asks again.
    Publishing,
    /// It keeps falling over.
    Crashed,
    /// Its owner stopped it, or nothing was ever published.
    NotRunning,
}

impl ViewState {
    fn reloads(&self) -> bool {
        matches!(self.waiting, Waiting::Starting | Waiting::Publishing)
    }

    /// The words after the app's name in the heading.
    fn is_what(&self) -> &'static str {
        match self.waiting {
            Waiting::Starting => "is starting",
            Waiting::Publishing => "is being published",
            Waiting::Crashed => "has crashed",
            Waiting::NotRunning => "is not running",
        }
    }

    fn state(&self) -> AppState {
        match self.waiting {
            Waiting::Starting => AppState::Starting,
            Waiting::Publishing => AppState::Publishing,
            Waiting::Crashed => AppState::Crashed,
            Waiting::NotRunning => AppState::Stopped,
        }
    }

    fn text(&self) -> &'static str {
        match (self.waiting, self.owned) {
            (Waiting::Starting, _) => "This takes a moment. The page opens by itself.",
            (Waiting::Publishing, _) => {
                "The first version is on its way. The page opens by itself."
            }
            (Waiting::Crashed, true) => {
                "It fell over several times in a row and is no longer started by itself. Its last lines:"
            }
            (Waiting::Crashed, false) => "The owner has been told. Try again later.",
            (Waiting::NotRunning, true) => "Publish a version to bring it up.",
            (Waiting::NotRunning, false) => {
                "There is no version of it that runs at the moment. Try again later."
            }
        }
    }
}
