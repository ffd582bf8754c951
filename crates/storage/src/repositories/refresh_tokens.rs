//! Refresh tokens.

use std::sync::LazyLock;

use ::accounts::{Account, PairedAccess, RefreshToken, Session, access::IssuedAccess};
use ids::SessionId;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query};
use uuid::Uuid;

use super::{accounts, changed, digest, is, millis, number, optional_millis, sessions};
use crate::{
    Error, Tx,
    row::{Cells, Row},
};

const TABLE: &str = "refresh_token";
const COLUMNS: [&str; 12] = [
    "digest",
    "session",
    "parent",
    "issued_at",
    "expires_at",
    "used_at",
    "successor",
    "jti",
    "generation",
    "access_expires_at",
    "audience",
    "answered",
];

/// The refresh tokens. They go with their session.
#[derive(Debug)]
pub struct RefreshTokens<'t>(pub(crate) &'t mut Tx);

impl RefreshTokens<'_> {
    /// Adds a token.
    pub fn insert(&mut self, token: &RefreshToken) -> Result<(), Error> {
        let values = [
            digest(token.digest),
            token.session.as_uuid().into(),
            token.parent.map(|parent| parent.to_vec()).into(),
            millis(token.issued_at),
            millis(token.expires_at),
            optional_millis(token.used.map(|(at, _)| at)),
            token.used.map(|(_, successor)| successor.to_vec()).into(),
            token.access.jti.into(),
            number(token.access.generation),
            millis(token.access.expires_at),
            token.access.audience.as_deref().into(),
            i64::from(token.answered).into(),
        ];
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// The token of this digest.
    pub fn find(&mut self, token: [u8; 32]) -> Result<Option<RefreshToken>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("digest", digest(token))),
            read,
        )
    }

    /// The newest token of each of these sessions that has one.
    pub fn list_newest(&mut self, sessions: &[SessionId]) -> Result<Vec<RefreshToken>, Error> {
        let mut select = Query::select();
        // A token that was used has a successor, so the newest one is unused.
        select
            .columns(COLUMNS)
            .from(TABLE)
            .and_where(Expr::col("used_at").is_null())
            .and_where(Expr::col("session").is_in(sessions.iter().map(SessionId::as_uuid)))
            .order_by("issued_at", Order::Desc)
            .order_by("digest", Order::Asc);
        let mut newest: Vec<RefreshToken> = Vec::new();
        for token in self.0.query(&select, read)? {
            if !newest.iter().any(|known| known.session == token.session) {
                newest.push(token);
            }
        }
        Ok(newest)
    }

    /// The token of this digest with its session and that session's account, read at once.
    pub fn find_whole(
        &mut self,
        token: [u8; 32],
    ) -> Result<Option<(RefreshToken, Session, Account)>, Error> {
        static ALL: LazyLock<Vec<&str>> =
            LazyLock::new(|| [&COLUMNS[..], &sessions::COLUMNS, &accounts::COLUMNS].concat());
        let mut select = Query::select();
        for (table, columns) in [
            (TABLE, &COLUMNS[..]),
            (sessions::TABLE, &sessions::COLUMNS),
            (accounts::TABLE, &accounts::COLUMNS),
        ] {
            select.columns(columns.iter().map(|column| (table, *column)));
        }
        let same = |a: (&'static str, &'static str), b| Expr::col(a).equals(b);
        select
            .from(TABLE)
            .inner_join(
                sessions::TABLE,
                same((sessions::TABLE, "id"), (TABLE, "session")),
            )
            .inner_join(
                accounts::TABLE,
                same((accounts::TABLE, "id"), (sessions::TABLE, "account")),
            )
            .and_where(Expr::col((TABLE, "digest")).eq(digest(token)));
        self.0.query_one(&select, |row| {
            let mut cells = row.cells(TABLE, &ALL);
            Ok((
                read_cells(&mut cells)?,
                sessions::read_cells(&mut cells)?,
                accounts::read_cells(&mut cells)?,
            ))
        })
    }

    /// What is known of the access token of this `jti`.
    pub fn find_access(&mut self, jti: Uuid) -> Result<Option<IssuedAccess>, Error> {
        let found = self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("jti", jti)),
            read,
        )?;
        Ok(found.as_ref().map(IssuedAccess::of))
    }

    /// The access tokens of a session that have not expired, the oldest first, superseded ones included: whoever kept
    /// one may still believe it.
    pub fn live_access(&mut self, session: SessionId, now: Timestamp) -> Result<Vec<Uuid>, Error> {
        let mut select = Query::select();
        select
            .column("jti")
            .from(TABLE)
            .cond_where(is("session", session.as_uuid()))
            .and_where(Expr::col("jti").is_not_null())
            .and_where(Expr::col("access_expires_at").gt(millis(now)))
            .order_by("issued_at", Order::Asc);
        self.0
            .query(&select, |row| row.cells(TABLE, &["jti"]).uuid())
    }

    /// When a token that was issued in exchange for this one was first exchanged itself; `None` while none was.
    pub fn first_successor_use(&mut self, token: [u8; 32]) -> Result<Option<Timestamp>, Error> {
        let mut select = Query::select();
        select
            .column("used_at")
            .from(TABLE)
            .cond_where(is("parent", digest(token)))
            .and_where(Expr::col("used_at").is_not_null())
            .order_by("used_at", Order::Asc)
            .limit(1);
        let first = self.0.query_one(&select, |row| {
            row.cells(TABLE, &["used_at"]).optional_time()
        })?;
        Ok(first.flatten())
    }

    /// Notes that the answers to the exchanges of these tokens went out.
    pub fn mark_answered(&mut self, tokens: &[[u8; 32]]) -> Result<(), Error> {
        let mut update = Query::update();
        update
            .table(TABLE)
            .value("answered", 1_i64)
            .and_where(Expr::col("digest").is_in(tokens.iter().map(|token| token.to_vec())));
        self.0.execute(&update).map(drop)
    }

    /// Puts another access token in the place of a pair's one. An unknown pair is [`Error::NotFound`].
    pub fn renew_access(&mut self, token: [u8; 32], access: &PairedAccess) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            ["jti", "generation", "access_expires_at", "audience"],
            [
                access.jti.into(),
                number(access.generation),
                millis(access.expires_at),
                access.audience.as_deref().into(),
            ],
            is("digest", digest(token)),
        )?;
        changed(rows, TABLE)
    }

    /// Removes up to `limit` tokens that expired before an instant, and counts them.
    pub fn delete_expired(&mut self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut chosen = Query::select();
        chosen
            .column("digest")
            .from(TABLE)
            .and_where(Expr::col("expires_at").lt(millis(before)))
            .limit(limit.into());
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .and_where(Expr::col("digest").in_subquery(chosen)),
        )
    }

    /// Notes what a token was exchanged for. `false`, and no change, when it had been used before (or is unknown).
    pub fn mark_used(
        &mut self,
        token: [u8; 32],
        at: Timestamp,
        successor: [u8; 32],
    ) -> Result<bool, Error> {
        let unused = is("digest", digest(token)).add(Expr::col("used_at").is_null());
        Ok(self.0.update(
            TABLE,
            ["used_at", "successor"],
            [millis(at), digest(successor)],
            unused,
        )? == 1)
    }
}

fn read(row: &Row<'_>) -> Result<RefreshToken, Error> {
    read_cells(&mut row.cells(TABLE, &COLUMNS))
}

/// Reads a token where its columns begin.
fn read_cells(cells: &mut Cells<'_>) -> Result<RefreshToken, Error> {
    let token = RefreshToken {
        digest: cells.digest()?,
        session: SessionId::from_uuid(cells.uuid()?),
        parent: cells.optional_digest()?,
        issued_at: cells.time()?,
        expires_at: cells.time()?,
        used: cells.optional_time()?.zip(cells.optional_digest()?),
        answered: false,
        access: PairedAccess {
            jti: cells.optional_uuid()?.unwrap_or_default(),
            generation: cells.u64()?,
            expires_at: cells.time()?,
            audience: cells.optional_text()?,
        },
    };
    Ok(RefreshToken {
        answered: cells.u32()? != 0,
        ..token
    })
}
