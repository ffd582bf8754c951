//! Where the gate's call goes: which statements make the served app, and which of them are wired already.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::module::{Bound, Module};
use crate::names;
use crate::outcome::Classified;
use crate::project::Source;
use crate::resolve::{Factory, FactoryPlace, Object, Origin, Resolver};

/// How the served app gets its gate.
#[derive(Debug)]
pub(crate) enum Wiring<'a> {
    /// Calls inserted into one module; none when all are there already.
    Insert {
        module: &'a Module,
        places: Vec<Place<'a>>,
    },
    /// The source does not prove where the app is made: wrap what is served.
    Wrap {
        /// The reason, as the end of a sentence.
        reason: &'static str,
    },
}

/// One place for a call.
#[derive(Debug, Clone)]
pub(crate) enum Place<'a> {
    /// After the statement that binds the app to `name`.
    After { stmt: &'a Stmt, name: String },
    /// In place of `return <call>`: bind, wire, return.
    Return { stmt: &'a Stmt },
}

/// Decides how to wire the app of `classified`.
pub(crate) fn plan<'a>(source: Source<'a>, classified: &Classified) -> Wiring<'a> {
    let mut roots = source.roots_for(&classified.file);
    let own = classified.app_dir.clone().unwrap_or_default();
    roots.retain(|root| *root != own);
    roots.insert(0, own);
    let resolver = Resolver::new(source, roots);
    let Some(entry) = source.module(&classified.file) else {
        return Wiring::Wrap {
            reason: "its module cannot be read",
        };
    };
    if classified.factory {
        return match resolver
            .function_named(entry, &classified.attribute, usize::MAX)
            .and_then(|(module, def)| Some((module, resolver.factory(module, def)?)))
        {
            Some((module, factory)) if !factory.places.is_empty() => {
                factory_plan(&resolver, module, &factory)
            }
            _ => Wiring::Wrap {
                reason: "its factory does not show where the app is made",
            },
        };
    }
    match resolver.object(entry, &classified.attribute) {
        Object::App(origin) => app_plan(&resolver, entry, &classified.attribute, &origin),
        Object::Wrapped(_) => Wiring::Wrap {
            reason: "another app is put around it",
        },
        _ => Wiring::Wrap {
            reason: "the source does not show where it is made",
        },
    }
}

fn factory_plan<'a>(
    resolver: &Resolver<'a>,
    module: &'a Module,
    factory: &Factory<'a>,
) -> Wiring<'a> {
    let calls = init_calls(resolver, module, &factory.def.body);
    let mut places = Vec::new();
    for place in &factory.places {
        match *place {
            FactoryPlace::Local { name, stmt } => {
                let wired = calls
                    .iter()
                    .any(|call| call.name == name && call.range.start() > stmt.start());
                if !wired {
                    places.push(Place::After {
                        stmt,
                        name: name.to_owned(),
                    });
                }
            }
            FactoryPlace::Return(stmt) => places.push(Place::Return { stmt }),
        }
    }
    Wiring::Insert { module, places }
}

fn app_plan<'a>(
    resolver: &Resolver<'a>,
    entry: &'a Module,
    attribute: &str,
    origin: &Origin<'a>,
) -> Wiring<'a> {
    let module = origin.module;
    let none = Wiring::Insert {
        module,
        places: Vec::new(),
    };
    // The call may as well stand in the entry, on the name the app has there.
    let elsewhere = entry.file != module.file
        && init_calls(resolver, entry, entry.body())
            .iter()
            .any(|call| call.name == attribute);
    if elsewhere {
        return none;
    }
    let calls: Vec<InitCall> = init_calls(resolver, module, module.body())
        .into_iter()
        .filter(|call| call.name == origin.name)
        .collect();
    if origin.mixed {
        let Some(last) = origin.binds.last() else {
            return none;
        };
        if calls
            .iter()
            .any(|call| call.range.start() > last.top.start())
        {
            return none;
        }
        let place = Place::After {
            stmt: last.top,
            name: origin.name.clone(),
        };
        return Wiring::Insert {
            module,
            places: vec![place],
        };
    }
    let mut places: Vec<Place<'a>> = Vec::new();
    for (index, bind) in origin.binds.iter().enumerate() {
        let next = origin.binds.get(index + 1).map(|next| next.stmt.start());
        let wired = calls.iter().any(|call| {
            let after = call.range.start() >= bind.stmt.start();
            after && (call.certain || next.is_none_or(|next| call.range.start() < next))
        });
        if wired || made_wired(resolver, module, bind.value) {
            continue;
        }
        let duplicate = places.iter().any(
            |place| matches!(place, Place::After { stmt, .. } if stmt.range() == bind.stmt.range()),
        );
        if !duplicate {
            places.push(Place::After {
                stmt: bind.stmt,
                name: origin.name.clone(),
            });
        }
    }
    Wiring::Insert { module, places }
}

/// Whether a binding's value comes from a factory that wires the app itself.
fn made_wired<'a>(resolver: &Resolver<'a>, module: &'a Module, value: Bound<'a>) -> bool {
    let Bound::Value(Expr::Call(call)) = value else {
        return false;
    };
    let Some((home, def)) = resolver.function(module, &call.func) else {
        return false;
    };
    let Some(factory) = resolver.factory(home, def) else {
        return false;
    };
    matches!(
        factory_plan(resolver, home, &factory),
        Wiring::Insert { places, .. } if places.is_empty() && !factory.places.is_empty()
    )
}

/// A call of the wiring function.
struct InitCall {
    /// The name it is given.
    name: String,
    range: TextRange,
    /// Whether it stands in the outermost block.
    certain: bool,
}

/// The calls of the wiring function in a block, not inside further functions or classes.
fn init_calls<'a>(resolver: &Resolver<'a>, module: &'a Module, body: &'a [Stmt]) -> Vec<InitCall> {
    struct Calls<'a, 'b> {
        resolver: &'b Resolver<'a>,
        module: &'a Module,
        found: Vec<InitCall>,
        depth: usize,
    }
    impl<'a> ast::visitor::Visitor<'a> for Calls<'a, '_> {
        fn visit_stmt(&mut self, stmt: &'a Stmt) {
            match stmt {
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
                Stmt::If(stmt_if) if crate::module::is_main_guard(&stmt_if.test) => {}
                Stmt::Expr(expr) => {
                    if let Expr::Call(call) = &*expr.value
                        && is_init(self.resolver, self.module, call)
                        && let Some(Expr::Name(name)) = call.arguments.find_argument_value("app", 0)
                    {
                        self.found.push(InitCall {
                            name: name.id.to_string(),
                            range: stmt.range(),
                            certain: self.depth == 0,
                        });
                    }
                }
                _ => {
                    self.depth += 1;
                    ast::visitor::walk_stmt(self, stmt);
                    self.depth -= 1;
                }
            }
        }
    }
    let mut calls = Calls {
        resolver,
        module,
        found: Vec::new(),
        depth: 0,
    };
    ast::visitor::Visitor::visit_body(&mut calls, body);
    calls.found
}

fn is_init(resolver: &Resolver<'_>, module: &Module, call: &ast::ExprCall) -> bool {
    resolver
        .dotted(module, &call.func)
        .is_some_and(|dotted| names::INIT_FUNCTIONS.contains(&dotted.as_str()))
}
