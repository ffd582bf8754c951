//! Services: programs that call the issuer in their own name, and what they may ask of it.

use std::{collections::BTreeSet, fmt, str::FromStr};

use ids::ServiceId;
use jiff::Timestamp;

/// Asks whether access tokens are still good.
pub const INTROSPECTION: &str = "introspection";
/// Asks whether API keys are good.
pub const API_KEY_INTROSPECTION: &str = "api-key-introspection";
/// Follows the stream of revocations.
pub const EVENT_STREAM: &str = "event-stream";
/// Makes accounts.
pub const USER_CREATE: &str = "user-create";

/// The scopes that this server knows, narrow to wide. Others may be given to a service and are passed on.
pub const KNOWN_SCOPES: [&str; 4] = [
    INTROSPECTION,
    API_KEY_INTROSPECTION,
    EVENT_STREAM,
    USER_CREATE,
];

/// A program that calls the issuer in its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The id it gives with each call: its client id.
    pub id: ServiceId,
    /// The name people see.
    pub name: String,
    /// The audience of access tokens that are issued for it; the issuer's default when absent.
    pub audience: Option<String>,
    /// The keyed digest of its secret. A service without one is only an audience and cannot call.
    pub secret: Option<[u8; 32]>,
    /// What it may ask.
    pub scopes: Scopes,
    /// A disabled service is refused as if it did not exist.
    pub disabled: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When a field last changed.
    pub updated_at: Timestamp,
}

impl Service {
    /// Whether it may call at all.
    pub const fn may_call(&self) -> bool {
        !self.disabled && self.secret.is_some()
    }
}

/// A set of scopes (RFC 6749 §3.3), written with single spaces, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

/// Why a text is no set of scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A word with characters that a scope cannot hold, or of more than 64 of them.
    #[error(
        "{0:?} is no scope; use up to 64 printable ASCII characters without space, quote and backslash"
    )]
    Malformed(String),
    /// More scopes than any service needs.
    #[error("more than {MOST_SCOPES} scopes")]
    TooMany,
}

const MOST_SCOPES: usize = 32;
const LONGEST_SCOPE: usize = 64;

impl Scopes {
    /// Makes a set of words, each of which is checked.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, ScopeError> {
        let mut scopes = BTreeSet::new();
        for word in words {
            // RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E.
            let fits = word
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
            if !fits || !(1..=LONGEST_SCOPE).contains(&word.len()) {
                return Err(ScopeError::Malformed(word.chars().take(80).collect()));
            }
            scopes.insert(word.to_owned());
            if scopes.len() > MOST_SCOPES {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(scopes))
    }

    /// Whether a scope is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether everything in this set is in the other one too.
    pub fn are_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What both sets hold.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::from_words(text.split_ascii_whitespace())
    }
}

/// Why a text cannot be the secret of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Easily guessed.
    #[error("a service's secret has at least {SHORTEST_SECRET} characters")]
    TooShort,
    /// Longer than a header should be.
    #[error("a service's secret has at most {LONGEST_SECRET} characters")]
    TooLong,
    /// It is sent in a header.
    #[error("a service's secret holds printable ASCII characters only, and no space")]
    Characters,
}

const SHORTEST_SECRET: usize = 16;
/// Longest secret in bytes. What is presented is not looked at beyond this.
pub const LONGEST_SECRET: usize = 512;

/// Checks a secret that an operator brings along.
pub fn check_secret(secret: &str) -> Result<(), SecretError> {
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        Err(SecretError::Characters)
    } else if secret.len() < SHORTEST_SECRET {
        Err(SecretError::TooShort)
    } else if secret.len() > LONGEST_SECRET {
        Err(SecretError::TooLong)
    } else {
        Ok(())
    }
}

/// What a service asked for that it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the service does not hold all of these scopes")]
pub struct WiderThanHeld;

/// The scopes of a token that a service asks for itself: all it holds, or some of them; never more.
pub fn narrow(held: &Scopes, wanted: Option<&Scopes>) -> Result<Scopes, WiderThanHeld> {
    match wanted {
        None => Ok(held.clone()),
        Some(wanted) if wanted.are_within(held) => Ok(wanted.clone()),
        Some(_) => Err(WiderThanHeld),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    #[test]
    fn scopes_are_written_sorted_and_once() {
        assert_eq!(scopes("b a  b c").to_string(), "a b c");
        assert_eq!(scopes("").to_string(), "");
        assert!(scopes("").is_empty());
    }

    #[test]
    fn a_word_that_is_no_scope_is_refused() {
        for word in ["", "a b", "a\"", "a\\b", "ä", "a\u{7f}", &"x".repeat(65)] {
            assert!(Scopes::from_words([word]).is_err(), "{word:?}");
        }
        let many: Vec<String> = (0..33).map(|n| n.to_string()).collect();
        assert_eq!(
            Scopes::from_words(many.iter().map(String::as_str)),
            Err(ScopeError::TooMany)
        );
    }

    #[test]
    fn a_token_never_holds_more_than_its_service() {
        let held = scopes("a b");
        assert_eq!(narrow(&held, None), Ok(held.clone()));
        assert_eq!(narrow(&held, Some(&scopes("a"))), Ok(scopes("a")));
        assert_eq!(narrow(&held, Some(&scopes("a c"))), Err(WiderThanHeld));
    }

    #[test]
    fn a_secret_must_be_long_and_fit_into_a_header() {
        assert_eq!(check_secret("short"), Err(SecretError::TooShort));
        assert_eq!(check_secret(&"x".repeat(513)), Err(SecretError::TooLong));
        for text in [
            "sixteen characters",
            "sixteen-chars-\u{e4}\u{e4}\u{e4}",
            "sixteen-chars-\r\n-more",
        ] {
            assert_eq!(check_secret(text), Err(SecretError::Characters), "{text:?}");
        }
        assert_eq!(check_secret("Sixteen-Chars_16"), Ok(()));
    }

    #[test]
    fn a_service_without_a_secret_or_disabled_cannot_call() {
        let service = Service {
            id: "items".parse().unwrap(),
            name: "Items".into(),
            audience: None,
            secret: Some([1; 32]),
            scopes: scopes(INTROSPECTION),
            disabled: false,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        assert!(service.may_call());
        assert!(
            !Service {
                disabled: true,
                ..service.clone()
            }
            .may_call()
        );
        assert!(
            !Service {
                secret: None,
                ..service
            }
            .may_call()
        );
    }

    proptest! {
        #[test]
        fn what_is_read_from_any_text_reads_back_the_same(text: String) {
            if let Ok(scopes) = text.parse::<Scopes>() {
                prop_assert_eq!(scopes.to_string().parse::<Scopes>(), Ok(scopes));
            }
        }

        #[test]
        fn no_text_makes_the_secret_check_panic(text: String) {
            let _ = check_secret(&text);
        }
    }
}
