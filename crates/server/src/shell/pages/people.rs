//! Who an app is shared with.

use apps::DataMode;
use askama::Template;

use super::AppHead;
use crate::shell::{
    assets,
    page::{Page, Theme},
    ui::{Copy, Field, Icon, Kind, Moment, Person},
};

/// `GET /apps/{slug}/people`, also the answer to sharing.
#[derive(Debug, Template)]
#[template(path = "people.html")]
pub struct People {
    /// The layout.
    pub page: Page,
    /// The head.
    pub app: AppHead,
    /// From [`People::address_box`].
    pub addresses: Field,
    /// The chosen data mode.
    pub mode: DataMode,
    /// What became of each address just given.
    pub results: Vec<ShareResult>,
    /// Who has access.
    pub members: Vec<Member>,
    /// Who was invited and has not come yet.
    pub invites: Vec<Invitation>,
}

impl People {
    /// The address box, with what did not work the last time.
    pub fn address_box(value: &str, error: Option<String>) -> Field {
        Field::new(Kind::Lines, "addresses", "Email addresses")
            .value(value)
            .hint("As many as you like, separated by commas, spaces or new lines.")
            .error(error)
            .addresses()
    }

    fn joins(&self) -> bool {
        self.mode == DataMode::Join
    }
}

/// What became of one address.
#[derive(Debug, Clone)]
pub struct ShareResult {
    /// As given.
    pub address: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The person has an account and can open the app now.
    Added,
    /// There is no account yet; the link is to be passed on.
    Invited {
        /// The whole address of the invitation.
        link: String,
    },
    /// They had access already.
    Already,
    /// It is no address.
    Invalid {
        /// Why.
        reason: String,
    },
}

/// A person with access.
#[derive(Debug, Clone)]
pub struct Member {
    /// Of the account, a UUID.
    pub id: String,
    /// Who it is.
    pub person: Person,
    /// Whose `shared:` data they see.
    pub mode: DataMode,
    /// Whether they were invited or came by themselves.
    pub invited: bool,
    /// When they last opened the app.
    pub last_seen: Option<Moment>,
}

/// An invitation that nobody took up yet.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// A UUID.
    pub id: String,
    /// The invited address.
    pub email: String,
    /// Whose `shared:` data they will see.
    pub mode: DataMode,
    /// When it lapses.
    pub expires: Moment,
}

/// A few words for a data mode.
fn mode_words(mode: DataMode) -> &'static str {
    match mode {
        DataMode::Join => "Shares your data",
        DataMode::OwnCopy => "Has a copy of their own",
    }
}
