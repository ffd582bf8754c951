//! From an event in the log to what services are told of it.

use jiff::Timestamp;
use protocol::issuer::events::{
    GAP, RevocationEvent, SESSION_ENDED, SESSION_REVOKED, STREAM_OPENED, StreamOpened, USER_DELETED,
};
use serde_json::Value;
use storage::{Event, EventKind};
use token::{EventKey, event_text};
use uuid::Uuid;

use super::details::Details;

/// One message to services.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// Its type, with a dot.
    pub(crate) kind: &'static str,
    /// What is signed.
    pub(crate) payload: Value,
}

/// A place in an event log, as services hold it: the log's name and a number.
pub(crate) fn place(epoch: &str, seq: u64) -> String {
    format!("{epoch}-{seq}")
}

/// The place that a text names in the log of this name; `None` for a place in another log, or none at all.
pub(crate) fn seq_in(epoch: &str, text: &str) -> Option<u64> {
    let (named, seq) = text.rsplit_once('-')?;
    (named == epoch && seq.bytes().all(|b| b.is_ascii_digit()))
        .then(|| seq.parse().ok())
        .flatten()
}

/// What services are told of an event; nothing of most.
pub(crate) fn of(event: &Event, details: Option<&Details>, epoch: &str) -> Vec<Message> {
    let Some((details, account)) = details.and_then(|details| Some((details, details.account?)))
    else {
        return Vec::new();
    };
    let id = place(epoch, event.seq);
    let message = |kind: &'static str, jti: Option<Uuid>, event_id: String| {
        let is_deletion = kind == USER_DELETED;
        let sid = (event.kind == EventKind::SessionEnded).then(|| event.subject.clone());
        let payload = RevocationEvent {
            event_type: kind.to_owned(),
            version: if is_deletion { "v1" } else { "v2" }.to_owned(),
            user_id: account.to_string(),
            jti: jti.map(|jti| jti.to_string()),
            sid,
            auth_generation: details.generation,
            event_id: Some(event_id),
        };
        Message {
            kind,
            payload: serde_json::to_value(payload).expect("plain data"),
        }
    };
    match event.kind {
        EventKind::AccountDeleted => vec![message(USER_DELETED, None, id)],
        EventKind::AccountDisabled | EventKind::AccountGeneration => {
            vec![message(SESSION_REVOKED, None, id)]
        }
        EventKind::SessionEnded if details.jtis.is_empty() => {
            vec![message(SESSION_ENDED, None, id)]
        }
        // Each has an id of its own: receivers take the second of two with one id for a repetition.
        EventKind::SessionEnded => (1..)
            .zip(&details.jtis)
            .map(|(number, jti)| message(SESSION_REVOKED, Some(*jti), format!("{id}.{number}")))
            .collect(),
        _ => Vec::new(),
    }
}

/// Messages as server-sent events (HTML §9.2). Only the last one names the place, so that whoever is cut off between
/// them is told all of them again.
pub(crate) fn frames(messages: &[Message], place: &str, key: Option<&EventKey>) -> String {
    let mut text = String::new();
    for (index, message) in messages.iter().enumerate() {
        if index + 1 == messages.len() {
            text.push_str("id: ");
            text.push_str(place);
            text.push('\n');
        }
        text.push_str("event: ");
        text.push_str(&message.kind.replace('.', "-"));
        text.push_str("\ndata: ");
        text.push_str(&event_text(&message.payload, key));
        text.push_str("\n\n");
    }
    text
}

/// Tells that something was missed, whatever it was.
pub(crate) fn gap_frame(place: &str) -> String {
    format!("id: {place}\nevent: {GAP}\ndata: {{}}\n\n")
}

/// Tells where the stream begins, so that whoever is cut off before the first event can go on from there, and from when
/// on nothing is missing in it, where that was asked for.
pub(crate) fn opened_frame(
    place: &str,
    complete_from: Option<Timestamp>,
    key: Option<&EventKey>,
) -> String {
    let payload = StreamOpened {
        event_type: STREAM_OPENED.to_owned(),
        version: "v1".to_owned(),
        event_id: place.to_owned(),
        complete_from: complete_from.map(Timestamp::as_second),
    };
    let message = Message {
        kind: STREAM_OPENED,
        payload: serde_json::to_value(payload).expect("plain data"),
    };
    frames(&[message], place, key)
}

#[cfg(test)]
mod tests {
    use ids::{AccountId, SessionId};
    use proptest::prelude::*;

    use super::*;

    fn event(kind: EventKind, subject: &impl ToString) -> Event {
        Event {
            seq: 7,
            at: Timestamp::UNIX_EPOCH,
            kind,
            subject: subject.to_string(),
            payload: "null".into(),
        }
    }

    fn details(jtis: &[Uuid]) -> Details {
        Details {
            account: Some(AccountId::new(1, [1; 10])),
            generation: Some(3),
            jtis: jtis.to_vec(),
        }
    }

    #[test]
    fn a_session_s_end_names_each_of_its_tokens_and_the_last_frame_names_the_place() {
        let jtis = [Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16])];
        let session = SessionId::new(1, [2; 10]);
        let ended = event(EventKind::SessionEnded, &session);
        let messages = of(&ended, Some(&details(&jtis)), "log");
        let field = |index: usize, name: &str| messages[index].payload[name].clone();
        assert_eq!(messages.len(), 2);
        for (index, jti) in jtis.iter().enumerate() {
            assert_eq!(messages[index].kind, "session.revoked");
            assert_eq!(field(index, "jti"), jti.to_string());
            assert_eq!(field(index, "sid"), session.to_string());
            assert_eq!(field(index, "auth_generation"), 3);
            assert_eq!(field(index, "event_id"), format!("log-7.{}", index + 1));
        }
        let text = frames(&messages, &place("log", 7), None);
        let blocks: Vec<_> = text
            .split("\n\n")
            .filter(|block| !block.is_empty())
            .collect();
        assert!(blocks[0].starts_with("event: session-revoked\ndata: {"));
        assert!(blocks[1].starts_with("id: log-7\nevent: session-revoked\ndata: {"));
    }

    #[test]
    fn a_session_without_tokens_is_told_of_by_its_id() {
        let ended = event(EventKind::SessionEnded, &SessionId::new(1, [2; 10]));
        let messages = of(&ended, Some(&details(&[])), "log");
        assert_eq!(messages[0].kind, "session.ended");
        assert_eq!(messages[0].payload["jti"], Value::Null);
    }

    #[test]
    fn what_concerns_the_whole_account_names_no_token() {
        let account = details(&[]).account.unwrap();
        for (kind, told) in [
            (EventKind::AccountDisabled, "session.revoked"),
            (EventKind::AccountGeneration, "session.revoked"),
            (EventKind::AccountDeleted, "user.deleted"),
        ] {
            let messages = of(&event(kind, &account), Some(&details(&[])), "log");
            assert_eq!(messages[0].kind, told);
            assert_eq!(messages[0].payload["user_id"], account.to_string());
            assert_eq!(messages[0].payload["jti"], Value::Null);
            assert_eq!(messages[0].payload["sid"], Value::Null);
        }
        assert!(of(&event(EventKind::AppCreated, &account), None, "log").is_empty());
    }

    #[test]
    fn a_place_is_read_in_its_own_log_only() {
        assert_eq!(seq_in("a-b", &place("a-b", 12)), Some(12));
        for text in [
            "",
            "a-b",
            "a-b-",
            "a-12",
            "A-B-12",
            "a-b-+12",
            "a-b-99999999999999999999",
            "a-b-1 2",
        ] {
            assert_eq!(seq_in("a-b", text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_a_place_panic(text: String) {
            let _ = seq_in("log", &text);
        }
    }
}
