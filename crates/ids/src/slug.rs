//! The name of an app in addresses: a DNS label (RFC 1123 §2.1) of 2 to 40 characters.

use std::{fmt, str::FromStr};

/// A checked slug: `a-z`, `0-9` and inner single hyphens, 2 to 40 characters, not reserved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

/// Host labels that would collide with the server's own names.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "app",
    "apps",
    "data",
    "localhost",
    "shell",
    "static",
    "vestibule",
    "www",
];
const MAXIMUM: usize = 40;

/// Why a text is no slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Too short, too long, or a character that a host name cannot hold.
    #[error("{0:?} is no slug; use 2 to 40 of a-z, 0-9 and single inner hyphens")]
    Malformed(String),
    /// A name the server keeps for itself.
    #[error("{0:?} is reserved; choose another slug")]
    Reserved(String),
}

impl Slug {
    /// Derives a slug from a folder or display name; `None` when nothing usable is left.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut text = String::new();
        for character in name.chars().flat_map(char::to_lowercase) {
            if character.is_ascii_alphanumeric() {
                text.push(character);
            } else if !text.is_empty() && !text.ends_with('-') {
                text.push('-');
            }
        }
        text.truncate(MAXIMUM);
        text.trim_end_matches('-').parse().ok()
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, SlugError> {
        let characters = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        // `xn--` and other doubled hyphens are left to IDNA (RFC 5891 §4.2.3.1).
        let hyphens = !text.starts_with('-') && !text.ends_with('-') && !text.contains("--");
        if !(2..=MAXIMUM).contains(&text.len()) || !characters || !hyphens {
            return Err(SlugError::Malformed(text.chars().take(80).collect()));
        }
        if RESERVED.contains(&text) {
            return Err(SlugError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slugs_that_break_a_host_name_are_refused() {
        for text in [
            "",
            "a",
            "-ab",
            "ab-",
            "a--b",
            "Ab",
            "a.b",
            "a_b",
            "äb",
            "a b",
            &"x".repeat(41),
        ] {
            assert!(
                matches!(text.parse::<Slug>(), Err(SlugError::Malformed(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn reserved_names_are_refused() {
        assert_eq!(
            "www".parse::<Slug>(),
            Err(SlugError::Reserved("www".into()))
        );
    }

    #[test]
    fn a_folder_name_becomes_a_slug() {
        assert_eq!(
            Slug::from_name("My Guest_book!").map(|s| s.to_string()),
            Some("my-guest-book".into())
        );
        assert_eq!(Slug::from_name("!!!"), None);
    }

    proptest! {
        #[test]
        fn a_derived_slug_is_always_a_valid_slug(name: String) {
            if let Some(slug) = Slug::from_name(&name) {
                prop_assert_eq!(slug.as_str().parse(), Ok(slug));
            }
        }
    }
}
