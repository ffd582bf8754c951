//! Takes secrets out of log lines.

use zeroize::Zeroizing;

/// What stands in their place.
const MARK: &str = "[redacted]";

/// Shortest secret looked for; shorter ones would eat ordinary words.
const SHORTEST: usize = 8;

/// Knows the texts that may not be logged, and the forms of tokens.
pub(crate) struct Redactor {
    secrets: Vec<Zeroizing<String>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

impl Redactor {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<_> = secrets
            .into_iter()
            .filter(|secret| secret.len() >= SHORTEST)
            .map(|secret| Zeroizing::new(secret.to_owned()))
            .collect();
        // A secret that contains another one goes first, or its rest would stay.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    pub(crate) fn redact(&self, mut line: String) -> String {
        for secret in &self.secrets {
            if line.contains(secret.as_str()) {
                line = line.replace(secret.as_str(), MARK);
            }
        }
        if line.contains("eyJ") || line.contains("vst_") {
            line = without_tokens(&line);
        }
        line
    }
}

/// Whether a variable's name says that its value is one.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL"]
        .iter()
        .any(|word| name.contains(word))
}

/// Replaces JSON web tokens and our own opaque tokens, whoever they belong to.
fn without_tokens(line: &str) -> String {
    let is_part =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_part) {
        out.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word
            .find(|character| !is_part(character))
            .unwrap_or(word.len());
        out.push_str(if is_token(&word[..end]) {
            MARK
        } else {
            &word[..end]
        });
        rest = &word[end..];
    }
    out.push_str(rest);
    out
}

fn is_token(word: &str) -> bool {
    let is_jwt = word.starts_with("eyJ") && word.len() > 40 && word.matches('.').count() >= 2;
    is_jwt || (word.starts_with("vst_") && word.len() >= 40)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_of_anybody_are_taken_out() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijklmnop";
        let opaque = format!("vst_s_{}", "a".repeat(43));
        let line = Redactor::new([]).redact(format!(
            "GET /x?token={jwt}&a=b Bearer {opaque}, vst_ok eyJx"
        ));
        assert_eq!(
            line,
            "GET /x?token=[redacted]&a=b Bearer [redacted], vst_ok eyJx"
        );
    }

    #[test]
    fn the_longer_secret_goes_first_and_short_ones_are_not_looked_for() {
        let redactor = Redactor::new(["secret-value", "secret-value-and-more", "x"]);
        assert_eq!(
            redactor.redact("a secret-value-and-more x".into()),
            "a [redacted] x"
        );
    }

    proptest! {
        #[test]
        fn a_known_secret_never_survives(before: String, secret in "[a-zA-Z0-9+/=]{8,40}", after: String) {
            let out = Redactor::new([secret.as_str()]).redact(format!("{before}{secret}{after}"));
            prop_assert!(!out.contains(&secret) || MARK.contains(&secret));
        }
    }
}
