//! The head of an app's pages, and its first tab.

use apps::Newcomers;
use askama::Template;

use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{AppState, Copy, Field, Icon, Moment, tile_letter},
};

/// What every tab of an app shows above its content.
#[derive(Debug, Clone, Template)]
#[template(path = "app_head.html")]
pub struct AppHead {
    /// The name in its address.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// Its origin.
    pub url: String,
    /// How it stands.
    pub state: AppState,
    /// The open tab.
    pub tab: Tab,
}

impl askama::filters::HtmlSafe for AppHead {}

/// The tabs of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Address and access.
    Overview,
    /// Members and invitations.
    People,
    /// Releases.
    Versions,
    /// Output.
    Logs,
}

/// `GET /apps/{slug}`.
#[derive(Debug, Template)]
#[template(path = "overview.html")]
pub struct Overview {
    /// The layout.
    pub page: Page,
    /// The head.
    pub app: AppHead,
    /// Listed for everyone.
    pub is_public: bool,
    /// A sign-in is needed.
    pub requires_auth: bool,
    /// What uninvited viewers of an app open to all get.
    pub newcomers: Newcomers,
    /// The release being served.
    pub version: Option<u32>,
    /// When it was last published.
    pub published: Option<Moment>,
    /// How many people it is shared with.
    pub people: usize,
    /// Memory of its processes, in bytes.
    pub memory_bytes: Option<u64>,
    /// Restarts since this release was started.
    pub restarts: Option<u32>,
    /// The field with the name people see.
    pub name_field: Field,
}

/// One of the four states of the two flags.
struct Access {
    listed: bool,
    gated: bool,
    who: &'static str,
    good_for: &'static str,
}

const STATES: [Access; 4] = [
    Access {
        listed: false,
        gated: true,
        who: "You and the people you invite, signed in",
        good_for: "The default for every new app",
    },
    Access {
        listed: true,
        gated: true,
        who: "Anyone with an account here",
        good_for: "A tool for the whole team",
    },
    Access {
        listed: true,
        gated: false,
        who: "Anyone, without signing in",
        good_for: "A demo or a showcase",
    },
    Access {
        listed: false,
        gated: false,
        who: "Anyone who has the address",
        good_for: "Rarely what you want",
    },
];

impl Overview {
    fn is_now(&self, state: &Access) -> bool {
        state.listed == self.is_public && state.gated == self.requires_auth
    }

    fn who(&self) -> &'static str {
        STATES
            .iter()
            .find(|state| self.is_now(state))
            .map_or("", |state| state.who)
    }

    fn memory(&self) -> Option<String> {
        self.memory_bytes
            .map(|bytes| format!("{} MB", bytes.div_ceil(1_000_000)))
    }
}
