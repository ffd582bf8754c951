//! From a key as written to where it lives, for the lane that asks.

use apps::App;
use ids::{AccountId, GroupId};
use kv::Namespace;

use crate::Error;

/// Longest key, in bytes of UTF-8.
const LONGEST_KEY: usize = 512;
const PERSONAL: &str = "personal:";
const SHARED: &str = "shared:";
const PUBLIC: &str = "public:";

/// On whose behalf a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A viewer, and the group whose `shared:` data they see.
    Viewer {
        /// Who.
        account: AccountId,
        /// Whose shared data.
        group: GroupId,
    },
    /// A request to the app without a viewer.
    Anonymous,
    /// The app's own code, outside any request.
    Server,
}

/// What a call wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Write or delete.
    Write,
}

/// A key and its home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it lives.
    pub namespace: Namespace,
    /// The key as it is kept and listed, with its scope: `x` is kept as `personal:x`.
    pub key: String,
}

/// Resolves a key. `None` when there can be nothing to read.
pub(super) fn resolve(
    app: &App,
    lane: Lane,
    access: Access,
    key: &str,
) -> Result<Option<Place>, Error> {
    let fit = (1..=LONGEST_KEY).contains(&key.len())
        && !key.chars().any(char::is_control)
        && !key.starts_with(char::is_whitespace)
        && !key.ends_with(char::is_whitespace);
    if !fit || [PERSONAL, SHARED, PUBLIC].contains(&key) {
        return Err(Error::bad_request(
            "bad_key",
            "A key has 1 to 512 bytes, no control characters and no spaces at its ends.",
        ));
    }
    home(app, lane, access, key)
}

/// Resolves the beginning of keys, for listing. May be empty or a bare scope.
pub(super) fn resolve_prefix(app: &App, lane: Lane, prefix: &str) -> Result<Option<Place>, Error> {
    if prefix.len() > LONGEST_KEY || prefix.chars().any(char::is_control) {
        return Err(Error::bad_request(
            "bad_key",
            "A prefix has at most 512 bytes and no control characters.",
        ));
    }
    home(app, lane, Access::Read, prefix)
}

fn home(app: &App, lane: Lane, access: Access, key: &str) -> Result<Option<Place>, Error> {
    let place = |namespace, key: &str| {
        Ok(Some(Place {
            namespace,
            key: key.to_owned(),
        }))
    };
    if lane == Lane::Anonymous && access == Access::Write {
        return Err(viewer_required());
    }
    if key.starts_with(SHARED) {
        return match lane {
            Lane::Viewer { group, .. } => place(Namespace::Shared(group), key),
            Lane::Anonymous | Lane::Server => place(Namespace::Shared(app.default_group), key),
        };
    }
    if key.starts_with(PUBLIC) {
        return place(Namespace::Public, key);
    }
    let bare = key.strip_prefix(PERSONAL).unwrap_or(key);
    let full = format!("{PERSONAL}{bare}");
    match lane {
        Lane::Viewer { account, .. } => place(Namespace::Personal(account), &full),
        Lane::Server => place(Namespace::Server, &full),
        Lane::Anonymous => Ok(None),
    }
}

/// 401: the call needs a viewer.
pub(crate) fn viewer_required() -> Error {
    Error::new(
        http::StatusCode::UNAUTHORIZED,
        "viewer_required",
        "This needs a signed-in viewer; open the app again.",
    )
}

#[cfg(test)]
mod tests {
    use apps::Newcomers;
    use ids::AppId;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn group(number: u8) -> GroupId {
        GroupId::new(1, [number; 10])
    }

    fn app() -> App {
        App {
            id: AppId::new(1, [0; 10]),
            slug: "notes".parse().unwrap(),
            name: "Notes".into(),
            owner: AccountId::new(1, [0; 10]),
            is_public: false,
            requires_auth: true,
            newcomers: Newcomers::OwnGroup,
            default_group: group(0),
            live_version: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn viewer() -> (AccountId, Lane) {
        let account = AccountId::new(1, [7; 10]);
        (
            account,
            Lane::Viewer {
                account,
                group: group(7),
            },
        )
    }

    #[track_caller]
    fn check(lane: Lane, key: &str, expected: Option<(Namespace, &str)>) {
        let found = resolve(&app(), lane, Access::Read, key).unwrap();
        assert_eq!(
            found
                .as_ref()
                .map(|place| (place.namespace, place.key.as_str())),
            expected
        );
    }

    #[test]
    fn each_lane_has_its_own_home_for_each_scope() {
        let (account, lane) = viewer();
        check(
            lane,
            "x",
            Some((Namespace::Personal(account), "personal:x")),
        );
        check(
            lane,
            "personal:x",
            Some((Namespace::Personal(account), "personal:x")),
        );
        check(
            lane,
            "shared:x",
            Some((Namespace::Shared(group(7)), "shared:x")),
        );
        check(lane, "public:x", Some((Namespace::Public, "public:x")));
        check(
            lane,
            "Shared:x",
            Some((Namespace::Personal(account), "personal:Shared:x")),
        );
        check(Lane::Server, "x", Some((Namespace::Server, "personal:x")));
        check(
            Lane::Server,
            "shared:x",
            Some((Namespace::Shared(group(0)), "shared:x")),
        );
        check(Lane::Anonymous, "x", None);
        check(
            Lane::Anonymous,
            "shared:x",
            Some((Namespace::Shared(group(0)), "shared:x")),
        );
    }

    #[test]
    fn an_anonymous_request_writes_nowhere() {
        for key in ["x", "shared:x", "public:x"] {
            let error = resolve(&app(), Lane::Anonymous, Access::Write, key).unwrap_err();
            assert_eq!(error.code, "viewer_required");
        }
    }

    #[test]
    fn bare_scopes_are_no_keys_but_can_be_listed() {
        for key in [
            "",
            "personal:",
            "shared:",
            "public:",
            " a",
            "a ",
            "a\0",
            &"k".repeat(513),
        ] {
            assert_eq!(
                resolve(&app(), Lane::Server, Access::Read, key)
                    .unwrap_err()
                    .code,
                "bad_key",
                "{key:?}"
            );
        }
        for prefix in ["", "personal:", "shared:", "public:"] {
            assert!(
                resolve_prefix(&app(), Lane::Server, prefix)
                    .unwrap()
                    .is_some()
            );
        }
    }

    proptest! {
        #[test]
        fn no_key_of_a_viewer_leads_into_another_viewer_s_or_group_s_home(key: String) {
            let (account, lane) = viewer();
            if let Ok(Some(place)) = resolve(&app(), lane, Access::Write, &key) {
                prop_assert!(matches!(place.namespace, Namespace::Public)
                    || place.namespace == Namespace::Personal(account)
                    || place.namespace == Namespace::Shared(group(7)));
            }
        }
    }
}
