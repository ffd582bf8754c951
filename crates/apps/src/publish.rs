//! What a publisher may call an app and say about a release.

use std::fmt;

/// The name people see: 1 to 80 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppName(String);

/// The publisher's note on a release: 1 to 500 characters, several lines if need be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseMessage(String);

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("the {what} is empty")]
    Empty {
        /// `name` or `message`.
        what: &'static str,
    },
    /// Too many characters.
    #[error("the {what} has more than {most} characters")]
    TooLong {
        /// `name` or `message`.
        what: &'static str,
        /// How many are allowed.
        most: usize,
    },
    /// A control character, or one that reverses or hides text.
    #[error("the {what} has a control character; remove it")]
    Control {
        /// `name` or `message`.
        what: &'static str,
    },
}

impl AppName {
    /// Reads a name; white space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        check("name", text, 80, |_| false).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReleaseMessage {
    /// Reads a message; white space around it is dropped. `None` when nothing is left.
    pub fn parse(text: &str) -> Result<Option<Self>, TextError> {
        match check("message", text, 500, |c| matches!(c, '\n' | '\r' | '\t')) {
            Ok(text) => Ok(Some(Self(text.replace("\r\n", "\n")))),
            Err(TextError::Empty { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The message as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(
    what: &'static str,
    text: &str,
    most: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<String, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty { what });
    }
    if text.len() > most * 4 || text.chars().count() > most {
        return Err(TextError::TooLong { what, most });
    }
    // Direction overrides make a text look like another one.
    let is_bad = |c: char| {
        (c.is_control() && !allowed(c))
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.chars().any(is_bad) {
        return Err(TextError::Control { what });
    }
    Ok(text.to_owned())
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ReleaseMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_line_of_at_most_eighty_characters() {
        assert_eq!(
            AppName::parse(" Gästebuch 2 ").map(|name| name.0),
            Ok("Gästebuch 2".into())
        );
        assert_eq!(AppName::parse("  "), Err(TextError::Empty { what: "name" }));
        assert_eq!(
            AppName::parse("a\nb"),
            Err(TextError::Control { what: "name" })
        );
        assert_eq!(
            AppName::parse("a\u{202e}b"),
            Err(TextError::Control { what: "name" })
        );
        assert!(AppName::parse(&"ä".repeat(80)).is_ok());
        assert_eq!(
            AppName::parse(&"ä".repeat(81)),
            Err(TextError::TooLong {
                what: "name",
                most: 80
            })
        );
    }

    #[test]
    fn a_message_may_have_lines_and_may_be_left_out() {
        let message = ReleaseMessage::parse("one\r\ntwo\n").expect("good");
        assert_eq!(message.map(|message| message.0), Some("one\ntwo".into()));
        assert_eq!(ReleaseMessage::parse(" \n "), Ok(None));
        assert!(ReleaseMessage::parse("a\u{1b}[2J").is_err());
        assert!(ReleaseMessage::parse(&"x".repeat(501)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            if let Ok(name) = AppName::parse(&text) {
                prop_assert_eq!(AppName::parse(name.as_str()), Ok(name));
            }
            let _ = ReleaseMessage::parse(&text);
        }
    }
}
