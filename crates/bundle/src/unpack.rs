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

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of `map_err`, which gives a value"
)]
fn malformed(error: io::Error) -> UnpackError {
    // The tar reader wraps our own error, so it is looked for among the causes.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        let inner = current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let over = current
            .downcast_ref::<OverLimit>()
            .or_else(|| inner?.downcast_ref());
        if let Some(over) = over {
            return UnpackError::TooLarge {
                what: over.what,
                limit: over.limit,
            };
        }
        cause = inner.map(|inner| inner as _).or_else(|| current.source());
    }
    UnpackError::Malformed {
        reason: error.to_string(),
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

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A tar made by hand, so that names no honest writer would accept can be written.
    #[derive(Default)]
    struct Hostile(Vec<u8>);

    impl Hostile {
        fn with(mut self, kind: EntryType, name: &[u8], content: &[u8]) -> Self {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len().min(100)]
                .copy_from_slice(&name[..name.len().min(100)]);
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o4777);
            header.set_cksum();
            self.0.extend_from_slice(header.as_bytes());
            self.0.extend_from_slice(content);
            self.0.resize(self.0.len().next_multiple_of(512), 0);
            self
        }

        fn file(self, name: &str, content: &str) -> Self {
            self.with(EntryType::Regular, name.as_bytes(), content.as_bytes())
        }

        fn end(mut self) -> Vec<u8> {
            self.0.resize(self.0.len() + 1024, 0);
            gzip(&self.0)
        }
    }

    /// Unpacks below a fresh folder and checks that a refusal leaves nothing in it.
    fn check(archive: &[u8], limits: &Limits) -> Result<Unpacked, UnpackError> {
        let dir = tempfile::tempdir().unwrap();
        let result = unpack(archive, &dir.path().join("tree"), limits);
        let left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        match &result {
            Ok(_) => assert_eq!(left, ["tree"]),
            Err(_) => assert!(left.is_empty(), "{left:?} was left behind"),
        }
        result
    }

    fn fault(archive: &[u8]) -> PathFault {
        match check(archive, &Limits::default()) {
            Err(UnpackError::Path { fault, .. }) => fault,
            other => panic!("not refused for its path: {other:?}"),
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let one = |name: &str| Hostile::default().file(name, "x").end();
        assert_eq!(fault(&one("../evil")), PathFault::Dots);
        assert_eq!(fault(&one("a/../../evil")), PathFault::Dots);
        assert_eq!(fault(&one("./a")), PathFault::Dots);
        assert_eq!(fault(&one("/etc/cron.d/evil")), PathFault::Absolute);
        assert_eq!(fault(&one("C:/evil")), PathFault::Absolute);
        assert_eq!(fault(&one("..\\evil")), PathFault::Character);
        assert_eq!(fault(&one("a\nb")), PathFault::Character);
        assert_eq!(fault(&one("")), PathFault::Empty);
        assert_eq!(
            fault(
                &Hostile::default()
                    .with(EntryType::Regular, b"a\xff", b"")
                    .end()
            ),
            PathFault::NotUtf8
        );
    }

    #[test]
    fn long_names_are_held_to_the_same_rules() {
        let gnu = Hostile::default()
            .with(EntryType::GNULongName, b"././@LongLink", b"../evil\0")
            .file("innocent", "x")
            .end();
        assert_eq!(fault(&gnu), PathFault::Dots);
        let pax = Hostile::default()
            .with(EntryType::XHeader, b"pax", b"16 path=../evil\n")
            .file("innocent", "x")
            .end();
        assert_eq!(fault(&pax), PathFault::Dots);
        let size = Hostile::default()
            .with(EntryType::XHeader, b"pax", b"10 size=9\n")
            .file("a", "x")
            .end();
        assert!(matches!(
            check(&size, &Limits::default()),
            Err(UnpackError::Malformed { .. })
        ));
        let huge = vec![b'a'; 70_000];
        let huge = Hostile::default()
            .with(EntryType::GNULongName, b"x", &huge)
            .file("a", "x")
            .end();
        assert!(matches!(
            check(&huge, &Limits::default()),
            Err(UnpackError::TooLarge { .. })
        ));
    }

    #[test]
    fn links_and_devices_are_refused() {
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
        ] {
            let archive = Hostile::default()
                .file("ok", "x")
                .with(kind, b"bad", b"")
                .end();
            assert!(
                matches!(
                    check(&archive, &Limits::default()),
                    Err(UnpackError::Kind { .. })
                ),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn paths_that_collide_are_refused() {
        let two = |a: &str, b: &str| Hostile::default().file(a, "x").file(b, "y").end();
        assert_eq!(fault(&two("a", "a")), PathFault::Duplicate);
        assert!(matches!(
            fault(&two("a", "A")),
            PathFault::CaseCollision { .. }
        ));
        assert!(matches!(
            fault(&two("D/x", "d/y")),
            PathFault::CaseCollision { .. }
        ));
        assert_eq!(fault(&two("a", "a/b")), PathFault::FileAndFolder);
        assert_eq!(fault(&two("a/b", "a")), PathFault::FileAndFolder);
    }

    #[test]
    fn only_the_executable_bit_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Hostile::default().file("run.sh", "x").end();
        unpack(
            archive.as_slice(),
            &dir.path().join("tree"),
            &Limits::default(),
        )
        .unwrap();
        let mode = fs::metadata(dir.path().join("tree/run.sh"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn bombs_and_crowds_meet_their_limit() {
        let base = Limits {
            files: 3,
            total_bytes: 1000,
            file_bytes: 800,
            archive_bytes: 5000,
            ..Limits::default()
        };
        let too_large = |archive: &[u8], limits| {
            let result = check(archive, &limits);
            assert!(
                matches!(result, Err(UnpackError::TooLarge { .. })),
                "{result:?}"
            );
        };
        too_large(&Hostile::default().file("a", &"0".repeat(801)).end(), base);
        too_large(
            &Hostile::default()
                .file("a", &"0".repeat(700))
                .file("b", &"0".repeat(700))
                .end(),
            base,
        );
        let crowd = |kind| {
            (0..9)
                .fold(Hostile::default(), |tar, n| {
                    tar.with(kind, format!("d{n}").as_bytes(), b"")
                })
                .end()
        };
        too_large(&crowd(EntryType::Regular), base);
        too_large(&crowd(EntryType::Directory), base);
        too_large(
            &crowd(EntryType::Regular),
            Limits {
                files: 100,
                archive_bytes: 30,
                ..base
            },
        );
        // Zeros after the end of the archive: small to send, endless to read.
        let mut bomb = Hostile::default().file("a", "x").0;
        bomb.resize(40 << 20, 0);
        too_large(
            &gzip(&bomb),
            Limits {
                archive_bytes: 1 << 30,
                ..base
            },
        );
    }

    #[test]
    fn truncated_bytes_and_garbage_are_refused() {
        let whole = Hostile::default().file("a", &"text ".repeat(500)).end();
        for length in [0, 1, 10, whole.len() / 2, whole.len() - 1] {
            let result = check(&whole[..length], &Limits::default());
            assert!(
                matches!(
                    result,
                    Err(UnpackError::Malformed { .. } | UnpackError::NoFiles)
                ),
                "{length}: {result:?}"
            );
        }
        assert!(check(&gzip(&[0xAA; 4096]), &Limits::default()).is_err());
        assert!(matches!(
            check(&gzip(&[]), &Limits::default()),
            Err(UnpackError::NoFiles)
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_or_leave_anything(bytes: Vec<u8>) {
            let _ = check(&bytes, &Limits::default());
            let _ = check(&gzip(&bytes), &Limits::default());
        }

        #[test]
        fn a_damaged_archive_never_panics_or_leaves_anything(at in 0_usize..3000, with: u8) {
            let mut tar = Hostile::default()
                .with(EntryType::GNULongName, b"x", b"long\0")
                .file("a", "one")
                .with(EntryType::XHeader, b"pax", b"10 path=b\n")
                .file("x", "two")
                .0;
            let at = at % tar.len();
            tar[at] = with;
            let _ = check(&gzip(&tar), &Limits::default());
        }

        #[test]
        fn what_is_packed_is_unpacked_with_the_same_digest(
            files in proptest::collection::btree_map("[a-d]{1,3}(/[a-d]{1,3}){0,2}", proptest::collection::vec(any::<u8>(), 0..600), 1..8),
        ) {
            let source = tempfile::tempdir().unwrap();
            let mut written = 0;
            for (name, content) in &files {
                let path = source.path().join(name);
                // A name may be the folder of another; the first one stands.
                if fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(&path, content).is_ok() {
                    written += 1;
                }
            }
            prop_assume!(written > 0);
            let packed = crate::pack(source.path(), &Limits::default()).unwrap();
            let unpacked = check(&packed.archive, &Limits::default()).unwrap();
            prop_assert_eq!(packed.files, written);
            prop_assert_eq!((packed.digest, packed.files, packed.bytes), (unpacked.digest, unpacked.files, unpacked.bytes));
        }
    }
}
