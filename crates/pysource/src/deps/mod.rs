//! What has to be installed: the project's own list from the best file it has, or one derived from its
//! imports, completed with what serving it takes.

mod import_names;
mod locks;
mod pyproject;
pub(crate) mod python;
mod requirements;
mod uses;

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{self, Finding, Severity};
use crate::graph::{self, Graph};
use crate::names;
use crate::outcome::{Classified, DependencySet, DependencySource};
use crate::parse::on_deep_stack;
use crate::project::{Project, Source, join};

use requirements::List;

const WHY_ADDED: &str = "The app could not start without it, so the platform installs it.";

/// Lists what has to be installed for the app, from the best source the project has.
pub fn dependencies(project: &Project, classified: &Classified) -> DependencySet {
    on_deep_stack(|| {
        let source = project.source(classified.grammar);
        let graph = graph::reachable(source, classified);
        gather(source, &graph, classified)
    })
}

/// The findings of [`dependencies`].
pub(crate) fn check(source: Source<'_>, graph: &Graph, classified: &Classified) -> Vec<Finding> {
    gather(source, graph, classified).findings
}

/// Finds a file at the root of the project, or in the app's folder.
fn find(project: &Project, app_dir: Option<&str>, name: &str) -> Option<String> {
    let inner = app_dir.map(|folder| join(folder, name));
    [Some(name.to_owned()), inner]
        .into_iter()
        .flatten()
        .find(|path| project.bytes(path).is_some())
}

/// The file that counts: its kind, its path, and the lock file beside it.
fn choose(project: &Project, app_dir: Option<&str>) -> (DependencySource, String, Option<String>) {
    use DependencySource as S;
    let find = |name: &str| find(project, app_dir, name);
    let manifest = find("pyproject.toml").filter(|path| {
        project
            .plain_text(path)
            .is_some_and(|text| pyproject::lists_dependencies(&text))
    });
    if let (Some(lock), Some(manifest)) = (find("uv.lock"), &manifest) {
        return (S::UvLock, manifest.clone(), Some(lock));
    }
    if let Some(path) = find("pylock.toml") {
        return (S::Pylock, path, None);
    }
    if let (Some(lock), Some(manifest)) = (find("poetry.lock"), &manifest) {
        return (S::Pyproject, manifest.clone(), Some(lock));
    }
    if let (Some(lock), Some(manifest)) = (find("Pipfile.lock"), find("Pipfile")) {
        return (S::Pipfile, manifest, Some(lock));
    }
    if let Some(path) = find("requirements.txt") {
        return (S::Requirements, path, None);
    }
    if let Some(path) = manifest {
        return (S::Pyproject, path, None);
    }
    match find("Pipfile") {
        Some(path) => (S::Pipfile, path, None),
        None => (S::Imports, String::new(), None),
    }
}

/// Where the dependencies of a project are listed.
pub(crate) fn source_of(project: &Project, app_dir: Option<&str>) -> DependencySource {
    choose(project, app_dir).0
}

fn gather(source: Source<'_>, graph: &Graph, classified: &Classified) -> DependencySet {
    let project = source.project;
    let (kind, path, lock) = choose(project, classified.app_dir.as_deref());
    let mut list = List::default();
    let text = project.plain_text(&path).unwrap_or_default();
    match kind {
        DependencySource::Requirements => requirements::read(project, &path, &mut list),
        DependencySource::UvLock | DependencySource::Pyproject => {
            pyproject::read(&text, &path, &mut list);
        }
        DependencySource::Pipfile => pyproject::read_pipfile(&text, &mut list),
        DependencySource::Pylock => locks::pylock(&text, &path, &mut list),
        DependencySource::Imports => {}
    }
    if let Some(lock) = &lock {
        let text = project.plain_text(lock).unwrap_or_default();
        let pins = if kind == DependencySource::Pipfile {
            locks::pipfile_lock(&text)
        } else {
            locks::toml_lock(&text)
        };
        list.constraints.extend(pins);
        if kind != DependencySource::UvLock {
            list.findings.push(
                Finding::new(
                    "deps.lock-read",
                    Severity::Info,
                    format!("The versions in {lock} are used as limits on the packages in {path}."),
                    "The tool that wrote the lock file does not run on the platform.",
                    "Nothing to do.",
                )
                .in_file(lock.clone()),
            );
        }
    }
    let uses = uses::gather(source, graph);
    let mut additions = Vec::new();
    let mut findings = std::mem::take(&mut list.findings);
    let locked: BTreeSet<String> = list
        .constraints
        .iter()
        .filter_map(|constraint| requirements::name_of(constraint))
        .collect();
    add_imports(
        &list,
        &locked,
        &uses.imports,
        kind,
        &mut additions,
        &mut findings,
    );
    add_server(&list, &uses, kind, &mut additions, &mut findings);
    unused_databases(&list, &uses.imports, &mut findings);
    additions.sort();
    additions.dedup();
    let mut lines: Vec<&str> = list
        .entries
        .iter()
        .map(|entry| entry.text.as_str())
        .collect();
    lines.extend(additions.iter().map(String::as_str));
    finding::sort(&mut findings);
    DependencySet {
        source: kind,
        requirements: with_newlines(&lines),
        constraints: with_newlines(&list.constraints),
        python: classified.python.clone(),
        lock,
        additions,
        findings,
    }
}

fn with_newlines<T: AsRef<str>>(lines: &[T]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.as_ref(), "\n"])
        .collect()
}

/// Adds the known packages behind imports that nothing declared provides.
fn add_imports(
    list: &List,
    locked: &BTreeSet<String>,
    imports: &BTreeMap<String, uses::Place>,
    kind: DependencySource,
    additions: &mut Vec<String>,
    findings: &mut Vec<Finding>,
) {
    let standard = list.has_extra("fastapi", &["standard", "all"]);
    let declared = |name: &str| {
        list.has(name)
            || locked.contains(name)
            || standard && import_names::WITH_FASTAPI_STANDARD.contains(&name)
    };
    let mut unknown = Vec::new();
    for (import, place) in imports {
        if import_names::is_standard(import) || names::is_sdk(import) || import == "uvicorn" {
            continue;
        }
        let Some(package) = import_names::package_for(import) else {
            if !declared(&requirements::normalize(import)) {
                unknown.push((import.as_str(), place));
            }
            continue;
        };
        if import_names::provides(&declared, import, package) || import == "fastapi" {
            continue;
        }
        // Nothing is listed at all: FastAPI will be, with what it brings along.
        let fastapi = |name: &str| name == "fastapi" || declared(name);
        if import_names::provides(&fastapi, import, package) {
            continue;
        }
        additions.push(package.to_owned());
        if kind != DependencySource::Imports {
            findings.push(place.finding(
                "deps.undeclared",
                Severity::Warning,
                format!("`{import}` is imported, but {kind} does not list `{package}`."),
                WHY_ADDED,
                format!("Add `{package}` to {kind}."),
            ));
        }
    }
    if kind != DependencySource::Imports {
        return;
    }
    let mut derived: Vec<String> = additions.clone();
    derived.extend(["fastapi".to_owned(), "uvicorn".to_owned()]);
    derived.sort();
    derived.dedup();
    findings.push(Finding::new(
        "deps.missing",
        Severity::Warning,
        format!(
            "The project does not list its packages; the imports say: {}.",
            derived.join(", ")
        ),
        "Versions that are not named may change from one publish to the next.",
        "Add a requirements.txt with these lines.",
    ));
    for (import, place) in unknown {
        findings.push(place.finding(
            "deps.undeclared",
            Severity::Warning,
            format!("`{import}` is imported, and it is not known which package provides it."),
            "Only packages that are known for sure are installed: a guess could install somebody else's.",
            "Name the package in a requirements.txt.".to_owned(),
        ));
    }
}

/// Adds what serving the app takes.
fn add_server(
    list: &List,
    uses: &uses::Uses,
    kind: DependencySource,
    additions: &mut Vec<String>,
    findings: &mut Vec<Finding>,
) {
    let standard = list.has_extra("fastapi", &["standard", "all"]);
    if !list.has("fastapi") {
        additions.push("fastapi".to_owned());
        if kind != DependencySource::Imports {
            findings.push(Finding::new(
                "deps.undeclared",
                Severity::Warning,
                format!("{kind} does not list `fastapi`."),
                WHY_ADDED,
                format!("Add `fastapi` to {kind}."),
            ));
        }
    }
    if !list.has("uvicorn") && !standard {
        additions.push("uvicorn".to_owned());
        findings.push(Finding::new(
            "deps.server",
            Severity::Info,
            "The server `uvicorn` is not listed.",
            WHY_ADDED,
            "Nothing to do.",
        ));
    }
    let sockets = list.has("websockets")
        || list.has("wsproto")
        || list.has_extra("uvicorn", &["standard"])
        || standard;
    if let (Some(place), false) = (&uses.web_socket, sockets) {
        additions.push("websockets".to_owned());
        findings.push(place.finding(
            "deps.websocket-driver",
            Severity::Warning,
            "A WebSocket route needs `websockets`, which is not listed.".to_owned(),
            WHY_ADDED,
            "Add `websockets`, or `uvicorn[standard]`.".to_owned(),
        ));
    }
    if let (Some(place), false) = (&uses.form, list.has("python-multipart") || standard) {
        additions.push("python-multipart".to_owned());
        findings.push(place.finding(
            "deps.multipart",
            Severity::Warning,
            "A form or file parameter needs `python-multipart`, which is not listed.".to_owned(),
            WHY_ADDED,
            "Add `python-multipart`.".to_owned(),
        ));
    }
}

fn unused_databases(
    list: &List,
    imports: &BTreeMap<String, uses::Place>,
    findings: &mut Vec<Finding>,
) {
    for (package, import) in [
        ("sqlalchemy", "sqlalchemy"),
        ("databases", "databases"),
        ("tortoise-orm", "tortoise"),
        ("sqlmodel", "sqlmodel"),
    ] {
        let entry = list
            .entries
            .iter()
            .find(|entry| entry.name.as_deref() == Some(package));
        if let (Some(entry), false) = (entry, imports.contains_key(import)) {
            findings.push(
                Finding::new(
                    "deps.unused-database",
                    Severity::Info,
                    format!("`{package}` is listed, but the app does not import it."),
                    "It makes the environment larger and is never used.",
                    "Delete the line.",
                )
                .at(entry.file.clone(), entry.line, 1),
            );
        }
    }
}
