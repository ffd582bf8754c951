//! Where to go after a sign-in: a path of ours, and not back to the door.

use std::fmt;

use apps::NextPath;

/// Pages that one leaves by signing in or out.
const DOORS: [&str; 4] = ["/signin", "/signup", "/signout", "/setup"];

/// A checked path with query and fragment, below our own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next(NextPath);

impl Next {
    /// The dashboard.
    pub(super) fn home() -> Self {
        Self(NextPath::root())
    }

    /// Takes a path from outside; what is no path of ours becomes the dashboard.
    pub(super) fn parse(text: &str) -> Self {
        let path = NextPath::parse(text);
        let is_door = DOORS.iter().any(|door| {
            let rest = path.as_str().strip_prefix(door);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '#', '/']))
        });
        if is_door { Self::home() } else { Self(path) }
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The app that is opened there.
    pub(super) fn opens_app(&self) -> Option<&str> {
        let path = self.as_str();
        let rest = path
            .strip_prefix("/open/")
            .or_else(|| path.strip_prefix("/view/"))?;
        rest.split(['/', '?', '#'])
            .next()
            .filter(|slug| !slug.is_empty())
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sign_in_does_not_lead_back_to_the_door() {
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
            "/signout",
            "/signin?next=/",
        ] {
            assert_eq!(Next::parse(refused), Next::home(), "{refused:?}");
        }
    }

    #[test]
    fn the_app_that_will_open_is_named() {
        assert_eq!(
            Next::parse("/open/notes?next=/a").opens_app(),
            Some("notes")
        );
        assert_eq!(Next::parse("/view/notes/a").opens_app(), Some("notes"));
        assert_eq!(Next::parse("/account").opens_app(), None);
    }

    proptest! {
        #[test]
        fn what_is_kept_never_leaves_our_origin(text in "[/\\\\.:@a-z\t\n]{0,12}") {
            let base = url::Url::parse("http://localhost:8080/").expect("a URL");
            let target = base.join(Next::parse(&text).as_str()).expect("a path of ours");
            prop_assert_eq!(target.origin(), base.origin());
        }
    }
}
