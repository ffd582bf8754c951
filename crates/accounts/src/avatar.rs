//! The address of an account's picture.

use std::fmt;

/// A checked address: `http` or `https`, with a host, without white space, at most 255 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Avatar(String);

/// Why a text is no usable address of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AvatarError {
    /// More than 255 characters.
    #[error("the address of a picture has at most 255 characters")]
    TooLong,
    /// White space or a control character.
    #[error("the address of a picture has no white space in it")]
    WhiteSpace,
    /// Another scheme than `http` and `https`, or none.
    #[error("the address of a picture begins with https:// or http://")]
    Scheme,
    /// No host after the scheme.
    #[error("the address of a picture names a host, as in https://example.com/me.png")]
    Host,
}

const LONGEST: usize = 255;

impl Avatar {
    /// Reads an address; it is kept as it was written.
    pub fn parse(text: &str) -> Result<Self, AvatarError> {
        if text.chars().count() > LONGEST {
            return Err(AvatarError::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(AvatarError::WhiteSpace);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AvatarError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(AvatarError::Scheme);
        }
        // Browsers take a backslash for a slash.
        let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let name = match host.strip_prefix('[') {
            Some(address) => address.split_once(']').map_or("", |(address, _)| address),
            None => host.split_once(':').map_or(host, |(name, _port)| name),
        };
        if name.is_empty() {
            return Err(AvatarError::Host);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Avatar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn web_addresses_with_a_host_are_taken_as_written() {
        for text in [
            "https://example.com/me.png",
            "HTTP://example.com",
            "https://u:p@example.com:8443/a?b#c",
            "http://[::1]:8080/x",
        ] {
            assert_eq!(Avatar::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn everything_else_is_refused_for_its_one_reason() {
        use AvatarError::{Host, Scheme, TooLong, WhiteSpace};
        let long = format!("https://example.com/{}", "a".repeat(240));
        for (text, reason) in [
            ("", Scheme),
            ("example.com/me.png", Scheme),
            ("javascript:alert(1)", Scheme),
            ("data://example.com", Scheme),
            ("ftp://example.com", Scheme),
            ("https://", Host),
            ("https:///me.png", Host),
            ("https://:80/", Host),
            ("https://u@/", Host),
            ("https://[]/", Host),
            ("https://\\evil", Host),
            (" https://example.com", WhiteSpace),
            ("https://exa mple.com", WhiteSpace),
            ("https://example.com/\n", WhiteSpace),
            (&long, TooLong),
        ] {
            assert_eq!(Avatar::parse(text), Err(reason), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, host in "[a-z]{1,9}") {
            if let Ok(avatar) = Avatar::parse(&text) {
                prop_assert!(avatar.as_str().to_ascii_lowercase().starts_with("http"));
            }
            let _ = Avatar::parse(&format!("https://{text}"));
            let plain = format!("https://{host}/x");
            prop_assert!(Avatar::parse(&plain).is_ok());
        }
    }
}
