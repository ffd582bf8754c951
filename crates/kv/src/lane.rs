//! Who calls, and where that puts a key.

use ids::{AccountId, GroupId};

use crate::{Namespace, Scope};

/// On whose behalf a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A signed-in viewer, the owner included.
    Viewer {
        /// Who.
        account: AccountId,
        /// The share group whose data they see.
        group: GroupId,
    },
    /// Somebody who opened the app without signing in.
    Anonymous {
        /// Whether the app may be opened like that now.
        door: Door,
        /// The app's default group.
        default_group: GroupId,
    },
    /// The app's own code with no request at hand: at startup, in a script.
    Server {
        /// The app's default group.
        default_group: GroupId,
    },
}

/// Whether an app may be opened without signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It may.
    Open,
    /// It needs a viewer.
    Closed,
}

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Reading and listing.
    Read,
    /// Anything that changes.
    Write,
}

/// Where a key lives for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// Here.
    In(Namespace),
    /// Nowhere the caller could see: reads find nothing, lists are empty.
    Hidden,
}

/// Only a signed-in viewer may do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sign in first: without a viewer nothing can be written here")]
pub struct ViewerRequired;

/// Where a key of `scope` lives for the caller, and whether the deed is allowed. Reads are never refused, they find
/// nothing instead; a refused write is an error, so that a lost one is noticed.
pub fn resolve(scope: Scope, lane: Lane, deed: Deed) -> Result<Home, ViewerRequired> {
    let namespace = match (lane, scope) {
        (Lane::Anonymous { .. }, _) if deed == Deed::Write => return Err(ViewerRequired),
        (
            Lane::Anonymous {
                door: Door::Closed, ..
            },
            _,
        )
        | (Lane::Anonymous { .. }, Scope::Personal) => return Ok(Home::Hidden),
        (Lane::Viewer { account, .. }, Scope::Personal) => Namespace::Personal(account),
        (Lane::Viewer { group, .. }, Scope::Shared) => Namespace::Shared(group),
        (Lane::Anonymous { default_group, .. } | Lane::Server { default_group }, Scope::Shared) => {
            Namespace::Shared(default_group)
        }
        (Lane::Server { .. }, Scope::Personal) => Namespace::Server,
        (_, Scope::Public) => Namespace::Public,
    };
    Ok(Home::In(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u8) -> GroupId {
        GroupId::new(1, [number; 10])
    }

    fn account(number: u8) -> AccountId {
        AccountId::new(1, [number; 10])
    }

    fn viewer(number: u8, of: u8) -> Lane {
        Lane::Viewer {
            account: account(number),
            group: group(of),
        }
    }

    const DEEDS: [Deed; 2] = [Deed::Read, Deed::Write];

    #[test]
    fn a_viewer_reads_and_writes_their_own_their_groups_and_public_keys() {
        for deed in DEEDS {
            let home = |scope| resolve(scope, viewer(1, 2), deed);
            assert_eq!(
                home(Scope::Personal),
                Ok(Home::In(Namespace::Personal(account(1))))
            );
            assert_eq!(
                home(Scope::Shared),
                Ok(Home::In(Namespace::Shared(group(2))))
            );
            assert_eq!(home(Scope::Public), Ok(Home::In(Namespace::Public)));
        }
    }

    #[test]
    fn an_anonymous_visitor_of_an_open_app_reads_shared_and_public_keys_and_writes_none() {
        let lane = Lane::Anonymous {
            door: Door::Open,
            default_group: group(9),
        };
        let read = |scope| resolve(scope, lane, Deed::Read);
        assert_eq!(read(Scope::Personal), Ok(Home::Hidden));
        assert_eq!(
            read(Scope::Shared),
            Ok(Home::In(Namespace::Shared(group(9))))
        );
        assert_eq!(read(Scope::Public), Ok(Home::In(Namespace::Public)));
        for scope in Scope::ALL {
            assert_eq!(resolve(scope, lane, Deed::Write), Err(ViewerRequired));
        }
    }

    #[test]
    fn an_anonymous_visitor_of_a_closed_app_sees_nothing() {
        let lane = Lane::Anonymous {
            door: Door::Closed,
            default_group: group(9),
        };
        for scope in Scope::ALL {
            assert_eq!(resolve(scope, lane, Deed::Read), Ok(Home::Hidden));
            assert_eq!(resolve(scope, lane, Deed::Write), Err(ViewerRequired));
        }
    }

    #[test]
    fn the_apps_own_code_has_keys_that_no_viewer_sees() {
        let lane = Lane::Server {
            default_group: group(9),
        };
        for deed in DEEDS {
            let home = |scope| resolve(scope, lane, deed);
            assert_eq!(home(Scope::Personal), Ok(Home::In(Namespace::Server)));
            assert_eq!(
                home(Scope::Shared),
                Ok(Home::In(Namespace::Shared(group(9))))
            );
            assert_eq!(home(Scope::Public), Ok(Home::In(Namespace::Public)));
        }
    }

    #[test]
    fn two_viewers_share_what_is_shared_and_nothing_else() {
        let home = |scope, lane| resolve(scope, lane, Deed::Read);
        assert_ne!(
            home(Scope::Personal, viewer(1, 5)),
            home(Scope::Personal, viewer(2, 5))
        );
        assert_eq!(
            home(Scope::Shared, viewer(1, 5)),
            home(Scope::Shared, viewer(2, 5))
        );
        assert_ne!(
            home(Scope::Shared, viewer(1, 5)),
            home(Scope::Shared, viewer(2, 6))
        );
    }
}
