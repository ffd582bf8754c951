//! The address box of the share dialog: many addresses at once.

/// Most addresses that can be shared with in one go.
pub const MOST_ADDRESSES: usize = 200;

/// One entry of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address<A, E> {
    /// An address.
    Valid(A),
    /// Something else. It is shown with its reason, not dropped.
    Invalid {
        /// What was typed, at most 320 characters of it.
        text: String,
        /// Why it is no address.
        reason: E,
    },
}

/// More than [`MOST_ADDRESSES`] entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many addresses; share with at most {MOST_ADDRESSES} at once")]
pub struct TooManyAddresses;

/// Reads the box: commas, semicolons and white space separate, angle brackets around an address are dropped, doubles
/// count once. `parse` checks one address.
pub fn parse_addresses<A: PartialEq, E>(
    text: &str,
    parse: impl Fn(&str) -> Result<A, E>,
) -> Result<Vec<Address<A, E>>, TooManyAddresses> {
    let is_separator = |c: char| c.is_whitespace() || c == ',' || c == ';';
    let mut addresses = Vec::new();
    for typed in text.split(is_separator).filter(|text| !text.is_empty()) {
        let bare = typed
            .strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'))
            .unwrap_or(typed);
        let address = match parse(bare) {
            Ok(address) => {
                let known = |other: &Address<A, E>| matches!(other, Address::Valid(other) if *other == address);
                if addresses.iter().any(known) {
                    continue;
                }
                Address::Valid(address)
            }
            Err(reason) => Address::Invalid {
                text: typed.chars().take(320).collect(),
                reason,
            },
        };
        if addresses.len() == MOST_ADDRESSES {
            return Err(TooManyAddresses);
        }
        addresses.push(address);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parsed = Address<String, &'static str>;

    fn parse(text: &str) -> Result<Vec<Parsed>, TooManyAddresses> {
        parse_addresses(text, |text| {
            if text.contains('@') {
                Ok(text.to_lowercase())
            } else {
                Err("no @")
            }
        })
    }

    fn valid(text: &str) -> Parsed {
        Address::Valid(text.to_owned())
    }

    #[test]
    fn every_separator_separates_and_doubles_count_once() {
        let parsed = parse("a@x.org, b@x.org;c@x.org\n\td@x.org  <E@x.org>,;A@X.org\r\n");
        let expected = ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"].map(valid);
        assert_eq!(parsed, Ok(expected.to_vec()));
    }

    #[test]
    fn what_is_no_address_is_marked_and_kept_in_its_place() {
        let parsed = parse("a@x.org, bob").expect("few");
        assert_eq!(parsed[0], valid("a@x.org"));
        assert_eq!(
            parsed[1],
            Address::Invalid {
                text: "bob".into(),
                reason: "no @"
            }
        );
    }

    #[test]
    fn two_hundred_are_taken_and_one_more_is_too_many() {
        let many = |count: usize| {
            (0..count)
                .map(|n| format!("a{n}@x.org"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(parse(&many(200)).map(|parsed| parsed.len()), Ok(200));
        assert_eq!(parse(&many(201)), Err(TooManyAddresses));
        assert!(parse(&"a@x.org ".repeat(500)).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_nothing_is_dropped(text: String) {
            let words = text.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty());
            let invalid = words.filter(|word| !word.contains('@')).count();
            if let Ok(parsed) = parse(&text) {
                let marked = parsed.iter().filter(|address| matches!(address, Address::Invalid { .. })).count();
                prop_assert_eq!(marked, invalid);
            }
        }
    }
}
