//! Makes the project as it will run: the gate wired in byte by byte, the generated files beside it.
//!
//! Only whole lines are added (and a `return` made into an assignment where a factory returns the new
//! app directly); no other byte of the user's changes. What comes out is parsed again, and when
//! anything does not hold the user's files stay as they are and the served object is wrapped instead.

use std::collections::BTreeMap;

use ruff_python_ast::Stmt;
use ruff_text_size::Ranged;

use crate::dropped;
use crate::finding::{self, Finding, Severity};
use crate::module::Module;
use crate::names;
use crate::outcome::{Classified, Rewritten, StartPlan};
use crate::parse::{on_deep_stack, parse};
use crate::project::Project;
use crate::wiring::{Place, Wiring, plan};

/// The local that takes an app a factory returned directly.
const FRESH_LOCAL: &str = "_vestibule_app";

/// Wires the gate into the app and adds the generated files.
///
/// `dropped` are the platform's Python files as (name, contents without marker). Every byte the
/// rewrite does not have to change stays as it was; rewriting its own output changes nothing.
pub fn rewrite(project: &Project, classified: &Classified, dropped: &[(&str, &str)]) -> Rewritten {
    on_deep_stack(|| {
        let source = project.source(classified.grammar);
        let (changed, reason) = match plan(source, classified) {
            Wiring::Insert { module, places } => match apply(module, &places, classified) {
                Some(bytes) => (Some((module.file.clone(), bytes)), None),
                None => (None, Some("the rewritten module could not be read back")),
            },
            Wiring::Wrap { reason } => (None, Some(reason)),
        };
        finish(project, classified, dropped, changed, reason)
    })
}

/// The fallback when the rewritten app turns out not to be gated: leaves the user's files alone and
/// serves a generated entry module that wraps the served object.
pub fn wrap_entry(
    project: &Project,
    classified: &Classified,
    dropped: &[(&str, &str)],
) -> Rewritten {
    let reason = "the wiring in its source does not take effect";
    on_deep_stack(|| finish(project, classified, dropped, None, Some(reason)))
}

fn finish(
    project: &Project,
    classified: &Classified,
    dropped_files: &[(&str, &str)],
    changed: Option<(String, Vec<u8>)>,
    wrap_reason: Option<&str>,
) -> Rewritten {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut start = classified.start();
    let mut generated: Vec<(String, String)> = dropped_files
        .iter()
        .map(|(name, contents)| ((*name).to_owned(), dropped::with_marker(contents)))
        .collect();
    if let Some(reason) = wrap_reason {
        let entry = format!("{}.py", names::ENTRY_MODULE);
        generated.push((entry, dropped::with_marker(&entry_module(classified))));
        start = StartPlan {
            module: names::ENTRY_MODULE.to_owned(),
            attribute: names::ENTRY_ATTRIBUTE.to_owned(),
            factory: false,
            app_dir: None,
            pythonpath: start.pythonpath,
        };
        findings.push(wrapped(classified, reason));
    }
    for (name, text) in generated {
        findings.extend(dropped::collision(
            project,
            classified.app_dir.as_deref(),
            &name,
        ));
        if project.bytes(&name) != Some(text.as_bytes()) {
            files.insert(name, text.into_bytes());
        }
    }
    let mut diff = String::new();
    if let Some((file, bytes)) = changed
        && project.bytes(&file) != Some(bytes.as_slice())
    {
        diff = unified(&file, project.bytes(&file).unwrap_or_default(), &bytes);
        files.insert(file, bytes);
    }
    for name in files.keys().filter(|name| project.bytes(name).is_none()) {
        diff.push_str("# added by the platform: ");
        diff.push_str(name);
        diff.push('\n');
    }
    finding::sort(&mut findings);
    Rewritten {
        files,
        start,
        diff,
        findings,
        wrapped: wrap_reason.is_some(),
    }
}

fn wrapped(classified: &Classified, reason: &str) -> Finding {
    let finding = Finding::new(
        "auth.wrapped-app",
        Severity::Info,
        format!(
            "The gate is put around `{}`, because {reason}.",
            classified.start().target()
        ),
        "No request may reach an app that is not gated.",
        "Nothing to do; bind the app by `app = FastAPI()` to have the gate inside it.",
    );
    match &classified.binding {
        Some(binding) => finding.at(binding.file.clone(), binding.line, binding.column),
        None => finding.at(classified.file.clone(), 1, 1),
    }
}

/// The module that serves the user's object behind the gate. Names go in as strings, so that any
/// identifier and any dotted attribute works.
fn entry_module(classified: &Classified) -> String {
    let call = if classified.factory { "()" } else { "" };
    format!(
        "\"\"\"Serves the app behind the gate.\"\"\"\n\
         from importlib import import_module\n\
         from operator import attrgetter\n\
         \n\
         from {auth} import {gate}\n\
         \n\
         {attribute} = {gate}(attrgetter(\"{served}\")(import_module(\"{module}\")){call})\n",
        auth = names::AUTH_MODULE,
        gate = names::GATE_CLASS,
        attribute = names::ENTRY_ATTRIBUTE,
        served = classified.attribute.replace(['\\', '"', '\n', '\r'], ""),
        module = classified.module.replace(['\\', '"', '\n', '\r'], ""),
    )
}

/// One change of the text: `remove` bytes at `at` give way to `insert`.
struct Edit {
    at: usize,
    remove: usize,
    insert: String,
}

/// The module's bytes with the calls inserted; `None` when that cannot be done safely.
fn apply(module: &Module, places: &[Place<'_>], classified: &Classified) -> Option<Vec<u8>> {
    let text = &module.text;
    let original = text.encode(&text.characters)?;
    if places.is_empty() {
        return Some(original);
    }
    let mut edits: Vec<Edit> = places
        .iter()
        .flat_map(|place| edits_for(module, place))
        .collect();
    edits.sort_by_key(|edit| edit.at);
    let mut rewritten = String::with_capacity(text.characters.len() + 256 * edits.len());
    let mut done = 0;
    for edit in &edits {
        rewritten.push_str(text.characters.get(done..edit.at)?);
        rewritten.push_str(&edit.insert);
        done = edit.at + edit.remove;
    }
    rewritten.push_str(text.characters.get(done..)?);
    parse(&rewritten, classified.grammar).ok()?;
    text.encode(&rewritten)
}

fn edits_for(module: &Module, place: &Place<'_>) -> Vec<Edit> {
    match place {
        Place::After { stmt, name } => vec![insertion(module, stmt, name, None)],
        Place::Return { stmt } => {
            let keyword = Edit {
                at: stmt.start().into(),
                remove: "return".len(),
                insert: format!("{FRESH_LOCAL} ="),
            };
            vec![
                keyword,
                insertion(module, stmt, FRESH_LOCAL, Some(FRESH_LOCAL)),
            ]
        }
    }
}

/// The lines after a statement: the import, the call, and `return` of a name if wanted.
fn insertion(module: &Module, stmt: &Stmt, name: &str, returned: Option<&str>) -> Edit {
    let text = &module.text;
    let start: usize = stmt.start().into();
    let end: usize = stmt.end().into();
    let mut statements = vec![
        format!(
            "from {} import {}",
            names::AUTH_MODULE,
            names::INIT_FUNCTION
        ),
        format!("{}({name})", names::INIT_FUNCTION),
    ];
    statements.extend(returned.map(|name| format!("return {name}")));
    let line_start = text.line_start(start);
    let before = &text.characters[line_start..start];
    let indentation: String = before
        .chars()
        .take_while(|c| matches!(c, ' ' | '\t' | '\u{c}'))
        .collect();
    if is_inline_suite(module, start) {
        // `if x: app = FastAPI()` keeps its one line.
        return Edit {
            at: end,
            remove: 0,
            insert: format!("; {}", statements.join("; ")),
        };
    }
    let (at, has_newline) = module.tree.logical_line_end(end);
    let newline = text.newline_near(if has_newline {
        at.saturating_sub(1)
    } else {
        at
    });
    let mut insert = String::new();
    if !has_newline {
        insert.push_str(newline);
    }
    let last = statements.len() - 1;
    for (index, statement) in statements.iter().enumerate() {
        insert.push_str(&indentation);
        insert.push_str(statement);
        insert.push_str("  ");
        insert.push_str(names::WIRED_COMMENT);
        if has_newline || index < last {
            insert.push_str(newline);
        }
    }
    if !has_newline {
        insert.push_str(newline);
    }
    Edit {
        at,
        remove: 0,
        insert,
    }
}

/// Whether the statement at `start` shares its logical line with the head of the block it is in. The
/// first token of that line is then a keyword that opens a block, or the line holds its colon.
fn is_inline_suite(module: &Module, start: usize) -> bool {
    use ruff_python_ast::token::TokenKind;
    let tokens: &[ruff_python_ast::token::Token] = module.tree.tokens();
    let here = tokens.partition_point(|token| usize::from(token.start()) < start);
    let mut line: Vec<TokenKind> = tokens[..here]
        .iter()
        .rev()
        .map(ruff_python_ast::token::Token::kind)
        .take_while(|kind| !matches!(kind, TokenKind::Newline))
        .filter(|kind| !kind.is_trivia() && !matches!(kind, TokenKind::Indent | TokenKind::Dedent))
        .collect();
    line.reverse();
    matches!(
        line.first(),
        Some(
            TokenKind::If
                | TokenKind::Elif
                | TokenKind::Else
                | TokenKind::Try
                | TokenKind::Except
                | TokenKind::Finally
                | TokenKind::With
                | TokenKind::For
                | TokenKind::While
                | TokenKind::Def
                | TokenKind::Async
                | TokenKind::Case
        )
    )
}

fn unified(file: &str, before: &[u8], after: &[u8]) -> String {
    let before = String::from_utf8_lossy(before);
    let after = String::from_utf8_lossy(after);
    similar::TextDiff::from_lines(before.as_ref(), after.as_ref())
        .unified_diff()
        .context_radius(3)
        .header(&format!("a/{file}"), &format!("b/{file}"))
        .to_string()
}
