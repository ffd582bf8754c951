//! What an account is protected by, and the codes that people type.

use secret::SecretString;

use crate::recovery::RecoveryCode;

/// What a person can prove who they are with, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Factors {
    /// There is a password.
    pub password: bool,
    /// There is an authenticator app whose first code was right.
    pub authenticator: bool,
    /// Passkeys.
    pub passkeys: usize,
    /// Recovery codes that are not used yet.
    pub recovery_codes: usize,
}

impl Factors {
    /// Whether a sign-in by anything but a passkey is asked for a second factor. Whoever adds one wants it asked for,
    /// so there is no switch beside it that could be forgotten.
    pub const fn ask_for_second(&self) -> bool {
        self.authenticator || self.passkeys > 0
    }

    /// Whether the person can confirm that it is them without signing in anew.
    pub const fn can_confirm(&self) -> bool {
        self.password || self.ask_for_second()
    }
}

/// A code of the second step, as it was typed.
#[derive(Debug)]
pub enum TypedCode {
    /// Six digits of an authenticator app.
    Authenticator(SecretString),
    /// A recovery code.
    Recovery(RecoveryCode),
}

impl TypedCode {
    /// Tells the two kinds apart; `None` when it is neither. Apps show their digits in groups, so spaces do not count.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(code) = RecoveryCode::parse(text) {
            return Some(Self::Recovery(code));
        }
        let digits: String = text
            .chars()
            .filter(|character| !character.is_whitespace() && *character != '-')
            .take(7)
            .collect();
        let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then(|| Self::Authenticator(SecretString::new(digits)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_factor_is_asked_for_as_soon_as_there_is_one() {
        let password = Factors {
            password: true,
            ..Factors::default()
        };
        assert!(!password.ask_for_second());
        let app = Factors {
            authenticator: true,
            ..password
        };
        let passkey = Factors {
            passkeys: 1,
            ..password
        };
        assert!(app.ask_for_second() && passkey.ask_for_second());
        let left_over = Factors {
            recovery_codes: 3,
            ..password
        };
        assert!(!left_over.ask_for_second());
    }

    #[test]
    fn the_two_kinds_of_code_are_told_apart() {
        for text in ["123456", " 123 456 ", "123-456"] {
            let parsed = TypedCode::parse(text);
            let Some(TypedCode::Authenticator(code)) = parsed else {
                panic!("{text}: {parsed:?}");
            };
            assert_eq!(code.expose(), "123456");
        }
        let code = TypedCode::parse("0123 4567 89AB CDEF");
        assert!(matches!(code, Some(TypedCode::Recovery(_))), "{code:?}");
        for text in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert!(TypedCode::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            let _ = TypedCode::parse(&text);
        }
    }
}
