//! Everything that can be said about a project without running it: the same for a publish and for `vestibule check`.

use pysource::{Classified, DependencySet, Finding, Options, Project, Rewritten};

/// What was found out about a project whose app was found.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The app.
    pub classified: Classified,
    /// The project as it will run.
    pub rewritten: Rewritten,
    /// What it needs.
    pub dependencies: DependencySet,
    /// Every finding, sorted by file and line.
    pub findings: Vec<Finding>,
}

/// Finds the app of a project, checks its source and plans the rewriting.
///
/// # Errors
/// The findings that say why no app could be found.
pub fn examine(project: &Project, options: &Options) -> Result<Examined, Vec<Finding>> {
    let classified = pysource::classify(project, options)?;
    let rewritten = pysource::rewrite(project, &classified, pysource::DROPPED);
    let dependencies = pysource::dependencies(project, &classified);
    let mut findings = classified.findings.clone();
    findings.extend(pysource::check(project, &classified));
    findings.extend(rewritten.findings.iter().cloned());
    findings.extend(dependencies.findings.iter().cloned());
    pysource::sort(&mut findings);
    Ok(Examined {
        classified,
        rewritten,
        dependencies,
        findings,
    })
}
