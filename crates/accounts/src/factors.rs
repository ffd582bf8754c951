//! What an account is protected by, and what may be taken away from it.

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
    /// Accounts at outside providers.
    pub identities: usize,
}

/// A way to sign in without any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The password.
    Password,
    /// One passkey.
    Passkey,
    /// One account at an outside provider.
    Identity,
}

/// The account could not be signed in to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is the only way to sign in to the account; add another one first")]
pub struct LastWayIn;

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

    /// Whether a way in may be taken away. An authenticator app and recovery codes always may: they are asked for
    /// after a way in.
    pub const fn may_remove(&self, way: Way) -> Result<(), LastWayIn> {
        let ways = self.password as usize + self.passkeys + self.identities;
        let there = match way {
            Way::Password => self.password,
            Way::Passkey => self.passkeys > 0,
            Way::Identity => self.identities > 0,
        };
        if there && ways < 2 {
            Err(LastWayIn)
        } else {
            Ok(())
        }
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
    fn the_last_way_in_stays() {
        let only = Factors {
            passkeys: 1,
            authenticator: true,
            recovery_codes: 10,
            ..Factors::default()
        };
        assert_eq!(only.may_remove(Way::Passkey), Err(LastWayIn));
        let two = Factors {
            passkeys: 2,
            ..only
        };
        assert_eq!(two.may_remove(Way::Passkey), Ok(()));
        let social = Factors {
            identities: 1,
            ..only
        };
        assert_eq!(social.may_remove(Way::Passkey), Ok(()));
        assert_eq!(social.may_remove(Way::Identity), Ok(()));
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

        #[test]
        fn whatever_may_be_removed_a_way_in_is_left(password: bool, passkeys in 0_usize..4, identities in 0_usize..4) {
            let factors = Factors { password, passkeys, identities, ..Factors::default() };
            for (way, left) in [
                (Way::Passkey, Factors { passkeys: passkeys.saturating_sub(1), ..factors }),
                (Way::Identity, Factors { identities: identities.saturating_sub(1), ..factors }),
                (Way::Password, Factors { password: false, ..factors }),
            ] {
                let had = password || passkeys + identities > 0;
                let has = left.password || left.passkeys + left.identities > 0;
                prop_assert_eq!(factors.may_remove(way).is_ok(), has || !had);
            }
        }
    }
}
