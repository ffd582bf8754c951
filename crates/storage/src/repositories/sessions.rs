//! Sessions.

use ::accounts::{EndReason, Ended, Methods, Session, SessionOrigin};
use ids::{AccountId, SessionId, WorkspaceId};
use jiff::Timestamp;
use sea_query::{Cond, Condition, Expr, ExprTrait, Func, Order, Query};

use super::{Window, changed, digest, is, millis, optional_millis};
use crate::{
    Error, Tx,
    row::{Cells, Row},
};

pub(super) const TABLE: &str = "session";
pub(super) const COLUMNS: [&str; 13] = [
    "id",
    "account",
    "created_by",
    "device",
    "active_workspace",
    "created_at",
    "last_seen_at",
    "idle_expires_at",
    "expires_at",
    "ended_at",
    "end_reason",
    "amr",
    "authenticated_at",
];

/// The sessions.
#[derive(Debug)]
pub struct Sessions<'t>(pub(crate) &'t mut Tx);

impl Sessions<'_> {
    /// Adds a session. `token_digest` is the SHA-256 of its opaque token, if it has one.
    pub fn insert(
        &mut self,
        session: &Session,
        token_digest: Option<[u8; 32]>,
    ) -> Result<(), Error> {
        let mut insert = Query::insert();
        insert
            .into_table(TABLE)
            .columns(COLUMNS.into_iter().chain(["token_digest"]))
            .values_panic([
                session.id.as_uuid().into(),
                session.account.as_uuid().into(),
                session.created_by.as_str().into(),
                session.device.as_str().into(),
                session.active_workspace.map(|id| id.as_uuid()).into(),
                millis(session.created_at),
                millis(session.last_seen_at),
                millis(session.idle_expires_at),
                millis(session.expires_at),
                optional_millis(session.ended.map(|ended| ended.at)),
                session.ended.map(|ended| ended.reason.as_str()).into(),
                session.amr.to_string().into(),
                millis(session.authenticated_at),
                token_digest.map(|bytes| bytes.to_vec()).into(),
            ]);
        self.0.execute(&insert).map(drop)
    }

    /// The session of this id, live or not.
    pub fn find(&mut self, id: SessionId) -> Result<Option<Session>, Error> {
        self.one(is("id", id.as_uuid()))
    }

    /// The session whose opaque token has this digest, live or not.
    pub fn find_by_digest(&mut self, token_digest: [u8; 32]) -> Result<Option<Session>, Error> {
        self.one(is("token_digest", digest(token_digest)))
    }

    /// Notes that a session was used. One that has ended stays as it is and is [`Error::NotFound`].
    pub fn touch(
        &mut self,
        id: SessionId,
        last_seen_at: Timestamp,
        idle_expires_at: Timestamp,
    ) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            ["last_seen_at", "idle_expires_at"],
            [millis(last_seen_at), millis(idle_expires_at)],
            is("id", id.as_uuid()).add(Expr::col("ended_at").is_null()),
        )?;
        changed(rows, TABLE)
    }

    /// Notes that the person behind a session proved once more who they are. One that has ended stays as it is and is
    /// [`Error::NotFound`].
    pub fn prove(&mut self, id: SessionId, amr: Methods, at: Timestamp) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            ["amr", "authenticated_at"],
            [amr.to_string().into(), millis(at)],
            is("id", id.as_uuid()).add(Expr::col("ended_at").is_null()),
        )?;
        changed(rows, TABLE)
    }

    /// Ends a session. One that is absent or has already ended is [`Error::NotFound`].
    pub fn end(&mut self, id: SessionId, ended: Ended) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            ["ended_at", "end_reason"],
            [millis(ended.at), ended.reason.as_str().into()],
            is("id", id.as_uuid()).add(Expr::col("ended_at").is_null()),
        )?;
        changed(rows, TABLE)
    }

    /// Ends all of an account's sessions but one, and tells which ones it ended.
    pub fn end_all(
        &mut self,
        account: AccountId,
        except: Option<SessionId>,
        ended: Ended,
    ) -> Result<Vec<SessionId>, Error> {
        let mut condition = is("account", account.as_uuid()).add(Expr::col("ended_at").is_null());
        if let Some(kept) = except {
            condition = condition.add(Expr::col("id").ne(kept.as_uuid()));
        }
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("ended_at", millis(ended.at))
            .value("end_reason", ended.reason.as_str())
            .cond_where(condition)
            .returning_col("id");
        self.0.query(&update, |row| {
            Ok(SessionId::from_uuid(row.cells(TABLE, &["id"]).uuid()?))
        })
    }

    /// An account's live sessions, the one used last first.
    pub fn list_live(&mut self, account: AccountId, now: Timestamp) -> Result<Vec<Session>, Error> {
        let live = is("account", account.as_uuid())
            .add(Expr::col("ended_at").is_null())
            .add(Expr::col("idle_expires_at").gt(millis(now)))
            .add(Expr::col("expires_at").gt(millis(now)));
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(live)
            .order_by("last_seen_at", Order::Desc);
        self.0.query(&select, read)
    }

    /// A part of all sessions that have token pairs, live or not, the newest first.
    pub fn list_with_tokens(&mut self, window: Window) -> Result<Vec<Session>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(with_tokens())
            .order_by("id", Order::Desc)
            .limit(window.limit.into())
            .offset(window.skip.into());
        self.0.query(&select, read)
    }

    /// How many sessions have token pairs.
    pub fn count_with_tokens(&mut self) -> Result<u64, Error> {
        let mut select = Query::select();
        select
            .expr(Func::count(Expr::col("id")))
            .from(TABLE)
            .cond_where(with_tokens());
        Ok(self
            .0
            .query_one(&select, |row| row.number(TABLE))?
            .unwrap_or_default())
    }

    /// Up to `limit` of an account's sessions that ended for a reason since an instant, the last one first.
    pub fn list_ended(
        &mut self,
        account: AccountId,
        reason: EndReason,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Session>, Error> {
        let ended = is("account", account.as_uuid())
            .add(Expr::col("end_reason").eq(reason.as_str()))
            .add(Expr::col("ended_at").gte(millis(since)));
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(ended)
            .order_by("ended_at", Order::Desc)
            .limit(limit.into());
        self.0.query(&select, read)
    }

    /// Removes up to `limit` sessions that expired or ended before an instant, with their refresh tokens, and counts
    /// them.
    pub fn delete_expired(&mut self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let gone = Cond::any()
            .add(Expr::col("ended_at").lt(millis(before)))
            .add(Expr::col("idle_expires_at").lt(millis(before)))
            .add(Expr::col("expires_at").lt(millis(before)));
        let mut chosen = Query::select();
        chosen
            .column("id")
            .from(TABLE)
            .cond_where(gone)
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("id").in_subquery(chosen)),
        )
    }

    fn one(&mut self, condition: Condition) -> Result<Option<Session>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(condition),
            read,
        )
    }
}

fn with_tokens() -> Condition {
    let mut holders = Query::select();
    holders.column("session").from("refresh_token");
    Cond::all().add(Expr::col("id").in_subquery(holders))
}

fn read(row: &Row<'_>) -> Result<Session, Error> {
    read_cells(&mut row.cells(TABLE, &COLUMNS))
}

/// Reads a session where its columns begin.
pub(super) fn read_cells(cells: &mut Cells<'_>) -> Result<Session, Error> {
    Ok(Session {
        id: SessionId::from_uuid(cells.uuid()?),
        account: AccountId::from_uuid(cells.uuid()?),
        created_by: cells.parsed(SessionOrigin::from_name)?,
        device: cells.text()?,
        active_workspace: cells.optional_uuid()?.map(WorkspaceId::from_uuid),
        created_at: cells.time()?,
        last_seen_at: cells.time()?,
        idle_expires_at: cells.time()?,
        expires_at: cells.time()?,
        ended: {
            let at = cells.optional_time()?;
            let reason = cells.optional_parsed(EndReason::from_name)?;
            at.map(|at| Ended {
                at,
                reason: reason.unwrap_or(EndReason::Revoked),
            })
        },
        amr: cells.parsed(Methods::from_text)?,
        authenticated_at: cells.time()?,
    })
}
