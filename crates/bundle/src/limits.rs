//! How large a project may be.

/// Bounds on a bundle; the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the compressed archive.
    pub archive_bytes: u64,
    /// Files.
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files together, uncompressed.
    pub total_bytes: u64,
    /// Bytes of one path within the project.
    pub path_bytes: usize,
    /// Folders one inside the other.
    pub depth: usize,
}

impl Default for Limits {
    /// 100 MB compressed, 20,000 files, 100 MB a file, 500 MB in all, paths of 1,024 bytes and 40 folders.
    fn default() -> Self {
        Self {
            archive_bytes: 100_000_000,
            files: 20_000,
            file_bytes: 100_000_000,
            total_bytes: 500_000_000,
            path_bytes: 1024,
            depth: 40,
        }
    }
}
