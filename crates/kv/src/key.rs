//! Key grammar: the prefix alone decides the scope.

use std::fmt;

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One viewer's: `personal:`, or no prefix.
    Personal,
    /// A share group's: `shared:`.
    Shared,
    /// Readable by everyone who opens the app: `public:`.
    Public,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Personal, Self::Shared, Self::Public];

    /// The prefix that names the scope, with its colon.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Personal => "personal:",
            Self::Shared => "shared:",
            Self::Public => "public:",
        }
    }

    /// Scope and rest of a text. An unknown prefix is no prefix: the whole text is personal.
    fn split(text: &str) -> (Self, &str) {
        Self::ALL
            .into_iter()
            .find_map(|scope| Some((scope, text.strip_prefix(scope.prefix())?)))
            .unwrap_or((Self::Personal, text))
    }
}

/// A checked key. It prints with its prefix, also when it was written without one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    scope: Scope,
    name: String,
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing, or nothing after the prefix.
    #[error("a key needs at least one character after its prefix")]
    Empty,
    /// More than 512 bytes of UTF-8 after the prefix.
    #[error("the key has {bytes} bytes; at most 512 are allowed after the prefix")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// A control character, such as NUL or a line break.
    #[error("the key has a control character; use printable ones only")]
    Control,
    /// White space at an end.
    #[error("the key begins or ends with a space; remove it")]
    OuterSpace,
}

const MAXIMUM: usize = 512;

impl Key {
    /// Reads a key. `x` and `personal:x` are the same key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (scope, name) = Scope::split(text);
        if name.is_empty() {
            return Err(KeyError::Empty);
        }
        check(name)?;
        // The prefix ends with a colon, so space before it is the beginning of an unprefixed name.
        if name.trim() != name {
            return Err(KeyError::OuterSpace);
        }
        Ok(Self {
            scope,
            name: name.to_owned(),
        })
    }

    /// The key of this scope and name, as storage lists them.
    pub const fn stored(scope: Scope, name: String) -> Self {
        Self { scope, name }
    }

    /// Whose it is.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The key without its prefix, as storage knows it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scope.prefix(), self.name)
    }
}

/// A checked prefix to list keys by. It matches as raw text, so `shared:task` finds `shared:tasks:1` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    scope: Scope,
    name: String,
}

impl Prefix {
    /// Reads a prefix. Without a scope it means personal keys, as the empty one does.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (scope, name) = Scope::split(text);
        check(name)?;
        Ok(Self {
            scope,
            name: name.to_owned(),
        })
    }

    /// Whose keys are listed.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// What their names begin with; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a key is listed.
    pub fn matches(&self, key: &Key) -> bool {
        key.scope == self.scope && key.name.starts_with(&self.name)
    }
}

fn check(name: &str) -> Result<(), KeyError> {
    if name.len() > MAXIMUM {
        return Err(KeyError::TooLong { bytes: name.len() });
    }
    if name.chars().any(char::is_control) {
        return Err(KeyError::Control);
    }
    Ok(())
}

/// The prefix that the writer of a key probably meant, when it looks like one but is none: `share:x`, `Shared:x`,
/// `private:x`. Such a key is personal, which is seldom what was meant.
pub fn near_miss(text: &str) -> Option<&'static str> {
    let (_, name) = Scope::split(text);
    if name.len() != text.len() {
        return None;
    }
    let (word, _) = text.split_once(':')?;
    let meant = match word.trim().to_ascii_lowercase().as_str() {
        "share" | "shared" | "sharing" | "shard" | "group" | "team" => Scope::Shared,
        "public" | "pub" | "publik" | "publics" | "global" => Scope::Public,
        "personal" | "private" | "person" | "personnal" | "priv" => Scope::Personal,
        _ => return None,
    };
    Some(meant.prefix())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        Key::parse(text).expect(text).to_string()
    }

    #[test]
    fn a_key_without_a_prefix_is_personal_and_prints_with_one() {
        assert_eq!(Key::parse("x"), Key::parse("personal:x"));
        assert_eq!(shown("x"), "personal:x");
        assert_eq!(shown("shared:tasks/1"), "shared:tasks/1");
        assert_eq!(shown("public:a:b"), "public:a:b");
    }

    #[test]
    fn unknown_prefixes_and_other_cases_are_no_prefixes() {
        assert_eq!(shown("foo:bar"), "personal:foo:bar");
        assert_eq!(shown("Shared:x"), "personal:Shared:x");
        assert_eq!(shown("personal:shared:x"), "personal:shared:x");
        assert_ne!(Key::parse("personal:shared:x"), Key::parse("shared:x"));
    }

    #[test]
    fn each_refusal_names_its_one_reason() {
        for text in ["", "personal:", "shared:", "public:"] {
            assert_eq!(Key::parse(text), Err(KeyError::Empty), "{text}");
        }
        for text in ["a\0", "a\nb", "shared:a\u{7f}", "\u{85}x"] {
            assert_eq!(Key::parse(text), Err(KeyError::Control), "{text:?}");
        }
        for text in [" a", "a ", "shared: a", " shared:a", "\u{3000}a"] {
            assert_eq!(Key::parse(text), Err(KeyError::OuterSpace), "{text:?}");
        }
        assert!(Key::parse(&"ä".repeat(256)).is_ok());
        assert_eq!(
            Key::parse(&"ä".repeat(257)),
            Err(KeyError::TooLong { bytes: 514 })
        );
    }

    #[test]
    fn the_longest_name_can_be_written_with_its_prefix_too() {
        let name = "x".repeat(512);
        assert_eq!(shown(&shown(&name)), format!("personal:{name}"));
    }

    #[test]
    fn a_prefix_matches_raw_text_within_its_scope() {
        let matches = |prefix: &str, key: &str| {
            Prefix::parse(prefix)
                .expect(prefix)
                .matches(&Key::parse(key).expect(key))
        };
        assert!(matches("", "x") && matches("personal:", "x") && matches("ta", "task"));
        assert!(!matches("", "shared:x") && !matches("shared", "shared:x"));
        assert!(matches("shared:task", "shared:tasks:1"));
        assert!(!matches("shared:Task", "shared:tasks:1"));
    }

    #[test]
    fn what_looks_like_a_prefix_is_noticed() {
        assert_eq!(near_miss("share:x"), Some("shared:"));
        assert_eq!(near_miss("Shared:x"), Some("shared:"));
        assert_eq!(near_miss("private:x"), Some("personal:"));
        assert_eq!(near_miss("PUBLIC :x"), Some("public:"));
        for fine in ["shared:x", "x", "notes:1", "personal:share:x", ":"] {
            assert_eq!(near_miss(fine), None, "{fine}");
        }
    }

    proptest! {
        #[test]
        fn a_key_survives_printing_and_parsing(text: String, scope in "(personal:|shared:|public:)?") {
            if let Ok(key) = Key::parse(&format!("{scope}{text}")) {
                prop_assert_eq!(Key::parse(&key.to_string()), Ok(key));
            }
        }

        #[test]
        fn each_text_that_is_part_of_a_key_is_a_prefix_of_it(text in "[a-z: ]{1,20}", length in 0_usize..20) {
            if let Ok(key) = Key::parse(&text) {
                let printed = key.to_string();
                let length = key.scope().prefix().len() + length.min(key.name().len());
                let prefix = Prefix::parse(&printed[..length]).expect("part of a key");
                prop_assert!(prefix.matches(&key));
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            let _ = (Key::parse(&text), Prefix::parse(&text), near_miss(&text));
        }
    }
}
