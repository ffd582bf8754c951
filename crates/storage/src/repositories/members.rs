//! Members of apps.

use ::apps::{DataMode, Member};
use ids::{AccountId, AppId, GroupId};
use jiff::Timestamp;
use sea_query::{Condition, Expr, ExprTrait, OnConflict, Order, Query};

use super::{changed, is, millis, optional_millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "member";
const COLUMNS: [&str; 7] = [
    "app",
    "account",
    "share_group",
    "mode",
    "invited",
    "created_at",
    "last_seen_at",
];

/// The members of apps.
#[derive(Debug)]
pub struct Members<'t>(pub(crate) &'t mut Tx);

impl Members<'_> {
    /// Adds a member, or overwrites the place the account has in the app.
    pub fn upsert(&mut self, member: &Member) -> Result<(), Error> {
        let mut insert = Query::insert();
        insert
            .into_table(TABLE)
            .columns(COLUMNS)
            .values_panic([
                member.app.as_uuid().into(),
                member.account.as_uuid().into(),
                member.group.as_uuid().into(),
                member.mode.as_str().into(),
                member.invited.into(),
                millis(member.created_at),
                optional_millis(member.last_seen_at),
            ])
            .on_conflict(
                OnConflict::columns(["app", "account"])
                    .update_columns([
                        "share_group",
                        "mode",
                        "invited",
                        "created_at",
                        "last_seen_at",
                    ])
                    .to_owned(),
            );
        self.0.execute(&insert).map(drop)
    }

    /// An account's place in an app.
    pub fn find(&mut self, app: AppId, account: AccountId) -> Result<Option<Member>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(place(app, account)),
            read,
        )
    }

    /// An app's members, the first to come first.
    pub fn list(&mut self, app: AppId) -> Result<Vec<Member>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("app", app.as_uuid()))
            .order_by("created_at", Order::Asc)
            .order_by("account", Order::Asc);
        self.0.query(&select, read)
    }

    /// Takes the place away; [`Error::NotFound`] when there is none.
    pub fn remove(&mut self, app: AppId, account: AccountId) -> Result<(), Error> {
        changed(
            self.0.execute(
                Query::delete()
                    .from_table(TABLE)
                    .cond_where(place(app, account)),
            )?,
            TABLE,
        )
    }

    /// Notes that a member opened the app; `false` when there is no such member.
    pub fn touch_seen(
        &mut self,
        app: AppId,
        account: AccountId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        Ok(self
            .0
            .update(TABLE, ["last_seen_at"], [millis(now)], place(app, account))?
            == 1)
    }
}

fn place(app: AppId, account: AccountId) -> Condition {
    is("app", app.as_uuid()).add(Expr::col("account").eq(account.as_uuid()))
}

fn read(row: &Row<'_>) -> Result<Member, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Member {
        app: AppId::from_uuid(cells.uuid()?),
        account: AccountId::from_uuid(cells.uuid()?),
        group: GroupId::from_uuid(cells.uuid()?),
        mode: cells.parsed(DataMode::from_name)?,
        invited: cells.bool()?,
        created_at: cells.time()?,
        last_seen_at: cells.optional_time()?,
    })
}
