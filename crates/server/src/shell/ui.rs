//! The components of the pages: each is a value that renders itself, escaped, inside any template.

mod field;
mod icon;
mod moment;

use std::fmt;

use askama::{Template, filters::HtmlSafe};

pub use field::{Field, Form, Kind};
pub use icon::Icon;
pub use moment::Moment;

/// A line of text with a button that copies it.
#[derive(Debug, Clone, Template)]
#[template(path = "ui/copy.html")]
pub struct Copy {
    /// What is shown and copied.
    pub text: String,
    /// What it is, for people who cannot see it: `app address`.
    pub what: &'static str,
}

impl HtmlSafe for Copy {}

impl Copy {
    /// Shows `text`, called `what`.
    pub fn new(text: impl Into<String>, what: &'static str) -> Self {
        Self {
            text: text.into(),
            what,
        }
    }
}

/// The tone of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something to know.
    Note,
    /// It worked.
    Good,
    /// Read this before going on.
    Warn,
    /// It did not work.
    Bad,
}

impl Tone {
    /// The name in class names and in the flash cookie.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Note, Self::Good, Self::Warn, Self::Bad]
            .into_iter()
            .find(|tone| tone.as_str() == name)
    }

    fn icon(self) -> Icon {
        match self {
            Self::Note => Icon::Info,
            Self::Good => Icon::Check,
            Self::Warn | Self::Bad => Icon::Warning,
        }
    }

    /// `alert` interrupts a screen reader, `status` waits.
    fn live(self) -> &'static str {
        match self {
            Self::Bad => "alert",
            _ => "status",
        }
    }
}

/// A message in a box: on a page, or once after a redirect.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "ui/alert.html")]
pub struct Alert {
    /// How it is meant.
    pub tone: Tone,
    /// One or two sentences.
    pub text: String,
}

impl HtmlSafe for Alert {}

impl Alert {
    /// Says `text` in `tone`.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

/// How an app stands, as a dot with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppState {
    /// It answers.
    Live,
    /// Its process is starting.
    Starting,
    /// A first or further release is on its way, none is served yet.
    Publishing,
    /// It fell over and will be started again.
    BackingOff,
    /// It keeps falling over and is no longer started by itself.
    Crashed,
    /// It is not running.
    Stopped,
    /// No release ever became live.
    Unpublished,
}

impl AppState {
    /// The word beside the dot.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::Starting => "Starting",
            Self::Publishing => "Publishing",
            Self::BackingOff => "Restarting",
            Self::Crashed => "Crashed",
            Self::Stopped => "Stopped",
            Self::Unpublished => "Not published",
        }
    }

    const fn tone(self) -> &'static str {
        match self {
            Self::Live => "good",
            Self::Starting | Self::Publishing | Self::BackingOff => "busy",
            Self::Crashed => "bad",
            Self::Stopped | Self::Unpublished => "idle",
        }
    }

    /// Reads the name used by the control API (`protocol::AppInfo::state`).
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "live" => Self::Live,
            "starting" => Self::Starting,
            "publishing" => Self::Publishing,
            "backing_off" => Self::BackingOff,
            "crashed" => Self::Crashed,
            "stopped" => Self::Stopped,
            "unpublished" => Self::Unpublished,
            _ => return None,
        })
    }
}

impl fmt::Display for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<span class="state state-{}">{}</span>"#,
            self.tone(),
            self.label()
        )
    }
}

impl HtmlSafe for AppState {}

/// A person, as other people may see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Lower-case, unique.
    pub username: String,
    /// Lower-case, unique.
    pub email: String,
    /// As they write it.
    pub full_name: Option<String>,
}

impl Person {
    /// The full name, else the username.
    pub fn name(&self) -> &str {
        self.full_name
            .as_deref()
            .filter(|name| !name.trim().is_empty())
            .unwrap_or(&self.username)
    }

    /// One or two letters that stand for the person.
    pub fn initials(&self) -> String {
        initials(self.name())
    }
}

/// The first letters of the first and the last word; at most two characters.
pub fn initials(name: &str) -> String {
    let mut words = name
        .split(|c: char| c.is_whitespace() || c == '-' || c == '_')
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    let last = words.next_back();
    let letters: String = first.into_iter().chain(last).collect();
    if letters.is_empty() {
        "?".to_owned()
    } else {
        letters
    }
}

/// The letter on an app's tile.
pub fn tile_letter(name: &str) -> char {
    name.chars()
        .find(|c| c.is_alphanumeric())
        .map_or('·', |c| c.to_uppercase().next().unwrap_or(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn initials_are_of_the_first_and_the_last_word() {
        for (name, expected) in [
            ("Ada Lovelace", "AL"),
            ("alice", "a"),
            ("Juan de la Cruz", "JC"),
            ("山田 太郎", "山太"),
            ("🦊", "?"),
            ("", "?"),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn initials_are_one_or_two_characters(name: String) {
            prop_assert!((1..=2).contains(&initials(&name).chars().count()));
        }
    }
}
