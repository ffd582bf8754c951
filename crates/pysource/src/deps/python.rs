//! Which Python the project asks for.

use crate::outcome::PythonRequest;
use crate::project::Project;

/// Reads `.python-version`, then `requires-python`, then `runtime.txt`, then the `Pipfile`.
pub(crate) fn request(project: &Project) -> Option<PythonRequest> {
    version_file(project, ".python-version")
        .or_else(|| pyproject(project))
        .or_else(|| version_file(project, "runtime.txt"))
        .or_else(|| {
            keyed(
                project,
                "Pipfile",
                &["python_full_version", "python_version"],
            )
        })
}

fn version_file(project: &Project, file: &str) -> Option<PythonRequest> {
    let text = project.plain_text(file)?;
    text.lines().enumerate().find_map(|(index, line)| {
        let line = line.split('#').next().unwrap_or("").trim();
        let version = line
            .trim_start_matches("cpython")
            .trim_start_matches("python")
            .trim_start_matches(['-', '@']);
        let plain = !version.is_empty()
            && version.starts_with(|c: char| c.is_ascii_digit())
            && version.chars().all(|c| c.is_ascii_digit() || c == '.');
        plain.then(|| PythonRequest {
            specifier: version.to_owned(),
            file: file.to_owned(),
            line: crate::text::number(index + 1),
        })
    })
}

fn pyproject(project: &Project) -> Option<PythonRequest> {
    let text = project.plain_text("pyproject.toml")?;
    let table: toml::Table = text.parse().ok()?;
    let specifier = table
        .get("project")
        .and_then(|project| project.get("requires-python"))
        .or_else(|| {
            table
                .get("tool")?
                .get("poetry")?
                .get("dependencies")?
                .get("python")
        })?
        .as_str()?
        .to_owned();
    let line = line_of_key(&text, "requires-python").or_else(|| line_of_key(&text, "python"));
    Some(PythonRequest {
        specifier,
        file: "pyproject.toml".to_owned(),
        line: line.unwrap_or(1),
    })
}

fn keyed(project: &Project, file: &str, keys: &[&str]) -> Option<PythonRequest> {
    let text = project.plain_text(file)?;
    let table: toml::Table = text.parse().ok()?;
    keys.iter().find_map(|key| {
        Some(PythonRequest {
            specifier: table.get("requires")?.get(key)?.as_str()?.to_owned(),
            file: file.to_owned(),
            line: line_of_key(&text, key).unwrap_or(1),
        })
    })
}

/// The line (from 1) on which a TOML key is assigned.
pub(crate) fn line_of_key(text: &str, key: &str) -> Option<u32> {
    let line = text.lines().position(|line| {
        let rest = line.trim_start().trim_start_matches(['"', '\'']);
        rest.strip_prefix(key).is_some_and(|rest| {
            rest.trim_start_matches(['"', '\''])
                .trim_start()
                .starts_with('=')
        })
    })?;
    Some(crate::text::number(line + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::PythonVersion;

    fn request_of(file: &str, text: &str) -> Option<String> {
        let files = [(file.to_owned(), text.as_bytes().to_vec())].into();
        request(&Project::new(files)).map(|request| request.specifier)
    }

    #[test]
    fn each_place_that_names_a_python_is_read() {
        assert_eq!(
            request_of(".python-version", "# mine\n3.12.4\n").unwrap(),
            "3.12.4"
        );
        assert_eq!(
            request_of("runtime.txt", "python-3.11.9\n").unwrap(),
            "3.11.9"
        );
        let pyproject = "[project]\nname = 'x'\nrequires-python = '>=3.11,<4'\n";
        assert_eq!(
            request_of("pyproject.toml", pyproject).unwrap(),
            ">=3.11,<4"
        );
        let poetry = "[tool.poetry.dependencies]\npython = '^3.10'\n";
        assert_eq!(request_of("pyproject.toml", poetry).unwrap(), "^3.10");
        assert_eq!(
            request_of("Pipfile", "[requires]\npython_version = '3.10'\n").unwrap(),
            "3.10"
        );
        assert_eq!(request_of(".python-version", "pypy3.10\n"), None);
    }

    #[test]
    fn a_request_is_compared_with_a_version() {
        let allows = |specifier: &str, minor| {
            PythonRequest {
                specifier: specifier.to_owned(),
                file: String::new(),
                line: 1,
            }
            .allows(PythonVersion::new(3, minor))
        };
        for (specifier, allowed, refused) in [
            (">=3.14", 14, 12),
            (">=3.11,<3.13", 12, 13),
            ("3.12.4", 12, 11),
            ("==3.12.*", 12, 13),
            ("^3.11", 14, 10),
            ("~=3.11", 13, 10),
            ("~=3.11.2", 11, 12),
            (">3.10", 11, 10),
            ("!=3.11", 12, 11),
            (">=3.12.1", 12, 11),
            ("<3.13.5", 13, 14),
        ] {
            assert!(allows(specifier, allowed), "{specifier} allows 3.{allowed}");
            assert!(
                !allows(specifier, refused),
                "{specifier} refuses 3.{refused}"
            );
        }
        assert!(allows("<4", 14) && allows(">=3", 10) && allows("nonsense", 12) && allows("3", 11));
    }
}
