//! What the tests of this folder share: a project in a few lines, and what becomes of it.
#![allow(dead_code, reason = "each test file uses its own part")]

use pysource::{Classified, Finding, Options, Project, Rewritten};

/// The lines the platform adds for an app named `app`.
pub(crate) const IMPORT: &str = "from vestibule_auth import init_vestibule_auth  # vestibule:wired";
/// The second of them.
pub(crate) const CALL: &str = "init_vestibule_auth(app)  # vestibule:wired";
/// A dropped file.
pub(crate) const DROPPED: &[(&str, &str)] =
    &[("vestibule_auth.py", "def init_vestibule_auth(app): ...\n")];

/// A project of text files.
pub(crate) fn project(files: &[(&str, &str)]) -> Project {
    Project::new(
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect(),
    )
}

/// A classified and rewritten project.
pub(crate) struct App {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) classified: Classified,
    pub(crate) result: Rewritten,
    entry: Option<String>,
}

impl App {
    /// One `main.py`.
    pub(crate) fn of(text: &str) -> Self {
        Self::new(&[("main.py", text)])
    }

    /// Several files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self::bytes(
            files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect(),
            None,
        )
    }

    /// Several files and a named entry.
    pub(crate) fn with_entry(files: &[(&str, &str)], entry: &str) -> Self {
        Self::bytes(
            files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect(),
            Some(entry.to_owned()),
        )
    }

    /// Files of any bytes.
    pub(crate) fn bytes(files: Vec<(String, Vec<u8>)>, entry: Option<String>) -> Self {
        let project = Project::new(files.iter().cloned().collect());
        let options = Options {
            entry: entry.clone(),
            ..Options::default()
        };
        let classified = pysource::classify(&project, &options).unwrap_or_else(|findings| {
            panic!(
                "{}",
                findings.iter().map(Finding::explained).collect::<String>()
            )
        });
        let result = pysource::rewrite(&project, &classified, DROPPED);
        Self {
            files,
            classified,
            result,
            entry,
        }
    }

    /// Asserts the start target.
    #[track_caller]
    pub(crate) fn serves(&self, target: &str) -> &Self {
        assert_eq!(self.classified.start().target(), target);
        self
    }

    /// The rewritten text of a file.
    #[track_caller]
    pub(crate) fn rewritten(&self, file: &str) -> String {
        let bytes = self
            .result
            .files
            .get(file)
            .unwrap_or_else(|| panic!("{file} is unchanged"));
        String::from_utf8(bytes.clone()).unwrap()
    }

    /// Asserts that the only change of the wired file are the two lines after `statement`.
    #[track_caller]
    pub(crate) fn wired_after(&self, statement: &str) -> &Self {
        self.wired_as(statement, "app")
    }

    /// The same for an app of another name.
    #[track_caller]
    pub(crate) fn wired_as(&self, statement: &str, name: &str) -> &Self {
        let file = &self
            .classified
            .binding
            .as_ref()
            .expect("the binding is known")
            .file;
        let original = &self.files.iter().find(|(path, _)| path == file).unwrap().1;
        let original = String::from_utf8(original.clone()).unwrap();
        let indentation: String = statement
            .lines()
            .next()
            .unwrap()
            .chars()
            .take_while(|c| c.is_whitespace())
            .collect();
        let indentation = if statement == "    pass" {
            String::new()
        } else {
            indentation
        };
        let added = format!(
            "{statement}\n{indentation}{IMPORT}\n{indentation}init_vestibule_auth({name})  # vestibule:wired\n"
        );
        let expected = original.replacen(&format!("{statement}\n"), &added, 1);
        assert_eq!(self.rewritten(file), expected);
        assert!(!self.result.wrapped);
        self.is_stable();
        self
    }

    /// Asserts that rewriting the output changes nothing.
    #[track_caller]
    pub(crate) fn is_stable(&self) {
        let mut files: std::collections::BTreeMap<_, _> = self.files.iter().cloned().collect();
        files.extend(self.result.files.clone());
        let again = Self::bytes(files.into_iter().collect(), self.entry.clone());
        assert!(
            again.result.files.is_empty(),
            "changed again: {}",
            again.result.diff
        );
        assert_eq!(
            (again.result.diff.as_str(), &again.result.start),
            ("", &self.result.start)
        );
    }

    /// The findings of `check`.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let project = Project::new(self.files.iter().cloned().collect());
        pysource::check(&project, &self.classified)
    }
}

/// The findings of a project, those with a rule of `family` only, as lines.
pub(crate) fn findings(files: &[(&str, &str)], family: &str) -> Vec<String> {
    let found = App::new(files).findings();
    found
        .iter()
        .filter(|finding| finding.rule.starts_with(family))
        .map(|finding| {
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => {
                    format!("{file}:{line}:{}", finding.column.unwrap_or(0))
                }
                (file, _) => file.clone().unwrap_or_default(),
            };
            format!("{place} {} {}", finding.severity, finding.rule)
        })
        .collect()
}

/// Asserts that classifying fails with exactly one finding of that rule, and returns it.
#[track_caller]
pub(crate) fn fails(files: &[(&str, &str)], rule: &str) -> Finding {
    let mut findings =
        pysource::classify(&project(files), &Options::default()).expect_err("it should fail");
    assert_eq!(
        findings
            .iter()
            .map(|finding| finding.rule.as_str())
            .collect::<Vec<_>>(),
        [rule]
    );
    findings.remove(0)
}
