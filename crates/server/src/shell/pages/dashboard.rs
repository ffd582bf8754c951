//! The dashboard: my apps and those shared with me.

use askama::Template;

use super::NoticeRow;
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{AppState, Copy, Icon, Moment, tile_letter},
};

/// From this many apps on, the page offers a search.
const SEARCH_FROM: usize = 13;

/// `GET /`.
#[derive(Debug, Template)]
#[template(path = "dashboard.html")]
pub struct Dashboard {
    /// The layout.
    pub page: Page,
    /// What happened to the account and was not seen yet.
    pub notices: Vec<NoticeRow>,
    /// Apps that the viewer owns.
    pub mine: Vec<AppCard>,
    /// Apps of others.
    pub shared: Vec<AppCard>,
    /// How many there are in all, before the search.
    pub total: usize,
    /// What was searched for.
    pub query: String,
    /// The server's own address, for the commands.
    pub server: String,
}

impl Dashboard {
    fn searchable(&self) -> bool {
        self.total >= SEARCH_FROM || !self.query.is_empty()
    }

    fn login_command(&self) -> String {
        format!("vestibule login {}", self.server)
    }
}

/// One app among many.
#[derive(Debug, Clone)]
pub struct AppCard {
    /// The name in its address.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// Host and port of its address.
    pub host: String,
    /// How it stands.
    pub state: AppState,
    /// Whose it is, when not the viewer's.
    pub owner: Option<String>,
    /// Listed for everyone.
    pub is_public: bool,
    /// A sign-in is needed.
    pub requires_auth: bool,
    /// The release being served.
    pub version: Option<u32>,
    /// When it was last published.
    pub published: Option<Moment>,
}

impl AppCard {
    /// Whether the words of a search are all in its name, slug or owner.
    pub fn matches(&self, query: &str) -> bool {
        let owner = self.owner.as_deref().unwrap_or("");
        let text = format!("{} {} {owner}", self.name, self.slug).to_lowercase();
        query
            .to_lowercase()
            .split_whitespace()
            .all(|word| text.contains(word))
    }
}
