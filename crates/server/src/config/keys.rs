//! The key that all other keys come from.

use secret::SecretString;

use super::setting::section;

section! {
    /// The key that all other keys come from.
    Keys {
        /// 32 bytes as 64 hexadecimal digits. Made at first start and kept as `master.key` in the data
        /// directory when left out. Several servers that share a database need the same one.
        "master_key" master_key: Option<SecretString>,
    }
}
