//! How much one app may store, and how fast.

/// How much one app may store, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest value, in bytes of UTF-8 JSON as sent.
    pub value_bytes: usize,
    /// Most keys.
    pub keys: u64,
    /// Most bytes, keys and values together.
    pub bytes: u64,
    /// Writes a second.
    pub writes_per_second: u32,
    /// Most keys that one listing returns; a longer one is refused, never cut.
    pub list_keys: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value_bytes: 262_144,
            keys: 100_000,
            bytes: 1 << 30,
            writes_per_second: 200,
            list_keys: 10_000,
        }
    }
}
