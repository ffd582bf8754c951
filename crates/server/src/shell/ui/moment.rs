//! A moment as people say it, with the exact time one hover away.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::{Timestamp, tz::TimeZone};

/// A point in time seen from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When it was or will be.
    pub at: Timestamp,
    /// When the page is made.
    pub now: Timestamp,
}

impl Moment {
    /// `at`, seen from `now`.
    pub const fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }

    /// `just now`, `3 minutes ago`, `in 2 days`, `4 Mar 2026`.
    pub fn words(&self) -> String {
        let seconds = self.now.as_second() - self.at.as_second();
        let (distance, past) = (seconds.unsigned_abs(), seconds >= 0);
        let (count, unit) = match distance {
            0..45 => return "just now".to_owned(),
            45..90 => (1, "minute"),
            90..2_700 => ((distance + 30) / 60, "minute"),
            2_700..5_400 => (1, "hour"),
            5_400..79_200 => ((distance + 1_800) / 3_600, "hour"),
            79_200..129_600 => return if past { "yesterday" } else { "tomorrow" }.to_owned(),
            129_600..2_592_001 => ((distance + 43_200) / 86_400, "day"),
            _ => {
                return self
                    .at
                    .to_zoned(TimeZone::UTC)
                    .strftime("%-d %b %Y")
                    .to_string();
            }
        };
        let plural = if count == 1 { "" } else { "s" };
        if past {
            format!("{count} {unit}{plural} ago")
        } else {
            format!("in {count} {unit}{plural}")
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.at.to_zoned(TimeZone::UTC);
        write!(
            f,
            r#"<time datetime="{}" title="{} UTC">{}</time>"#,
            exact.strftime("%Y-%m-%dT%H:%M:%SZ"),
            exact.strftime("%-d %b %Y, %H:%M"),
            self.words()
        )
    }
}

impl HtmlSafe for Moment {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn seen(seconds_ago: i64) -> String {
        let at = |second| Timestamp::from_second(second).expect("a time in range");
        Moment::new(at(NOW - seconds_ago), at(NOW)).words()
    }

    #[test]
    fn distances_are_said_in_the_unit_that_people_use() {
        for (seconds, words) in [
            (0, "just now"),
            (44, "just now"),
            (60, "1 minute ago"),
            (150, "3 minutes ago"),
            (3_600, "1 hour ago"),
            (7_200, "2 hours ago"),
            (86_400, "yesterday"),
            (3 * 86_400, "3 days ago"),
            (-3_600, "in 1 hour"),
            (-30 * 86_400, "in 30 days"),
        ] {
            assert_eq!(seen(seconds), words, "{seconds}");
        }
        assert_eq!(seen(60 * 86_400), "23 Jul 2026");
    }

    proptest! {
        #[test]
        fn any_two_moments_have_words(at in -1_000_000_000_000_i64..250_000_000_000, now in -1_000_000_000_000_i64..250_000_000_000) {
            if let (Ok(at), Ok(now)) = (Timestamp::from_second(at), Timestamp::from_second(now)) {
                prop_assert!(!Moment::new(at, now).to_string().is_empty());
            }
        }
    }
}
