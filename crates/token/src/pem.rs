//! PEM text around one DER value (RFC 7468).

use base64::{Engine, engine::general_purpose::STANDARD};
use secret::{Secret, SecretBytes, SecretString};
use zeroize::Zeroizing;

/// The first PEM block of `text`: its label and its bytes. `None` when there is none, or it is damaged.
pub(crate) fn decode(text: &str) -> Option<(&str, SecretBytes)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let end = format!("-----END {label}-----");
    let (body, _) = rest.split_once(&end)?;
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
    Some((label, Secret::new(STANDARD.decode(&*base64).ok()?)))
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
            let (label, read) = decode(text.expose()).expect("our own text");
            prop_assert_eq!((label, read.expose()), ("PRIVATE KEY", &bytes));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, label in "[A-Z -]{0,9}") {
            let _ = decode(&text);
            let _ = decode(&format!("-----BEGIN {label}-----{text}-----END {label}-----"));
        }
    }
}
