//! Who may open an app, and what they are in it.
//!
//! `requires_auth` alone says whether a viewer is needed, and `is_public` whether the app is listed; neither is ever
//! derived from the other. Together they say who may be a viewer:
//!
//! | `is_public` | `requires_auth` | listed | who can open |
//! | --- | --- | --- | --- |
//! | no | yes | no | the owner and invited people |
//! | yes | yes | yes | everyone who is signed in |
//! | yes | no | yes | everyone |
//! | no | no | no | everyone who has the address |

use ids::{AccountId, GroupId};
use jiff::Timestamp;
use token::viewer::ViewerRole;

use crate::{App, DataMode, Member, Newcomers};

/// Whether somebody may open an app, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They may, and have a place in it.
    Open(Place),
    /// They may, and come for the first time: make them a member by [`newcomer`] before they go in.
    Newcomer(NewcomerGroup),
    /// Nobody is signed in, and nobody has to be.
    AnonymousOpen,
    /// Nobody is signed in, and somebody has to be.
    SignInNeeded,
    /// The app is none of their business. It must look as one that does not exist.
    NoAccess,
}

/// What somebody is in an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What they are to it.
    pub role: ViewerRole,
    /// The group whose `shared:` data they see.
    pub group: GroupId,
}

/// The group of somebody who comes for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewcomerGroup {
    /// The app's default group.
    Default(GroupId),
    /// One of their own, still to be made.
    Fresh,
}

/// Whether people who were not invited may open the app when they are signed in.
pub const fn may_visit(app: &App) -> bool {
    app.is_public || !app.requires_auth
}

/// Decides about a request. `viewer` is who is signed in, with their place in the app if they have one.
pub fn access(app: &App, viewer: Option<(AccountId, Option<&Member>)>) -> Access {
    let Some((account, member)) = viewer else {
        return if app.requires_auth {
            Access::SignInNeeded
        } else {
            Access::AnonymousOpen
        };
    };
    if app.owner == account {
        return Access::Open(Place {
            role: ViewerRole::Owner,
            group: app.default_group,
        });
    }
    // A record of another app or person must never count here.
    let member = member.filter(|member| member.app == app.id && member.account == account);
    match member {
        Some(member) if member.invited => Access::Open(Place {
            role: ViewerRole::Member,
            group: member.group,
        }),
        // Who came by themselves stays in as long as anybody may come.
        Some(member) if may_visit(app) => Access::Open(Place {
            role: ViewerRole::Visitor,
            group: member.group,
        }),
        None if may_visit(app) => Access::Newcomer(match app.newcomers {
            Newcomers::Join => NewcomerGroup::Default(app.default_group),
            Newcomers::OwnGroup => NewcomerGroup::Fresh,
        }),
        _ => Access::NoAccess,
    }
}

/// Whether an app is shown to somebody among the apps shared with them. The owner's own are theirs anyway.
pub fn is_listed(app: &App, account: AccountId, member: Option<&Member>) -> bool {
    app.owner != account && member.is_some_and(|member| member.invited || may_visit(app))
}

/// The place of somebody who comes uninvited for the first time. `fresh` is the id of a group of their own, used when
/// the app gives newcomers one.
pub fn newcomer(app: &App, account: AccountId, fresh: GroupId, now: Timestamp) -> Member {
    let mode = match app.newcomers {
        Newcomers::OwnGroup => DataMode::OwnCopy,
        Newcomers::Join => DataMode::Join,
    };
    Member {
        invited: false,
        ..place(app, account, mode, fresh, now)
    }
}

/// The place of somebody who is invited. One they have already keeps its group, so that nobody's data is merged or
/// lost silently.
pub fn join(
    app: &App,
    account: AccountId,
    present: Option<&Member>,
    mode: DataMode,
    fresh: GroupId,
    now: Timestamp,
) -> Member {
    match present {
        Some(present) => Member {
            invited: true,
            ..present.clone()
        },
        None => place(app, account, mode, fresh, now),
    }
}

fn place(app: &App, account: AccountId, mode: DataMode, fresh: GroupId, now: Timestamp) -> Member {
    Member {
        app: app.id,
        account,
        group: match mode {
            DataMode::Join => app.default_group,
            DataMode::OwnCopy => fresh,
        },
        mode,
        invited: true,
        created_at: now,
        last_seen_at: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ids::AppId;

    use super::*;

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    pub(crate) fn account(number: u8) -> AccountId {
        AccountId::new(1, [number; 10])
    }

    fn group(number: u8) -> GroupId {
        GroupId::new(1, [number; 10])
    }

    const OWNER: u8 = 0;
    const SOMEBODY: u8 = 1;

    fn app(is_public: bool, requires_auth: bool) -> App {
        App {
            id: AppId::new(1, [1; 10]),
            slug: "notes".parse().expect("a slug"),
            name: "Notes".into(),
            owner: account(OWNER),
            is_public,
            requires_auth,
            newcomers: Newcomers::OwnGroup,
            default_group: group(9),
            live_version: Some(1),
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn invited(app: &App) -> Member {
        join(
            app,
            account(SOMEBODY),
            None,
            DataMode::OwnCopy,
            group(5),
            at(0),
        )
    }

    fn visitor(app: &App) -> Member {
        newcomer(app, account(SOMEBODY), group(6), at(0))
    }

    fn place_of(access: Access) -> Option<(ViewerRole, GroupId)> {
        match access {
            Access::Open(place) => Some((place.role, place.group)),
            _ => None,
        }
    }

    fn all_apps() -> impl Iterator<Item = App> {
        [(false, true), (true, true), (true, false), (false, false)]
            .into_iter()
            .map(|(is_public, requires_auth)| app(is_public, requires_auth))
    }

    #[test]
    fn the_owner_always_gets_in() {
        for app in all_apps() {
            let place = place_of(access(&app, Some((account(OWNER), None))));
            assert_eq!(place, Some((ViewerRole::Owner, group(9))));
        }
    }

    #[test]
    fn invited_people_always_get_in_with_the_group_they_were_given() {
        for app in all_apps() {
            let place = place_of(access(
                &app,
                Some((account(SOMEBODY), Some(&invited(&app)))),
            ));
            assert_eq!(place, Some((ViewerRole::Member, group(5))));
        }
    }

    #[test]
    fn without_sign_in_only_requires_auth_matters() {
        for app in all_apps() {
            let expected = if app.requires_auth {
                Access::SignInNeeded
            } else {
                Access::AnonymousOpen
            };
            assert_eq!(access(&app, None), expected);
        }
    }

    #[test]
    fn uninvited_people_are_kept_out_of_private_gated_apps_only() {
        for app in all_apps() {
            let expected = if !app.is_public && app.requires_auth {
                Access::NoAccess
            } else {
                Access::Newcomer(NewcomerGroup::Fresh)
            };
            assert_eq!(access(&app, Some((account(SOMEBODY), None))), expected);
        }
    }

    #[test]
    fn newcomers_join_the_owners_data_where_the_owner_says_so() {
        let app = App {
            newcomers: Newcomers::Join,
            ..app(true, true)
        };
        let expected = Access::Newcomer(NewcomerGroup::Default(group(9)));
        assert_eq!(access(&app, Some((account(SOMEBODY), None))), expected);
        assert_eq!(visitor(&app).group, group(9));
        assert!(!visitor(&app).invited);
    }

    #[test]
    fn a_visitor_keeps_their_group_and_loses_access_when_the_app_is_private_again() {
        let open = app(true, true);
        let visitor = visitor(&open);
        let enter = |app: &App| access(app, Some((account(SOMEBODY), Some(&visitor))));
        assert_eq!(
            place_of(enter(&open)),
            Some((ViewerRole::Visitor, group(6)))
        );
        assert_eq!(enter(&app(false, true)), Access::NoAccess);
        assert_eq!(
            place_of(enter(&app(false, false))),
            Some((ViewerRole::Visitor, group(6)))
        );
    }

    #[test]
    fn a_visitor_who_is_invited_later_keeps_their_group() {
        let app = app(true, true);
        let visitor = visitor(&app);
        let member = join(
            &app,
            account(SOMEBODY),
            Some(&visitor),
            DataMode::Join,
            group(7),
            at(5),
        );
        assert!(member.invited);
        assert_eq!(member.group, group(6));
    }

    #[test]
    fn a_place_in_another_app_or_of_somebody_else_counts_for_nothing() {
        let app = app(false, true);
        let elsewhere = Member {
            app: AppId::new(2, [2; 10]),
            ..invited(&app)
        };
        assert_eq!(
            access(&app, Some((account(SOMEBODY), Some(&elsewhere)))),
            Access::NoAccess
        );
        let other = invited(&app);
        assert_eq!(
            access(&app, Some((account(3), Some(&other)))),
            Access::NoAccess
        );
    }

    #[test]
    fn each_invited_person_with_an_own_copy_has_a_group_apart() {
        let app = app(false, true);
        let member =
            |mode, fresh| join(&app, account(SOMEBODY), None, mode, group(fresh), at(0)).group;
        assert_ne!(member(DataMode::OwnCopy, 3), member(DataMode::OwnCopy, 4));
        assert_eq!(member(DataMode::Join, 3), app.default_group);
    }
}
