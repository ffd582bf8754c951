//! What the rules look at, gathered in one walk over a module: its calls, routes and functions, each
//! with the place it runs in.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{self as ast, Expr, Stmt};

use super::Context;
use crate::module::{is_main_guard, is_type_checking};

/// The gathered facts of one module.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) calls: Vec<Call<'a>>,
    pub(crate) functions: Vec<Function<'a>>,
}

/// A call and where it runs.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) node: &'a ast::ExprCall,
    /// The dotted name of what is called, if it comes from a library or the SDK.
    pub(crate) dotted: Option<String>,
    /// The called attribute or name itself (`connect` of `sqlite3.connect`).
    pub(crate) last: &'a str,
    /// The innermost function around it, as an index into [`Facts::functions`].
    pub(crate) function: Option<usize>,
    /// Whether it stands under `if __name__ == "__main__":`.
    pub(crate) main_only: bool,
}

/// A function definition.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) def: &'a ast::StmtFunctionDef,
    /// Whether it runs when the app starts: a lifespan or a startup handler.
    pub(crate) at_startup: bool,
    /// The function around it.
    pub(crate) parent: Option<usize>,
}

/// Walks a module.
pub(crate) fn gather<'a>(context: &Context<'a>) -> Facts<'a> {
    let mut walk = Walk {
        context,
        facts: Facts::default(),
        function: None,
        main_only: false,
        startup: startup_names(context),
    };
    walk.visit_body(context.module.body());
    walk.facts
}

impl<'a> Facts<'a> {
    /// Whether a call runs at import, or in a startup handler.
    pub(crate) fn runs_at_start(&self, call: &Call<'a>) -> bool {
        let mut function = call.function;
        if function.is_none() {
            return !call.main_only;
        }
        while let Some(index) = function {
            if self.functions[index].at_startup {
                return true;
            }
            function = self.functions[index].parent;
        }
        false
    }
}

/// Names of functions given to the app as startup handlers or lifespan: `FastAPI(lifespan=f)`,
/// `app.add_event_handler("startup", f)`, `on_startup=[f]`.
fn startup_names(context: &Context<'_>) -> Vec<String> {
    struct Names(Vec<String>);
    impl Names {
        fn take(&mut self, expr: &Expr) {
            match expr {
                Expr::Name(name) => self.0.push(name.id.to_string()),
                Expr::List(list) => list.iter().for_each(|item| self.take(item)),
                _ => {}
            }
        }
    }
    impl<'a> Visitor<'a> for Names {
        fn visit_expr(&mut self, expr: &'a Expr) {
            if let Expr::Call(call) = expr {
                for keyword in &call.arguments.keywords {
                    let name = keyword
                        .arg
                        .as_ref()
                        .map(ruff_python_ast::Identifier::as_str);
                    if matches!(name, Some("lifespan" | "on_startup")) {
                        self.take(&keyword.value);
                    }
                }
                if let Expr::Attribute(attribute) = &*call.func
                    && &*attribute.attr == "add_event_handler"
                    && string(call.arguments.args.first()) == Some("startup")
                    && let Some(handler) = call.arguments.args.get(1)
                {
                    self.take(handler);
                }
            }
            walk_expr(self, expr);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_body(context.module.body());
    names.0
}

/// The text of a string literal.
pub(crate) fn string(expr: Option<&Expr>) -> Option<&str> {
    match expr? {
        Expr::StringLiteral(text) => Some(text.value.to_str()),
        _ => None,
    }
}

struct Walk<'a, 'b> {
    context: &'b Context<'a>,
    facts: Facts<'a>,
    function: Option<usize>,
    main_only: bool,
    startup: Vec<String>,
}

impl<'a> Visitor<'a> for Walk<'a, '_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::If(stmt_if) => {
                self.visit_expr(&stmt_if.test);
                if !is_type_checking(&stmt_if.test) {
                    let outer = self.main_only;
                    self.main_only |= is_main_guard(&stmt_if.test);
                    self.visit_body(&stmt_if.body);
                    self.main_only = outer;
                }
                for clause in &stmt_if.elif_else_clauses {
                    self.visit_elif_else_clause(clause);
                }
            }
            Stmt::FunctionDef(def) => {
                // Decorators and defaults run where the function is defined.
                for decorator in &def.decorator_list {
                    self.visit_decorator(decorator);
                }
                self.visit_parameters(&def.parameters);
                let on_startup = def.decorator_list.iter().any(|decorator| {
                    matches!(&decorator.expression, Expr::Call(call)
                        if matches!(&*call.func, Expr::Attribute(a) if &*a.attr == "on_event")
                            && string(call.arguments.args.first()) == Some("startup"))
                });
                let named = self.startup.iter().any(|name| *name == def.name.as_str());
                let outer = self.function;
                self.facts.functions.push(Function {
                    def,
                    at_startup: on_startup || named,
                    parent: outer,
                });
                self.function = Some(self.facts.functions.len() - 1);
                self.visit_body(&def.body);
                self.function = outer;
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            let last = match &*call.func {
                Expr::Attribute(attribute) => attribute.attr.as_str(),
                Expr::Name(name) => name.id.as_str(),
                _ => "",
            };
            let context = self.context;
            self.facts.calls.push(Call {
                node: call,
                dotted: context.outside_name(&call.func),
                last,
                function: self.function,
                main_only: self.main_only,
            });
        }
        walk_expr(self, expr);
    }
}
