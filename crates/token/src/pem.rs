//! PEM text around one DER value (RFC 7468).

use base64::{Engine, engine::general_purpose::STANDARD};
use secret::{Secret, SecretBytes, SecretString};
use zeroize::Zeroizing;

/// One PEM block.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    /// What it says it is, for example `PRIVATE KEY`.
    pub(crate) label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// Whether it is behind a passphrase, in either of the two forms there are (RFC 5958, RFC 1421 §4.6.1.1).
    pub(crate) fn is_encrypted(self) -> bool {
        self.label.starts_with("ENCRYPTED") || self.body.contains("ENCRYPTED")
    }

    /// Its bytes; `None` when they are damaged.
    pub(crate) fn decode(self) -> Option<SecretBytes> {
        let mut base64 = Zeroizing::new(String::with_capacity(self.body.len()));
        base64.extend(self.body.chars().filter(|c| !c.is_ascii_whitespace()));
        Some(Secret::new(STANDARD.decode(&*base64).ok()?))
    }
}

/// The complete PEM blocks of a text, in order. What is between them is skipped.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once("-----BEGIN ")?;
            rest = after;
            let (label, after) = after.split_once("-----")?;
            let end = format!("-----END {label}-----");
            if let Some((body, after)) = after.split_once(&end) {
                rest = after;
                return Some(Block { label, body });
            }
        }
    })
}

/// A PEM block with lines of 64 characters.
pub(crate) fn encode(label: &str, der: &SecretBytes) -> SecretString {
    let base64 = Zeroizing::new(STANDARD.encode(der.expose()));
    let mut lines = Zeroizing::new(String::with_capacity(base64.len() * 65 / 64 + 1));
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    Secret::new(format!(
        "-----BEGIN {label}-----\n{}-----END {label}-----\n",
        *lines
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_survive_pem(bytes: Vec<u8>) {
            let text = encode("PRIVATE KEY", &Secret::new(bytes.clone()));
            prop_assert!(text.expose().lines().all(|line| line.len() <= 64));
            let block = blocks(text.expose()).next().expect("our own text");
            let read = block.decode().expect("our own text");
            prop_assert_eq!((block.label, read.expose()), ("PRIVATE KEY", &bytes));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, label in "[A-Z -]{0,9}") {
            let whole = format!("-----BEGIN {label}-----{text}-----END {label}-----");
            for block in blocks(&text).chain(blocks(&whole)) {
                let _ = (block.is_encrypted(), block.decode());
            }
        }
    }
}
