//! What a publisher asks for, checked.

use ids::{Slug, SlugError};
use serde::{Deserialize, Serialize};

/// The query of a publish request, as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishQuery {
    /// The name in the app's address.
    pub slug: String,
    /// The folder's name: the display name of a new app that is given no other.
    pub folder: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// The entry as `module:attribute`.
    pub entry: Option<String>,
    /// The publisher's note.
    pub message: Option<String>,
    /// The flag `is_public`; unchanged when absent.
    pub public: Option<bool>,
    /// The flag `requires_auth`; unchanged when absent.
    pub requires_auth: Option<bool>,
    /// Publish even when nothing changed.
    #[serde(default)]
    pub force: bool,
}

/// The same, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishOptions {
    /// The name in the app's address.
    pub slug: Slug,
    /// The display name of a new app.
    pub initial_name: String,
    /// A new display name for an existing one.
    pub name: Option<String>,
    /// The entry as `module:attribute`.
    pub entry: Option<String>,
    /// The publisher's note.
    pub message: Option<String>,
    /// The flag `is_public`.
    pub is_public: Option<bool>,
    /// The flag `requires_auth`.
    pub requires_auth: Option<bool>,
    /// Publish even when nothing changed.
    pub force: bool,
}

/// Why the options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The slug.
    #[error(transparent)]
    Slug(#[from] SlugError),
    /// A text is too long, empty or holds control characters.
    #[error("{what} must have 1 to {maximum} characters and no control characters")]
    Text {
        /// Which.
        what: &'static str,
        /// The most characters.
        maximum: usize,
    },
    /// The entry has another form.
    #[error("{0:?} is no entry; write it like app.main:app")]
    Entry(String),
}

impl TryFrom<PublishQuery> for PublishOptions {
    type Error = OptionsError;

    fn try_from(query: PublishQuery) -> Result<Self, OptionsError> {
        let slug: Slug = query.slug.parse()?;
        let name = query
            .name
            .map(|name| text("the name", &name, 80))
            .transpose()?;
        // The folder's name is only a proposal: what cannot be a name is replaced, not refused.
        let folder = query
            .folder
            .and_then(|folder| text("the folder", &folder, 80).ok());
        Ok(Self {
            initial_name: name.clone().or(folder).unwrap_or_else(|| slug.to_string()),
            slug,
            name,
            entry: query.entry.map(entry).transpose()?,
            message: query
                .message
                .map(|message| text("the message", &message, 500))
                .transpose()?,
            is_public: query.public,
            requires_auth: query.requires_auth,
            force: query.force,
        })
    }
}

fn text(what: &'static str, text: &str, maximum: usize) -> Result<String, OptionsError> {
    let trimmed = text.trim();
    let fine = !trimmed.is_empty()
        && trimmed.chars().count() <= maximum
        && !trimmed.chars().any(char::is_control);
    if fine {
        Ok(trimmed.to_owned())
    } else {
        Err(OptionsError::Text { what, maximum })
    }
}

fn entry(entry: String) -> Result<String, OptionsError> {
    let dotted = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with(|c: char| c.is_ascii_digit())
                && part.chars().all(|c| c == '_' || c.is_alphanumeric())
        })
    };
    let well_formed = entry.len() <= 200
        && entry.split_once(':').is_some_and(|(module, attribute)| {
            dotted(module) && dotted(attribute.trim_end_matches("()"))
        });
    if well_formed {
        Ok(entry)
    } else {
        Err(OptionsError::Entry(entry.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(change: impl FnOnce(&mut PublishQuery)) -> Result<PublishOptions, OptionsError> {
        let mut query = PublishQuery {
            slug: "notes".into(),
            ..PublishQuery::default()
        };
        change(&mut query);
        query.try_into()
    }

    #[test]
    fn a_new_app_is_named_after_its_folder_and_then_after_its_slug() {
        assert_eq!(
            query(|q| q.folder = Some("My Notes".into()))
                .unwrap()
                .initial_name,
            "My Notes"
        );
        assert_eq!(
            query(|q| q.folder = Some("\u{7}".into()))
                .unwrap()
                .initial_name,
            "notes"
        );
        assert_eq!(
            query(|q| q.name = Some(" Diary ".into()))
                .unwrap()
                .initial_name,
            "Diary"
        );
    }

    #[test]
    fn an_entry_is_a_dotted_module_and_a_dotted_attribute() {
        for entry in [
            "main:app",
            "a.b_c:create_app",
            "приложение:app",
            "m:create_app()",
        ] {
            assert!(query(|q| q.entry = Some(entry.into())).is_ok(), "{entry}");
        }
        for entry in [
            "main",
            ":app",
            "main:",
            "a..b:c",
            "main:app; import os",
            "../x:y",
            "a b:c",
            "1a:b",
        ] {
            assert!(query(|q| q.entry = Some(entry.into())).is_err(), "{entry}");
        }
    }

    #[test]
    fn texts_out_of_bounds_are_refused() {
        assert!(query(|q| q.message = Some("x".repeat(501))).is_err());
        assert!(query(|q| q.message = Some("a\nb".into())).is_err());
        assert!(query(|q| q.name = Some("   ".into())).is_err());
        assert!(query(|q| q.slug = "www".into()).is_err());
    }
}
