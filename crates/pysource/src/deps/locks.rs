//! Versions out of lock files, as constraints on the requirements beside them.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::requirements::{List, normalize};

/// `name==version` for each package that `uv.lock` or `poetry.lock` holds in one version from an index.
pub(super) fn toml_lock(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<Table>() else {
        return Vec::new();
    };
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in table
        .get("package")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let field = |key: &str| package.get(key).and_then(Value::as_str);
        let (Some(name), Some(version)) = (field("name"), field("version")) else {
            continue;
        };
        let source = package.get("source");
        let from_index = source.is_none_or(|source| {
            source.get("registry").is_some()
                || source.get("type").and_then(Value::as_str) == Some("legacy")
        });
        if from_index {
            versions
                .entry(normalize(name))
                .or_default()
                .push(version.to_owned());
        }
    }
    versions
        .into_iter()
        .filter(|(_, versions)| versions.len() == 1)
        .map(|(name, versions)| format!("{name}=={}", versions[0]))
        .collect()
}

/// The same for `Pipfile.lock`.
pub(super) fn pipfile_lock(text: &str) -> Vec<String> {
    let Ok(lock) = serde_json::from_str::<serde_json::Value>(text) else {
        return Vec::new();
    };
    let packages = lock.get("default").and_then(serde_json::Value::as_object);
    packages
        .into_iter()
        .flatten()
        .filter_map(|(name, package)| {
            let version = package.get("version")?.as_str()?;
            Some(format!("{}{version}", normalize(name)))
        })
        .collect()
}

/// Adds the packages of a `pylock.toml` (PEP 751), each at its version.
pub(super) fn pylock(text: &str, file: &str, list: &mut List) {
    let Ok(table) = text.parse::<Table>() else {
        return;
    };
    for package in table
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let field = |key: &str| package.get(key).and_then(Value::as_str);
        let Some(name) = field("name") else { continue };
        let inner = |key: &str, field: &str| {
            package
                .get(key)
                .and_then(|table| table.get(field))
                .and_then(Value::as_str)
        };
        let mut text = if let Some(url) = inner("vcs", "url") {
            let commit = inner("vcs", "commit-id")
                .map(|id| format!("@{id}"))
                .unwrap_or_default();
            format!("{name} @ git+{url}{commit}")
        } else if let Some(url) = inner("archive", "url") {
            format!("{name} @ {url}")
        } else if let Some(version) = field("version") {
            format!("{name}=={version}")
        } else {
            // A folder of the project: it is importable as it lies.
            continue;
        };
        if let Some(marker) = field("marker") {
            text.push_str(" ; ");
            text.push_str(marker);
        }
        list.push(&text, file, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_versions_from_an_index_become_constraints() {
        let lock = "version = 1\n[[package]]\nname = 'FastAPI'\nversion = '0.115.0'\nsource = { registry = 'https://pypi.org/simple' }\n\
                    [[package]]\nname = 'me'\nversion = '0.1.0'\nsource = { virtual = '.' }\n\
                    [[package]]\nname = 'two'\nversion = '1'\n[[package]]\nname = 'two'\nversion = '2'\n";
        assert_eq!(toml_lock(lock), ["fastapi==0.115.0"]);
        let pipfile = r#"{"default": {"httpx": {"version": "==0.27.0"}}, "develop": {"pytest": {"version": "==8"}}}"#;
        assert_eq!(pipfile_lock(pipfile), ["httpx==0.27.0"]);
        assert!(toml_lock("nonsense [").is_empty() && pipfile_lock("{").is_empty());
    }

    #[test]
    fn a_standard_lock_file_lists_everything_itself() {
        let text = "lock-version = '1.0'\n[[packages]]\nname = 'fastapi'\nversion = '0.115.0'\n\
                    [[packages]]\nname = 'colorama'\nversion = '0.4'\nmarker = \"os_name == 'nt'\"\n";
        let mut list = List::default();
        pylock(text, "pylock.toml", &mut list);
        let texts: Vec<_> = list
            .entries
            .iter()
            .map(|entry| entry.text.as_str())
            .collect();
        assert_eq!(
            texts,
            ["fastapi==0.115.0", "colorama==0.4 ; os_name == 'nt'"]
        );
    }
}
