//! Functions that return apps, and the places in them where those are made.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged;

use super::Resolver;
use crate::module::{Bound, Module, binds_of};

/// A function that returns a `FastAPI` app.
#[derive(Debug, Clone)]
pub(crate) struct Factory<'a> {
    pub(crate) def: &'a ast::StmtFunctionDef,
    /// Where the returned apps are made; empty when some `return` cannot be followed.
    pub(crate) places: Vec<FactoryPlace<'a>>,
    /// Whether it can be called without arguments.
    pub(crate) callable: bool,
}

/// One place in a factory where an app that it returns is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FactoryPlace<'a> {
    /// A local bound to an app.
    Local { name: &'a str, stmt: &'a Stmt },
    /// `return FastAPI(...)`.
    Return(&'a Stmt),
}

impl<'a> Resolver<'a> {
    /// What is known about a function as a maker of apps, in at most `steps` steps.
    pub(super) fn factory_in(
        &self,
        module: &'a Module,
        def: &'a ast::StmtFunctionDef,
        steps: usize,
    ) -> Option<Factory<'a>> {
        let steps = self.step(steps)?;
        let annotated = def
            .returns
            .as_ref()
            .is_some_and(|returns| self.is_app_class_in(module, returns, steps));
        let locals = binds_of(&def.body);
        let mut returns = Vec::new();
        let mut yields = false;
        collect_returns(&def.body, &mut returns, &mut yields);
        let mut places = Vec::new();
        let mut proved = !yields && !returns.is_empty() && def.decorator_list.is_empty();
        let mut any = false;
        for (stmt, value) in returns {
            let found = match value {
                Some(Expr::Call(call)) if self.makes_app(module, call, steps) => {
                    places.push(FactoryPlace::Return(stmt));
                    true
                }
                Some(Expr::Name(name)) => {
                    let binds = Module::effective(&locals, &name.id);
                    let all_apps = !binds.is_empty()
                        && binds.iter().all(|bind| {
                            matches!(bind.value, Bound::Value(Expr::Call(call))
                                if self.makes_app(module, call, steps))
                        });
                    if all_apps {
                        places.extend(binds.iter().map(|bind| FactoryPlace::Local {
                            name: bind.name,
                            stmt: bind.stmt,
                        }));
                    } else if locals.iter().any(|bind| {
                        bind.name == name.id.as_str()
                            && matches!(bind.value, Bound::Value(Expr::Call(call))
                            if self.makes_app(module, call, steps))
                    }) {
                        // Some way through the function binds it to an app.
                        any = true;
                    }
                    all_apps
                }
                _ => false,
            };
            any |= found;
            proved &= found;
        }
        if !any && !annotated {
            return None;
        }
        places.sort_by_key(|place| match place {
            FactoryPlace::Local { stmt, .. } | FactoryPlace::Return(stmt) => stmt.start(),
        });
        places.dedup_by_key(|place| match place {
            FactoryPlace::Local { stmt, .. } | FactoryPlace::Return(stmt) => stmt.start(),
        });
        if !proved {
            places.clear();
        }
        let parameters = &def.parameters;
        let callable = parameters
            .iter_non_variadic_params()
            .all(|param| param.default.is_some());
        Some(Factory {
            def,
            places,
            callable,
        })
    }
}

fn collect_returns<'a>(
    body: &'a [Stmt],
    returns: &mut Vec<(&'a Stmt, Option<&'a Expr>)>,
    yields: &mut bool,
) {
    struct Returns<'a, 'b>(&'b mut Vec<(&'a Stmt, Option<&'a Expr>)>, &'b mut bool);
    impl<'a> ast::visitor::Visitor<'a> for Returns<'a, '_> {
        fn visit_stmt(&mut self, stmt: &'a Stmt) {
            match stmt {
                Stmt::Return(inner) => self.0.push((stmt, inner.value.as_deref())),
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
                _ => ast::visitor::walk_stmt(self, stmt),
            }
        }
        fn visit_expr(&mut self, expr: &'a Expr) {
            match expr {
                Expr::Yield(_) | Expr::YieldFrom(_) => *self.1 = true,
                Expr::Lambda(_) => {}
                _ => ast::visitor::walk_expr(self, expr),
            }
        }
    }
    ast::visitor::Visitor::visit_body(&mut Returns(returns, yields), body);
}
