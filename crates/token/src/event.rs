//! Signed events: what services are told of revocations, in the one form of JSON that both sides can compute a MAC over.
//!
//! The canonical form is that of Python's `json.dumps(value, sort_keys=True, separators=(",", ":"))`: members sorted by
//! code point at every level, no white space, and every character outside U+0020 to U+007E escaped.

use std::fmt::{self, Write as _};

use aws_lc_rs::hmac;
use secret::SecretString;
use serde_json::{Map, Value};

/// The key under which events are signed. Services hold the same text.
pub struct EventKey(hmac::Key);

impl EventKey {
    /// Takes the key's text; its UTF-8 bytes are the key.
    pub fn new(text: &SecretString) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, text.expose().as_bytes()))
    }

    /// The signature of a payload: 64 lower-case hexadecimal digits.
    pub fn sign(&self, payload: &Value) -> String {
        hex::encode(hmac::sign(&self.0, canonical(payload).as_bytes()))
    }

    /// Whether this is the signature of a payload, in constant time. Upper-case digits are a mismatch.
    pub fn verify(&self, payload: &Value, signature: &str) -> bool {
        let expected = self.sign(payload);
        let equal = aws_lc_rs::constant_time::verify_slices_are_equal(
            expected.as_bytes(),
            signature.as_bytes(),
        );
        equal.is_ok()
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventKey(…)")
    }
}

/// An event as it is sent: `{"payload": …, "sig": …}` where events are signed, else the payload itself.
pub fn event_text(payload: &Value, key: Option<&EventKey>) -> String {
    let Some(key) = key else {
        return canonical(payload);
    };
    let (payload, signature) = (canonical(payload), key.sign(payload));
    format!(r#"{{"payload":{payload},"sig":"{signature}"}}"#)
}

/// A value in the form that is signed.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => write_float(text, float),
            _ => _ = write!(text, "{number}"),
        },
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => write_object(text, members),
    }
}

fn write_object(text: &mut String, members: &Map<String, Value>) {
    // By code point, which for UTF-8 is by byte; the map's own order depends on how `serde_json` was built.
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    text.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(text, name);
        text.push(':');
        write_value(text, value);
    }
    text.push('}');
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push('"');
}

/// Python's `repr` of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
fn write_float(text: &mut String, float: f64) {
    let shortest = format!("{float:e}");
    let Some((mantissa, exponent)) = shortest.split_once('e') else {
        // JSON has no infinities and no NaN.
        text.push_str("null");
        return;
    };
    let exponent: i32 = exponent.parse().expect("an exponent is a small number");
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        text.push_str(&plain);
        if !plain.contains('.') {
            text.push_str(".0");
        }
        return;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    _ = write!(text, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;

    fn key() -> EventKey {
        EventKey::new(&"Event-Signing_Key-0123456789-abcdefXYZ!".to_owned().into())
    }

    #[test]
    fn signatures_are_those_that_subscribers_compute() {
        let user = "550e8400-e29b-41d4-a716-446655440000";
        for (payload, form, signature) in [
            (
                json!({"version": "v1", "user_id": user, "event_type": "user.deleted"}),
                format!(r#"{{"event_type":"user.deleted","user_id":"{user}","version":"v1"}}"#),
                "4fe1e927f9b4c58134c31238546c4d585ac1aa697ca77236d47af1f1c43b6bc1",
            ),
            (
                json!({"event_type": "session.revoked", "user_id": user, "jti": null, "version": "v1"}),
                format!(r#"{{"event_type":"session.revoked","jti":null,"user_id":"{user}","version":"v1"}}"#),
                "95b223091fb8ece78f100d1d784d1fd96aa0684607f83e88ca5dc81fbe9d25ea",
            ),
            (
                json!({
                    "z": null, "version": "v1", "nested": {"b": 2, "a": [1, "/\u{7f}\u{1f}\"\\"]}, "name": "Zoë 😀",
                    "n": 1.5, "event_type": "user.renamed", "big": 1e22, "b": true
                }),
                r#"{"b":true,"big":1e+22,"event_type":"user.renamed","n":1.5,"name":"Zo\u00eb \ud83d\ude00","nested":{"a":[1,"/\u007f\u001f\"\\"],"b":2},"version":"v1","z":null}"#.to_owned(),
                "3ce16f3a231966f1d600ea5bfc65fe768a2d6a8e4bcccb7af505b08458958083",
            ),
        ] {
            assert_eq!(canonical(&payload), form);
            assert_eq!(key().sign(&payload), signature);
            assert!(key().verify(&payload, signature));
            assert!(!key().verify(&payload, &signature.to_uppercase()));
            assert_eq!(
                event_text(&payload, Some(&key())),
                format!(r#"{{"payload":{form},"sig":"{signature}"}}"#)
            );
            assert_eq!(event_text(&payload, None), form);
        }
    }

    #[test]
    fn a_changed_payload_has_another_signature() {
        let signature = key().sign(&json!({"user_id": "a"}));
        assert!(!key().verify(&json!({"user_id": "b"}), &signature));
        let other = EventKey::new(&"another key".to_owned().into());
        assert!(!other.verify(&json!({"user_id": "a"}), &signature));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-1e18..1e18).prop_map(|float: f64| Value::from(float)),
            (-1e-3..1e-3).prop_map(|float: f64| Value::from(float)),
            (-100_000_i32..100_000).prop_map(|number| Value::from(f64::from(number) / 8.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Value::from),
                vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn the_form_is_byte_for_byte_what_python_writes() {
        use proptest::{strategy::ValueTree, test_runner::TestRunner};
        let mut runner = TestRunner::deterministic();
        let forms: Vec<String> = (0..2000)
            .map(|_| canonical(&any_json().new_tree(&mut runner).unwrap().current()))
            .collect();
        let program = "import json, sys\nfor line in sys.stdin:\n    print(json.dumps(json.loads(line), sort_keys=True, separators=(',', ':')))\n";
        let mut python = Command::new("python3")
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is what the tests of apps need, too");
        let mut input = python.stdin.take().unwrap();
        let sent = forms.join("\n") + "\n";
        let writing = std::thread::spawn(move || input.write_all(sent.as_bytes()));
        let output = python.wait_with_output().unwrap();
        writing.join().unwrap().unwrap();
        assert!(output.status.success());
        let answered = String::from_utf8(output.stdout).unwrap();
        let answered: Vec<&str> = answered.lines().collect();
        assert_eq!(answered.len(), forms.len());
        for (form, python) in forms.iter().zip(answered) {
            assert_eq!(form, python);
        }
    }

    proptest! {
        #[test]
        fn the_form_is_printable_json(value in any_json()) {
            let form = canonical(&value);
            prop_assert!(form.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert!(serde_json::from_str::<Value>(&form).is_ok());
        }
    }
}
