//! Unpacks a bundle from anybody: every name is checked, every byte counted, and nothing is left behind on failure.

use std::{
    fs,
    io::{self, Read, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use crate::{
    Limits,
    digest::TreeDigest,
    path::{self, PathFault, Seen},
};

/// Longest extension record (a long name, pax keywords) that is read into memory.
const EXTENSION_BYTES: u64 = 64 * 1024;

/// An unpacked project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Number of files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// SHA-256 of the tree, hex; equal to [`crate::Packed::digest`] of the same bundle.
    pub digest: String,
}

/// A bundle that was refused, or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bytes are no gzip'd tar, or end too early.
    #[error("the upload is not a complete gzip'd tar archive: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// A path may not stand in a bundle.
    #[error("the upload has the path {path:?}, which is refused: {fault}")]
    Path {
        /// The path, odd characters replaced.
        path: String,
        /// What is wrong.
        fault: PathFault,
    },
    /// An entry is neither a file nor a folder.
    #[error("the upload has {path:?}, which is {kind}; only files and folders are accepted")]
    Kind {
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A limit was passed.
    #[error("the upload is too large: {what} over {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// There is no file in it.
    #[error("the upload holds no file")]
    NoFiles,
    /// Our disk failed.
    #[error("could not write {}", path.display())]
    Write {
        /// What could not be written.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

/// Unpacks a gzip'd tar into the folder `into`, which must not exist or be empty. Its parent must exist.
///
/// Files become 0644, or 0755 when any executable bit is set; folders 0755. Links, devices and everything else are refused.
pub fn unpack(reader: impl Read, into: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let write = |cause| UnpackError::Write {
        path: into.to_owned(),
        cause,
    };
    let parent = into
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new()
        .prefix(".unpack-")
        .tempdir_in(parent)
        .map_err(write)?;
    let unpacked = unpack_into(reader, temporary.path(), limits)?;
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).map_err(write)?;
    fs::rename(temporary.path(), into).map_err(write)?;
    // The folder has moved; there is nothing left to delete.
    let _ = temporary.keep();
    Ok(unpacked)
}

fn unpack_into(reader: impl Read, root: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let compressed = Counted::new(reader, limits.archive_bytes, "compressed bytes");
    // Headers, padding and long names come on top of the contents.
    let overhead = (limits.files as u64)
        .saturating_mul(8192)
        .saturating_add(1 << 20);
    let plain = Counted::new(
        GzDecoder::new(compressed),
        limits.total_bytes.saturating_add(overhead),
        "uncompressed bytes",
    );
    let mut archive = tar::Archive::new(plain);
    let mut unpacker = Unpacker {
        root,
        limits,
        seen: Seen::default(),
        digest: TreeDigest::default(),
        unpacked: Unpacked {
            files: 0,
            bytes: 0,
            digest: String::new(),
        },
        long_name: None,
    };
    for entry in archive.entries().map_err(malformed)?.raw(true) {
        unpacker.entry(entry.map_err(malformed)?)?;
    }
    // Reads on to the end, so that the checksum is compared and nothing uncounted follows.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(malformed)?;
    if unpacker.unpacked.files == 0 {
        return Err(UnpackError::NoFiles);
    }
    unpacker.unpacked.digest = unpacker.digest.finish();
    Ok(unpacker.unpacked)
}

struct Unpacker<'a> {
    root: &'a Path,
    limits: &'a Limits,
    seen: Seen,
    digest: TreeDigest,
    unpacked: Unpacked,
    long_name: Option<Vec<u8>>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), UnpackError> {
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let mut name = read_extension(&mut entry)?;
                if name.last() == Some(&0) {
                    name.pop();
                }
                self.long_name = Some(name);
                return Ok(());
            }
            EntryType::XHeader => {
                let records = read_extension(&mut entry)?;
                return self.pax(&records);
            }
            // Applies to no path of its own; what it could say (a comment, a charset) changes nothing here.
            EntryType::XGlobalHeader => return read_extension(&mut entry).map(drop),
            _ => {}
        }
        let bytes = self
            .long_name
            .take()
            .unwrap_or_else(|| entry.header().path_bytes().into_owned());
        let shown = String::from_utf8_lossy(&bytes).replace(char::is_control, "\u{fffd}");
        let refuse = |fault| UnpackError::Path {
            path: shown.clone(),
            fault,
        };
        let name = str::from_utf8(&bytes).map_err(|_| refuse(PathFault::NotUtf8))?;
        match entry.header().entry_type() {
            EntryType::Regular => {
                path::check(name, self.limits).map_err(refuse)?;
                self.seen.file(name).map_err(refuse)?;
                self.count_paths()?;
                self.file(name, &mut entry)
            }
            EntryType::Directory => {
                let name = name.strip_suffix('/').unwrap_or(name);
                // `tar c .` names the folder itself.
                if name == "." {
                    return Ok(());
                }
                path::check(name, self.limits).map_err(refuse)?;
                self.seen.folder(name).map_err(refuse)?;
                self.count_paths()?;
                let path = self.root.join(name);
                fs::create_dir_all(&path).map_err(|cause| UnpackError::Write { path, cause })
            }
            other => Err(UnpackError::Kind {
                path: shown,
                kind: kind(other),
            }),
        }
    }

    fn pax(&mut self, records: &[u8]) -> Result<(), UnpackError> {
        for record in tar::PaxExtensions::new(records) {
            let record = record.map_err(malformed)?;
            match record.key_bytes() {
                b"path" => self.long_name = Some(record.value_bytes().to_owned()),
                // The reader below trusts the header's size; a second opinion would let an entry hide in another.
                b"size" => {
                    return Err(UnpackError::Malformed {
                        reason: "a pax size record".into(),
                    });
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(UnpackError::Malformed {
                        reason: "a sparse file".into(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        name: &str,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<(), UnpackError> {
        let size = entry.header().entry_size().map_err(malformed)?;
        if self.unpacked.files == self.limits.files {
            return Err(UnpackError::TooLarge {
                what: "number of files",
                limit: self.limits.files as u64,
            });
        }
        if size > self.limits.file_bytes {
            return Err(UnpackError::TooLarge {
                what: "bytes of one file",
                limit: self.limits.file_bytes,
            });
        }
        self.unpacked.files += 1;
        self.unpacked.bytes = self.unpacked.bytes.saturating_add(size);
        if self.unpacked.bytes > self.limits.total_bytes {
            return Err(UnpackError::TooLarge {
                what: "bytes of all files",
                limit: self.limits.total_bytes,
            });
        }
        let executable = entry.header().mode().map_err(malformed)? & 0o111 != 0;
        let path = self.root.join(name);
        let write = |cause| UnpackError::Write {
            path: path.clone(),
            cause,
        };
        fs::create_dir_all(path.parent().expect("a joined path has a parent")).map_err(write)?;
        let mode = if executable { 0o755 } else { 0o644 };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(write)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let count = entry.read(&mut buffer).map_err(malformed)?;
            if count == 0 {
                return Err(UnpackError::Malformed {
                    reason: "a file ends too early".into(),
                });
            }
            hash.update(&buffer[..count]);
            file.write_all(&buffer[..count]).map_err(write)?;
            left -= count as u64;
        }
        // Independent of the umask.
        file.set_permissions(fs::Permissions::from_mode(mode))
            .map_err(write)?;
        self.digest.add(name, executable, hash.finalize().into());
        Ok(())
    }

    fn count_paths(&self) -> Result<(), UnpackError> {
        let limit = self.limits.files.saturating_mul(2);
        if self.seen.len() > limit {
            return Err(UnpackError::TooLarge {
                what: "number of files and folders",
                limit: limit as u64,
            });
        }
        Ok(())
    }
}

fn read_extension<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, UnpackError> {
    if entry.header().entry_size().map_err(malformed)? > EXTENSION_BYTES {
        return Err(UnpackError::TooLarge {
            what: "bytes of a long name",
            limit: EXTENSION_BYTES,
        });
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(malformed)?;
    Ok(bytes)
}

fn kind(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link | EntryType::GNULongLink => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}

fn malformed(error: io::Error) -> UnpackError {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<OverLimit>())
    {
        Some(over) => UnpackError::TooLarge {
            what: over.what,
            limit: over.limit,
        },
        None => UnpackError::Malformed {
            reason: error.to_string(),
        },
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{what} over {limit}")]
struct OverLimit {
    what: &'static str,
    limit: u64,
}

/// Fails once more than `limit` bytes went through.
struct Counted<R> {
    inner: R,
    count: u64,
    limit: u64,
    what: &'static str,
}

impl<R> Counted<R> {
    fn new(inner: R, limit: u64, what: &'static str) -> Self {
        Self {
            inner,
            count: 0,
            limit,
            what,
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        if self.count > self.limit {
            return Err(io::Error::other(OverLimit {
                what: self.what,
                limit: self.limit,
            }));
        }
        Ok(count)
    }
}
