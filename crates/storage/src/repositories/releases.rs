//! Releases.

use ::apps::{Release, ReleaseState};
use ids::{AccountId, AppId};
use jiff::Timestamp;
use sea_query::{Condition, Expr, ExprTrait, Func, Order, Query};

use super::{changed, is, millis, optional_millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "release";
const COLUMNS: [&str; 11] = [
    "app",
    "version",
    "state",
    "failed_stage",
    "failed_message",
    "source_digest",
    "plan",
    "message",
    "created_by",
    "created_at",
    "activated_at",
];

/// The releases.
#[derive(Debug)]
pub struct Releases<'t>(pub(crate) &'t mut Tx);

impl Releases<'_> {
    /// Adds a release under the app's next version, whatever `release.version` says, and returns that version.
    pub fn insert(&mut self, release: &Release) -> Result<u32, Error> {
        let mut newest = Query::select();
        newest
            .expr(Func::coalesce([
                Func::max(Expr::col("version")).into(),
                Expr::val(0_i64),
            ]))
            .from(TABLE)
            .cond_where(is("app", release.app.as_uuid()));
        let newest = self
            .0
            .query_one(&newest, |row| row.cells(TABLE, &["version"]).u32())?
            .unwrap_or_default();
        let version = newest.saturating_add(1);
        let (name, stage, message) = names(&release.state);
        let values = [
            release.app.as_uuid().into(),
            i64::from(version).into(),
            name.into(),
            stage.into(),
            message.into(),
            release.source_digest.as_str().into(),
            release.plan.as_str().into(),
            release.message.clone().into(),
            release.created_by.as_uuid().into(),
            millis(release.created_at),
            optional_millis(release.activated_at),
        ];
        self.0.insert(TABLE, COLUMNS, values)?;
        Ok(version)
    }

    /// One release of an app.
    pub fn find(&mut self, app: AppId, version: u32) -> Result<Option<Release>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(one(app, version)),
            read,
        )
    }

    /// An app's releases, the newest first.
    pub fn list(&mut self, app: AppId) -> Result<Vec<Release>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("app", app.as_uuid()))
            .order_by("version", Order::Desc);
        self.0.query(&select, read)
    }

    /// All releases still on their way: after a restart of the server these can only have failed.
    pub fn list_publishing(&mut self) -> Result<Vec<Release>, Error> {
        let mut select = Query::select();
        let (publishing, ..) = names(&ReleaseState::Publishing);
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("state", publishing))
            .order_by("app", Order::Asc);
        self.0.query(&select, read)
    }

    /// Notes how far a release came.
    pub fn update_state(
        &mut self,
        app: AppId,
        version: u32,
        state: &ReleaseState,
    ) -> Result<(), Error> {
        let (word, stage, message) = names(state);
        let columns = ["state", "failed_stage", "failed_message"];
        let rows = self.0.update(
            TABLE,
            columns,
            [word.into(), stage.into(), message.into()],
            one(app, version),
        )?;
        changed(rows, TABLE)
    }

    /// Replaces what was found out about a release, see [`Release::plan`].
    pub fn update_plan(&mut self, app: AppId, version: u32, plan: &str) -> Result<(), Error> {
        changed(
            self.0
                .update(TABLE, ["plan"], [plan.into()], one(app, version))?,
            TABLE,
        )
    }

    /// Makes a release the one that is served: on the release and on the app.
    pub fn set_live(&mut self, app: AppId, version: u32, now: Timestamp) -> Result<(), Error> {
        changed(
            self.0
                .update(TABLE, ["activated_at"], [millis(now)], one(app, version))?,
            TABLE,
        )?;
        let columns = ["live_version", "updated_at"];
        let present = is("id", app.as_uuid()).add(Expr::col("deleted_at").is_null());
        let rows = self.0.update(
            "app",
            columns,
            [i64::from(version).into(), millis(now)],
            present,
        )?;
        changed(rows, "app")
    }
}

fn one(app: AppId, version: u32) -> Condition {
    is("app", app.as_uuid()).add(Expr::col("version").eq(i64::from(version)))
}

fn names(state: &ReleaseState) -> (&'static str, Option<String>, Option<String>) {
    match state {
        ReleaseState::Publishing => ("publishing", None, None),
        ReleaseState::Ready => ("ready", None, None),
        ReleaseState::Failed { stage, message } => {
            ("failed", Some(stage.clone()), Some(message.clone()))
        }
        ReleaseState::Pruned => ("pruned", None, None),
    }
}

fn read(row: &Row<'_>) -> Result<Release, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Release {
        app: AppId::from_uuid(cells.uuid()?),
        version: cells.u32()?,
        state: {
            let state = cells.parsed(|name| match name {
                "publishing" => Some(ReleaseState::Publishing),
                "ready" => Some(ReleaseState::Ready),
                "failed" => Some(ReleaseState::Failed {
                    stage: String::new(),
                    message: String::new(),
                }),
                "pruned" => Some(ReleaseState::Pruned),
                _ => None,
            })?;
            let (failed_at, told) = (cells.optional_text()?, cells.optional_text()?);
            match state {
                ReleaseState::Failed { .. } => ReleaseState::Failed {
                    stage: failed_at.unwrap_or_default(),
                    message: told.unwrap_or_default(),
                },
                other => other,
            }
        },
        source_digest: cells.text()?,
        plan: cells.text()?,
        message: cells.optional_text()?,
        created_by: AccountId::from_uuid(cells.uuid()?),
        created_at: cells.time()?,
        activated_at: cells.optional_time()?,
    })
}
