//! Recovery codes: what lets a person in whose authenticator app or passkey is lost.
//!
//! A code has 80 random bits, so nobody guesses one and a slow hash would protect nothing; the server keeps a MAC under
//! a key of its own, so even a copy of the database cannot be searched.

use std::fmt;

use secret::{Secret, SecretString};

/// How many codes a person is given at once.
pub const COUNT: usize = 10;
/// Random bytes of one code.
pub const BYTES: usize = 10;

/// Letters and digits that are not mistaken for one another (Crockford's base32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LETTERS: usize = BYTES * 8 / 5;

/// A recovery code.
pub struct RecoveryCode(Secret<[u8; BYTES]>);

impl RecoveryCode {
    /// A code of random bytes, which must come from a cryptographic source.
    pub const fn new(random: [u8; BYTES]) -> Self {
        Self(Secret::new(random))
    }

    /// Reads what somebody typed: capitals, spaces and hyphens make no difference, nor do letters that look like
    /// digits. `None` when it is no code.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits = 0_u128;
        let mut letters = 0;
        for character in text.chars() {
            let letter = match character.to_ascii_lowercase() {
                ' ' | '-' | '\t' => continue,
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            let value = ALPHABET
                .iter()
                .position(|known| char::from(*known) == letter)?;
            letters += 1;
            if letters > LETTERS {
                return None;
            }
            bits = bits << 5 | value as u128;
        }
        if letters < LETTERS {
            return None;
        }
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&bits.to_be_bytes()[16 - BYTES..]);
        Some(Self::new(bytes))
    }

    /// The text to hand out: four groups of four.
    pub fn reveal(&self) -> SecretString {
        let mut wide = [0; 16];
        wide[16 - BYTES..].copy_from_slice(self.0.expose());
        let bits = u128::from_be_bytes(wide);
        let mut text = String::with_capacity(LETTERS + 3);
        for place in 0..LETTERS {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            let value = (bits >> (5 * (LETTERS - 1 - place))) & 31;
            text.push(char::from(ALPHABET[value as usize]));
        }
        Secret::new(text)
    }

    /// The random bytes, for the MAC by which the code is found.
    pub const fn bytes(&self) -> &[u8; BYTES] {
        self.0.expose()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = RecoveryCode::new([0, 68, 50, 20, 199, 66, 84, 182, 53, 207]);
        assert_eq!(code.reveal().expose(), "0123-4567-89ab-cdef");
        for typed in [
            "0123456789ABCDEF",
            " O123 4567 89ab cdef ",
            "oi23-4567-89ab-cdef",
        ] {
            let read = RecoveryCode::parse(typed).expect(typed);
            assert_eq!(read.bytes(), code.bytes());
        }
        for other in [
            "",
            "123456",
            "0123-4567-89ab-cde",
            "0123-4567-89ab-cdef-0",
            "0123-4567-89ab-cdeu",
        ] {
            assert!(RecoveryCode::parse(other).is_none(), "{other}");
        }
        assert_eq!(format!("{code:?}"), "RecoveryCode(…)");
    }

    proptest! {
        #[test]
        fn a_code_survives_its_text(random: [u8; BYTES]) {
            let text = RecoveryCode::new(random).reveal();
            prop_assert_eq!(text.expose().len(), 19);
            let read = RecoveryCode::parse(text.expose()).expect("its own text");
            prop_assert_eq!(read.bytes(), &random);
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            if let Some(code) = RecoveryCode::parse(&text) {
                prop_assert!(RecoveryCode::parse(code.reveal().expose()).is_some());
            }
        }
    }
}
