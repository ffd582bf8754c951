//! Values: JSON text, kept byte for byte.

use serde_json::value::RawValue;

use crate::{Error, config::Within};

/// Checks that bytes are one JSON value within the limit, and gives its text without surrounding white space.
pub(super) fn checked(bytes: &[u8], limit: Within<1, 16_777_216>) -> Result<String, Error> {
    too_large(bytes.len(), limit.size())?;
    let value: &RawValue = serde_json::from_slice(bytes).map_err(|error| {
        Error::bad_request("bad_value", format!("The value is not JSON: {error}."))
    })?;
    Ok(value.get().to_owned())
}

/// Refuses a value of more than `limit` bytes.
pub(super) fn too_large(size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    let text = format!(
        "The value has {size} bytes and {limit} are allowed; split it, or keep it elsewhere."
    );
    Err(
        Error::new(http::StatusCode::PAYLOAD_TOO_LARGE, "value_too_large", text)
            .with("size", size)
            .with("limit", limit),
    )
}

/// Appends an item to a list, leaving what is in it as it was written.
pub(super) fn append(list: Option<&str>, item: &str) -> Result<(String, usize), Error> {
    let Some(list) = list else {
        return Ok((format!("[{item}]"), 1));
    };
    let items: Vec<&RawValue> = serde_json::from_str(list).map_err(|_| {
        Error::bad_request("not_a_list", "The key holds something that is no list.")
    })?;
    let inner = list.trim_end();
    let inner = inner.strip_suffix(']').unwrap_or(inner).trim_end();
    let separator = if items.is_empty() { "" } else { "," };
    Ok((format!("{inner}{separator}{item}]"), items.len() + 1))
}

/// Adds to a number.
pub(super) fn incr(number: Option<&str>, by: i64) -> Result<i64, Error> {
    let number = match number {
        None => 0,
        Some(text) => text.trim().parse::<i64>().map_err(|_| {
            Error::bad_request(
                "not_a_number",
                "The key holds something that is no whole number.",
            )
        })?,
    };
    number
        .checked_add(by)
        .ok_or_else(|| Error::bad_request("out_of_range", "The sum does not fit into 64 bits."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn appending_keeps_what_was_written() {
        assert_eq!(append(None, "1").unwrap(), ("[1]".into(), 1));
        assert_eq!(append(Some("[]"), "1").unwrap(), ("[1]".into(), 1));
        assert_eq!(
            append(Some(" [ 1.50, [2] ] "), "\"x\"").unwrap().0.trim(),
            "[ 1.50, [2],\"x\"]"
        );
        assert_eq!(append(Some("{}"), "1").unwrap_err().code, "not_a_list");
    }

    #[test]
    fn numbers_are_whole_and_do_not_wrap() {
        assert_eq!(incr(None, 5).unwrap(), 5);
        assert_eq!(incr(Some("-7"), 5).unwrap(), -2);
        assert!(incr(Some("1.5"), 1).is_err());
        assert!(incr(Some(&i64::MAX.to_string()), 1).is_err());
    }

    proptest! {
        #[test]
        fn any_list_grows_by_exactly_the_item(items in prop::collection::vec("[a-z\\]\\[,\"\\\\ ]{0,8}", 0..6), item: String) {
            let list = serde_json::to_string(&items).unwrap();
            let (text, length) = append(Some(&list), &serde_json::to_string(&item).unwrap()).unwrap();
            let grown: Vec<String> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(grown.len(), length);
            prop_assert_eq!(&grown[..items.len()], &items[..]);
            prop_assert_eq!(&grown[items.len()], &item);
        }
    }
}
