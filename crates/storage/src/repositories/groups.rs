//! Share groups of apps.

use ids::{AccountId, AppId, GroupId};
use jiff::Timestamp;
use sea_query::{Condition, Order, Query};

use super::{changed, is, millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "share_group";
const COLUMNS: [&str; 5] = ["id", "app", "account", "label", "created_at"];

/// The share groups.
#[derive(Debug)]
pub struct Groups<'t>(pub(crate) &'t mut Tx);

/// People who see the same `shared:` data of one app. Who is in it is told by [`::apps::Member::group`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Stable identity.
    pub id: GroupId,
    /// Which app.
    pub app: AppId,
    /// The account it was made for; `None` for the app's default group.
    pub account: Option<AccountId>,
    /// What people see.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Groups<'_> {
    /// Adds a group.
    pub fn insert(&mut self, group: &Group) -> Result<(), Error> {
        let values = [
            group.id.as_uuid().into(),
            group.app.as_uuid().into(),
            group.account.map(|id| id.as_uuid()).into(),
            group.label.as_str().into(),
            millis(group.created_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// Gives a group another label.
    pub fn rename(&mut self, id: GroupId, label: &str) -> Result<(), Error> {
        changed(
            self.0
                .update(TABLE, ["label"], [label.into()], is("id", id.as_uuid()))?,
            "share group",
        )
    }

    /// The group of this id.
    pub fn find(&mut self, id: GroupId) -> Result<Option<Group>, Error> {
        self.0.query_one(&select(is("id", id.as_uuid())), read)
    }

    /// An app's groups, the oldest first.
    pub fn list(&mut self, app: AppId) -> Result<Vec<Group>, Error> {
        self.0.query(&select(is("app", app.as_uuid())), read)
    }
}

fn select(condition: Condition) -> sea_query::SelectStatement {
    let mut select = Query::select();
    select
        .columns(COLUMNS)
        .from(TABLE)
        .cond_where(condition)
        .order_by("id", Order::Asc);
    select
}

fn read(row: &Row<'_>) -> Result<Group, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Group {
        id: GroupId::from_uuid(cells.uuid()?),
        app: AppId::from_uuid(cells.uuid()?),
        account: cells.optional_uuid()?.map(AccountId::from_uuid),
        label: cells.text()?,
        created_at: cells.time()?,
    })
}
