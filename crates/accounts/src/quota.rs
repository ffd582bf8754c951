//! How often an API key may be used: fixed windows of a minute, an hour, a day and a month, in UTC.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};

/// A window's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From a full minute to the next.
    Minute,
    /// From a full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the next.
    Month,
}

impl Period {
    /// Every period, the shortest first; the place of a period in [`Limits`] and [`Usage`].
    pub const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Month];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The window that an instant is in: its beginning and its end.
    pub fn window(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let fixed = |seconds: i64| {
            let start = now.as_second().div_euclid(seconds) * seconds;
            let start = Timestamp::from_second(start).unwrap_or(Timestamp::MIN);
            (
                start,
                start
                    .saturating_add(SignedDuration::from_secs(seconds))
                    .unwrap_or(Timestamp::MAX),
            )
        };
        match self {
            Self::Minute => fixed(60),
            Self::Hour => fixed(3600),
            Self::Day => fixed(24 * 3600),
            Self::Month => {
                let day = now.to_zoned(TimeZone::UTC).date();
                let instant = |first: Option<jiff::civil::Date>| {
                    let zoned = first.and_then(|first| first.to_zoned(TimeZone::UTC).ok());
                    zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
                };
                let first = day.first_of_month();
                (
                    instant(Some(first)),
                    instant(first.checked_add(1.month()).ok()),
                )
            }
        }
    }
}

/// The most uses in each period, in the order of [`Period::ALL`]; 0 stands for no limit, `None` for none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits(pub [Option<u32>; 4]);

impl Limits {
    /// These limits, and where there are none, those.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        let mut limits = self;
        for (limit, other) in limits.0.iter_mut().zip(others.0) {
            *limit = limit.or(other);
        }
        limits
    }

    fn of(&self, period: Period) -> Option<u64> {
        self.0[period as usize]
            .filter(|limit| *limit > 0)
            .map(u64::from)
    }
}

/// Uses in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// When it began.
    pub start: Timestamp,
    /// How many.
    pub count: u64,
}

impl Window {
    /// Adds uses of the same window; later windows take the place of earlier ones.
    fn add(&mut self, more: Self) {
        match more.start.cmp(&self.start) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => self.count = self.count.saturating_add(more.count),
            std::cmp::Ordering::Greater => *self = more,
        }
    }

    /// Takes the larger count of the same window; later windows take the place of earlier ones.
    fn raise(&mut self, other: Self) {
        match other.start.cmp(&self.start) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => self.count = self.count.max(other.count),
            std::cmp::Ordering::Greater => *self = other,
        }
    }
}

/// Uses in the latest window of each period, in the order of [`Period::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage(pub [Window; 4]);

impl Usage {
    /// One use.
    pub fn once(now: Timestamp) -> Self {
        Self(Period::ALL.map(|period| Window {
            start: period.window(now).0,
            count: 1,
        }))
    }

    /// Nothing used.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|window| window.count == 0)
    }

    /// Adds uses that were counted elsewhere.
    pub fn add(&mut self, more: &Self) {
        for (window, more) in self.0.iter_mut().zip(more.0) {
            window.add(more);
        }
    }

    /// Takes over what is known elsewhere, where that is more.
    pub fn raise(&mut self, other: &Self) {
        for (window, other) in self.0.iter_mut().zip(other.0) {
            window.raise(other);
        }
    }

    /// Whether one more use is within the limits, and what to tell of them. Counts nothing.
    pub fn check(&self, limits: &Limits, now: Timestamp) -> Result<Option<Tightest>, Exceeded> {
        let mut tightest: Option<Tightest> = None;
        let mut exceeded: Option<Exceeded> = None;
        for period in Period::ALL {
            let Some(limit) = limits.of(period) else {
                continue;
            };
            let (start, reset) = period.window(now);
            let window = self.0[period as usize];
            let used = if window.start == start {
                window.count
            } else {
                0
            };
            let remaining = limit.saturating_sub(used.saturating_add(1));
            let told = Tightest {
                period,
                limit,
                remaining,
                reset,
            };
            if used >= limit {
                // The longest of them is what must be waited for.
                exceeded = Some(Exceeded {
                    told,
                    retry_after: until(reset, now),
                });
            }
            if tightest.is_none_or(|other| remaining < other.remaining) {
                tightest = Some(told);
            }
        }
        exceeded.map_or(Ok(tightest), Err)
    }
}

fn until(reset: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(reset.duration_since(now)).unwrap_or_default()
}

/// The window with the fewest uses left, the use that is being checked counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tightest {
    /// Its length.
    pub period: Period,
    /// The most uses in it.
    pub limit: u64,
    /// Uses left in it.
    pub remaining: u64,
    /// When it ends.
    pub reset: Timestamp,
}

/// A limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Rate limit exceeded for period: {}", told.period.as_str())]
pub struct Exceeded {
    /// The longest window that is used up.
    pub told: Tightest,
    /// How long until it ends.
    pub retry_after: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn windows_are_those_of_the_clock_and_the_calendar() {
        let now = at("2028-02-29T23:59:59.5Z");
        let windows = Period::ALL.map(|period| period.window(now));
        let next = at("2028-03-01T00:00:00Z");
        let starts = [
            "2028-02-29T23:59:00Z",
            "2028-02-29T23:00:00Z",
            "2028-02-29T00:00:00Z",
            "2028-02-01T00:00:00Z",
        ];
        for ((start, end), expected) in windows.into_iter().zip(starts) {
            assert_eq!((start, end), (at(expected), next));
        }
    }

    #[test]
    fn a_limit_is_reached_and_the_next_window_begins_anew() {
        let limits = Limits([Some(2), None, Some(0), Some(3)]);
        let mut usage = Usage::default();
        let mut now = at("2027-01-15T10:00:30Z");
        let mut take = |now| {
            let told = usage.check(&limits, now)?;
            usage.add(&Usage::once(now));
            Ok::<_, Exceeded>(told.expect("limited"))
        };
        assert_eq!(
            take(now).map(|told| (told.period, told.remaining)),
            Ok((Period::Minute, 1))
        );
        assert_eq!(
            take(now).map(|told| (told.period, told.remaining)),
            Ok((Period::Minute, 0))
        );
        let refused = take(now).unwrap_err();
        assert_eq!(
            (refused.told.period, refused.retry_after),
            (Period::Minute, Duration::from_secs(30))
        );
        assert_eq!(
            refused.to_string(),
            "Rate limit exceeded for period: minute"
        );
        now = at("2027-01-15T10:01:00Z");
        assert_eq!(
            take(now).map(|told| (told.period, told.limit, told.remaining)),
            Ok((Period::Month, 3, 0))
        );
        let refused = take(now).unwrap_err();
        assert_eq!(
            (refused.told.period, refused.told.reset),
            (Period::Month, at("2027-02-01T00:00:00Z"))
        );
    }

    #[test]
    fn a_key_s_own_limit_wins_over_its_account_s_and_that_over_the_default() {
        let (key, account) = (
            Limits([Some(1), None, None, None]),
            Limits([Some(2), Some(0), None, None]),
        );
        let default = Limits([Some(60), Some(1000), Some(10_000), None]);
        assert_eq!(
            key.or(account).or(default),
            Limits([Some(1), Some(0), Some(10_000), None])
        );
    }

    #[test]
    fn without_limits_nothing_is_told_and_nothing_refused() {
        let now = at("2027-01-15T10:00:30Z");
        assert_eq!(Usage::once(now).check(&Limits([Some(0); 4]), now), Ok(None));
        assert_eq!(Usage::once(now).check(&Limits::default(), now), Ok(None));
    }

    proptest! {
        #[test]
        fn an_instant_is_within_its_window(second in -60_000_000_000_i64..250_000_000_000) {
            let now = Timestamp::from_second(second).expect("in range");
            for period in Period::ALL {
                let (start, end) = period.window(now);
                prop_assert!(start <= now && now < end);
                prop_assert_eq!(period.window(start).0, start);
                prop_assert_eq!(period.window(end).0, end);
            }
        }

        #[test]
        fn adding_in_parts_is_adding_at_once(seconds in prop::collection::vec(0_i64..10_000_000, 0..40), cut in 0_usize..40) {
            let mut seconds = seconds;
            seconds.sort_unstable();
            let uses: Vec<_> = seconds.iter().map(|s| Usage::once(Timestamp::from_second(*s).expect("in range"))).collect();
            let sum = |uses: &[Usage]| uses.iter().fold(Usage::default(), |mut sum, one| { sum.add(one); sum });
            let (first, second) = uses.split_at(cut.min(uses.len()));
            let mut both = sum(first);
            both.add(&sum(second));
            prop_assert_eq!(both, sum(&uses));
        }
    }
}
