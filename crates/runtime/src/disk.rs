//! What an app keeps in its writable folder. The kernel limits one file only, and quotas are not everywhere to be had.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

/// A file or folder counts as this much at least, so that empty ones cannot use up what a file system has of them.
const LEAST_BYTES: u64 = 4096;

/// Whether a folder and all in it take more than `limit` bytes on the disk. Stops counting there, so it takes no longer for a
/// folder that is far too full.
pub(crate) fn exceeds(folder: &Path, limit: u64) -> bool {
    let (mut folders, mut bytes) = (vec![folder.to_owned()], 0_u64);
    while let Some(folder) = folders.pop() {
        // The app works in it meanwhile: what is gone takes no room.
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            // Of the entry itself: links are not followed.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            bytes = bytes.saturating_add((metadata.blocks() * 512).max(LEAST_BYTES));
            if bytes > limit {
                return true;
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    false
}

/// Deletes all that is in a folder. No process that could work in it may be alive.
pub(crate) fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_counted_whole_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("home");
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/c"), vec![1; 100_000]).unwrap();
        fs::write(dir.path().join("outside"), vec![1; 1_000_000]).unwrap();
        std::os::unix::fs::symlink(dir.path(), folder.join("link")).unwrap();
        assert!(exceeds(&folder, 100_000));
        assert!(!exceeds(&folder, 500_000));
        for number in 0..100 {
            fs::write(folder.join(number.to_string()), "").unwrap();
        }
        assert!(exceeds(&folder, 500_000), "empty files count too");
        empty(&folder).unwrap();
        assert!(!exceeds(&folder, 0));
        assert!(dir.path().join("outside").exists());
    }
}
