//! The statements, a file a noun.

mod accounts;
mod api_keys;
mod apps;
mod authenticators;
mod ceremonies;
mod challenges;
mod event_readers;
mod events;
mod external_tokens;
mod groups;
mod identities;
mod invites;
mod keys;
mod kv;
mod links;
mod members;
mod notices;
mod outbox;
mod passkeys;
mod recovery_codes;
mod refresh_tokens;
mod releases;
mod services;
mod sessions;
mod sign_ups;

pub use accounts::{Accounts, Page, Window};
pub use api_keys::{ApiKeys, LimitOf};
pub use apps::Apps;
pub use authenticators::Authenticators;
pub use ceremonies::{Ceremonies, Ceremony};
pub use challenges::Challenges;
pub use event_readers::EventReaders;
pub(crate) use events::latest as latest_event;
pub use events::{Event, EventKind, Events, Recent};
pub use external_tokens::{ExternalToken, ExternalTokens};
pub use groups::{Group, Groups};
pub use identities::Identities;
pub use invites::Invites;
pub use keys::{Keys, SigningKey};
pub use kv::{Expected, Kv, KvLimits, Put};
pub use links::{Link, Links};
pub use members::Members;
pub use notices::{Notice, Notices};
pub use outbox::{Mail, MailState, Outbox};
pub use passkeys::Passkeys;
pub use recovery_codes::RecoveryCodes;
pub use refresh_tokens::RefreshTokens;
pub use releases::Releases;
pub use services::Services;
pub use sessions::Sessions;
pub use sign_ups::{SignUp, SignUps};

use jiff::Timestamp;
use sea_query::{Cond, Condition, Expr, ExprTrait};

use crate::Error;

/// A point in time as it is stored: Unix milliseconds.
fn millis(time: Timestamp) -> Expr {
    time.as_millisecond().into()
}

fn optional_millis(time: Option<Timestamp>) -> Expr {
    time.map(Timestamp::as_millisecond).into()
}

/// A number as it is stored. Both engines keep 63 bits.
fn number(value: u64) -> Expr {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

fn digest(bytes: [u8; 32]) -> Expr {
    bytes.to_vec().into()
}

fn is(column: &'static str, value: impl Into<Expr>) -> Condition {
    Cond::all().add(Expr::col(column).eq(value))
}

/// At least one row must have been changed.
fn changed(rows: u64, what: &'static str) -> Result<(), Error> {
    if rows == 0 {
        Err(Error::NotFound { what })
    } else {
        Ok(())
    }
}
