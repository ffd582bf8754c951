//! Changes that the server makes to a value in one step: appending to a list, adding to a number.

use std::fmt;

use serde_json::value::RawValue;

/// A list after something was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The new value; the items before are byte for byte as they were.
    pub value: String,
    /// How many items it has now.
    pub length: u64,
}

/// Why nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Something other than a list is stored.
    #[error("cannot append: the stored value is {found}, not a list")]
    NotAList {
        /// What it is, for example `an object`.
        found: &'static str,
    },
}

/// Appends an item to a stored list; a missing key becomes a list of one. `item` is a checked value; whether the result
/// is small and shallow enough is for [`crate::check_value`] to say.
pub fn append(stored: Option<&str>, item: &str) -> Result<Appended, AppendError> {
    let item = item.trim_matches(is_json_space);
    let Some(stored) = stored else {
        return Ok(Appended {
            value: format!("[{item}]"),
            length: 1,
        });
    };
    let not_a_list = AppendError::NotAList {
        found: kind(stored),
    };
    let items: Vec<&RawValue> = serde_json::from_str(stored).map_err(|_| not_a_list)?;
    let head = stored
        .trim_end_matches(is_json_space)
        .strip_suffix(']')
        .ok_or(not_a_list)?;
    let comma = if items.is_empty() { "" } else { "," };
    Ok(Appended {
        value: format!("{head}{comma}{item}]"),
        length: items.len() as u64 + 1,
    })
}

/// A number as JSON and Python know it: whole numbers stay whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(i64),
    /// A finite number with a fraction or an exponent.
    Float(f64),
}

/// Why a number was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IncrementError {
    /// Something other than a number is stored, or is to be added.
    #[error("cannot add: {found} is not a number")]
    NotANumber {
        /// What it is, for example `a list`.
        found: &'static str,
    },
    /// The sum, or one of the two, is outside of what can be kept.
    #[error(
        "cannot add: the number would be outside of -2^63 to 2^63-1 (or, with a fraction, not finite)"
    )]
    Overflow,
}

impl Number {
    /// Reads a JSON number.
    pub fn parse(json: &str) -> Result<Self, IncrementError> {
        let text = json.trim_matches(is_json_space);
        let not_a_number = IncrementError::NotANumber { found: kind(text) };
        // The library checks the grammar; Rust's own parsers are more lenient.
        serde_json::from_str::<&RawValue>(text).map_err(|_| not_a_number)?;
        if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Err(not_a_number);
        }
        if text.contains(['.', 'e', 'E']) {
            let number: f64 = text.parse().map_err(|_| not_a_number)?;
            return Self::float(number);
        }
        text.parse()
            .map(Self::Whole)
            .map_err(|_| IncrementError::Overflow)
    }

    fn float(number: f64) -> Result<Self, IncrementError> {
        if number.is_finite() {
            Ok(Self::Float(number))
        } else {
            Err(IncrementError::Overflow)
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "as in Python, a whole number beside a fraction becomes the nearest float"
    )]
    const fn as_float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            // `{:?}` keeps the fraction (`2.0`) and uses an exponent where JSON allows one too.
            Self::Float(number) => write!(f, "{number:?}"),
        }
    }
}

/// Adds to a stored number; a missing key counts as 0. The result prints as the new value.
pub fn increment(stored: Option<&str>, by: Number) -> Result<Number, IncrementError> {
    let stored = stored.map_or(Ok(Number::Whole(0)), Number::parse)?;
    if let (Number::Whole(a), Number::Whole(b)) = (stored, by) {
        return a
            .checked_add(b)
            .map(Number::Whole)
            .ok_or(IncrementError::Overflow);
    }
    Number::float(stored.as_float() + by.as_float())
}

/// What a JSON text is, as an error names it.
fn kind(json: &str) -> &'static str {
    match json.trim_start_matches(is_json_space).bytes().next() {
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "nothing",
    }
}

/// White space as JSON knows it (RFC 8259 §2).
const fn is_json_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_item_is_appended_and_what_was_there_keeps_its_spelling() {
        let appended = append(Some("[1.0E2, {\"a\" : 1e400}\n] "), " \"x\" ").expect("a list");
        assert_eq!(appended.value, "[1.0E2, {\"a\" : 1e400}\n,\"x\"]");
        assert_eq!(appended.length, 3);
        assert_eq!(append(Some("[ ]"), "1").expect("a list").value, "[ 1]");
        assert_eq!(append(None, "{}").expect("a list").value, "[{}]");
    }

    #[test]
    fn nothing_is_appended_to_what_is_no_list() {
        for (stored, found) in [
            ("{}", "an object"),
            ("null", "null"),
            ("\"[]\"", "a text"),
            ("3", "a number"),
            ("true", "true or false"),
        ] {
            assert_eq!(
                append(Some(stored), "1"),
                Err(AppendError::NotAList { found }),
                "{stored}"
            );
        }
    }

    fn sum(stored: &str, by: &str) -> Result<String, IncrementError> {
        increment(Some(stored), Number::parse(by)?).map(|sum| sum.to_string())
    }

    #[test]
    fn whole_numbers_stay_whole_and_floats_stay_floats() {
        assert_eq!(sum("41", "1"), Ok("42".into()));
        assert_eq!(sum(" -1 ", "1"), Ok("0".into()));
        assert_eq!(sum("1", "0.5"), Ok("1.5".into()));
        assert_eq!(sum("1.5", "0.5"), Ok("2.0".into()));
        assert_eq!(increment(None, Number::Whole(5)), Ok(Number::Whole(5)));
    }

    #[test]
    fn a_sum_that_cannot_be_kept_is_refused() {
        assert_eq!(
            sum("9223372036854775807", "1"),
            Err(IncrementError::Overflow)
        );
        assert_eq!(
            sum("9223372036854775808", "1"),
            Err(IncrementError::Overflow)
        );
        assert_eq!(sum("1e308", "1e308"), Err(IncrementError::Overflow));
        assert_eq!(sum("1e999", "1"), Err(IncrementError::Overflow));
    }

    #[test]
    fn nothing_is_added_to_what_is_no_number() {
        for text in [
            "\"1\"", "true", "null", "[1]", "{}", "NaN", "inf", "+1", "1_0", "0x1", "01", ".5", "",
        ] {
            assert!(
                matches!(sum(text, "1"), Err(IncrementError::NotANumber { .. })),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn appending_to_any_list_gives_that_list_and_the_item(items: Vec<f64>, item: String, pretty: bool) {
            prop_assume!(items.iter().all(|item| item.is_finite()));
            let list = if pretty { serde_json::to_string_pretty(&items) } else { serde_json::to_string(&items) };
            let item = Value::from(item);
            let appended = append(Some(&list.expect("JSON")), &item.to_string()).expect("a list");
            let read: Vec<Value> = serde_json::from_str(&appended.value).expect("JSON");
            prop_assert_eq!(read.len() as u64, appended.length);
            prop_assert_eq!(read.last(), Some(&item));
        }

        #[test]
        fn each_sum_is_json_that_reads_back_the_same(a: i64, b: i64, x: f64, y: f64) {
            for (one, other) in [(Number::Whole(a), Number::Whole(b)), (Number::Whole(a), Number::Float(x)), (Number::Float(x), Number::Float(y))] {
                if let Ok(sum) = increment(Some(&one.to_string()), other) {
                    prop_assert_eq!(Number::parse(&sum.to_string()), Ok(sum));
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, item: String) {
            let _ = (append(Some(&text), &item), Number::parse(&text));
        }
    }
}
