//! API keys: how many a person may have and how often they may be used.

use accounts::quota::Limits;

use super::setting::{Within, section};

section! {
    /// API keys: how many a person may have and how often they may be used.
    ApiKeys {
        /// Most usable keys of one account.
        "api_keys.each" each: Within<0, 10_000> = "10",
        /// Uses of one key in a minute; 0 for no limit. A limit that was set for the key or its account comes first,
        /// here and below.
        "api_keys.per_minute" per_minute: Within<0, 1_000_000_000> = "60",
        /// Uses of one key in an hour; 0 for no limit.
        "api_keys.per_hour" per_hour: Within<0, 1_000_000_000> = "1000",
        /// Uses of one key in a day; 0 for no limit.
        "api_keys.per_day" per_day: Within<0, 1_000_000_000> = "10000",
        /// Uses of one key in a month; 0 for no limit.
        "api_keys.per_month" per_month: Within<0, 1_000_000_000> = "200000",
        /// How often one service may ask about keys in a minute, good ones and bad ones; 0 for no limit. Counted by
        /// each server for itself.
        "api_keys.introspections_per_minute" introspections_per_minute: Within<0, 1_000_000_000> = "6000",
    }
}

impl ApiKeys {
    /// The limits of keys that have none of their own.
    pub fn limits(&self) -> Limits {
        let limit = |number: u64| Some(u32::try_from(number).unwrap_or(u32::MAX));
        Limits([
            limit(self.per_minute.get()),
            limit(self.per_hour.get()),
            limit(self.per_day.get()),
            limit(self.per_month.get()),
        ])
    }
}
