//! The values this crate hands out: what was found, how to start it, what to install.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::finding::Finding;

/// A Python language version, such as 3.12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PythonVersion {
    /// The first number; always 3 in practice.
    pub major: u8,
    /// The second number.
    pub minor: u8,
}

impl PythonVersion {
    /// The oldest version apps may use.
    pub const OLDEST: Self = Self::new(3, 10);
    /// The newest version whose grammar is known.
    pub const NEWEST: Self = Self::new(3, 14);

    /// Names a version.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// Reads the first `X.Y` in `text`, ignoring what follows (`3.12.4` is 3.12).
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let mut numbers = text[start..].split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some(Self { major, minor })
    }
}

impl Default for PythonVersion {
    fn default() -> Self {
        Self::new(3, 12)
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The Python the project asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonRequest {
    /// A version specifier (`>=3.11,<3.14`) or a plain version (`3.12`), as written.
    pub specifier: String,
    /// The file that says so.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
}

impl PythonRequest {
    /// Whether `version` satisfies the request. What cannot be understood is taken as satisfied.
    pub fn allows(&self, version: PythonVersion) -> bool {
        self.specifier
            .split([',', '|', ' '])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .all(|part| {
                let operator_length = part.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
                let (operator, number) = part.split_at(operator_length);
                let major_only = !number.contains('.');
                let Some(wanted) = PythonVersion::parse(number)
                    .or_else(|| Some(PythonVersion::new(number.trim().parse().ok()?, 0)))
                else {
                    return true;
                };
                // Patch releases cannot be told apart here: 3.12.4 counts as 3.12.
                let patched = number.trim_end_matches(".*").split('.').count() > 2;
                match operator.trim() {
                    ">=" => version >= wanted,
                    ">" => version > wanted || (patched && version == wanted),
                    "<=" => version <= wanted || major_only && version.major == wanted.major,
                    "<" => version < wanted || (patched && version == wanted),
                    "!=" => patched || version != wanted,
                    "~=" | "^" if !patched => version.major == wanted.major && version >= wanted,
                    "^" => version.major == wanted.major && version >= wanted,
                    "" | "==" | "===" | "~=" | "~" => {
                        if major_only {
                            version.major == wanted.major
                        } else {
                            version == wanted
                        }
                    }
                    _ => true,
                }
            })
    }
}

/// How the entry was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// The caller named it ([`crate::Options::entry`]).
    Option,
    /// `[tool.fastapi] entrypoint` in `pyproject.toml`.
    Pyproject,
    /// The ranked search through the modules.
    Search,
}

/// Where an app object gets its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The file with the statement, relative to the project root.
    pub file: String,
    /// Line of the statement, from 1.
    pub line: u32,
    /// Column of the statement in characters, from 1.
    pub column: u32,
    /// The name it is bound to (for a factory, the local inside it, or the factory's own name).
    pub name: String,
}

/// Where the list of dependencies comes from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencySource {
    /// `uv.lock` beside `pyproject.toml`.
    UvLock,
    /// `pylock.toml`.
    Pylock,
    /// `requirements.txt` with its includes.
    Requirements,
    /// `[project]` (or Poetry's table) of `pyproject.toml`.
    Pyproject,
    /// `Pipfile`.
    Pipfile,
    /// Nothing declared: derived from the imports.
    Imports,
}

impl fmt::Display for DependencySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UvLock => "uv.lock",
            Self::Pylock => "pylock.toml",
            Self::Requirements => "requirements.txt",
            Self::Pyproject => "pyproject.toml",
            Self::Pipfile => "Pipfile",
            Self::Imports => "the imports",
        })
    }
}

/// What `classify` found out: which object is served and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// Dotted module to import, such as `app.main`.
    pub module: String,
    /// Name of the app object, or of the factory, in that module.
    pub attribute: String,
    /// Whether `attribute` is a function that returns the app.
    pub factory: bool,
    /// Folder to put on the import path besides the project root (`src`), if any.
    pub app_dir: Option<String>,
    /// File of `module`, relative to the project root.
    pub file: String,
    /// Where the app object is really made, when that can be proved: the place of the wiring.
    pub binding: Option<Binding>,
    /// How the entry was chosen.
    pub found_by: FoundBy,
    /// The Python the project asks for.
    pub python: Option<PythonRequest>,
    /// The Python whose grammar was used for reading it.
    pub grammar: PythonVersion,
    /// Where its dependencies are listed.
    pub dependency_source: DependencySource,
    /// Rules waived for the whole project.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Remarks that do not stop anything.
    pub findings: Vec<Finding>,
}

impl Classified {
    /// How the app would be started without any rewriting.
    pub fn start(&self) -> StartPlan {
        // The app's own folder first: another module of the same name may lie at the root.
        let mut pythonpath: Vec<String> = self.app_dir.clone().into_iter().collect();
        pythonpath.push(String::new());
        StartPlan {
            module: self.module.clone(),
            attribute: self.attribute.clone(),
            factory: self.factory,
            app_dir: self.app_dir.clone(),
            pythonpath,
        }
    }
}

/// How to start the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartPlan {
    /// Dotted module to import.
    pub module: String,
    /// Attribute of that module to serve.
    pub attribute: String,
    /// Whether the attribute has to be called to get the app.
    pub factory: bool,
    /// The server's `--app-dir`, relative to the project root, if the module is not under the root.
    pub app_dir: Option<String>,
    /// Folders for `PYTHONPATH`, in order, relative to the project root; the root itself, where the
    /// generated files lie, is the empty text.
    pub pythonpath: Vec<String>,
}

impl StartPlan {
    /// The server's target argument, `module:attribute`.
    pub fn target(&self) -> String {
        format!("{}:{}", self.module, self.attribute)
    }
}

/// The project as it will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Files to write over or beside the project's own, by path relative to the root.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How to start the result.
    pub start: StartPlan,
    /// What changed in the user's own files, and which files were added, as a unified diff.
    pub diff: String,
    /// Remarks; an error here (`sdk.file-collision`) stops the publish.
    pub findings: Vec<Finding>,
    /// Whether the gate is put around the served object by a generated entry module.
    pub wrapped: bool,
}

/// What has to be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencySet {
    /// Where the list comes from.
    pub source: DependencySource,
    /// The requirements in pip's format, one a line, complete with what the platform adds.
    pub requirements: String,
    /// Version constraints in pip's format (`-c`), from `-c` files and from lock files; may be empty.
    pub constraints: String,
    /// The Python the project asks for.
    pub python: Option<PythonRequest>,
    /// Path of the lock file the constraints were taken from, if any.
    pub lock: Option<String>,
    /// Requirements the platform added, each also in `requirements`.
    pub additions: Vec<String>,
    /// Remarks about the list.
    pub findings: Vec<Finding>,
}

impl DependencySet {
    /// The key of an environment built from this set: hex SHA-256 over the Python version, the
    /// requirements, the constraints and the platform tag (operating system, processor, C library).
    pub fn digest(&self, python: &str, platform: &str) -> String {
        let mut hash = Sha256::new();
        for part in [python, platform, &self.requirements, &self.constraints] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex::encode(hash.finalize())
    }
}
