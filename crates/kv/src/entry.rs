//! What is stored under a key.

use jiff::Timestamp;

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The JSON text, byte for byte as the writer sent it.
    pub value: String,
    /// Drawn from a counter of the app, which each write of any key raises: it grows with each write of the key, also
    /// over deletion and re-creation, but in steps of any size.
    pub version: u64,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// How much of its quota an app has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Stored keys.
    pub keys: u64,
    /// Stored bytes, keys and values together.
    pub bytes: u64,
}
