//! What will not work, or not work well, once the project is published.
//!
//! Each file here holds the rules of one family over what [`facts`] gathers from a module. A finding in
//! a file that the entry does not reach is at most info, and a waiver on its line silences it where the
//! rule allows that.

mod facts;
mod identity;
mod persistence;
mod routes;
mod runtime;
mod secrets;

use std::collections::BTreeSet;

use crate::deps;
use crate::dropped;
use crate::finding::{self, Finding, Severity};
use crate::graph::{self, Graph};
use crate::module::Module;
use crate::names;
use crate::outcome::Classified;
use crate::parse::on_deep_stack;
use crate::project::{Parsed, Project, Source};
use crate::resolve::Resolver;

/// Rules that no comment and no option can waive.
const NOT_WAIVABLE: &[&str] = &[
    "identity.auth-library",
    "identity.reserved-path",
    "runtime.entry-missing",
    "runtime.entry-ambiguous",
    "runtime.factory-args",
    "runtime.syntax",
    "runtime.encoding",
    "deps.python-version",
    "sdk.file-collision",
];

/// Everything a rule needs to look at one module.
pub(crate) struct Context<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) resolver: &'a Resolver<'a>,
    pub(crate) graph: &'a Graph,
    pub(crate) module: &'a Module,
    /// Whether the running app reads its settings from the environment.
    pub(crate) reads_environment: bool,
}

impl Context<'_> {
    /// The dotted name of an expression when it means a library or the SDK.
    pub(crate) fn outside_name(&self, expr: &ruff_python_ast::Expr) -> Option<String> {
        let dotted = self.resolver.dotted(self.module, expr)?;
        let outside =
            names::is_sdk(&dotted) || !self.source.is_local(&self.resolver.roots, &dotted);
        outside.then_some(dotted)
    }

    /// Builds a finding at a node of the module.
    pub(crate) fn at(
        &self,
        node: impl ruff_text_size::Ranged,
        rule: &str,
        severity: Severity,
        message: impl Into<String>,
        why: &str,
        fix: impl Into<String>,
    ) -> Finding {
        self.module
            .place(Finding::new(rule, severity, message, why, fix), node)
    }
}

/// Reports everything in the project that will not work, or not work well, once published.
///
/// Findings are sorted by file and line. Those in files the entry does not reach are at most info.
pub fn check(project: &Project, classified: &Classified) -> Vec<Finding> {
    on_deep_stack(|| {
        let source = project.source(classified.grammar);
        let graph = graph::reachable(source, classified);
        let resolver = Resolver::new(source, graph.roots.clone());
        let mut findings = classified.findings.clone();
        let modules: Vec<&Module> = source
            .python_files()
            .filter_map(|file| source.module(file))
            .collect();
        let reads_environment = modules
            .iter()
            .any(|module| graph.reachable.contains(&module.file) && reads_environment(module));
        let prefixes = routes::prefixes(&resolver, &graph, &modules);
        for file in source.python_files() {
            let reachable = graph.reachable.contains(file);
            let Some(Parsed::Module(module)) = source.parsed(file) else {
                let severity = if reachable {
                    Severity::Error
                } else {
                    Severity::Info
                };
                findings.extend(unreadable(source, file, severity));
                continue;
            };
            if dropped::is_generated(&module.text.characters) {
                continue;
            }
            let context = Context {
                source,
                resolver: &resolver,
                graph: &graph,
                module,
                reads_environment,
            };
            let facts = facts::gather(&context);
            let mut found = Vec::new();
            identity::check(&context, &facts, &mut found);
            routes::check(&context, &facts, &prefixes, &mut found);
            persistence::check(&context, &facts, &mut found);
            runtime::check(&context, &facts, &mut found);
            findings.extend(found.into_iter().filter_map(|finding| {
                let finding = lowered(finding, reachable);
                let line = finding.line.unwrap_or(0);
                let waived = module.waives(line, &finding.rule)
                    && !NOT_WAIVABLE.contains(&finding.rule.as_str());
                (!waived).then_some(finding)
            }));
        }
        findings.extend(secrets::check(project));
        findings.extend(deps::check(source, &graph, classified));
        for name in dropped_names() {
            findings.extend(dropped::collision(
                project,
                classified.app_dir.as_deref(),
                name,
            ));
        }
        let allowed: BTreeSet<&str> = classified
            .allow
            .iter()
            .map(String::as_str)
            .filter(|rule| !NOT_WAIVABLE.contains(rule))
            .collect();
        findings.retain(|finding| !allowed.contains(finding.rule.as_str()));
        finding::sort(&mut findings);
        findings
    })
}

fn reads_environment(module: &Module) -> bool {
    let text = &module.text.characters;
    module
        .imports()
        .iter()
        .any(|import| match import.module.split('.').next() {
            Some("os") => text.contains("environ") || text.contains("getenv"),
            Some("pydantic_settings" | "decouple" | "dotenv" | "environs" | "starlette") => true,
            _ => false,
        })
}

/// Files the platform writes; a user's own file of that name stops the publish.
fn dropped_names() -> impl Iterator<Item = &'static str> {
    [
        "vestibule.py",
        "vestibule_auth.py",
        "vestibule_client.py",
        "vestibule_entry.py",
        "ellivate.py",
        "ellivate_auth.py",
        "ellivate_client.py",
    ]
    .into_iter()
}

/// A finding outside the running app never stops a publish.
fn lowered(mut finding: Finding, reachable: bool) -> Finding {
    if !reachable {
        finding.severity = Severity::Info;
    }
    finding
}

/// The finding for a Python file that cannot be read; `None` when it can.
pub(crate) fn unreadable(source: Source<'_>, file: &str, severity: Severity) -> Option<Finding> {
    match source.parsed(file)? {
        Parsed::Module(_) => None,
        Parsed::Undecodable(error) => Some(
            Finding::new(
                "runtime.encoding",
                severity,
                format!("The file cannot be read as text: {}.", error.reason),
                "Python reads source as UTF-8 unless a coding line says otherwise, and would not import it.",
                "Save the file as UTF-8, or declare its coding in the first line: `# -*- coding: latin-1 -*-`.",
            )
            .at(file, error.line, 1),
        ),
        Parsed::Invalid(text, error) => {
            let (line, column) = text.position(error.offset);
            Some(
                Finding::new(
                    "runtime.syntax",
                    severity,
                    format!("This is not valid Python: {}.", error.message.trim_end_matches('.')),
                    "The app would fail when this module is imported.",
                    "Correct the statement; `python -m compileall .` finds the same place.",
                )
                .at(file, line, column),
            )
        }
    }
}
