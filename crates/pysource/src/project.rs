//! A project: its files, read and parsed when first needed, and how its modules are found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::module::Module;
use crate::outcome::PythonVersion;
use crate::parse::{SyntaxError, on_deep_stack, parse};
use crate::text::{DecodeError, Text};

/// The files of a project, by POSIX path relative to its root.
#[derive(Debug)]
pub struct Project {
    files: BTreeMap<String, Vec<u8>>,
    /// All folders that hold a Python file at any depth; the root is the empty text.
    python_folders: BTreeSet<String>,
    /// One slot for each grammar of 3.10 to 3.14.
    parsed: BTreeMap<String, [OnceLock<Parsed>; 5]>,
}

/// What became of reading one Python file.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// It is a module.
    Module(Box<Module>),
    /// Its bytes are not text.
    Undecodable(DecodeError),
    /// Its text is not Python of the chosen version.
    Invalid(Box<Text>, SyntaxError),
}

impl Project {
    /// Takes the files; nothing is decoded or parsed until needed.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        let mut python_folders = BTreeSet::new();
        let mut parsed = BTreeMap::new();
        for path in files.keys() {
            if !is_python(path) {
                continue;
            }
            parsed.insert(path.clone(), Default::default());
            let mut folder = folder_of(path);
            while python_folders.insert(folder.to_owned()) && !folder.is_empty() {
                folder = folder_of(folder);
            }
        }
        Self {
            files,
            python_folders,
            parsed,
        }
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// All paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// A text file other than Python source, decoded as well as can be.
    pub(crate) fn plain_text(&self, path: &str) -> Option<String> {
        self.bytes(path).map(Text::decode_plain)
    }

    /// The project as read with one Python's grammar.
    pub(crate) fn source(&self, version: PythonVersion) -> Source<'_> {
        Source {
            project: self,
            version,
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // Dropping a deep tree recurses as deeply as parsing it did.
        let parsed = std::mem::take(&mut self.parsed);
        if parsed.values().flatten().any(|slot| slot.get().is_some()) {
            on_deep_stack(move || drop(parsed));
        }
    }
}

/// A project's modules under one grammar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) project: &'a Project,
    version: PythonVersion,
}

impl<'a> Source<'a> {
    /// Reads a Python file; `None` when there is none of that path.
    pub(crate) fn parsed(self, file: &str) -> Option<&'a Parsed> {
        let (path, slots) = self.project.parsed.get_key_value(file)?;
        let version = self
            .version
            .clamp(PythonVersion::OLDEST, PythonVersion::NEWEST);
        let slot = &slots[usize::from(version.minor - PythonVersion::OLDEST.minor)];
        Some(
            slot.get_or_init(|| match Text::decode(&self.project.files[path]) {
                Err(error) => Parsed::Undecodable(error),
                Ok(text) => match parse(&text.characters, version) {
                    Err(error) => Parsed::Invalid(Box::new(text), error),
                    Ok(tree) => Parsed::Module(Box::new(Module::new(path.clone(), text, tree))),
                },
            }),
        )
    }

    /// A Python file that parses.
    pub(crate) fn module(self, file: &str) -> Option<&'a Module> {
        match self.parsed(file)? {
            Parsed::Module(module) => Some(module),
            _ => None,
        }
    }

    /// All Python files, in order.
    pub(crate) fn python_files(self) -> impl Iterator<Item = &'a str> {
        self.project.parsed.keys().map(String::as_str)
    }

    /// Finds the file of a dotted module under the folders in `roots`, first hit wins.
    pub(crate) fn find_module(self, roots: &[String], dotted: &str) -> Option<&'a str> {
        let relative = dotted.replace('.', "/");
        roots.iter().find_map(|root| {
            let base = join(root, &relative);
            [format!("{base}/__init__.py"), format!("{base}.py")]
                .iter()
                .find_map(|path| self.project.parsed.get_key_value(path.as_str()))
                .map(|(path, _)| path.as_str())
        })
    }

    /// Whether an import of `dotted` means the project itself: a module, or a folder of modules.
    pub(crate) fn is_local(self, roots: &[String], dotted: &str) -> bool {
        let top = dotted.split('.').next().unwrap_or(dotted);
        !top.is_empty()
            && (self.find_module(roots, top).is_some()
                || roots
                    .iter()
                    .any(|root| self.project.python_folders.contains(&join(root, top))))
    }

    /// The folders from which the imports of `file` are found: its own root first.
    pub(crate) fn roots_for(self, file: &str) -> Vec<String> {
        let mut roots = vec![self.import_root(file), String::new()];
        if self.project.python_folders.contains("src") {
            roots.push("src".to_owned());
        }
        let mut seen = BTreeSet::new();
        roots.retain(|root| seen.insert(root.clone()));
        roots
    }

    /// The folder that has to be on the import path for `file` to be imported as it expects.
    pub(crate) fn import_root(self, file: &str) -> String {
        let has_init = |folder: &str| {
            self.project
                .files
                .contains_key(&join(folder, "__init__.py"))
        };
        let mut top = folder_of(file);
        while !top.is_empty() && has_init(top) {
            top = folder_of(top);
        }
        if top.is_empty() || top == "src" {
            return top.to_owned();
        }
        // No package marker: either a namespace package under the root, or a folder that is meant
        // to be the root itself. Its own imports tell.
        let importable = top.split('/').all(is_identifier);
        if !importable {
            return top.to_owned();
        }
        let below_src = top.strip_prefix("src/").map(|_| "src".to_owned());
        let outer = below_src.unwrap_or_default();
        let Some(module) = self.module(file) else {
            return outer;
        };
        let relative = module.imports().iter().any(|import| import.level > 0);
        let resolved = |root: &str| {
            let roots = [root.to_owned()];
            module
                .imports()
                .iter()
                .filter(|import| import.level == 0 && self.is_local(&roots, &import.module))
                .count()
        };
        let mut best = (resolved(&outer), outer.clone());
        let steps = top
            .match_indices('/')
            .map(|(at, _)| &top[..at])
            .chain([top]);
        for folder in steps.filter(|folder| folder.len() > outer.len()) {
            // A relative import needs a package around the module.
            if relative && folder == folder_of(file) {
                continue;
            }
            let count = resolved(folder);
            if count > best.0 {
                best = (count, folder.to_owned());
            }
        }
        best.1
    }
}

/// The dotted name of `file` below `root`; `None` when it cannot be imported by name.
pub(crate) fn dotted_name(root: &str, file: &str) -> Option<String> {
    let below = if root.is_empty() {
        file
    } else {
        file.strip_prefix(root)?.strip_prefix('/')?
    };
    let stem = below.strip_suffix(".py")?;
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    stem.split('/')
        .all(is_identifier)
        .then(|| stem.replace('/', "."))
}

/// The folder of a path; the root is the empty text.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Joins a folder (empty for the root) and a relative path.
pub(crate) fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    }
}

/// Whether `name` can stand in an import.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && characters.all(|c| c.is_alphanumeric() || c == '_')
}

/// Folders whose Python never serves the app.
const SIDE_FOLDERS: &[&str] = &[
    "tests",
    "test",
    "testing",
    "docs",
    "doc",
    "examples",
    "example",
    "migrations",
    "alembic",
    "venv",
    "env",
    "node_modules",
    "site-packages",
    "__pycache__",
    "build",
    "dist",
    "scripts",
    "benchmarks",
];

/// Whether a file is left out of the search for the app: tests, docs, examples, migrations,
/// environments, generated files.
pub(crate) fn is_side_file(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap_or("");
    parts
        .iter()
        .any(|part| part.starts_with('.') || SIDE_FOLDERS.contains(part))
        || name.starts_with("test_")
        || name.ends_with("_test.py")
        || matches!(
            name,
            "conftest.py" | "setup.py" | "noxfile.py" | "vestibule_entry.py"
        )
}

/// Whether a path names Python source.
pub(crate) fn is_python(path: &str) -> bool {
    path.len() > 3 && path.as_bytes()[path.len() - 3..].eq_ignore_ascii_case(b".py")
}
