//! Invitations to apps.

use ::apps::{DataMode, Invite};
use ids::{AccountId, AppId, InviteId};
use jiff::Timestamp;
use sea_query::{Condition, Expr, ExprTrait, Order, Query};

use super::{changed, digest, is, millis, optional_millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "invite";
const COLUMNS: [&str; 10] = [
    "id",
    "app",
    "email",
    "token_digest",
    "mode",
    "created_by",
    "created_at",
    "expires_at",
    "accepted_at",
    "revoked_at",
];

/// The invitations.
#[derive(Debug)]
pub struct Invites<'t>(pub(crate) &'t mut Tx);

impl Invites<'_> {
    /// Adds an invitation.
    pub fn insert(&mut self, invite: &Invite) -> Result<(), Error> {
        self.0.insert(TABLE, COLUMNS, values(invite))
    }

    /// Overwrites the whole record.
    pub fn update(&mut self, invite: &Invite) -> Result<(), Error> {
        changed(
            self.0.update(
                TABLE,
                COLUMNS,
                values(invite),
                is("id", invite.id.as_uuid()),
            )?,
            TABLE,
        )
    }

    /// The invitation of this id, open or not.
    pub fn find(&mut self, id: InviteId) -> Result<Option<Invite>, Error> {
        self.0.query_one(&select(is("id", id.as_uuid())), read)
    }

    /// The invitation whose token has this digest, open or not.
    pub fn find_by_digest(&mut self, token_digest: [u8; 32]) -> Result<Option<Invite>, Error> {
        self.0
            .query_one(&select(is("token_digest", digest(token_digest))), read)
    }

    /// The invitations of an address, given lower-cased, that can still be taken up.
    pub fn find_open_by_email(
        &mut self,
        email: &str,
        now: Timestamp,
    ) -> Result<Vec<Invite>, Error> {
        let open = is("email", email)
            .add(Expr::col("accepted_at").is_null())
            .add(Expr::col("revoked_at").is_null())
            .add(Expr::col("expires_at").gt(millis(now)));
        self.0.query(&select(open), read)
    }

    /// All invitations to an app, open or not, the oldest first.
    pub fn list(&mut self, app: AppId) -> Result<Vec<Invite>, Error> {
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

fn values(invite: &Invite) -> [Expr; 10] {
    [
        invite.id.as_uuid().into(),
        invite.app.as_uuid().into(),
        invite.email.as_str().into(),
        digest(invite.token_digest),
        invite.mode.as_str().into(),
        invite.created_by.as_uuid().into(),
        millis(invite.created_at),
        millis(invite.expires_at),
        optional_millis(invite.accepted_at),
        optional_millis(invite.revoked_at),
    ]
}

fn read(row: &Row<'_>) -> Result<Invite, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Invite {
        id: InviteId::from_uuid(cells.uuid()?),
        app: AppId::from_uuid(cells.uuid()?),
        email: cells.text()?,
        token_digest: cells.digest()?,
        mode: cells.parsed(DataMode::from_name)?,
        created_by: AccountId::from_uuid(cells.uuid()?),
        created_at: cells.time()?,
        expires_at: cells.time()?,
        accepted_at: cells.optional_time()?,
        revoked_at: cells.optional_time()?,
    })
}
