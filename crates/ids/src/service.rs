//! The name of a service that calls the issuer: its OAuth client id (RFC 6749 §2.2), chosen by whoever registers it.

use std::{fmt, str::FromStr};

/// A checked service id: 1 to 64 of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(String);

/// Why a text is no service id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no service id; use 1 to 64 letters, digits, dots, underscores and hyphens, with a letter or digit first"
)]
pub struct ServiceIdError(pub String);

const MAXIMUM: usize = 64;

impl ServiceId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is an id, without making one of it.
    pub fn is_valid(text: &str) -> bool {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (1..=MAXIMUM).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(inner)
    }
}

impl FromStr for ServiceId {
    type Err = ServiceIdError;

    fn from_str(text: &str) -> Result<Self, ServiceIdError> {
        if Self::is_valid(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ServiceIdError(text.chars().take(80).collect()))
        }
    }
}

impl std::borrow::Borrow<str> for ServiceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_that_would_not_survive_a_header_or_a_form_are_refused() {
        for text in [
            "",
            "-a",
            ".a",
            "a b",
            "a/b",
            "ä",
            "a\n",
            "a:b",
            &"x".repeat(65),
        ] {
            assert!(text.parse::<ServiceId>().is_err(), "{text:?}");
        }
        for text in ["a", "item-service", "Item_Service.2", &"x".repeat(64)] {
            assert_eq!(text.parse::<ServiceId>().unwrap().as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_as_it_is_or_refused(text: String) {
            if let Ok(id) = text.parse::<ServiceId>() {
                prop_assert_eq!(id.as_str(), text);
            }
        }
    }
}
