//! Packs a project folder into a gzip'd tar, the same bytes for the same files.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use ignore::{WalkBuilder, gitignore::Gitignore, gitignore::GitignoreBuilder};
use sha2::{Digest as _, Sha256};

use crate::{
    Limits,
    digest::TreeDigest,
    path::{self, PathFault, Seen},
};

/// Files over this size are named to the publisher.
const LARGE_BYTES: u64 = 10_000_000;

/// Folders that never belong to a project, beside virtual environments, which are known by their `pyvenv.cfg`.
const FOLDERS: &[&str] = &[
    ".venv",
    "__pycache__",
    "node_modules",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".tox",
    ".nox",
    ".eggs",
    ".ipynb_checkpoints",
    ".idea",
    ".vscode",
    ".hg",
    ".svn",
    "vestibule-data",
];

/// A packed project.
#[derive(Debug)]
pub struct Packed {
    /// The gzip'd tar.
    pub archive: Vec<u8>,
    /// Number of files in it.
    pub files: usize,
    /// Their bytes, uncompressed.
    pub bytes: u64,
    /// The three largest files over 10 MB, largest first.
    pub largest: Vec<(String, u64)>,
    /// What was left out though no ignore rule says so.
    pub skipped: Vec<Skipped>,
    /// SHA-256 of the tree, hex; equal to [`crate::Unpacked::digest`] of the same bundle.
    pub digest: String,
}

/// A path that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The path within the project, odd characters replaced.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A folder that cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is not a folder, or a file in it cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// What could not be read.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// A symbolic link leads out of the project.
    #[error("{path} is a link out of the project (to {}); copy the file in, or ignore the link in .vestibuleignore", target.display())]
    LinkOut {
        /// The link.
        path: String,
        /// Where it leads.
        target: PathBuf,
    },
    /// Two paths cannot stand beside each other on every machine.
    #[error("{path} cannot be published: {fault}; rename or ignore one")]
    Path {
        /// The path.
        path: String,
        /// What is wrong.
        fault: PathFault,
    },
    /// One file is too large.
    #[error(
        "{path} has {bytes} bytes; the limit for a file is {limit}; ignore it in .vestibuleignore"
    )]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Too many files.
    #[error(
        "the project has more than {limit} files; leave out what is not needed in .vestibuleignore"
    )]
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
    /// Too many bytes.
    #[error(
        "the project is too large ({what} over {limit} bytes){}",
        name_largest(largest)
    )]
    TooLarge {
        /// `archive` or `files together`.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// The three largest files over 10 MB.
        largest: Vec<(String, u64)>,
    },
    /// There is no file to pack.
    #[error("the folder holds no file to publish")]
    NoFiles,
}

fn name_largest(largest: &[(String, u64)]) -> String {
    if largest.is_empty() {
        return String::new();
    }
    let names: Vec<_> = largest
        .iter()
        .map(|(path, bytes)| format!("{path} ({} MB)", bytes / 1_000_000))
        .collect();
    format!("; the largest files are {}", names.join(", "))
}

/// Packs `dir`, leaving out what ignore rules name.
///
/// Rules, strongest first: `.git` and `.env` never go in; `.vestibuleignore` (or `.ellivateignore`) decides, and may re-include with
/// `!`; virtual environments, caches, `*.pyc`, `node_modules` and `.env.*` stay out; `.gitignore` decides, with or without a
/// `.git` folder. Ignore files work in every folder; for re-including what always stays out, the topmost one counts.
pub fn pack(dir: &Path, limits: &Limits) -> Result<Packed, PackError> {
    let root = dir.canonicalize().map_err(|cause| PackError::Read {
        path: dir.to_owned(),
        cause,
    })?;
    let mut packer = Packer {
        limits,
        builder: tar::Builder::new(GzEncoder::new(Vec::new(), Compression::new(6))),
        seen: Seen::default(),
        digest: TreeDigest::default(),
        sizes: Vec::new(),
        bytes: 0,
        skipped: Vec::new(),
        rules: Rules::read(&root),
        root,
    };
    let rules = packer.rules.clone();
    let walk = WalkBuilder::new(&packer.root)
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .add_custom_ignore_filename(".ellivateignore")
        .add_custom_ignore_filename(".vestibuleignore")
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0 || !rules.leaves_out(entry.path(), is_folder)
        })
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| PackError::Read {
            path: packer.root.clone(),
            cause: error
                .into_io_error()
                .unwrap_or_else(|| io::Error::other("the folder could not be walked")),
        })?;
        if entry.depth() > 0 {
            packer.add(entry.path())?;
        }
    }
    packer.finish()
}

/// What stays out whatever `.gitignore` says.
#[derive(Debug, Clone)]
struct Rules {
    root: PathBuf,
    explicit: Gitignore,
}

impl Rules {
    fn read(root: &Path) -> Self {
        let mut builder = GitignoreBuilder::new(root);
        for name in [".ellivateignore", ".vestibuleignore"] {
            // A broken pattern is skipped, as git does.
            let _ = builder.add(root.join(name));
        }
        Self {
            root: root.to_owned(),
            explicit: builder.build().unwrap_or_else(|_| Gitignore::empty()),
        }
    }

    fn leaves_out(&self, path: &Path, is_folder: bool) -> bool {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return false;
        };
        if matches!(name, ".git" | ".env") {
            return true;
        }
        let always = if is_folder {
            FOLDERS.contains(&name)
                || path.join("pyvenv.cfg").exists()
                || path.join("vestibule.db").exists()
        } else {
            let extension = path.extension().and_then(|extension| extension.to_str());
            matches!(extension, Some("pyc" | "pyo"))
                || name.starts_with(".env.")
                || name == ".DS_Store"
                || name == ".coverage"
        };
        always && !self.explicit.matched(path, is_folder).is_whitelist()
    }

    /// Whether a path or a folder around it stays out; for the targets of links.
    fn leaves_out_any(&self, path: &Path) -> bool {
        path.ancestors()
            .take_while(|part| *part != self.root)
            .any(|part| self.leaves_out(part, part.is_dir()))
    }
}

struct Packer<'a> {
    root: PathBuf,
    limits: &'a Limits,
    builder: tar::Builder<GzEncoder<Vec<u8>>>,
    seen: Seen,
    digest: TreeDigest,
    sizes: Vec<(String, u64)>,
    bytes: u64,
    skipped: Vec<Skipped>,
    rules: Rules,
}

impl Packer<'_> {
    fn add(&mut self, path: &Path) -> Result<(), PackError> {
        let relative = path
            .strip_prefix(&self.root)
            .expect("the walk stays under its root");
        let shown = relative
            .to_string_lossy()
            .replace(char::is_control, "\u{fffd}");
        let Some(name) = relative.to_str() else {
            self.skip(shown, PathFault::NotUtf8.to_string());
            return Ok(());
        };
        let read = |cause| PackError::Read {
            path: path.to_owned(),
            cause,
        };
        let mut metadata = fs::symlink_metadata(path).map_err(read)?;
        if metadata.is_symlink() {
            match path.canonicalize() {
                Ok(target) if !target.starts_with(&self.root) => {
                    return Err(PackError::LinkOut {
                        path: shown,
                        target,
                    });
                }
                Ok(target) if self.rules.leaves_out_any(&target) => {
                    self.skip(shown, "it is a link to something that is left out".into());
                    return Ok(());
                }
                Ok(target) => metadata = fs::metadata(target).map_err(read)?,
                Err(_) => {
                    self.skip(shown, "it is a link to nothing".into());
                    return Ok(());
                }
            }
            if metadata.is_dir() {
                self.skip(shown, "it is a link to a folder".into());
                return Ok(());
            }
        }
        if metadata.is_dir() {
            return Ok(());
        }
        if !metadata.is_file() {
            self.skip(shown, "it is neither a file nor a folder".into());
            return Ok(());
        }
        if let Err(fault) = path::check(name, self.limits) {
            self.skip(shown, fault.to_string());
            return Ok(());
        }
        self.add_file(path, name, &metadata)
    }

    fn add_file(
        &mut self,
        path: &Path,
        name: &str,
        metadata: &fs::Metadata,
    ) -> Result<(), PackError> {
        self.seen.file(name).map_err(|fault| PackError::Path {
            path: name.to_owned(),
            fault,
        })?;
        if self.sizes.len() == self.limits.files {
            return Err(PackError::TooManyFiles {
                limit: self.limits.files,
            });
        }
        let too_large = |bytes| PackError::FileTooLarge {
            path: name.to_owned(),
            bytes,
            limit: self.limits.file_bytes,
        };
        if metadata.len() > self.limits.file_bytes {
            return Err(too_large(metadata.len()));
        }
        // Read whole, so that a file that grows meanwhile cannot break the archive.
        let content = fs::read(path).map_err(|cause| PackError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let size = content.len() as u64;
        if size > self.limits.file_bytes {
            return Err(too_large(size));
        }
        self.bytes += size;
        self.sizes.push((name.to_owned(), size));
        if self.bytes > self.limits.total_bytes {
            let limit = self.limits.total_bytes;
            return Err(PackError::TooLarge {
                what: "files together",
                limit,
                largest: self.largest(),
            });
        }
        let executable = metadata.permissions().mode() & 0o111 != 0;
        self.digest
            .add(name, executable, Sha256::digest(&content).into());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(size);
        header.set_mode(if executable { 0o755 } else { 0o644 });
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.builder
            .append_data(&mut header, name, content.as_slice())
            .map_err(|cause| PackError::Read {
                path: path.to_owned(),
                cause,
            })?;
        self.check_archive(self.builder.get_ref().get_ref().len())
    }

    fn finish(mut self) -> Result<Packed, PackError> {
        if self.sizes.is_empty() {
            return Err(PackError::NoFiles);
        }
        let largest = self.largest();
        let builder = std::mem::replace(
            &mut self.builder,
            tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none())),
        );
        let archive = builder
            .into_inner()
            .and_then(GzEncoder::finish)
            .map_err(|cause| PackError::Read {
                path: self.root.clone(),
                cause,
            })?;
        self.check_archive(archive.len())?;
        Ok(Packed {
            archive,
            files: self.sizes.len(),
            bytes: self.bytes,
            largest,
            skipped: self.skipped,
            digest: self.digest.finish(),
        })
    }

    fn check_archive(&self, length: usize) -> Result<(), PackError> {
        if length as u64 > self.limits.archive_bytes {
            let limit = self.limits.archive_bytes;
            return Err(PackError::TooLarge {
                what: "archive",
                limit,
                largest: self.largest(),
            });
        }
        Ok(())
    }

    fn largest(&self) -> Vec<(String, u64)> {
        let mut large: Vec<_> = self
            .sizes
            .iter()
            .filter(|(_, bytes)| *bytes > LARGE_BYTES)
            .cloned()
            .collect();
        large.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        large.truncate(3);
        large
    }

    fn skip(&mut self, path: String, reason: String) {
        self.skipped.push(Skipped { path, reason });
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt as _, fs::symlink};

    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    fn names(packed: &Packed) -> Vec<String> {
        let mut archive =
            tar::Archive::new(flate2::read::GzDecoder::new(packed.archive.as_slice()));
        archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn what_never_belongs_to_a_project_stays_out() {
        let dir = project(&[
            ("main.py", ""),
            (".git/config", ""),
            ("env/pyvenv.cfg", ""),
            ("env/lib/x.py", ""),
            ("__pycache__/a.pyc", ""),
            ("b.pyc", ""),
            ("node_modules/x/y.js", ""),
            (".env", "SECRET=1"),
            (".env.local", ""),
            ("sub/.env", ""),
            (".ruff_cache/x", ""),
            (".well-known/x", ""),
            ("vestibule-data/vestibule.db", ""),
        ]);
        assert_eq!(
            names(&pack(dir.path(), &Limits::default()).unwrap()),
            [".well-known/x", "main.py"]
        );
    }

    #[test]
    fn git_ignore_counts_without_git_and_vestibule_ignore_overrides_it() {
        let dir = project(&[
            ("main.py", ""),
            ("data.bin", ""),
            ("keep.bin", ""),
            ("notes.md", ""),
            ("sub/x.log", ""),
            ("sub/y.txt", ""),
            (".env.example", ""),
            (".env", ""),
            (".gitignore", "*.bin\n!.env\n"),
            ("sub/.gitignore", "*.log\n"),
            (
                ".vestibuleignore",
                "!keep.bin\nnotes.md\n!.env.example\n!.env\n",
            ),
        ]);
        assert_eq!(
            names(&pack(dir.path(), &Limits::default()).unwrap()),
            [
                ".env.example",
                ".gitignore",
                ".vestibuleignore",
                "keep.bin",
                "main.py",
                "sub/.gitignore",
                "sub/y.txt"
            ]
        );
    }

    #[test]
    fn the_alias_of_the_ignore_file_works_and_yields_to_our_own() {
        let dir = project(&[
            ("a.md", ""),
            ("b.md", ""),
            ("m.py", ""),
            (".ellivateignore", "*.md\n"),
            (".vestibuleignore", "!b.md\n"),
        ]);
        assert_eq!(
            names(&pack(dir.path(), &Limits::default()).unwrap()),
            [".ellivateignore", ".vestibuleignore", "b.md", "m.py"]
        );
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let files = [("main.py", "x = 1"), ("sub/b.py", "y")];
        let (one, two) = (project(&files), project(&files));
        let pack = |dir: &tempfile::TempDir| pack(dir.path(), &Limits::default()).unwrap();
        assert_eq!(pack(&one).archive, pack(&two).archive);
    }

    #[test]
    fn a_link_out_of_the_project_is_refused_and_one_inside_is_packed_as_a_file() {
        let dir = project(&[("main.py", "x"), ("real/a.txt", "A"), (".env", "SECRET")]);
        symlink("real/a.txt", dir.path().join("a.txt")).unwrap();
        symlink("real", dir.path().join("folder")).unwrap();
        symlink(".env", dir.path().join("sneaky")).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        let packed = pack(dir.path(), &Limits::default()).unwrap();
        assert_eq!(names(&packed), ["a.txt", "main.py", "real/a.txt"]);
        let skipped: Vec<_> = packed
            .skipped
            .iter()
            .map(|skipped| skipped.path.as_str())
            .collect();
        assert_eq!(skipped, ["dangling", "folder", "sneaky"]);
        symlink("/etc/hostname", dir.path().join("out")).unwrap();
        assert!(
            matches!(pack(dir.path(), &Limits::default()), Err(PackError::LinkOut { path, .. }) if path == "out")
        );
    }

    #[test]
    fn odd_names_are_skipped_with_a_reason() {
        let dir = project(&[("main.py", ""), ("new\nline.py", ""), ("back\\slash", "")]);
        fs::write(
            dir.path().join(std::ffi::OsStr::from_bytes(b"bad\xff.py")),
            "",
        )
        .unwrap();
        let packed = pack(dir.path(), &Limits::default()).unwrap();
        assert_eq!(names(&packed), ["main.py"]);
        assert_eq!(packed.skipped.len(), 3);
        assert!(
            packed
                .skipped
                .iter()
                .all(|skipped| !skipped.path.contains('\n') && !skipped.reason.is_empty())
        );
    }

    #[test]
    fn names_that_differ_in_case_only_are_refused() {
        let dir = project(&[("README.md", ""), ("readme.md", "")]);
        assert!(matches!(
            pack(dir.path(), &Limits::default()),
            Err(PackError::Path { .. })
        ));
    }

    #[test]
    fn every_limit_is_kept_and_large_files_are_named() {
        let dir = project(&[("a.py", "xxxx"), ("b.py", "yyyy")]);
        let with = |limits: Limits| pack(dir.path(), &limits);
        let base = Limits::default();
        assert!(matches!(
            with(Limits { files: 1, ..base }),
            Err(PackError::TooManyFiles { limit: 1 })
        ));
        assert!(matches!(
            with(Limits {
                file_bytes: 3,
                ..base
            }),
            Err(PackError::FileTooLarge { .. })
        ));
        assert!(matches!(
            with(Limits {
                total_bytes: 7,
                ..base
            }),
            Err(PackError::TooLarge { .. })
        ));
        assert!(matches!(
            with(Limits {
                archive_bytes: 20,
                ..base
            }),
            Err(PackError::TooLarge { .. })
        ));
        fs::write(dir.path().join("big.bin"), vec![0; 10_000_001]).unwrap();
        assert_eq!(
            with(base).unwrap().largest,
            [("big.bin".to_owned(), 10_000_001)]
        );
        assert!(matches!(
            pack(project(&[]).path(), &base),
            Err(PackError::NoFiles)
        ));
        assert!(matches!(
            pack(Path::new("/nonexistent/x"), &base),
            Err(PackError::Read { .. })
        ));
    }
}
