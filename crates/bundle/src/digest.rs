//! One name for a whole tree: SHA-256 over its sorted paths, modes and contents.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Collects files in any order.
#[derive(Debug, Default)]
pub(crate) struct TreeDigest {
    files: BTreeMap<String, (bool, [u8; 32])>,
}

impl TreeDigest {
    pub(crate) fn add(&mut self, path: &str, executable: bool, content: [u8; 32]) {
        self.files.insert(path.to_owned(), (executable, content));
    }

    /// Lower-case hex. Lengths go in front of paths, so no two trees give the same bytes to the hash.
    pub(crate) fn finish(&self) -> String {
        let mut hash = Sha256::new();
        for (path, (executable, content)) in &self.files {
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(path.as_bytes());
            hash.update([u8::from(*executable)]);
            hash.update(content);
        }
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_but_path_mode_and_content_do() {
        let digest = |files: &[(&str, bool, u8)]| {
            let mut tree = TreeDigest::default();
            for (path, executable, content) in files {
                tree.add(path, *executable, [*content; 32]);
            }
            tree.finish()
        };
        let base = digest(&[("a", false, 1), ("b", true, 2)]);
        assert_eq!(base, digest(&[("b", true, 2), ("a", false, 1)]));
        assert_ne!(base, digest(&[("a", true, 1), ("b", true, 2)]));
        assert_ne!(base, digest(&[("a", false, 3), ("b", true, 2)]));
        assert_ne!(base, digest(&[("a", false, 1), ("c", true, 2)]));
    }
}
