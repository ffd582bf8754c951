//! `check` and `diff`: what publishing would find and change, offline.

use std::path::Path;

use pysource::{Finding, Options, Project, Severity};
use serde_json::json;
use server::actions::publish::{examine, source};

use crate::arguments;
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;

pub(crate) fn check(arguments: &arguments::Project, output: Output) -> Outcome {
    let examined = examine(&load(&arguments.directory)?, &options(arguments));
    let (entry, findings) = match &examined {
        Ok(examined) => (
            Some(examined.classified.start().target()),
            &examined.findings,
        ),
        Err(findings) => (None, findings),
    };
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    if output.json {
        output.json_line(&json!({ "entry": entry, "findings": findings, "errors": errors }));
    } else {
        output.findings(findings);
        if let Some(entry) = &entry {
            output.say(format_args!("entry: {entry}"));
        }
        output.say(summary(findings));
    }
    match errors {
        0 => Ok(()),
        _ => Err(Failure::new(
            Code::Findings,
            match errors {
                1 => "1 error to mend before publishing".to_owned(),
                _ => format!("{errors} errors to mend before publishing"),
            },
        )),
    }
}

pub(crate) fn diff(arguments: &arguments::Project, output: Output) -> Outcome {
    let examined = match examine(&load(&arguments.directory)?, &options(arguments)) {
        Ok(examined) => examined,
        Err(findings) => {
            output.findings(&findings);
            return Err(Failure::new(
                Code::Findings,
                "no app could be found, so nothing would be changed",
            ));
        }
    };
    let diff = &examined.rewritten.diff;
    if output.json {
        output.json_line(&json!({ "entry": examined.classified.start().target(), "diff": diff }));
        return Ok(());
    }
    for line in diff.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => console::Style::new().green(),
            Some(b'-') => console::Style::new().red(),
            Some(b'@') => console::Style::new().cyan(),
            _ => console::Style::new(),
        };
        output.text(style.apply_to(line));
    }
    Ok(())
}

fn options(arguments: &arguments::Project) -> Options {
    Options {
        entry: arguments.entry.clone(),
        ..Options::default()
    }
}

/// Reads the files that publishing would send, by sending them to ourselves: what is left out there is left out here.
fn load(directory: &Path) -> Result<Project, Failure> {
    super::publish::folder_name(directory)?;
    let limits = bundle::Limits::default();
    let packed = super::publish::pack(directory)?;
    let folder = tempfile::tempdir()?;
    let tree = folder.path().join("project");
    bundle::unpack(packed.archive.as_slice(), &tree, &limits).map_err(Failure::internal)?;
    Ok(source::read(&tree)?)
}

fn summary(findings: &[Finding]) -> String {
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "Ready to publish.".to_owned(),
        (0, 1) => "Ready to publish, with 1 warning.".to_owned(),
        (0, warnings) => format!("Ready to publish, with {warnings} warnings."),
        (errors, warnings) => format!(
            "{errors} error{}, {warnings} warning{}.",
            plural(errors),
            plural(warnings)
        ),
    }
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
