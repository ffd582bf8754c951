//! Values that must not be shown: redacted in debug output, zeroed on drop, compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A secret value. It has no `Display`, no `Serialize`, no `PartialEq` and no `Deref`; [`Secret::expose`] is easy to
/// search for.
pub struct Secret<T: Zeroize>(T);

/// A secret text, for example a password as typed.
pub type SecretString = Secret<String>;

/// Secret bytes, for example a key.
pub type SecretBytes = Secret<Vec<u8>>;

impl<T: Zeroize> Secret<T> {
    /// Takes the value into custody.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Lends the plain value. Call it where the bytes leave us, and keep no copy.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Compares in time that depends on the lengths only.
    pub fn equals(&self, other: &[u8]) -> bool {
        self.0.as_ref().ct_eq(other).into()
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comparison_tells_equal_from_different() {
        let secret = SecretString::new("correct horse".into());
        assert!(secret.equals(b"correct horse"));
        assert!(!secret.equals(b"correct horsf"));
        assert!(!secret.equals(b"correct"));
    }

    proptest! {
        #[test]
        fn debug_never_prints_the_secret(text in "[a-z]{4,40}") {
            let shown = format!("{:?} {:#?}", SecretString::new(text.clone()), Some(SecretString::new(text.clone())));
            prop_assert!(!shown.contains(&text) || "Secret(…) Some( Secret(…), )".contains(&text));
        }
    }
}
