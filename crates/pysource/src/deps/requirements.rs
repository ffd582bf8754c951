//! Requirement lists in pip's format: comments, continuations, includes, options, local projects.

use std::collections::BTreeSet;

use crate::finding::{Finding, Severity};
use crate::names;
use crate::project::{Project, folder_of, join};
use crate::text::number;

/// Bound on nested includes.
const MAX_FILES: usize = 50;

/// A list of requirements with where they stand.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) entries: Vec<Entry>,
    pub(super) constraints: Vec<String>,
    pub(super) findings: Vec<Finding>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line as pip reads it, without comment and continuation.
    pub(super) text: String,
    /// The package's normalized name; `None` for options and nameless addresses.
    pub(super) name: Option<String>,
    pub(super) file: String,
    pub(super) line: u32,
}

impl List {
    /// Adds one requirement; the SDK's own names are left out with a finding.
    pub(super) fn push(&mut self, text: &str, file: &str, line: u32) {
        let name = name_of(text);
        let sdk = name
            .as_deref()
            .is_some_and(|name| names::is_sdk(&name.replace('-', "_")));
        if sdk {
            self.findings.push(
                Finding::new(
                    "sdk.pip-install",
                    Severity::Warning,
                    format!("`{text}` is not a package of the platform; the line is left out."),
                    "The module comes with every publish, and the index may hold somebody else's package of that name.",
                    "Delete the line; the import works without it.",
                )
                .at(file, line, 1),
            );
            return;
        }
        self.entries.push(Entry {
            text: text.to_owned(),
            name,
            file: file.to_owned(),
            line,
        });
    }

    /// Whether a package (normalized name) is listed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.name.as_deref() == Some(name))
    }

    /// Whether a package is listed with an extra.
    pub(super) fn has_extra(&self, name: &str, extras: &[&str]) -> bool {
        self.entries
            .iter()
            .filter(|entry| entry.name.as_deref() == Some(name))
            .any(|entry| {
                let inside = entry
                    .text
                    .split_once('[')
                    .and_then(|(_, rest)| rest.split_once(']'));
                inside.is_some_and(|(list, _)| {
                    list.split(',').any(|one| extras.contains(&one.trim()))
                })
            })
    }
}

/// Reads a requirements file with everything it includes.
pub(super) fn read(project: &Project, file: &str, list: &mut List) {
    let mut seen = BTreeSet::new();
    read_file(project, file, Kind::Requirement, &mut seen, list);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Requirement,
    Constraint,
}

fn read_file(
    project: &Project,
    file: &str,
    kind: Kind,
    seen: &mut BTreeSet<String>,
    list: &mut List,
) {
    if seen.len() >= MAX_FILES || !seen.insert(file.to_owned()) {
        return;
    }
    let Some(text) = project.plain_text(file) else {
        return;
    };
    for (line, content) in logical_lines(&text) {
        if let Some((included, kind)) = include(&content, kind) {
            let path = resolve(folder_of(file), &included);
            match path.filter(|path| project.bytes(path).is_some()) {
                Some(path) => read_file(project, &path, kind, seen, list),
                None => list.findings.push(
                    Finding::new(
                        "deps.unresolvable",
                        Severity::Error,
                        format!("The included file `{included}` is not in the project."),
                        "Without it the list of packages to install is not known.",
                        "Add the file, or delete the line.",
                    )
                    .at(file, line, 1),
                ),
            }
            continue;
        }
        if kind == Kind::Constraint {
            list.constraints.push(content);
            continue;
        }
        let editable = content
            .strip_prefix("-e")
            .or_else(|| content.strip_prefix("--editable"))
            .map(|rest| rest.trim_start_matches('=').trim().to_owned());
        let target = editable.unwrap_or(content);
        if let Some(folder) = local_folder(file, &target) {
            let manifest = join(&folder, "pyproject.toml");
            if let Some(text) = project.plain_text(&manifest) {
                super::pyproject::read(&text, &manifest, list);
            }
            continue;
        }
        list.push(&target, file, line);
    }
}

/// The folder a requirement means when it is a path in the project.
fn local_folder(file: &str, target: &str) -> Option<String> {
    let path = target.strip_prefix("file:").unwrap_or(target);
    let path = path.split(['[', ';']).next()?.trim();
    let is_path = path == "." || path.starts_with("./") || path.starts_with("../");
    let is_archive = [".whl", ".gz", ".zip"]
        .iter()
        .any(|end| path.ends_with(end));
    (is_path && !is_archive)
        .then(|| resolve(folder_of(file), path))
        .flatten()
}

/// Lines with comments cut off and continuations joined, numbered by where they begin.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    let mut pending: Option<(u32, String)> = None;
    for (index, raw) in text.lines().enumerate() {
        let raw = raw.trim_start_matches('\u{feff}');
        let (start, mut content) = pending.take().unwrap_or((number(index + 1), String::new()));
        let cut = cut_comment(raw);
        if let Some(head) = cut.trim_end().strip_suffix('\\') {
            content.push_str(head);
            pending = Some((start, content));
            continue;
        }
        content.push_str(cut);
        let content = content.split_whitespace().collect::<Vec<_>>().join(" ");
        if !content.is_empty() {
            lines.push((start, content));
        }
    }
    lines.extend(
        pending
            .map(|(line, content)| (line, content.trim().to_owned()))
            .filter(|(_, c)| !c.is_empty()),
    );
    lines
}

fn cut_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    let cut = line
        .match_indices('#')
        .find(|(at, _)| line[..*at].ends_with(char::is_whitespace));
    cut.map_or(line, |(at, _)| &line[..at])
}

fn include(line: &str, kind: Kind) -> Option<(String, Kind)> {
    for (flags, kind) in [
        (["-r", "--requirement"], kind),
        (["-c", "--constraint"], Kind::Constraint),
    ] {
        for flag in flags {
            if let Some(rest) = line.strip_prefix(flag) {
                let long = flag.starts_with("--");
                if long && !rest.starts_with([' ', '=']) {
                    continue;
                }
                let path = rest
                    .trim_start_matches('=')
                    .trim()
                    .trim_matches('"')
                    .to_owned();
                return Some((path, kind));
            }
        }
    }
    None
}

/// Resolves a relative path against a folder; `None` when it leaves the project.
fn resolve(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains("://") {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The normalized name in a requirement (PEP 508, PEP 503).
pub(super) fn name_of(requirement: &str) -> Option<String> {
    if requirement.starts_with('-') {
        return None;
    }
    if let Some((_, egg)) = requirement.split_once("#egg=") {
        let end = egg.find(['&', '[', ' ']).unwrap_or(egg.len());
        return Some(normalize(&egg[..end]));
    }
    let end = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len());
    let (name, rest) = requirement.split_at(end);
    let address = rest.starts_with([':', '+', '/']);
    (!name.is_empty() && !address).then(|| normalize(name))
}

/// The normalized form of a package name (PEP 503).
pub(super) fn normalize(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !normalized.ends_with('-') {
                normalized.push('-');
            }
        } else {
            normalized.extend(c.to_lowercase());
        }
    }
    normalized
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(files: &[(&str, &str)]) -> List {
        let files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        let mut list = List::default();
        read(&Project::new(files), "requirements.txt", &mut list);
        list
    }

    fn texts(list: &List) -> Vec<&str> {
        list.entries
            .iter()
            .map(|entry| entry.text.as_str())
            .collect()
    }

    #[test]
    fn everything_pip_understands_is_kept_but_comments() {
        let list = list(&[(
            "requirements.txt",
            "# top\nfastapi[standard]>=0.110 ; python_version >= '3.10'  # web\n\
             PyYAML==6.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n\
             tool @ git+https://example.org/tool.git@v1\n\
             git+https://example.org/other.git#egg=Other_Name\n\
             --extra-index-url https://example.org/simple\n",
        )]);
        assert_eq!(
            texts(&list),
            [
                "fastapi[standard]>=0.110 ; python_version >= '3.10'",
                "PyYAML==6.0 --hash=sha256:aa --hash=sha256:bb",
                "tool @ git+https://example.org/tool.git@v1",
                "git+https://example.org/other.git#egg=Other_Name",
                "--extra-index-url https://example.org/simple",
            ]
        );
        let names: Vec<_> = list
            .entries
            .iter()
            .map(|entry| entry.name.as_deref())
            .collect();
        assert_eq!(
            names,
            [
                Some("fastapi"),
                Some("pyyaml"),
                Some("tool"),
                Some("other-name"),
                None
            ]
        );
        assert!(list.has_extra("fastapi", &["standard"]) && list.entries[1].line == 3);
    }

    #[test]
    fn includes_are_followed_once_and_constraints_kept_apart() {
        let list = list(&[
            (
                "requirements.txt",
                "-r requirements/base.txt\n-c limits.txt\nhttpx\n",
            ),
            ("requirements/base.txt", "-r ../requirements.txt\nfastapi\n"),
            ("limits.txt", "httpx<1\n"),
        ]);
        assert_eq!(texts(&list), ["fastapi", "httpx"]);
        assert_eq!(list.constraints, ["httpx<1"]);
        assert!(list.findings.is_empty());
    }

    #[test]
    fn a_missing_include_and_one_outside_the_project_are_errors_at_their_line() {
        let list = list(&[(
            "requirements.txt",
            "fastapi\n-r gone.txt\n-r ../../etc/passwd\n",
        )]);
        let lines: Vec<_> = list.findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [Some(2), Some(3)]);
    }

    #[test]
    fn the_project_itself_stands_for_its_dependencies() {
        let list = list(&[
            ("requirements.txt", "-e .\nuvicorn\n"),
            (
                "pyproject.toml",
                "[project]\nname = 'x'\ndependencies = ['fastapi>=0.110']\n",
            ),
        ]);
        assert_eq!(texts(&list), ["fastapi>=0.110", "uvicorn"]);
    }

    #[test]
    fn the_sdk_is_never_installed_from_an_index() {
        let list = list(&[("requirements.txt", "fastapi\nEllivate==1.0\nvestibule\n")]);
        assert_eq!(texts(&list), ["fastapi"]);
        assert!(
            list.findings
                .iter()
                .all(|finding| finding.rule == "sdk.pip-install")
        );
        assert_eq!(list.findings[0].line, Some(2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let files = [("requirements.txt".to_owned(), bytes)].into();
            read(&Project::new(files), "requirements.txt", &mut List::default());
        }
    }
}
