//! Where to go after a sign-in: a path of ours and nothing else.

use std::fmt;

/// Longest path that is kept.
const LONGEST: usize = 2_000;

/// A checked path with query and fragment, below our own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next(String);

impl Next {
    /// The dashboard.
    pub(super) fn home() -> Self {
        Self("/".to_owned())
    }

    /// Takes a path from outside; what is no path of ours becomes the dashboard.
    pub(super) fn parse(text: &str) -> Self {
        let mut characters = text.chars();
        let ours = characters.next() == Some('/')
            && !matches!(characters.next(), Some('/' | '\\'))
            && text.len() <= LONGEST
            && !text.chars().any(|c| c.is_control() || c == '\\' || c.is_whitespace())
            // Nobody wants to be signed out by signing in, or to come back to the page they are leaving.
            && !["/signout", "/signin", "/signup"].iter().any(|page| is_page(text, page));
        if ours {
            Self(text.to_owned())
        } else {
            Self::home()
        }
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an app is opened there.
    pub(super) fn opens_app(&self) -> Option<&str> {
        let rest = self
            .0
            .strip_prefix("/open/")
            .or_else(|| self.0.strip_prefix("/view/"))?;
        rest.split(['/', '?', '#'])
            .next()
            .filter(|slug| !slug.is_empty())
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path within an app, with query and fragment; what is none becomes the app's first page.
pub(super) fn app_path(text: &str) -> &str {
    let mut characters = text.chars();
    let is_path = characters.next() == Some('/')
        && !matches!(characters.next(), Some('/' | '\\'))
        && text.len() <= LONGEST
        && !text.chars().any(char::is_control);
    if is_path { text } else { "/" }
}

fn is_page(text: &str, page: &str) -> bool {
    text.strip_prefix(page)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '#', '/']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_of_ours_are_kept() {
        for kept in [
            "/",
            "/open/guestbook",
            "/view/a/b?c=d#e",
            "/invite/vst_i_x",
            "/signin-help",
        ] {
            assert_eq!(Next::parse(kept).as_str(), kept);
        }
        for refused in [
            "",
            "open",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nSet-Cookie: b",
            "/a b",
            "/a\\b",
            "javascript:alert(1)",
            "/signout",
            "/signin?next=/",
            "\u{2f}\u{2f}x",
        ] {
            assert_eq!(Next::parse(refused), Next::home(), "{refused:?}");
        }
        assert_eq!(
            Next::parse(&format!("/{}", "x".repeat(3_000))),
            Next::home()
        );
    }

    proptest! {
        #[test]
        fn what_is_kept_never_leaves_our_origin(text: String) {
            let base = url::Url::parse("http://localhost:8080/").expect("a URL");
            let target = base.join(Next::parse(&text).as_str()).expect("a path of ours");
            prop_assert_eq!(target.origin(), base.origin());
        }

        #[test]
        fn tricks_never_leave_our_origin(text in "[/\\\\.:@a-z\t\n]{0,12}") {
            let base = url::Url::parse("http://localhost:8080/").expect("a URL");
            let target = base.join(Next::parse(&text).as_str()).expect("a path of ours");
            prop_assert_eq!(target.origin(), base.origin());
        }
    }
}
