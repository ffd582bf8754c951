//! What the running modules use that has to be installed: imports, WebSocket routes, forms.

use std::collections::BTreeMap;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::Ranged;

use crate::finding::{Finding, Severity};
use crate::graph::Graph;
use crate::module::Module;
use crate::project::Source;
use crate::resolve::Resolver;

/// A place in the user's source.
#[derive(Debug, Clone)]
pub(super) struct Place {
    file: String,
    line: u32,
    column: u32,
}

impl Place {
    fn of(module: &Module, node: impl Ranged) -> Self {
        let (line, column) = module.position(node);
        Self {
            file: module.file.clone(),
            line,
            column,
        }
    }

    /// A finding at this place.
    pub(super) fn finding(
        &self,
        rule: &str,
        severity: Severity,
        message: String,
        why: &str,
        fix: String,
    ) -> Finding {
        Finding::new(rule, severity, message, why, fix).at(
            self.file.clone(),
            self.line,
            self.column,
        )
    }
}

/// The uses found, each with its first place.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Top-level names of imported libraries.
    pub(super) imports: BTreeMap<String, Place>,
    pub(super) web_socket: Option<Place>,
    pub(super) form: Option<Place>,
}

/// Looks through the modules that run.
pub(super) fn gather(source: Source<'_>, graph: &Graph) -> Uses {
    let resolver = Resolver::new(source, graph.roots.clone());
    let mut uses = Uses::default();
    for file in &graph.reachable {
        let Some(module) = source.module(file) else {
            continue;
        };
        if crate::dropped::is_generated(&module.text.characters) {
            continue;
        }
        for import in module.imports().iter().filter(|import| !import.typing_only) {
            let top = import.module.split('.').next().unwrap_or("");
            if import.level == 0 && !source.is_local(&graph.roots, top) {
                uses.imports
                    .entry(top.to_owned())
                    .or_insert_with(|| Place::of(module, import.range));
            }
        }
        let mut walk = Walk {
            resolver: &resolver,
            module,
            uses: &mut uses,
        };
        walk.visit_body(module.body());
    }
    uses
}

struct Walk<'a, 'b> {
    resolver: &'b Resolver<'a>,
    module: &'a Module,
    uses: &'b mut Uses,
}

impl<'a> Visitor<'a> for Walk<'a, '_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(def) = stmt
            && self.uses.web_socket.is_none()
        {
            let route = def.decorator_list.iter().find(|decorator| {
                matches!(&decorator.expression, Expr::Call(call)
                    if matches!(&*call.func, Expr::Attribute(attribute)
                        if matches!(attribute.attr.as_str(), "websocket" | "websocket_route")))
            });
            self.uses.web_socket = route.map(|route| Place::of(self.module, route));
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if self.uses.form.is_none()
            && matches!(expr, Expr::Name(_) | Expr::Attribute(_))
            && let Some(name) = self.resolver.dotted(self.module, expr)
        {
            let last = name.rsplit('.').next().unwrap_or("");
            let is_form = name.starts_with("fastapi.")
                && matches!(
                    last,
                    "Form" | "File" | "UploadFile" | "OAuth2PasswordRequestForm"
                );
            if is_form {
                self.uses.form = Some(Place::of(self.module, expr));
            }
        }
        walk_expr(self, expr);
    }
}
