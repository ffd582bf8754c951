//! Which modules run when the entry is imported: the static import graph.

use std::collections::BTreeSet;

use ruff_python_ast::{self as ast, Expr};

use crate::module::Module;
use crate::outcome::Classified;
use crate::project::{Source, folder_of, join};

/// The files reachable from the entry, and the roots their imports start from.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) roots: Vec<String>,
    pub(crate) reachable: BTreeSet<String>,
}

/// Follows imports from the entry. Imports for type checkers do not count, those in functions do.
pub(crate) fn reachable(source: Source<'_>, classified: &Classified) -> Graph {
    let mut roots = source.roots_for(&classified.file);
    let own = classified.app_dir.clone().unwrap_or_default();
    roots.retain(|root| *root != own);
    roots.insert(0, own);
    let mut reachable = BTreeSet::new();
    let mut waiting = vec![classified.file.clone()];
    while let Some(file) = waiting.pop() {
        if !reachable.insert(file.clone()) {
            continue;
        }
        // Importing a module runs the packages above it.
        let mut folder = folder_of(&file);
        while !folder.is_empty() {
            let init = join(folder, "__init__.py");
            if source.parsed(&init).is_some() && !roots.iter().any(|root| root == folder) {
                waiting.push(init);
            }
            folder = folder_of(folder);
        }
        let Some(module) = source.module(&file) else {
            continue;
        };
        for dotted in imported_names(&roots, module) {
            waiting.extend(source.find_module(&roots, &dotted).map(str::to_owned));
        }
    }
    Graph { roots, reachable }
}

/// All dotted names a module's imports could mean: `from a import b` may be `a` or `a.b`.
fn imported_names(roots: &[String], module: &Module) -> Vec<String> {
    let root = roots
        .iter()
        .filter(|root| root.is_empty() || module.file.starts_with(&format!("{root}/")))
        .max_by_key(|root| root.len())
        .map_or("", String::as_str);
    let mut names = Vec::new();
    for import in module.imports().iter().filter(|import| !import.typing_only) {
        let Some(from) = module.absolute(root, import) else {
            continue;
        };
        let mut end = from.find('.').unwrap_or(from.len());
        // `import a.b.c` runs `a`, `a.b` and `a.b.c`.
        loop {
            names.push(from[..end].to_owned());
            match from[end..].strip_prefix('.') {
                Some(rest) => end = from.len() - rest.len() + rest.find('.').unwrap_or(rest.len()),
                None => break,
            }
        }
        if let Some(name) = &import.name
            && name != "*"
        {
            names.push(if from.is_empty() {
                name.clone()
            } else {
                format!("{from}.{name}")
            });
        }
    }
    let mut literal = LiteralImports {
        root,
        module,
        names,
    };
    ast::visitor::Visitor::visit_body(&mut literal, module.body());
    literal.names
}

/// Finds `import_module("literal")`.
struct LiteralImports<'a> {
    root: &'a str,
    module: &'a Module,
    names: Vec<String>,
}

impl<'a> ast::visitor::Visitor<'a> for LiteralImports<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr
            && let Some(Expr::StringLiteral(name)) = call.arguments.args.first()
            && self.module.dotted(self.root, &call.func).as_deref()
                == Some("importlib.import_module")
        {
            self.names.push(name.value.to_str().to_owned());
        }
        ast::visitor::walk_expr(self, expr);
    }
}
