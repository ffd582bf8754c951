//! What the issuer says on the event stream: from the text of one message to what it means for tokens.

use jiff::Timestamp;
use protocol::issuer::events::{SESSION_ENDED, SESSION_REVOKED, STREAM_OPENED, USER_DELETED};
use serde_json::{Map, Value};
use token::EventKey;

/// A message of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Tokens are good no longer.
    Revocation(Revocation),
    /// The stream begins here.
    Opened {
        /// From this moment on, by the issuer's clock, everything is told; `None` when the issuer does not say.
        complete_from: Option<Timestamp>,
    },
    /// Something that does not concern tokens.
    Other,
}

/// Tokens that are good no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whose they are (`sub`).
    pub user: String,
    /// What ended.
    pub ended: Ended,
    /// From this generation on the account's tokens are good; older ones are not, whatever else ended.
    pub generation: Option<u64>,
    /// Tells one message from another, however often it comes. Signed with the rest, unlike the place in the stream.
    pub event_id: Option<String>,
}

/// What ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// A token, with its session where the issuer names it, or a whole session.
    Session {
        /// The token.
        jti: Option<String>,
        /// The session.
        sid: Option<String>,
    },
    /// All tokens that the account had: those of an older generation, or all until now where none is named.
    AllTokens,
    /// The account.
    Account,
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no message, or one of a known kind that lacks what it must tell.
    #[error("the message is malformed")]
    Malformed,
    /// It bears no signature although one is demanded.
    #[error("the message is not signed")]
    Unsigned,
    /// Its signature is wrong.
    #[error("the message's signature is wrong")]
    Signature,
}

/// Reads a message. With a key its signature is checked; a message without any is then taken only if `accept_unsigned`.
/// Members and kinds that are not known are passed over.
pub fn read(text: &str, key: Option<&EventKey>, accept_unsigned: bool) -> Result<Message, Refused> {
    let Ok(Value::Object(sent)) = serde_json::from_str(text) else {
        return Err(Refused::Malformed);
    };
    let payload = match (sent.get("payload"), sent.get("sig"), key) {
        (Some(payload), Some(signature), Some(key)) => {
            let signature = signature.as_str().ok_or(Refused::Signature)?;
            if !key.verify(payload, signature) {
                return Err(Refused::Signature);
            }
            payload.as_object().ok_or(Refused::Malformed)?
        }
        (Some(Value::Object(payload)), Some(_), None) => payload,
        (_, _, Some(_)) if !accept_unsigned => return Err(Refused::Unsigned),
        _ => &sent,
    };
    meaning(payload)
}

fn meaning(payload: &Map<String, Value>) -> Result<Message, Refused> {
    let ended = match text(payload, "event_type")?.as_deref() {
        Some(SESSION_REVOKED) => match (text(payload, "jti")?, text(payload, "sid")?) {
            (None, None) => Ended::AllTokens,
            (jti, sid) => Ended::Session { jti, sid },
        },
        Some(SESSION_ENDED) => {
            let sid = text(payload, "sid")?.ok_or(Refused::Malformed)?;
            Ended::Session {
                jti: text(payload, "jti")?,
                sid: Some(sid),
            }
        }
        Some(USER_DELETED) => Ended::Account,
        Some(STREAM_OPENED) => {
            let complete_from = payload.get("complete_from").and_then(Value::as_i64);
            return Ok(Message::Opened {
                complete_from: complete_from.and_then(|at| Timestamp::from_second(at).ok()),
            });
        }
        Some(_) => return Ok(Message::Other),
        None => return Err(Refused::Malformed),
    };
    let generation = match payload.get("auth_generation") {
        None | Some(Value::Null) => None,
        Some(number) => Some(number.as_u64().ok_or(Refused::Malformed)?),
    };
    Ok(Message::Revocation(Revocation {
        user: text(payload, "user_id")?.ok_or(Refused::Malformed)?,
        ended,
        generation,
        event_id: text(payload, "event_id")?,
    }))
}

/// A member that is a text, null or left out.
fn text(payload: &Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match payload.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refused::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secret::SecretString;
    use serde_json::json;
    use token::event_text;

    use super::*;

    const USER: &str = "550e8400-e29b-41d4-a716-446655440000";

    fn key(text: &str) -> EventKey {
        EventKey::new(&SecretString::new(text.to_owned()))
    }

    fn revocation(payload: &Value) -> Revocation {
        match read(&payload.to_string(), None, false) {
            Ok(Message::Revocation(revocation)) => revocation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_kind_of_message_ends_what_it_names() {
        let session = |jti: Option<&str>, sid: Option<&str>| Ended::Session {
            jti: jti.map(str::to_owned),
            sid: sid.map(str::to_owned),
        };
        let revoked = |jti: Value, sid: Value| {
            json!({"event_type": "session.revoked", "version": "v2", "user_id": USER, "jti": jti, "sid": sid,
                "auth_generation": 3, "event_id": "log-7.1"})
        };
        for (payload, ended) in [
            (
                revoked(json!("t"), json!("s")),
                session(Some("t"), Some("s")),
            ),
            (revoked(json!("t"), Value::Null), session(Some("t"), None)),
            (revoked(Value::Null, json!("s")), session(None, Some("s"))),
            (revoked(Value::Null, Value::Null), Ended::AllTokens),
        ] {
            let read = revocation(&payload);
            assert_eq!(read.ended, ended);
            assert_eq!((read.user.as_str(), read.generation), (USER, Some(3)));
            assert_eq!(read.event_id.as_deref(), Some("log-7.1"));
        }
        let ended = json!({"event_type": "session.ended", "version": "v2", "user_id": USER, "sid": "s", "jti": null});
        assert_eq!(revocation(&ended).ended, session(None, Some("s")));
        let deleted = json!({"event_type": "user.deleted", "version": "v1", "user_id": USER});
        assert_eq!(revocation(&deleted).ended, Ended::Account);
        // As issuers wrote it before there were generations.
        let first =
            json!({"event_type": "session.revoked", "version": "v1", "user_id": USER, "jti": null});
        assert_eq!(
            (revocation(&first).ended, revocation(&first).generation),
            (Ended::AllTokens, None)
        );
    }

    #[test]
    fn where_a_stream_begins_is_read_and_what_is_not_known_is_passed_over() {
        for (payload, message) in [
            (
                json!({"event_type": "stream.opened", "complete_from": 1_700_000_000}),
                Message::Opened {
                    complete_from: Timestamp::from_second(1_700_000_000).ok(),
                },
            ),
            (
                json!({"event_type": "stream.opened", "complete_from": "soon"}),
                Message::Opened {
                    complete_from: None,
                },
            ),
            (
                json!({"event_type": "stream.opened", "complete_from": i64::MAX}),
                Message::Opened {
                    complete_from: None,
                },
            ),
            (
                json!({"event_type": "user.renamed", "user_id": 7}),
                Message::Other,
            ),
        ] {
            assert_eq!(read(&payload.to_string(), None, false), Ok(message));
        }
    }

    #[test]
    fn a_message_that_does_not_say_what_it_must_is_refused() {
        for text in [
            "",
            "{",
            "[]",
            "7",
            "{}",
            r#"{"event_type": 7}"#,
            r#"{"event_type": "user.deleted"}"#,
            r#"{"event_type": "user.deleted", "user_id": 7}"#,
            r#"{"event_type": "session.ended", "user_id": "a"}"#,
            r#"{"event_type": "session.revoked", "user_id": "a", "jti": 7}"#,
            r#"{"event_type": "session.revoked", "user_id": "a", "auth_generation": -1}"#,
            r#"{"event_type": "session.revoked", "user_id": "a", "auth_generation": 1.5}"#,
        ] {
            assert_eq!(read(text, None, false), Err(Refused::Malformed), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(read(&deep, None, false), Err(Refused::Malformed));
    }

    #[test]
    fn with_a_key_only_what_it_signed_is_believed() {
        let payload = json!({"event_type": "user.deleted", "version": "v1", "user_id": USER});
        let ours = key("Event-Signing_Key-0123456789-abcdefXYZ!");
        let signed = event_text(&payload, Some(&ours));
        assert!(read(&signed, Some(&ours), false).is_ok());
        let theirs = event_text(&payload, Some(&key("another")));
        let changed = signed.replace("550e", "650e");
        let shouted = signed.replace(&ours.sign(&payload), &ours.sign(&payload).to_uppercase());
        let number = r#"{"payload": {}, "sig": 7}"#;
        for forged in [theirs.as_str(), &changed, &shouted, number] {
            for accept_unsigned in [false, true] {
                assert_eq!(
                    read(forged, Some(&ours), accept_unsigned),
                    Err(Refused::Signature),
                    "{forged}"
                );
            }
        }
        let unsigned = payload.to_string();
        assert_eq!(read(&unsigned, Some(&ours), false), Err(Refused::Unsigned));
        assert!(read(&unsigned, Some(&ours), true).is_ok());
        // Without a key there is nothing to check it by.
        assert_eq!(read(&theirs, None, false), read(&unsigned, None, false));
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC*", accept_unsigned: bool) {
            let _ = read(&text, None, accept_unsigned);
            let _ = read(&text, Some(&key("key")), accept_unsigned);
        }
    }
}
