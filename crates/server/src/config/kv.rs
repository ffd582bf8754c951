//! Limits of the key-value store.

use super::setting::{Within, section};

section! {
    /// Limits of the key-value store.
    Kv {
        /// Largest value, in bytes of JSON as sent.
        "kv.value_bytes" value_bytes: Within<1, 16_777_216> = "262144",
        /// Most keys of one app.
        "kv.keys" keys: Within<1, 1_000_000_000> = "100000",
        /// Most bytes of one app, keys and values together.
        "kv.bytes" bytes: Within<1024, 1_099_511_627_776> = "1073741824",
        /// Most keys that one listing returns; a longer one is refused, never cut.
        "kv.list_keys" list_keys: Within<1, 1_000_000> = "10000",
        /// Writes a second of one app.
        "kv.writes_per_second" writes_per_second: Within<1, 1_000_000> = "200",
    }
}
