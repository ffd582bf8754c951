//! What a value must be: JSON (RFC 8259) of bounded size and depth, kept as it was sent.

use serde::de::IgnoredAny;

/// Why a text is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// More bytes than allowed.
    #[error("the value has {bytes} bytes of JSON; at most {limit} are allowed for one key")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Not JSON, and that includes `NaN` and `Infinity`.
    #[error(
        "the value is not JSON (line {line}, column {column}); NaN and Infinity are not JSON either"
    )]
    NotJson {
        /// Where, counted from 1.
        line: usize,
        /// Where, counted from 1.
        column: usize,
    },
    /// Lists and objects within each other too deep.
    #[error("the value is nested more than {MAXIMUM_DEPTH} levels deep")]
    TooDeep,
}

/// How deep lists and objects may be within each other. Python's own reader gives up at about 1000.
pub const MAXIMUM_DEPTH: usize = 100;

/// Checks a value. Keys of an object may be doubled: the reader decides what that means.
pub fn check_value(json: &str, limit_bytes: usize) -> Result<(), ValueError> {
    if json.len() > limit_bytes {
        return Err(ValueError::TooLarge {
            bytes: json.len(),
            limit: limit_bytes,
        });
    }
    check_depth(json)?;
    serde_json::from_str::<IgnoredAny>(json).map_err(|error| ValueError::NotJson {
        line: error.line(),
        column: error.column(),
    })?;
    Ok(())
}

/// Counts brackets outside of strings. On what is not JSON the count means nothing, and does no harm.
fn check_depth(json: &str) -> Result<(), ValueError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAXIMUM_DEPTH {
                    return Err(ValueError::TooDeep);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(json: &str) -> Result<(), ValueError> {
        check_value(json, 1000)
    }

    #[test]
    fn json_of_every_kind_is_accepted() {
        for json in [
            "null",
            " true ",
            "1.5e3",
            "\"a\\\"[\"",
            "[]",
            "{\"a\":1,\"a\":[{}]}",
            "123456789012345678901234567890",
        ] {
            assert_eq!(check(json), Ok(()), "{json}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            " ",
            "NaN",
            "Infinity",
            "-Infinity",
            "'a'",
            "[1,]",
            "{a:1}",
            "1 2",
            "[",
            "\"",
            "01",
            "\"\n\"",
            "[NaN]",
            "\u{feff}1",
        ] {
            assert!(
                matches!(check(text), Err(ValueError::NotJson { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn the_size_is_that_of_the_text_as_sent() {
        assert_eq!(check_value("\"ä\"", 4), Ok(()));
        assert_eq!(
            check_value("\"ä\"", 3),
            Err(ValueError::TooLarge { bytes: 4, limit: 3 })
        );
    }

    #[test]
    fn deep_nesting_is_refused_without_deep_recursion() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&nested(100)), Ok(()));
        assert_eq!(check(&nested(101)), Err(ValueError::TooDeep));
        assert_eq!(
            check_value(&"[{\"a\":".repeat(200_000), 10_000_000),
            Err(ValueError::TooDeep)
        );
        assert_eq!(check(&format!("\"{}\"", "[".repeat(500))), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_as_serde_does(text: String, near in "[\\[\\]{}\",:0-9a\\\\ ]{0,30}") {
            for text in [text, near] {
                let ours = check_value(&text, 1_000_000);
                prop_assert_eq!(ours.is_ok(), serde_json::from_str::<IgnoredAny>(&text).is_ok());
            }
        }
    }
}
