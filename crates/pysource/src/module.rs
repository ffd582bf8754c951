//! One parsed module: what it imports, what its top level binds, which rules it waives.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::finding::Finding;
use crate::names;
use crate::parse::Tree;
use crate::project::folder_of;
use crate::text::Text;

/// A module of the project.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) text: Text,
    pub(crate) tree: Tree,
    imports: Vec<Import>,
    /// The last import that binds a name.
    imported: HashMap<String, usize>,
    /// Waived rules by line.
    waivers: BTreeMap<u32, BTreeSet<String>>,
}

/// Bound on conditional bindings of one name that are told apart.
pub(crate) const MAX_BINDS: usize = 64;

/// One name brought in by an import statement.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// The module named in the statement, without leading dots.
    pub(crate) module: String,
    /// The number of leading dots.
    pub(crate) level: u32,
    /// The name taken from the module; `None` for `import module`.
    pub(crate) name: Option<String>,
    /// The name it is bound to; `None` when nothing is (a star).
    pub(crate) bound: Option<String>,
    /// Whether `import a.b` binds only `a`.
    pub(crate) binds_top: bool,
    pub(crate) range: TextRange,
    /// Whether it runs only for type checkers.
    pub(crate) typing_only: bool,
    /// Whether it stands inside a function.
    pub(crate) in_function: bool,
}

/// One place where the top level of a module (or the body of a function) binds a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bind<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Bound<'a>,
    /// The statement that binds it.
    pub(crate) stmt: &'a Stmt,
    /// The statement of the outermost block it is part of; itself when it stands there.
    pub(crate) top: &'a Stmt,
}

/// What a name is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound<'a> {
    Value(&'a Expr),
    Function(&'a ast::StmtFunctionDef),
    Class(&'a ast::StmtClassDef),
    /// An import; look it up in the module's imports.
    Import,
    /// Something that cannot be followed: a loop variable, a deletion, an unpacked value.
    Unknown,
}

impl Bind<'_> {
    /// Whether it happens whenever the block runs to its end.
    pub(crate) fn is_certain(&self) -> bool {
        self.stmt.range() == self.top.range()
    }
}

impl Module {
    pub(crate) fn new(file: String, text: Text, tree: Tree) -> Self {
        let mut imports = Vec::new();
        collect_imports(tree.body(), false, false, &mut imports);
        let imported = imports
            .iter()
            .enumerate()
            .filter(|(_, import)| !import.typing_only)
            .filter_map(|(index, import)| Some((import.bound.clone()?, index)))
            .collect();
        let waivers = collect_waivers(&text, &tree);
        Self {
            file,
            text,
            tree,
            imports,
            imported,
            waivers,
        }
    }

    pub(crate) fn body(&self) -> &[Stmt] {
        self.tree.body()
    }

    pub(crate) fn imports(&self) -> &[Import] {
        &self.imports
    }

    /// What the top level binds, in order.
    pub(crate) fn binds(&self) -> Vec<Bind<'_>> {
        binds_of(self.body())
    }

    /// The bindings of `name` that may be in force at the end of `binds`: the last certain one and
    /// all conditional ones after it. At most [`MAX_BINDS`].
    pub(crate) fn effective<'a>(binds: &[Bind<'a>], name: &str) -> Vec<Bind<'a>> {
        let mut found: Vec<Bind<'a>> = Vec::new();
        for bind in binds.iter().rev().filter(|bind| bind.name == name) {
            // An import or value inside `try`/`with` nearly always happens; the one before it in an
            // earlier statement is then a default, and stays in the list.
            found.push(*bind);
            let done = bind.is_certain() || covers_all_branches(&found, bind.top);
            if done || found.len() == MAX_BINDS {
                break;
            }
        }
        found.reverse();
        found
    }

    /// The dotted module an import statement of this module means, with its dots resolved against
    /// the module's own place below `root`.
    pub(crate) fn absolute(&self, root: &str, import: &Import) -> Option<String> {
        if import.level == 0 {
            return Some(import.module.clone());
        }
        let mut folder = folder_of(&self.file);
        for _ in 1..import.level {
            if folder == root || folder.is_empty() {
                return None;
            }
            folder = folder_of(folder);
        }
        let below = match root {
            "" => folder,
            root => folder.strip_prefix(root)?.trim_start_matches('/'),
        };
        let package = below.replace('/', ".");
        Some(match (package.as_str(), import.module.as_str()) {
            ("", module) => module.to_owned(),
            (package, "") => package.to_owned(),
            (package, module) => format!("{package}.{module}"),
        })
    }

    /// The import that binds `name`, the last one.
    pub(crate) fn import_of(&self, name: &str) -> Option<&Import> {
        self.imported.get(name).map(|index| &self.imports[*index])
    }

    /// The dotted name of an expression in terms of the modules this one imports: with `import
    /// fastapi as f`, `f.FastAPI` is `fastapi.FastAPI`. Names that are not imported give `None`.
    pub(crate) fn dotted(&self, root: &str, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => {
                let import = self.import_of(&name.id)?;
                let module = self.absolute(root, import)?;
                Some(match &import.name {
                    Some(taken) => format!("{module}.{taken}"),
                    None if import.binds_top => name.id.to_string(),
                    None => module,
                })
            }
            Expr::Attribute(attribute) => {
                let base = self.dotted(root, &attribute.value)?;
                Some(format!("{base}.{}", attribute.attr))
            }
            _ => None,
        }
    }

    /// Line and column of a node.
    pub(crate) fn position(&self, node: impl Ranged) -> (u32, u32) {
        self.text.position(node.start().into())
    }

    /// The source of a node.
    pub(crate) fn slice(&self, node: impl Ranged) -> &str {
        &self.text.characters[node.range()]
    }

    /// Places a finding at a node.
    pub(crate) fn place(&self, finding: Finding, node: impl Ranged) -> Finding {
        let (line, column) = self.position(node);
        finding.at(self.file.clone(), line, column)
    }

    /// Whether the user waived `rule` on a line.
    pub(crate) fn waives(&self, line: u32, rule: &str) -> bool {
        self.waivers
            .get(&line)
            .is_some_and(|rules| rules.contains(rule))
    }
}

/// Whether `test` is `TYPE_CHECKING` or `typing.TYPE_CHECKING`.
pub(crate) fn is_type_checking(test: &Expr) -> bool {
    match test {
        Expr::Name(name) => name.id == "TYPE_CHECKING",
        Expr::Attribute(attribute) => &*attribute.attr == "TYPE_CHECKING",
        _ => false,
    }
}

/// Whether `test` is `__name__ == "__main__"`, either way round.
pub(crate) fn is_main_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else {
        return false;
    };
    let mut sides = [Some(&*compare.left), compare.comparators.first()]
        .into_iter()
        .flatten();
    let is_name = |expr: &Expr| matches!(expr, Expr::Name(name) if name.id == "__name__");
    let is_main = |expr: &Expr| matches!(expr, Expr::StringLiteral(literal) if literal.value.to_str() == "__main__");
    sides.clone().any(is_name) && sides.any(is_main)
}

/// What a block binds, in order, through `if`, `try`, `with`, loops and `match`, but not inside
/// functions and classes. Blocks for type checkers and for `__main__` are left out.
pub(crate) fn binds_of(body: &[Stmt]) -> Vec<Bind<'_>> {
    let mut binds = Vec::new();
    for stmt in body {
        collect_binds(stmt, stmt, &mut binds);
    }
    binds
}

fn collect_binds<'a>(stmt: &'a Stmt, top: &'a Stmt, binds: &mut Vec<Bind<'a>>) {
    let mut bind = |name: &'a str, value| {
        binds.push(Bind {
            name,
            value,
            stmt,
            top,
        });
    };
    match stmt {
        Stmt::FunctionDef(def) => bind(&def.name, Bound::Function(def)),
        Stmt::ClassDef(def) => bind(&def.name, Bound::Class(def)),
        Stmt::Import(import) => {
            for alias in &import.names {
                let name = match &alias.asname {
                    Some(name) => name.as_str(),
                    None => alias.name.split('.').next().unwrap_or(""),
                };
                bind(name, Bound::Import);
            }
        }
        Stmt::ImportFrom(import) => {
            for alias in &import.names {
                bind(alias.asname.as_ref().unwrap_or(&alias.name), Bound::Import);
            }
        }
        Stmt::Assign(assign) => {
            bind_walruses(&assign.value, &mut bind);
            for target in &assign.targets {
                bind_target(target, &assign.value, &mut bind);
            }
        }
        Stmt::AnnAssign(assign) => {
            if let Some(value) = &assign.value {
                bind_walruses(value, &mut bind);
                bind_target(&assign.target, value, &mut bind);
            }
        }
        Stmt::Expr(expr) => bind_walruses(&expr.value, &mut bind),
        Stmt::AugAssign(assign) => bind_unknown(&assign.target, &mut bind),
        Stmt::Delete(delete) => delete
            .targets
            .iter()
            .for_each(|target| bind_unknown(target, &mut bind)),
        Stmt::If(stmt_if) => {
            bind_walruses(&stmt_if.test, &mut bind);
            if !is_type_checking(&stmt_if.test) && !is_main_guard(&stmt_if.test) {
                stmt_if
                    .body
                    .iter()
                    .for_each(|inner| collect_binds(inner, top, binds));
            }
            for clause in &stmt_if.elif_else_clauses {
                clause
                    .body
                    .iter()
                    .for_each(|inner| collect_binds(inner, top, binds));
            }
        }
        Stmt::Try(stmt_try) => {
            let handlers = stmt_try.handlers.iter().flat_map(|handler| match handler {
                ExceptHandler::ExceptHandler(handler) => handler.body.iter(),
            });
            let blocks = stmt_try.body.iter().chain(handlers);
            blocks
                .chain(&stmt_try.orelse)
                .chain(&stmt_try.finalbody)
                .for_each(|inner| collect_binds(inner, top, binds));
        }
        Stmt::With(with) => {
            for item in &with.items {
                if let Some(target) = &item.optional_vars {
                    bind_unknown(target, &mut bind);
                }
            }
            with.body
                .iter()
                .for_each(|inner| collect_binds(inner, top, binds));
        }
        Stmt::For(stmt_for) => {
            bind_unknown(&stmt_for.target, &mut bind);
            let blocks = stmt_for.body.iter().chain(&stmt_for.orelse);
            blocks.for_each(|inner| collect_binds(inner, top, binds));
        }
        Stmt::While(stmt_while) => {
            bind_walruses(&stmt_while.test, &mut bind);
            let blocks = stmt_while.body.iter().chain(&stmt_while.orelse);
            blocks.for_each(|inner| collect_binds(inner, top, binds));
        }
        Stmt::Match(stmt_match) => {
            let blocks = stmt_match.cases.iter().flat_map(|case| &case.body);
            blocks.for_each(|inner| collect_binds(inner, top, binds));
        }
        _ => {}
    }
}

fn bind_target<'a>(target: &'a Expr, value: &'a Expr, bind: &mut impl FnMut(&'a str, Bound<'a>)) {
    match (target, value) {
        // `app = other = FastAPI()` and `(app := FastAPI())` bind the same object.
        (Expr::Name(name), Expr::Named(named)) => bind(&name.id, Bound::Value(&named.value)),
        (Expr::Name(name), value) => bind(&name.id, Bound::Value(value)),
        (Expr::Tuple(targets), Expr::Tuple(values)) if targets.len() == values.len() => {
            for (target, value) in targets.iter().zip(values.iter()) {
                bind_target(target, value, bind);
            }
        }
        (target, _) => bind_unknown(target, bind),
    }
}

fn bind_unknown<'a>(target: &'a Expr, bind: &mut impl FnMut(&'a str, Bound<'a>)) {
    match target {
        Expr::Name(name) => bind(&name.id, Bound::Unknown),
        Expr::Tuple(targets) => targets.iter().for_each(|target| bind_unknown(target, bind)),
        Expr::List(targets) => targets.iter().for_each(|target| bind_unknown(target, bind)),
        Expr::Starred(starred) => bind_unknown(&starred.value, bind),
        _ => {}
    }
}

/// Binds what `:=` binds anywhere in an expression, lambdas and comprehensions left aside.
fn bind_walruses<'a>(expr: &'a Expr, bind: &mut impl FnMut(&'a str, Bound<'a>)) {
    struct Walruses<'b, F>(&'b mut F);
    impl<'a, F: FnMut(&'a str, Bound<'a>)> ast::visitor::Visitor<'a> for Walruses<'_, F> {
        fn visit_expr(&mut self, expr: &'a Expr) {
            if let Expr::Named(named) = expr
                && let Expr::Name(name) = &*named.target
            {
                (self.0)(&name.id, Bound::Value(&named.value));
            }
            if !matches!(expr, Expr::Lambda(_)) {
                ast::visitor::walk_expr(self, expr);
            }
        }
    }
    ast::visitor::Visitor::visit_expr(&mut Walruses(bind), expr);
}

/// Whether the conditional bindings in `found` that belong to the statement `top` cover each of its
/// ways through (an `if` with `else`, or anything but an `if`).
fn covers_all_branches(found: &[Bind<'_>], top: &Stmt) -> bool {
    let binds_in = |body: &[Stmt]| {
        let (Some(first), Some(last)) = (body.first(), body.last()) else {
            return false;
        };
        let range = TextRange::new(first.start(), last.end());
        found
            .iter()
            .any(|bind| range.contains_range(bind.stmt.range()))
    };
    match top {
        Stmt::If(stmt_if) => {
            stmt_if
                .elif_else_clauses
                .iter()
                .any(|clause| clause.test.is_none())
                && binds_in(&stmt_if.body)
                && stmt_if
                    .elif_else_clauses
                    .iter()
                    .all(|clause| binds_in(&clause.body))
        }
        Stmt::With(with) => binds_in(&with.body),
        Stmt::Try(stmt_try) => {
            binds_in(&stmt_try.finalbody)
                || (binds_in(&stmt_try.body) || binds_in(&stmt_try.orelse))
                    && stmt_try.handlers.iter().all(|handler| match handler {
                        ExceptHandler::ExceptHandler(handler) => {
                            binds_in(&handler.body) || leaves(&handler.body)
                        }
                    })
        }
        _ => false,
    }
}

/// Whether a block ends by raising, so that what follows it is not reached.
fn leaves(body: &[Stmt]) -> bool {
    matches!(body.last(), Some(Stmt::Raise(_) | Stmt::Return(_)))
}

fn collect_imports(body: &[Stmt], typing: bool, in_function: bool, found: &mut Vec<Import>) {
    for stmt in body {
        let mut each = |body: &[Stmt], typing: bool| {
            collect_imports(body, typing, in_function, found);
        };
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let bound = match &alias.asname {
                        Some(name) => name.as_str(),
                        None => alias.name.split('.').next().unwrap_or(""),
                    };
                    found.push(Import {
                        module: alias.name.to_string(),
                        level: 0,
                        name: None,
                        bound: Some(bound.to_owned()),
                        binds_top: alias.asname.is_none(),
                        range: import.range,
                        typing_only: typing,
                        in_function,
                    });
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let bound = alias.asname.as_ref().unwrap_or(&alias.name);
                    found.push(Import {
                        module: import
                            .module
                            .as_ref()
                            .map(ToString::to_string)
                            .unwrap_or_default(),
                        level: import.level,
                        name: Some(alias.name.to_string()),
                        bound: (bound.as_str() != "*").then(|| bound.to_string()),
                        binds_top: false,
                        range: import.range,
                        typing_only: typing,
                        in_function,
                    });
                }
            }
            Stmt::If(stmt_if) => {
                each(&stmt_if.body, typing || is_type_checking(&stmt_if.test));
                stmt_if
                    .elif_else_clauses
                    .iter()
                    .for_each(|clause| each(&clause.body, typing));
            }
            Stmt::Try(stmt_try) => {
                each(&stmt_try.body, typing);
                for handler in &stmt_try.handlers {
                    let ExceptHandler::ExceptHandler(handler) = handler;
                    each(&handler.body, typing);
                }
                each(&stmt_try.orelse, typing);
                each(&stmt_try.finalbody, typing);
            }
            Stmt::With(with) => each(&with.body, typing),
            Stmt::For(stmt_for) => {
                each(&stmt_for.body, typing);
                each(&stmt_for.orelse, typing);
            }
            Stmt::While(stmt_while) => {
                each(&stmt_while.body, typing);
                each(&stmt_while.orelse, typing);
            }
            Stmt::Match(stmt_match) => {
                stmt_match
                    .cases
                    .iter()
                    .for_each(|case| each(&case.body, typing));
            }
            Stmt::ClassDef(def) => each(&def.body, typing),
            Stmt::FunctionDef(def) => collect_imports(&def.body, typing, true, found),
            _ => {}
        }
    }
}

fn collect_waivers(text: &Text, tree: &Tree) -> BTreeMap<u32, BTreeSet<String>> {
    let mut waivers: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for token in tree
        .tokens()
        .iter()
        .filter(|token| token.kind() == TokenKind::Comment)
    {
        let comment = &text.characters[token.range()];
        let Some((_, rules)) = comment.split_once(names::ALLOW_COMMENT) else {
            continue;
        };
        let (line, _) = text.position(token.start().into());
        let rules = rules
            .split([',', ' '])
            .filter(|rule| rule.contains('.'))
            .map(str::to_owned);
        waivers.entry(line).or_default().extend(rules);
    }
    waivers
}
