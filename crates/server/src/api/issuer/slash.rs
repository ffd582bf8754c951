//! Paths with a slash too many or too few at their end: 307 to the right form, so that method and body are kept.

use http::{HeaderValue, Uri};

/// The paths that are served, as templates.
#[derive(Debug, Clone)]
pub(super) struct Served(Vec<String>);

impl Served {
    pub(super) fn new(templates: impl IntoIterator<Item = String>) -> Self {
        Self(templates.into_iter().collect())
    }

    /// Where to go instead, if the path is served with another ending. `prefix` is what stands before the templates.
    pub(super) fn other_ending(&self, prefix: &str, uri: &Uri) -> Option<HeaderValue> {
        let path = uri.path().strip_prefix(prefix)?;
        let other = if path.ends_with('/') {
            path.trim_end_matches('/').to_owned()
        } else {
            format!("{path}/")
        };
        if !self.0.iter().any(|template| is_of(template, &other)) {
            return None;
        }
        let query = uri
            .query()
            .map_or(String::new(), |query| format!("?{query}"));
        HeaderValue::try_from(format!("{prefix}{other}{query}")).ok()
    }
}

fn is_of(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) => {
                let is_variable = wanted.starts_with('{');
                if wanted != given && (!is_variable || given.is_empty()) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn served() -> Served {
        Served::new(["/users/", "/users/get/{id}/", "/meta", "/keys/{id}"].map(str::to_owned))
    }

    #[test]
    fn only_paths_that_are_served_with_the_other_ending_lead_on() {
        for (given, wanted) in [
            ("/user/users", Some("/user/users/")),
            (
                "/user/users?skip=1&limit=2",
                Some("/user/users/?skip=1&limit=2"),
            ),
            ("/user/users/get/7", Some("/user/users/get/7/")),
            ("/user/meta/", Some("/user/meta")),
            ("/user/keys/7/", Some("/user/keys/7")),
            ("/user/users/", None),
            ("/user/users//", None),
            ("/user/users/get", None),
            ("/user/users/get/", None),
            ("/user/keys//", None),
            ("/user/nothing", None),
            ("/user", None),
            ("/user/", None),
            ("//evil.example.com/users", None),
        ] {
            let found = served().other_ending("/user", &given.parse().unwrap());
            let found = found.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(found, wanted, "{given}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_the_area(path in "[ -~]{0,40}") {
            let Ok(uri) = format!("/user{path}").parse::<Uri>() else { return Ok(()) };
            if let Some(location) = served().other_ending("/user", &uri) {
                prop_assert!(location.to_str().unwrap().starts_with("/user/"));
            }
        }
    }
}
