//! Mail to be sent: written in the transaction of the deed that it tells of, sent afterwards.

use jiff::Timestamp;
use sea_query::{Cond, Condition, Expr, ExprTrait, Func, Order, Query};
use uuid::Uuid;

use super::{changed, is, millis, number, optional_millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "outbox";
const COLUMNS: [&str; 11] = [
    "id",
    "state",
    "kind",
    "email",
    "sealed",
    "attempts",
    "due_at",
    "created_at",
    "expires_at",
    "finished_at",
    "problem",
];

/// Mail to be sent.
#[derive(Debug)]
pub struct Outbox<'t>(pub(crate) &'t mut Tx);

/// One message, or the request for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Stable identity, in order of creation.
    pub id: Uuid,
    /// How far it is.
    pub state: MailState,
    /// What it is about; the name belongs to the use case.
    pub kind: String,
    /// The address it goes to.
    pub email: String,
    /// What it says, sealed; `None` once it was sent or given up.
    pub sealed: Option<Vec<u8>>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried next, or its present try is given up; `None` when there is nothing left to do.
    pub due_at: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
    /// Senseless from here on.
    pub expires_at: Timestamp,
    /// When it was sent or given up.
    pub finished_at: Option<Timestamp>,
    /// Why the last try failed, without anything secret.
    pub problem: Option<String>,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailState {
    /// Somebody asked for a mail; whether there is anything to say to the address is to be found out.
    Asked,
    /// It can be sent.
    Ready,
    /// The mail server has taken it.
    Sent,
    /// There was nothing to say, or the mail server will never take it, or its time has passed.
    Dropped,
}

impl MailState {
    const ALL: [Self; 4] = [Self::Asked, Self::Ready, Self::Sent, Self::Dropped];

    /// The name kept in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Ready => "ready",
            Self::Sent => "sent",
            Self::Dropped => "dropped",
        }
    }

    /// Reads a kept name back; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl Outbox<'_> {
    /// Adds a message.
    pub fn insert(&mut self, mail: &Mail) -> Result<(), Error> {
        self.0.insert(TABLE, COLUMNS, values(mail))
    }

    /// Overwrites the whole record.
    pub fn update(&mut self, mail: &Mail) -> Result<(), Error> {
        let rows = self
            .0
            .update(TABLE, COLUMNS, values(mail), is("id", mail.id))?;
        changed(rows, "mail")
    }

    /// The message of this id.
    pub fn find(&mut self, id: Uuid) -> Result<Option<Mail>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("id", id)),
            read,
        )
    }

    /// Takes up to `limit` messages of these states that are due, and lets nobody else have them until `until`. Of
    /// several callers at once each gets others.
    pub fn lease(
        &mut self,
        states: &[MailState],
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Mail>, Error> {
        let mut chosen = Query::select();
        chosen
            .column("id")
            .from(TABLE)
            .cond_where(due(states, now))
            .order_by("due_at", Order::Asc)
            .limit(limit.into());
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("due_at", millis(until))
            .and_where(Expr::col("id").in_subquery(chosen))
            // Once more: somebody else may have had them while this statement waited for their rows.
            .cond_where(due(states, now))
            .returning(Query::returning().columns(COLUMNS));
        let mut leased = self.0.query(&update, read)?;
        leased.sort_by_key(|mail| mail.id);
        Ok(leased)
    }

    /// Makes everything that waits due now: whoever had taken some of it is gone.
    pub fn release(&mut self, now: Timestamp) -> Result<u64, Error> {
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("due_at", millis(now))
            .and_where(Expr::col("due_at").gt(millis(now)));
        self.0.execute(&update)
    }

    /// Whether anything of these states is due.
    pub fn is_due(&mut self, states: &[MailState], now: Timestamp) -> Result<bool, Error> {
        let mut select = Query::select();
        select
            .column("id")
            .from(TABLE)
            .cond_where(due(states, now))
            .limit(1);
        Ok(self.0.query_one(&select, |_| Ok(()))?.is_some())
    }

    /// Up to `limit` messages that can be sent, the newest first.
    pub fn list_ready(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Mail>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(is("state", MailState::Ready.as_str()))
            .and_where(Expr::col("expires_at").gt(millis(now)))
            .order_by("id", Order::Desc)
            .limit(limit.into());
        self.0.query(&select, read)
    }

    /// How many messages are not done with.
    pub fn count_open(&mut self) -> Result<u64, Error> {
        let mut select = Query::select();
        select
            .expr(Func::count(Expr::col("id")))
            .from(TABLE)
            .and_where(Expr::col("due_at").is_not_null());
        Ok(self
            .0
            .query_one(&select, |row| row.number(TABLE))?
            .unwrap_or_default())
    }

    /// Erases what up to `limit` messages say whose time has passed, and counts them.
    pub fn expire(&mut self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("id")
            .from(TABLE)
            .and_where(Expr::col("due_at").is_not_null())
            .and_where(Expr::col("expires_at").lte(millis(now)))
            .limit(limit.into());
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("state", MailState::Dropped.as_str())
            .value("sealed", None::<Vec<u8>>)
            .value("due_at", None::<i64>)
            .value("finished_at", millis(now))
            .and_where(Expr::col("id").in_subquery(chosen));
        self.0.execute(&update)
    }

    /// Removes up to `limit` messages that were done with before an instant, and counts them.
    pub fn delete_finished(&mut self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("id")
            .from(TABLE)
            .and_where(Expr::col("due_at").is_null())
            .and_where(Expr::col("finished_at").lt(millis(before)))
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("id").in_subquery(chosen)),
        )
    }
}

fn due(states: &[MailState], now: Timestamp) -> Condition {
    Cond::all()
        .add(Expr::col("due_at").lte(millis(now)))
        .add(Expr::col("state").is_in(states.iter().map(|state| state.as_str())))
}

fn values(mail: &Mail) -> [Expr; 11] {
    [
        mail.id.into(),
        mail.state.as_str().into(),
        mail.kind.as_str().into(),
        mail.email.as_str().into(),
        mail.sealed.clone().into(),
        number(mail.attempts.into()),
        optional_millis(mail.due_at),
        millis(mail.created_at),
        millis(mail.expires_at),
        optional_millis(mail.finished_at),
        mail.problem.clone().into(),
    ]
}

fn read(row: &Row<'_>) -> Result<Mail, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Mail {
        id: cells.uuid()?,
        state: cells.parsed(MailState::from_name)?,
        kind: cells.text()?,
        email: cells.text()?,
        sealed: cells.optional_bytes()?,
        attempts: cells.u32()?,
        due_at: cells.optional_time()?,
        created_at: cells.time()?,
        expires_at: cells.time()?,
        finished_at: cells.optional_time()?,
        problem: cells.optional_text()?,
    })
}
