//! What an event that takes authority away must tell: whose, which tokens, and from which generation on.
//!
//! It is written with the event, in the transaction that takes the authority away, since later the records may be gone.

use ids::{AccountId, SessionId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{Event, EventKind, Tx};
use uuid::Uuid;

/// The part of an event's payload that services are told from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    /// Whose authority it is.
    pub(crate) account: Option<AccountId>,
    /// The account's generation after the change.
    pub(crate) generation: Option<u64>,
    /// The access tokens of the session that have not expired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) jtis: Vec<Uuid>,
}

/// Adds the details to the payload of an event that needs them. Call it after the change itself, and before rows that
/// hang on it are deleted.
pub(crate) fn complete(
    tx: &mut Tx,
    kind: EventKind,
    subject: &str,
    payload: &Value,
    now: Timestamp,
) -> Result<Option<Value>, storage::Error> {
    let Some(details) = gather(tx, kind, subject, now)? else {
        return Ok(None);
    };
    let Value::Object(mut members) = serde_json::to_value(details).expect("plain data") else {
        return Ok(None);
    };
    match payload {
        Value::Null => {}
        Value::Object(given) => members.extend(given.clone()),
        _ => return Ok(None),
    }
    Ok(Some(Value::Object(members)))
}

/// The details of an event in the log; `None` for one that takes no authority away. One that was written without them
/// gets them from the records as they are now.
pub(crate) fn of(tx: &mut Tx, event: &Event) -> Result<Option<Details>, storage::Error> {
    match written(event) {
        Some(details) => Ok(Some(details)),
        None => gather(tx, event.kind, &event.subject, event.at),
    }
}

/// The details that were written with an event.
pub(crate) fn written(event: &Event) -> Option<Details> {
    if !is_needed(event.kind) {
        return None;
    }
    serde_json::from_str::<Details>(&event.payload)
        .ok()
        .filter(|details| details.account.is_some())
}

/// Whether nothing more needs to be known of an event.
pub(crate) fn is_complete(event: &Event) -> bool {
    !is_needed(event.kind) || written(event).is_some()
}

const fn is_needed(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::SessionEnded
            | EventKind::AccountDisabled
            | EventKind::AccountGeneration
            | EventKind::AccountDeleted
    )
}

fn gather(
    tx: &mut Tx,
    kind: EventKind,
    subject: &str,
    now: Timestamp,
) -> Result<Option<Details>, storage::Error> {
    if !is_needed(kind) {
        return Ok(None);
    }
    let (account, jtis) = if kind == EventKind::SessionEnded {
        let Ok(id) = subject.parse::<SessionId>() else {
            return Ok(None);
        };
        let Some(session) = tx.sessions().find(id)? else {
            return Ok(None);
        };
        (session.account, tx.refresh_tokens().live_access(id, now)?)
    } else {
        let Ok(account) = subject.parse() else {
            return Ok(None);
        };
        (account, Vec::new())
    };
    let generation = tx
        .accounts()
        .find(account)?
        .map(|account| account.generation);
    Ok(Some(Details {
        account: Some(account),
        generation,
        jtis,
    }))
}
