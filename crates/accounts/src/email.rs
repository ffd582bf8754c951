//! Mail addresses, checked by the rule that the verifiers of our access tokens apply, so that no account is made
//! which they would refuse.

use std::fmt;

/// A checked address: trimmed, lower-case, ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Why a text is no usable address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing but white space.
    #[error("an email address is needed")]
    Empty,
    /// Over 254 characters, or more than 64 before the `@`.
    #[error(
        "the email address is too long; use at most 254 characters, at most 64 of them before the @"
    )]
    TooLong,
    /// No `@`, or more than one.
    #[error("an email address has one @, as in ada@example.com")]
    At,
    /// Letters outside ASCII.
    #[error(
        "the email address may only have letters of the basic Latin alphabet; write an international domain in its xn-- form"
    )]
    NotAscii,
    /// A character or a dot that the part before the `@` cannot have.
    #[error("the part before the @ is not valid")]
    Local,
    /// The part after the `@` is no domain with at least one dot.
    #[error("the part after the @ is not a valid domain such as example.com")]
    Domain,
    /// A domain that exists on no public network (RFC 6761).
    #[error("no mail can reach {0}; use an address on a real domain")]
    SpecialUse(String),
}

/// Top-level domains set apart for other uses (RFC 6761, RFC 6762, RFC 7686). Those that an organization may use within
/// its own network, such as `internal`, are fine.
const SPECIAL_USE: &[&str] = &[
    "arpa",
    "example",
    "invalid",
    "local",
    "localhost",
    "onion",
    "test",
];
const MAXIMUM: usize = 254;
const MAXIMUM_LOCAL: usize = 64;

impl Email {
    /// Reads an address from outside: trims and lower-cases it, then checks it.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > MAXIMUM {
            return Err(EmailError::TooLong);
        }
        if !text.is_ascii() {
            return Err(EmailError::NotAscii);
        }
        let text = text.to_ascii_lowercase();
        let (local, domain) = text.split_once('@').ok_or(EmailError::At)?;
        if domain.contains('@') {
            return Err(EmailError::At);
        }
        check_local(local)?;
        check_domain(domain)?;
        Ok(Self(text))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

/// A dot-atom (RFC 5322 §3.2.3); quoted forms are refused as every large provider does.
fn check_local(local: &str) -> Result<(), EmailError> {
    if local.len() > MAXIMUM_LOCAL {
        return Err(EmailError::TooLong);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let is_atom = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    if local.split('.').all(is_atom) {
        Ok(())
    } else {
        Err(EmailError::Local)
    }
}

fn check_domain(domain: &str) -> Result<(), EmailError> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
            // Hyphens in the third and fourth place are left to IDNA (RFC 5891 §4.2.3.1).
            && (label.get(2..4) != Some("--") || label.starts_with("xn--"))
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    if SPECIAL_USE.contains(&top) {
        return Err(EmailError::SpecialUse(domain.to_owned()));
    }
    let ends_in_a_letter = top.ends_with(|c: char| c.is_ascii_alphabetic());
    if domain.contains('.')
        && domain.len() <= 253
        && domain.split('.').all(is_label)
        && (ends_in_a_letter || top.starts_with("xn--"))
    {
        Ok(())
    } else {
        Err(EmailError::Domain)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> EmailError {
        Email::parse(text).expect_err(text)
    }

    #[test]
    fn an_address_is_trimmed_and_lower_cased() {
        let email = Email::parse("  Ada.Lovelace+notes@Example.COM\n").expect("good");
        assert_eq!(email.as_str(), "ada.lovelace+notes@example.com");
        assert_eq!(email.local(), "ada.lovelace+notes");
    }

    #[test]
    fn each_refusal_names_its_one_reason() {
        assert_eq!(refused("  "), EmailError::Empty);
        assert_eq!(refused("ada"), EmailError::At);
        assert_eq!(refused("ada@b@example.com"), EmailError::At);
        assert_eq!(refused("ädä@example.com"), EmailError::NotAscii);
        assert_eq!(
            refused(&format!("{}@example.com", "a".repeat(65))),
            EmailError::TooLong
        );
        assert_eq!(
            refused(&format!("a@{}.com", "a.".repeat(140))),
            EmailError::TooLong
        );
        for local in ["", ".a", "a.", "a..b", "a b", "\"a\"", "a,b", "a\0", "a(b)"] {
            assert_eq!(
                refused(&format!("{local}@example.com")),
                EmailError::Local,
                "{local}"
            );
        }
        for domain in [
            "",
            "com",
            ".com",
            "a..com",
            "-a.com",
            "a-.com",
            "a_b.com",
            "1.2.3.4",
            "[1.2.3.4]",
            "ab--c.com",
            "a.com.",
        ] {
            assert_eq!(
                refused(&format!("ada@{domain}")),
                EmailError::Domain,
                "{domain}"
            );
        }
    }

    #[test]
    fn domains_that_no_mail_can_reach_are_refused() {
        for domain in [
            "localhost",
            "b.test",
            "mail.invalid",
            "x.example",
            "y.local",
            "z.onion",
            "home.arpa",
            "A.TEST",
        ] {
            let reason = refused(&format!("root@{domain}"));
            assert!(matches!(reason, EmailError::SpecialUse(_)), "{domain}");
        }
        for domain in [
            "example.com",
            "test.com",
            "xn--bcher-kva.example.org",
            "a.xn--p1ai",
        ] {
            assert!(Email::parse(&format!("root@{domain}")).is_ok(), "{domain}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, near in "[a-z.@ -]{0,30}") {
            for text in [text, near] {
                if let Ok(email) = Email::parse(&text) {
                    prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
                }
            }
        }

        #[test]
        fn plain_addresses_are_accepted(text in "[a-z][a-z0-9]{0,9}(\\.[a-z0-9]{1,5})?@[a-z0-9]{1,9}\\.(com|org|io|ch)") {
            prop_assert!(Email::parse(&text).is_ok(), "{}", text);
        }
    }
}
