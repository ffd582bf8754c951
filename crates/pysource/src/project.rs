//! A project: its files.

use std::collections::BTreeMap;

/// The files of a project, by POSIX path relative to its root.
#[derive(Debug)]
pub struct Project {
    #[expect(dead_code, reason = "read by the steps that land next")]
    files: BTreeMap<String, Vec<u8>>,
}

impl Project {
    /// Takes the files; nothing is decoded or parsed until needed.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files }
    }
}
