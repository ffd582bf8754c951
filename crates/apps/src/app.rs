//! The app record and its members.

use ids::{AccountId, AppId, GroupId, Slug};
use jiff::Timestamp;

/// One published project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Stable identity, the `aud` of its viewers' tokens.
    pub id: AppId,
    /// The name in its address.
    pub slug: Slug,
    /// The name people see; at most 80 characters.
    pub name: String,
    /// Who published it first.
    pub owner: AccountId,
    /// Listed on discovery pages. Never derived from `requires_auth`, nor the other way round.
    pub is_public: bool,
    /// A viewer is needed to open it.
    pub requires_auth: bool,
    /// What happens to people who open it without having been invited.
    pub newcomers: Newcomers,
    /// The group whose `shared:` data the owner and those who joined see.
    pub default_group: GroupId,
    /// The release that is served; `None` before the first publish succeeded.
    pub live_version: Option<u32>,
    /// When it was first published.
    pub created_at: Timestamp,
    /// When a field last changed.
    pub updated_at: Timestamp,
}

/// What group an uninvited viewer of an open-to-all app gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Newcomers {
    /// A group of their own.
    OwnGroup,
    /// The app's default group.
    Join,
}

/// Whose `shared:` data an invited person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataMode {
    /// The owner's.
    Join,
    /// A group of that person and the owner only.
    OwnCopy,
}

/// A person's place in an app. The owner has no row: ownership is on the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which app.
    pub app: AppId,
    /// Whose place.
    pub account: AccountId,
    /// The group whose `shared:` data they see.
    pub group: GroupId,
    /// How the group was chosen.
    pub mode: DataMode,
    /// Whether they were invited, or came by themselves to an app open to all; a newcomer loses the place's access
    /// when the app is made private again, an invited person does not.
    pub invited: bool,
    /// When they got it.
    pub created_at: Timestamp,
    /// When they last opened the app.
    pub last_seen_at: Option<Timestamp>,
}

impl Newcomers {
    /// The name kept in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnGroup => "own_group",
            Self::Join => "join",
        }
    }

    /// Reads a kept name back; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::OwnGroup, Self::Join]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

impl DataMode {
    /// The name kept in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::OwnCopy => "own_copy",
        }
    }

    /// Reads a kept name back; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Join, Self::OwnCopy]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}
