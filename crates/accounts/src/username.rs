//! Usernames.

use std::{collections::HashSet, fmt};

/// A checked username: 3 to 30 of `a-z`, `0-9` and inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

/// Why a text is no usable username.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Fewer than 3 or more than 30 characters.
    #[error("a username has 3 to 30 characters")]
    Length,
    /// A character other than `a-z`, `0-9` and hyphens, or a hyphen at an end.
    #[error("a username has letters a-z, digits and inner hyphens only")]
    Characters,
    /// A name that would pass for the server or those who run it.
    #[error("the username {0} is reserved; choose another")]
    Reserved(String),
}

/// Names that nobody may have.
const RESERVED: &[&str] = &[
    "anonymous",
    "everyone",
    "nobody",
    "none",
    "null",
    "server",
    "system",
    "undefined",
    "vestibule",
];
/// Names that only those who run the server may give.
const OFFICIAL: &[&str] = &[
    "abuse",
    "admin",
    "administrator",
    "help",
    "hostmaster",
    "moderator",
    "noreply",
    "no-reply",
    "owner",
    "postmaster",
    "root",
    "security",
    "staff",
    "superadmin",
    "support",
    "webmaster",
];

impl Username {
    /// Reads a name that somebody chose at sign-up: trims and lower-cases it, then checks it.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let name = Self::parse_official(text)?;
        if OFFICIAL.contains(&name.as_str()) {
            return Err(UsernameError::Reserved(name.0));
        }
        Ok(name)
    }

    /// Reads a name that somebody who runs the server chose, who may also take names such as `admin`.
    pub fn parse_official(text: &str) -> Result<Self, UsernameError> {
        let name = text.trim().to_ascii_lowercase();
        if !(3..=30).contains(&name.chars().count()) {
            return Err(UsernameError::Length);
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !name.bytes().all(allowed) || name.starts_with('-') || name.ends_with('-') {
            return Err(UsernameError::Characters);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(UsernameError::Reserved(name));
        }
        Ok(Self(name))
    }

    /// Derives a name from the part of an address before the `@`, for example for a suggestion in a form; `None` when
    /// nothing usable is left.
    pub fn suggest(local: &str) -> Option<Self> {
        let mut name = String::new();
        for character in local.split('+').next()?.chars() {
            if character.is_ascii_alphanumeric() {
                name.push(character.to_ascii_lowercase());
            } else if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
        }
        name.truncate(30);
        Self::parse(name.trim_end_matches('-')).ok()
    }

    /// Names for an account that was made by its address alone, best first: the one suggested by the part before the
    /// `@`, that with a number, and one of random digits, which is practically always free.
    pub fn candidates(local: &str, random: [u8; 4]) -> Vec<Self> {
        let [a, b, c, d] = random;
        let digits = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
        let mut names = Vec::new();
        if let Some(name) = Self::suggest(local) {
            let with = |suffix: &str| {
                let mut text = name.0.clone();
                text.truncate(29 - suffix.len());
                Self(format!("{}-{suffix}", text.trim_end_matches('-')))
            };
            names.extend((2..=9).map(|number: u8| with(&number.to_string())));
            names.push(with(&digits));
            names.insert(0, name);
        }
        names.push(Self(format!("user-{digits}")));
        // A name may itself end like one of those made from it.
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.0.clone()));
        names
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_trimmed_and_lower_cased() {
        assert_eq!(
            Username::parse(" Ada-1815 ").map(|name| name.0),
            Ok("ada-1815".into())
        );
    }

    #[test]
    fn each_refusal_names_its_one_reason() {
        for text in ["", "ab", &"a".repeat(31)] {
            assert_eq!(Username::parse(text), Err(UsernameError::Length), "{text}");
        }
        for text in ["-ada", "ada-", "a da", "ada@b", "adä", "a_b", "ad\0a"] {
            assert_eq!(
                Username::parse(text),
                Err(UsernameError::Characters),
                "{text}"
            );
        }
        assert!(matches!(
            Username::parse("Vestibule"),
            Err(UsernameError::Reserved(_))
        ));
    }

    #[test]
    fn official_names_are_given_by_those_who_run_the_server_only() {
        assert!(matches!(
            Username::parse("admin"),
            Err(UsernameError::Reserved(_))
        ));
        assert!(Username::parse_official("admin").is_ok());
        assert!(Username::parse_official("vestibule").is_err());
    }

    #[test]
    fn a_name_that_ends_like_a_candidate_is_offered_once() {
        let names = Username::candidates("a0-0aa0a-00a-a-a0a-aa-0-aaaa-2", [0; 4]);
        let texts: HashSet<_> = names.iter().map(Username::as_str).collect();
        assert_eq!(texts.len(), names.len(), "{names:?}");
    }

    #[test]
    fn a_name_is_suggested_from_an_address() {
        let suggested = Username::suggest("Ada.Lovelace+x").map(|name| name.0);
        assert_eq!(suggested, Some("ada-lovelace".into()));
        assert_eq!(Username::suggest("x"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(Username::parse(name.as_str()), Ok(name));
            }
            let _ = Username::suggest(&text);
        }

        #[test]
        fn every_candidate_is_a_valid_name_of_its_own(local in "[A-Za-z0-9._+-]{0,64}", random: [u8; 4]) {
            let names = Username::candidates(&local, random);
            for (at, name) in names.iter().enumerate() {
                prop_assert_eq!(&Username::parse(name.as_str()), &Ok(name.clone()));
                prop_assert!(!names[..at].contains(name));
            }
        }
    }
}
