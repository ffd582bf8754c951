//! Apps.

use ::apps::{App, Newcomers};
use ids::{AccountId, AppId, GroupId, Slug};
use jiff::{SignedDuration, Timestamp};
use sea_query::{Cond, Condition, Expr, ExprTrait, Order, Query};

use super::{changed, is, millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "app";
const COLUMNS: [&str; 11] = [
    "id",
    "slug",
    "name",
    "owner",
    "is_public",
    "requires_auth",
    "newcomers",
    "default_group",
    "live_version",
    "created_at",
    "updated_at",
];

/// How long the slug of a deleted app stays taken, so that its visitors do not at once land in a stranger's app.
const SLUG_HELD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The apps. A deleted app is not seen by any method but [`Apps::purge_deleted`] and [`Apps::hand_over_deleted`].
#[derive(Debug)]
pub struct Apps<'t>(pub(crate) &'t mut Tx);

impl Apps<'_> {
    /// Adds an app. [`Error::Conflict`] of `slug` when it is taken, or was until 7 days before `created_at`.
    pub fn insert(&mut self, app: &App) -> Result<(), Error> {
        self.refuse_held_slug(app, app.created_at)?;
        self.0.insert(TABLE, COLUMNS, values(app))
    }

    /// Overwrites the whole record. A new slug must be free, as in [`Apps::insert`], at `updated_at`.
    pub fn update(&mut self, app: &App) -> Result<(), Error> {
        self.refuse_held_slug(app, app.updated_at)?;
        let rows = self.0.update(
            TABLE,
            COLUMNS,
            values(app),
            present(is("id", app.id.as_uuid())),
        )?;
        changed(rows, TABLE)
    }

    /// The app of this id.
    pub fn find(&mut self, id: AppId) -> Result<Option<App>, Error> {
        self.0.query_one(&select(is("id", id.as_uuid())), read)
    }

    /// The app of this slug.
    pub fn find_by_slug(&mut self, slug: &Slug) -> Result<Option<App>, Error> {
        self.0.query_one(&select(is("slug", slug.as_str())), read)
    }

    /// All apps, the oldest first.
    pub fn list(&mut self) -> Result<Vec<App>, Error> {
        self.0.query(&select(Cond::all()), read)
    }

    /// An account's own apps, the oldest first.
    pub fn list_by_owner(&mut self, owner: AccountId) -> Result<Vec<App>, Error> {
        self.0.query(&select(is("owner", owner.as_uuid())), read)
    }

    /// The apps an account is a member of, the oldest first.
    pub fn list_shared_with(&mut self, account: AccountId) -> Result<Vec<App>, Error> {
        let mut joined = Query::select();
        joined
            .column("app")
            .from("member")
            .cond_where(is("account", account.as_uuid()));
        self.0.query(
            &select(Cond::all().add(Expr::col("id").in_subquery(joined))),
            read,
        )
    }

    /// The apps on discovery pages, the oldest first.
    pub fn list_public(&mut self) -> Result<Vec<App>, Error> {
        self.0.query(&select(is("is_public", true)), read)
    }

    /// Hides an app for good. Its slug is free after 7 days; its rows stay until [`Apps::purge_deleted`].
    pub fn delete(&mut self, id: AppId, now: Timestamp) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            ["deleted_at"],
            [millis(now)],
            present(is("id", id.as_uuid())),
        )?;
        changed(rows, TABLE)
    }

    /// Makes somebody else the owner of an account's deleted apps, so that the account can go before they are purged.
    pub fn hand_over_deleted(&mut self, from: AccountId, to: AccountId) -> Result<u64, Error> {
        let deleted = is("owner", from.as_uuid()).add(Expr::col("deleted_at").is_not_null());
        self.0
            .update(TABLE, ["owner"], [to.as_uuid().into()], deleted)
    }

    /// Removes up to `limit` apps deleted before an instant, with their releases, members and data, and names them.
    /// Before 7 days have passed a purge frees the slug early.
    pub fn purge_deleted(&mut self, before: Timestamp, limit: u32) -> Result<Vec<AppId>, Error> {
        let mut chosen = Query::select();
        chosen
            .column("id")
            .from(TABLE)
            .and_where(Expr::col("deleted_at").lt(millis(before)))
            .limit(limit.into());
        let mut delete = Query::delete();
        delete
            .from_table(TABLE)
            .and_where(Expr::col("id").in_subquery(chosen))
            .returning_col("id");
        self.0.query(&delete, |row| {
            Ok(AppId::from_uuid(row.cells(TABLE, &["id"]).uuid()?))
        })
    }

    fn refuse_held_slug(&mut self, app: &App, now: Timestamp) -> Result<(), Error> {
        let since = now.checked_sub(SLUG_HELD).unwrap_or(Timestamp::MIN);
        let mut holder = Query::select();
        holder
            .column("id")
            .from(TABLE)
            .cond_where(is("slug", app.slug.as_str()))
            .and_where(Expr::col("id").ne(app.id.as_uuid()))
            .and_where(Expr::col("deleted_at").gt(millis(since)));
        match self.0.query_one(&holder, |_| Ok(()))? {
            Some(()) => Err(Error::Conflict { what: "slug" }),
            None => Ok(()),
        }
    }
}

fn present(condition: Condition) -> Condition {
    condition.add(Expr::col("deleted_at").is_null())
}

fn select(condition: Condition) -> sea_query::SelectStatement {
    let mut select = Query::select();
    select
        .columns(COLUMNS)
        .from(TABLE)
        .cond_where(present(condition))
        .order_by("id", Order::Asc);
    select
}

fn values(app: &App) -> [Expr; 11] {
    [
        app.id.as_uuid().into(),
        app.slug.as_str().into(),
        app.name.as_str().into(),
        app.owner.as_uuid().into(),
        app.is_public.into(),
        app.requires_auth.into(),
        app.newcomers.as_str().into(),
        app.default_group.as_uuid().into(),
        app.live_version.map(i64::from).into(),
        millis(app.created_at),
        millis(app.updated_at),
    ]
}

fn read(row: &Row<'_>) -> Result<App, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(App {
        id: AppId::from_uuid(cells.uuid()?),
        slug: cells.parsed(|text| text.parse().ok())?,
        name: cells.text()?,
        owner: AccountId::from_uuid(cells.uuid()?),
        is_public: cells.bool()?,
        requires_auth: cells.bool()?,
        newcomers: cells.parsed(Newcomers::from_name)?,
        default_group: GroupId::from_uuid(cells.uuid()?),
        live_version: cells.optional_u32()?,
        created_at: cells.time()?,
        updated_at: cells.time()?,
    })
}
