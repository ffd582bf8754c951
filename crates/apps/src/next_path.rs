//! Where somebody goes after signing in: a path on the same origin, whatever a link says.

use std::fmt::{self, Write as _};

/// A checked path with its query and fragment, ready for a `Location` header. What is not one becomes `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPath(String);

/// Longer ones become `/`.
const MAXIMUM: usize = 2048;
/// Paths that only pass people on; to go back to one would be a loop.
const PASSING: &[&str] = &["/vestibule-handoff", "/ellivate-handoff", "/.vestibule"];

impl NextPath {
    /// Reads a path from a link or a form.
    ///
    /// Accepted is what begins with exactly one `/`, since browsers take `//` and `/\` for the beginning of a host, has
    /// no control characters, since they leave those out before they look, and does not lead back to a handoff.
    pub fn parse(text: &str) -> Self {
        if is_local(text) && !leads_back(text) {
            Self(encoded(text))
        } else {
            Self::root()
        }
    }

    /// `/`.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path as text: printable ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }
}

fn is_local(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else {
        return false;
    };
    let path = path_of(text);
    text.len() <= MAXIMUM
        && !rest.starts_with('/')
        && !path.contains('\\')
        && !text.chars().any(char::is_control)
}

fn leads_back(text: &str) -> bool {
    // As a server would read it: escapes hide nothing.
    let path = decoded(path_of(text)).to_ascii_lowercase();
    let segments = path
        .split('/')
        .filter(|segment| !segment.is_empty() && *segment != ".");
    let path = segments.fold(String::new(), |mut path, segment| {
        if segment == ".." {
            path.truncate(path.rfind('/').unwrap_or_default());
        } else {
            path.push('/');
            path.push_str(segment);
        }
        path
    });
    PASSING.iter().any(|passing| {
        path.strip_prefix(passing)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn path_of(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let digit = |at: usize| {
            after
                .get(at)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        if let (b'%', Some(high), Some(low)) = (*first, digit(0), digit(1)) {
            bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Escapes what a header cannot carry and what a browser would escape itself.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>`".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl fmt::Display for NextPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(text: &str) -> String {
        NextPath::parse(text).0
    }

    #[test]
    fn a_good_path_keeps_its_query_and_fragment() {
        for path in [
            "/",
            "/a",
            "/a/b?x=1&y=%2F#top",
            "/?q=//evil",
            "/a//b",
            "/a?next=\\",
            "/@x",
        ] {
            assert_eq!(next(path), path);
        }
        assert_eq!(
            next("/grüße an?x=\"ö\""),
            "/gr%C3%BC%C3%9Fe%20an?x=%22%C3%B6%22"
        );
    }

    #[test]
    fn what_could_lead_to_another_origin_becomes_the_root() {
        for text in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil",
            "/\t/evil.example",
            "/\n/evil",
            "/a\\b",
            "https://evil.example",
            "javascript:alert(1)",
            " /a",
            "/a\0b",
            "/\u{85}/x",
        ] {
            assert_eq!(next(text), "/", "{text:?}");
        }
        assert_eq!(next(&format!("/{}", "a".repeat(2048))), "/");
    }

    #[test]
    fn a_path_that_leads_back_to_a_handoff_becomes_the_root() {
        for text in [
            "/vestibule-handoff",
            "/ellivate-handoff?token=x",
            "/.vestibule/start",
            "/.vestibule",
            "/%2Evestibule/start",
            "/.Vestibule/start",
            "/a/../.vestibule/x",
            "/./.vestibule//start",
        ] {
            assert_eq!(next(text), "/", "{text}");
        }
        for text in ["/vestibule-handoffs", "/.vestibules/x", "/a/.vestibule"] {
            assert_eq!(next(text), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_path_on_the_same_origin(text: String, near in "[/\\\\.a-z:@?#%\t\n 2eE]{0,16}") {
            for text in [text, near] {
                let path = next(&text);
                prop_assert!(path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\"));
                prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(next(&path), path);
            }
        }
    }
}
