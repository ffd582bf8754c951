//! The text of an API key.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use secret::{Secret, SecretString};
use zeroize::{Zeroize, Zeroizing};

/// The prefix that the text begins with.
const PREFIX: &str = "ak_";

/// An API key: `ak_` and 32 lower-case hexadecimal digits, 128 random bits. Only its [`digest`](Self::digest) is kept.
pub struct ApiKeyText(Secret<[u8; 16]>);

/// A text that is no API key. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key; expected ak_ and 32 hexadecimal digits")]
pub struct ApiKeyTextError;

impl ApiKeyText {
    /// Makes a key from random bytes, which must come from a cryptographic source.
    pub const fn generate(random: [u8; 16]) -> Self {
        Self(Secret::new(random))
    }

    /// Reads a key from outside. There is one spelling of each: upper-case digits are refused.
    pub fn parse(text: &str) -> Result<Self, ApiKeyTextError> {
        let digits = text.strip_prefix(PREFIX).ok_or(ApiKeyTextError)?;
        let is_plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !digits.bytes().all(is_plain) {
            return Err(ApiKeyTextError);
        }
        let mut random = Zeroizing::new([0; 16]);
        hex::decode_to_slice(digits, random.as_mut_slice()).map_err(|_| ApiKeyTextError)?;
        Ok(Self::generate(*random))
    }

    /// The text to hand out.
    pub fn reveal(&self) -> SecretString {
        let mut digits = hex::encode(self.0.expose());
        let text = format!("{PREFIX}{digits}");
        digits.zeroize();
        Secret::new(text)
    }

    /// SHA-256 of the text, which is what storage knows.
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.reveal().expose().as_bytes()).as_ref());
        bytes
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyText(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_one_spelling_only() {
        let text = ApiKeyText::generate([0xab; 16]).reveal();
        let good = text.expose();
        assert_eq!(good, &format!("ak_{}", "ab".repeat(16)));
        for bad in [
            "",
            "ak_",
            &good[..34],
            &format!("{good}a"),
            &good.to_uppercase(),
            &good.replace("ak_", "AK_"),
            &format!("ak_{}", "AB".repeat(16)),
            &format!(" {good}"),
            &good.replace('b', "g"),
        ] {
            assert!(ApiKeyText::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_key_survives_printing_and_parsing(random: [u8; 16]) {
            let key = ApiKeyText::generate(random);
            let read = ApiKeyText::parse(key.reveal().expose()).expect("its own text");
            prop_assert_eq!(read.digest(), key.digest());
            prop_assert_eq!(format!("{key:?}"), "ApiKeyText(…)");
        }

        #[test]
        fn any_text_is_refused_or_read_without_a_panic(text: String, digits in "[0-9a-fA-F]{30,34}") {
            let _ = ApiKeyText::parse(&text);
            let _ = ApiKeyText::parse(&format!("ak_{digits}"));
        }
    }
}
