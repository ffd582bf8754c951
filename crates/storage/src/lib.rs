//! Everything that is kept: every SQL statement and every migration, on SQLite and on PostgreSQL.
//!
//! A use case hands a synchronous closure to [`Storage::write`] or [`Storage::read`] and works on a [`Tx`], whose
//! repositories are grouped by noun:
//!
//! ```no_run
//! # async fn example(storage: storage::Storage, id: ids::AccountId) -> Result<(), storage::Error> {
//! let account = storage.read(move |tx| tx.accounts().find(id)).await?;
//! # drop(account); Ok(()) }
//! ```
//!
//! A write is acknowledged only after it is durable. Closures of [`Storage::write`] see the same world on both
//! engines: as if all writes ran one after another.

mod engine;
mod error;
mod migrations;
mod repositories;
mod row;
mod settings;
mod storage;
mod tail;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;

pub use error::Error;
pub use repositories::{
    Accounts, ApiKeys, Apps, Authenticators, Ceremonies, Ceremony, Challenges, Event, EventKind,
    EventReaders, Events, Expected, ExternalToken, ExternalTokens, Group, Groups, Identities,
    Invites, Keys, Kv, KvLimits, LimitOf, Link, Links, Mail, MailState, Members, Notice, Notices,
    Outbox, Page, Passkeys, Put, Recent, RecoveryCodes, RefreshTokens, Releases, Services,
    Sessions, SignUp, SignUps, SigningKey, Window,
};
pub use settings::{DatabaseUrl, Settings};
pub use storage::Storage;
pub use tail::EventTail;
pub use tx::Tx;
