//! Tokens of an outside provider that a session holds, sealed.

use ids::SessionId;
use jiff::Timestamp;
use sea_query::{Expr, Query};

use super::{is, millis, optional_millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "external_token";
const COLUMNS: [&str; 6] = [
    "session",
    "provider",
    "sealed_access",
    "sealed_refresh",
    "expires_at",
    "updated_at",
];

/// The tokens of outside providers.
#[derive(Debug)]
pub struct ExternalTokens<'t>(pub(crate) &'t mut Tx);

/// What a session holds of an outside provider. It goes with the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalToken {
    /// The session that holds it.
    pub session: SessionId,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The sealed access token.
    pub sealed_access: Vec<u8>,
    /// The sealed refresh token.
    pub sealed_refresh: Option<Vec<u8>>,
    /// When the access token expires, if the provider told.
    pub expires_at: Option<Timestamp>,
    /// When this was last written.
    pub updated_at: Timestamp,
}

impl ExternalTokens<'_> {
    /// Writes what a session holds; what it held before is gone.
    pub fn put(&mut self, token: &ExternalToken) -> Result<(), Error> {
        let refresh: Expr = token.sealed_refresh.clone().into();
        let values = [
            token.session.as_uuid().into(),
            token.provider.as_str().into(),
            token.sealed_access.clone().into(),
            refresh,
            optional_millis(token.expires_at),
            millis(token.updated_at),
        ];
        self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .cond_where(is("session", token.session.as_uuid())),
        )?;
        self.0.insert(TABLE, COLUMNS, values)
    }

    /// What a session holds.
    pub fn find(&mut self, session: SessionId) -> Result<Option<ExternalToken>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(is("session", session.as_uuid())),
            read,
        )
    }
}

fn read(row: &Row<'_>) -> Result<ExternalToken, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(ExternalToken {
        session: SessionId::from_uuid(cells.uuid()?),
        provider: cells.text()?,
        sealed_access: cells.bytes()?,
        sealed_refresh: cells.optional_bytes()?,
        expires_at: cells.optional_time()?,
        updated_at: cells.time()?,
    })
}
