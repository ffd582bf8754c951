//! Dependencies in TOML manifests: `[project]`, Poetry's table, `Pipfile`.

use toml::{Table, Value};

use super::python::line_of_key;
use super::requirements::List;

/// Whether a `pyproject.toml` lists dependencies at all.
pub(super) fn lists_dependencies(text: &str) -> bool {
    let Ok(table) = text.parse::<Table>() else {
        return false;
    };
    project_list(&table).is_some() || poetry_table(&table).is_some()
}

/// Adds the run-time dependencies of a `pyproject.toml`; groups for development are left out.
pub(super) fn read(text: &str, file: &str, list: &mut List) {
    let Ok(table) = text.parse::<Table>() else {
        return;
    };
    if let Some(dependencies) = project_list(&table) {
        for dependency in dependencies.iter().filter_map(Value::as_str) {
            let line = line_of_text(text, dependency);
            list.push(dependency.trim(), file, line);
        }
        return;
    }
    for (name, value) in poetry_table(&table).into_iter().flatten() {
        if name != "python" && !is_optional(value) {
            let line = line_of_key(text, name).unwrap_or(1);
            list.push(&requirement(name, value), file, line);
        }
    }
}

/// Adds the packages of a `Pipfile`.
pub(super) fn read_pipfile(text: &str, list: &mut List) {
    let Ok(table) = text.parse::<Table>() else {
        return;
    };
    for (name, value) in table
        .get("packages")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
    {
        let line = line_of_key(text, name).unwrap_or(1);
        list.push(&requirement(name, value), "Pipfile", line);
    }
}

fn project_list(table: &Table) -> Option<&Vec<Value>> {
    table.get("project")?.get("dependencies")?.as_array()
}

fn poetry_table(table: &Table) -> Option<&Table> {
    table
        .get("tool")?
        .get("poetry")?
        .get("dependencies")?
        .as_table()
}

fn is_optional(value: &Value) -> bool {
    value
        .get("optional")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

fn line_of_text(text: &str, needle: &str) -> u32 {
    let line = text
        .lines()
        .position(|line| line.contains(needle))
        .unwrap_or(0);
    crate::text::number(line + 1)
}

/// A requirement from Poetry's or Pipenv's way of writing it.
fn requirement(name: &str, value: &Value) -> String {
    let field = |key: &str| value.get(key).and_then(Value::as_str);
    let extras = match value.get("extras").and_then(Value::as_array) {
        Some(extras) => {
            let extras: Vec<&str> = extras.iter().filter_map(Value::as_str).collect();
            format!("[{}]", extras.join(","))
        }
        None => String::new(),
    };
    let mut text = if let Some(git) = field("git") {
        let reference = field("rev")
            .or(field("tag"))
            .or(field("branch"))
            .or(field("ref"));
        let reference = reference
            .map(|reference| format!("@{reference}"))
            .unwrap_or_default();
        format!("{name}{extras} @ git+{git}{reference}")
    } else if let Some(url) = field("url").or(field("file")) {
        format!("{name}{extras} @ {url}")
    } else {
        let version = value.as_str().or(field("version")).unwrap_or("*");
        format!("{name}{extras}{}", specifier(version))
    };
    if let Some(markers) = field("markers") {
        text.push_str(" ; ");
        text.push_str(markers);
    }
    text
}

/// Turns carets, tildes and bare versions into PEP 440.
fn specifier(version: &str) -> String {
    let parts: Vec<String> = version
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "*")
        .map(|part| {
            if let Some(base) = part.strip_prefix('^') {
                upper_bound(base, true)
            } else if let Some(base) = part.strip_prefix('~').filter(|base| !base.starts_with('='))
            {
                upper_bound(base, false)
            } else if part.starts_with(|c: char| c.is_ascii_digit()) {
                format!("=={part}")
            } else {
                part.to_owned()
            }
        })
        .collect();
    parts.join(",")
}

/// `^1.2.3` is below 2, `^0.2.3` below 0.3; `~1.2.3` below 1.3, `~1` below 2.
fn upper_bound(base: &str, caret: bool) -> String {
    let base = base.trim();
    let numbers: Vec<u64> = base
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    let raised = if caret {
        numbers
            .iter()
            .position(|number| *number > 0)
            .unwrap_or(numbers.len().saturating_sub(1))
    } else {
        usize::from(numbers.len() > 1)
    };
    let Some(number) = numbers.get(raised) else {
        return String::new();
    };
    let mut upper: Vec<String> = numbers[..raised].iter().map(u64::to_string).collect();
    upper.push(number.saturating_add(1).to_string());
    format!(">={base},<{}", upper.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(read: impl Fn(&mut List)) -> Vec<String> {
        let mut list = List::default();
        read(&mut list);
        list.entries.into_iter().map(|entry| entry.text).collect()
    }

    #[test]
    fn project_dependencies_win_and_groups_are_left_out() {
        let text = "[project]\nname = 'x'\ndependencies = [\n  'fastapi>=0.110',\n  'httpx',\n]\n\
                    [project.optional-dependencies]\ndev = ['pytest']\n[dependency-groups]\ndev = ['ruff']\n";
        assert_eq!(
            texts(|list| read(text, "pyproject.toml", list)),
            ["fastapi>=0.110", "httpx"]
        );
    }

    #[test]
    fn poetry_and_pipenv_spellings_become_requirements() {
        let text = "[tool.poetry.dependencies]\npython = '^3.11'\nfastapi = '^0.110.1'\nhttpx = '*'\n\
                    rich = '~13.2'\nbig = '^2'\nextra = {version = '>=1', extras = ['a', 'b'], markers = \"os_name == 'posix'\"}\n\
                    src = {git = 'https://example.org/s.git', tag = 'v1'}\nmaybe = {version = '1', optional = true}\n";
        assert_eq!(
            texts(|list| read(text, "pyproject.toml", list)),
            [
                "big>=2,<3",
                "extra[a,b]>=1 ; os_name == 'posix'",
                "fastapi>=0.110.1,<0.111",
                "httpx",
                "rich>=13.2,<13.3",
                "src @ git+https://example.org/s.git@v1",
            ]
        );
        let pipfile = "[packages]\nfastapi = '*'\nhttpx = '==0.27'\n[dev-packages]\npytest = '*'\n";
        assert_eq!(
            texts(|list| read_pipfile(pipfile, list)),
            ["fastapi", "httpx==0.27"]
        );
    }
}
