//! What a new password must be, in the spirit of NIST SP 800-63B: long enough, not a known bad one, and nothing else.

use std::fmt;

use secret::{Secret, SecretString};

/// A checked new password.
#[derive(Clone)]
pub struct Password(SecretString);

/// Why a password was refused. It never repeats the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than 8 characters.
    #[error("the password is too short; use at least 8 characters")]
    TooShort,
    /// More than 128 characters.
    #[error("the password is too long; use at most 128 characters")]
    TooLong,
    /// A control character, such as NUL or a line break.
    #[error("the password has a control character, such as a line break; remove it")]
    Control,
    /// One of the passwords that are tried first, or hardly more than one character.
    #[error("the password is one of the most common ones; choose another")]
    Common,
    /// The account's own address or name.
    #[error("the password is the email address or username; choose another")]
    Personal,
}

const MINIMUM: usize = 8;
const MAXIMUM: usize = 128;

/// The passwords of 8 characters and more that head every list of leaked ones.
const COMMON: &[&str] = &[
    "00000000",
    "0123456789",
    "11111111",
    "12341234",
    "12345678",
    "123456789",
    "1234567890",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "87654321",
    "abcd1234",
    "abcdefgh",
    "administrator",
    "asdfghjkl",
    "baseball",
    "changeme",
    "football",
    "iloveyou",
    "letmein1",
    "p@ssw0rd",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password12",
    "password123",
    "princess",
    "qwer1234",
    "qwerty12",
    "qwerty123",
    "qwertyui",
    "qwertyuiop",
    "sunshine",
    "superman",
    "trustno1",
    "welcome1",
    "zaq12wsx",
];

impl Password {
    /// Checks a new password. `personal` are the account's address and name, which it must not be.
    ///
    /// Characters are counted, not bytes; white space counts and is kept.
    pub fn parse(text: SecretString, personal: &[&str]) -> Result<Self, PasswordError> {
        let plain = text.expose();
        // A byte count first: counting the characters of a megabyte would already be work for an attacker.
        if plain.len() > MAXIMUM * 4 || plain.chars().count() > MAXIMUM {
            return Err(PasswordError::TooLong);
        }
        if plain.chars().count() < MINIMUM {
            return Err(PasswordError::TooShort);
        }
        if plain.chars().any(char::is_control) {
            return Err(PasswordError::Control);
        }
        let lower = Secret::new(plain.to_lowercase());
        let lower = lower.expose().as_str();
        let first = lower.chars().next();
        if COMMON.contains(&lower) || lower.chars().all(|character| Some(character) == first) {
            return Err(PasswordError::Common);
        }
        let is_personal = |own: &&str| {
            let own = own.to_lowercase();
            own == lower || own.split('@').next() == Some(lower)
        };
        if personal.iter().any(is_personal) {
            return Err(PasswordError::Personal);
        }
        Ok(Self(text))
    }

    /// The password itself, for hashing.
    pub const fn expose(&self) -> &SecretString {
        &self.0
    }
}

/// Whether a presented password could be anybody's. What could not is compared with nobody's.
pub(crate) fn is_plausible(presented: &str) -> bool {
    presented.len() <= MAXIMUM * 4
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> Result<(), PasswordError> {
        let personal = ["ada.lovelace@example.com", "ada-lovelace"];
        Password::parse(Secret::new(text.to_owned()), &personal).map(|_| ())
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(check("7 chars"), Err(PasswordError::TooShort));
        assert_eq!(check("8 chars!"), Ok(()));
        assert_eq!(check("äöüäöü1"), Err(PasswordError::TooShort));
        assert_eq!(check(&"äb".repeat(64)), Ok(()));
        assert_eq!(check(&"ab".repeat(65)), Err(PasswordError::TooLong));
        assert_eq!(check(&"a".repeat(10_000_000)), Err(PasswordError::TooLong));
    }

    #[test]
    fn bad_passwords_are_refused_whatever_their_case() {
        assert_eq!(check("PassWord"), Err(PasswordError::Common));
        assert_eq!(check("zzzzzzzzzz"), Err(PasswordError::Common));
        assert_eq!(
            check("Ada.Lovelace@Example.com"),
            Err(PasswordError::Personal)
        );
        assert_eq!(check("ada.lovelace"), Err(PasswordError::Personal));
        assert_eq!(check("ADA-lovelace"), Err(PasswordError::Personal));
        assert_eq!(check("with\0null"), Err(PasswordError::Control));
        assert_eq!(check("with\nline"), Err(PasswordError::Control));
    }

    #[test]
    fn no_mix_of_characters_is_asked_for_and_spaces_are_fine() {
        assert_eq!(check("correct horse battery staple"), Ok(()));
        assert_eq!(check("  spaces around  "), Ok(()));
        assert_eq!(check("密码很长的中文密码"), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            let _ = check(&text);
        }
    }
}
