//! What names and expressions stand for: which classes are `FastAPI`, which objects are apps, which
//! functions make them. Follows assignments and imports inside the project; whatever cannot be proved
//! from the text is [`Object::Unknown`], never guessed.

mod factory;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use ruff_python_ast::{self as ast, Expr};
use ruff_text_size::Ranged;

use crate::module::{Bind, Bound, MAX_BINDS, Module};
use crate::project::Source;

pub(crate) use factory::{Factory, FactoryPlace};

/// Bound on steps along imports, aliases and base classes; cycles end here.
const MAX_STEPS: usize = 24;
/// Bound on the whole work of one resolver; beyond it everything is unknown, and so gets wrapped.
const FUEL: usize = 200_000;

/// The bindings of a module by name, each in order.
pub(crate) type BindTable<'a> = Rc<HashMap<&'a str, Vec<Bind<'a>>>>;

/// The object a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Object<'a> {
    /// A `FastAPI` app, made by these bindings.
    App(Origin<'a>),
    /// Something that was given a `FastAPI` app and may serve in its place (an outer ASGI app).
    Wrapped(Origin<'a>),
    /// It may be an app, but that shows only when it runs.
    Unknown,
    /// Certainly no app; the dotted name of the class when it is an instance of a library's.
    Other(Option<String>),
    /// The module binds no such name.
    Missing,
}

/// Where an app object is made.
#[derive(Debug, Clone)]
pub(crate) struct Origin<'a> {
    pub(crate) module: &'a Module,
    /// The name it has there.
    pub(crate) name: String,
    /// All bindings of that name that may be in force; each makes an app unless `mixed`.
    pub(crate) binds: Vec<Bind<'a>>,
    /// Some bindings only pass on an app made elsewhere: wire once, after the last statement.
    pub(crate) mixed: bool,
    /// Whether an earlier, overwritten binding made an app too (a copy-pasted line).
    pub(crate) overwritten: Option<Bind<'a>>,
}

impl Origin<'_> {
    /// Whether both mean the same object.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.module.file == other.module.file && self.name == other.name
    }

    /// Whether the object was made under `name` in `module`.
    pub(crate) fn same_place(&self, module: &Module, name: &str) -> bool {
        self.module.file == module.file && self.name == name
    }
}

/// Follows names through a project whose imports start from `roots`.
#[derive(Debug)]
pub(crate) struct Resolver<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) roots: Vec<String>,
    tables: Rc<RefCell<HashMap<&'a str, BindTable<'a>>>>,
    fuel: Cell<usize>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(source: Source<'a>, roots: Vec<String>) -> Self {
        Self {
            source,
            roots,
            tables: Rc::default(),
            fuel: Cell::new(FUEL),
        }
    }

    /// A resolver for other roots that shares what was read already, with an allowance of its own.
    pub(crate) fn sibling(&self, roots: Vec<String>) -> Self {
        Self {
            source: self.source,
            roots,
            tables: Rc::clone(&self.tables),
            fuel: Cell::new(FUEL),
        }
    }

    /// What a module's top level binds.
    pub(crate) fn table(&self, module: &'a Module) -> BindTable<'a> {
        let mut tables = self.tables.borrow_mut();
        let table = tables.entry(&module.file).or_insert_with(|| {
            let mut table: HashMap<&'a str, Vec<Bind<'a>>> = HashMap::new();
            for bind in module.binds() {
                table.entry(bind.name).or_default().push(bind);
            }
            Rc::new(table)
        });
        Rc::clone(table)
    }

    /// The bindings of one name, in order.
    fn binds(&self, module: &'a Module, name: &str) -> Vec<Bind<'a>> {
        self.table(module).get(name).cloned().unwrap_or_default()
    }

    /// Takes one step of the allowance.
    fn step(&self, steps: usize) -> Option<usize> {
        self.fuel.set(self.fuel.get().checked_sub(1)?);
        steps.checked_sub(1)
    }

    /// The root that a module's dotted name starts from: the longest of the roots above it.
    pub(crate) fn root_of(&self, file: &str) -> &str {
        self.roots
            .iter()
            .filter(|root| {
                root.is_empty()
                    || file
                        .strip_prefix(root.as_str())
                        .is_some_and(|rest| rest.starts_with('/'))
            })
            .max_by_key(|root| root.len())
            .map_or("", String::as_str)
    }

    /// The dotted name of an expression, relative imports made absolute.
    pub(crate) fn dotted(&self, module: &Module, expr: &Expr) -> Option<String> {
        module.dotted(self.root_of(&module.file), expr)
    }

    /// The dotted name of an expression when it means something outside the project.
    pub(crate) fn library_name(&self, module: &Module, expr: &Expr) -> Option<String> {
        let dotted = self.dotted(module, expr)?;
        (!self.source.is_local(&self.roots, &dotted)).then_some(dotted)
    }

    /// Splits a dotted name into a project module and the rest of the name.
    fn local_target(&self, dotted: &str) -> Option<(&'a Module, String)> {
        let mut end = dotted.len();
        loop {
            let (head, tail) = (&dotted[..end], dotted[end..].trim_start_matches('.'));
            if let Some(file) = self.source.find_module(&self.roots, head) {
                return Some((self.source.module(file)?, tail.to_owned()));
            }
            end = head.rfind('.')?;
        }
    }

    /// Whether `expr` is the class `FastAPI` or a subclass of it.
    fn is_app_class_in(&self, module: &'a Module, expr: &Expr, steps: usize) -> bool {
        let Some(steps) = self.step(steps) else {
            return false;
        };
        if let Some(dotted) = self.dotted(module, expr) {
            if !self.source.is_local(&self.roots, &dotted) {
                return matches!(
                    dotted.as_str(),
                    "fastapi.FastAPI" | "fastapi.applications.FastAPI"
                );
            }
            return self.local_target(&dotted).is_some_and(|(module, name)| {
                !name.contains('.') && self.named_app_class(module, &name, steps)
            });
        }
        match expr {
            Expr::Name(name) => self.named_app_class(module, &name.id, steps),
            // `app: "FastAPI"` and generic aliases of it.
            Expr::StringLiteral(text) => {
                let name = text.value.to_str().trim();
                module.import_of(name).is_some_and(|import| {
                    import.module.starts_with("fastapi")
                        && import.name.as_deref() == Some("FastAPI")
                }) || name == "fastapi.FastAPI"
                    || self.named_app_class(module, name, steps)
            }
            _ => false,
        }
    }

    fn named_app_class(&self, module: &'a Module, name: &str, steps: usize) -> bool {
        let Some(steps) = self.step(steps) else {
            return false;
        };
        let binds = self.binds(module, name);
        Module::effective(&binds, name)
            .iter()
            .any(|bind| match bind.value {
                Bound::Class(def) => def.arguments.as_ref().is_some_and(|arguments| {
                    arguments
                        .args
                        .iter()
                        .any(|base| self.is_app_class_in(module, base, steps))
                }),
                Bound::Value(value) => self.is_app_class_in(module, value, steps),
                Bound::Import => module.import_of(name).is_some_and(|import| {
                    let Some(from) = module.absolute(self.root_of(&module.file), import) else {
                        return false;
                    };
                    let Some(taken) = &import.name else {
                        return false;
                    };
                    if !self.source.is_local(&self.roots, &from) {
                        return taken == "FastAPI" && from.split('.').next() == Some("fastapi");
                    }
                    self.local_target(&format!("{from}.{taken}"))
                        .is_some_and(|(module, name)| self.named_app_class(module, &name, steps))
                }),
                _ => false,
            })
    }

    /// The object that `name` is in `module` once the module has run.
    pub(crate) fn object(&self, module: &'a Module, name: &str) -> Object<'a> {
        self.object_in(module, name, MAX_STEPS)
    }

    /// The object behind `module.attribute` as an expression of `module`.
    pub(crate) fn attribute(&self, module: &'a Module, expr: &Expr) -> Object<'a> {
        match self.dotted(module, expr) {
            Some(dotted) => self.dotted_object(&dotted, MAX_STEPS),
            None => Object::Unknown,
        }
    }

    fn object_in(&self, module: &'a Module, name: &str, steps: usize) -> Object<'a> {
        let Some(steps) = self.step(steps) else {
            return Object::Unknown;
        };
        let binds = self.binds(module, name);
        let effective = Module::effective(&binds, name);
        if effective.is_empty() {
            return self.through_star(module, name, steps);
        }
        if effective.len() == MAX_BINDS {
            return Object::Unknown;
        }
        let objects: Vec<Object<'a>> = effective
            .iter()
            .map(|bind| self.bound_object(module, bind, steps))
            .collect();
        let is_app = |object: &Object<'_>| matches!(object, Object::App(_));
        // `app = None` ahead of a conditional binding does not serve.
        let (kept_binds, kept): (Vec<Bind<'a>>, Vec<Object<'a>>) = effective
            .iter()
            .copied()
            .zip(objects)
            .filter(|(_, object)| effective.len() == 1 || !matches!(object, Object::Other(None)))
            .unzip();
        if kept.is_empty() {
            return Object::Other(None);
        }
        if kept.iter().all(is_app) {
            let own = |object: &Object<'a>, bind: &Bind<'a>| match object {
                Object::App(origin) => {
                    origin
                        .binds
                        .iter()
                        .any(|b| b.stmt.range() == bind.stmt.range())
                        && origin.module.file == module.file
                }
                _ => false,
            };
            let direct = kept
                .iter()
                .zip(&kept_binds)
                .all(|(object, bind)| own(object, bind));
            if !direct && kept.len() == 1 {
                return kept.into_iter().next().unwrap_or(Object::Unknown);
            }
            let first = kept_binds[0].stmt.start();
            let overwritten = binds
                .iter()
                .filter(|bind| bind.name == name && bind.stmt.start() < first)
                .rfind(|bind| {
                    matches!(bind.value, Bound::Value(value) if is_app(&self.value(module, value, bind, steps)))
                })
                .copied();
            return Object::App(Origin {
                module,
                name: name.to_owned(),
                binds: kept_binds,
                mixed: !direct,
                overwritten,
            });
        }
        let wrapped = kept.iter().find_map(|object| match object {
            Object::Wrapped(origin) => Some(origin.clone()),
            _ => None,
        });
        match (wrapped, kept.iter().find(|object| is_app(object))) {
            (Some(origin), _) => Object::Wrapped(origin),
            // An app on one way and something unknown on another: gate whatever comes out.
            (None, Some(Object::App(origin))) => Object::Wrapped(origin.clone()),
            _ if kept.len() == 1 => kept.into_iter().next().unwrap_or(Object::Unknown),
            _ => Object::Unknown,
        }
    }

    fn through_star(&self, module: &'a Module, name: &str, steps: usize) -> Object<'a> {
        let mut outside = false;
        for import in module.imports() {
            if import.name.as_deref() != Some("*") || import.in_function {
                continue;
            }
            let from = module.absolute(self.root_of(&module.file), import);
            match from.and_then(|from| self.source.find_module(&self.roots, &from)) {
                Some(file) => {
                    let Some(target) = self.source.module(file) else {
                        return Object::Unknown;
                    };
                    match self.object_in(target, name, steps) {
                        Object::Missing => {}
                        object => return object,
                    }
                }
                None => outside = true,
            }
        }
        let dynamic = outside || self.table(module).contains_key("__getattr__");
        if dynamic {
            Object::Unknown
        } else {
            Object::Missing
        }
    }

    fn bound_object(&self, module: &'a Module, bind: &Bind<'a>, steps: usize) -> Object<'a> {
        match bind.value {
            Bound::Value(value) => self.value(module, value, bind, steps),
            Bound::Import => {
                let Some(import) = module.import_of(bind.name) else {
                    return Object::Unknown;
                };
                let Some(from) = module.absolute(self.root_of(&module.file), import) else {
                    return Object::Unknown;
                };
                match &import.name {
                    None => Object::Other(None),
                    Some(taken) => self.dotted_object(&format!("{from}.{taken}"), steps),
                }
            }
            Bound::Function(_) | Bound::Class(_) => Object::Other(None),
            Bound::Unknown => Object::Unknown,
        }
    }

    /// The object behind an absolute dotted name.
    fn dotted_object(&self, dotted: &str, steps: usize) -> Object<'a> {
        if !self.source.is_local(&self.roots, dotted) {
            return Object::Unknown;
        }
        match self.local_target(dotted) {
            Some((_, name)) if name.is_empty() => Object::Other(None),
            Some((module, name)) if !name.contains('.') => self.object_in(module, &name, steps),
            _ => Object::Unknown,
        }
    }

    fn value(
        &self,
        module: &'a Module,
        value: &'a Expr,
        bind: &Bind<'a>,
        steps: usize,
    ) -> Object<'a> {
        let Some(steps) = self.step(steps) else {
            return Object::Unknown;
        };
        let made_here = || {
            Object::App(Origin {
                module,
                name: bind.name.to_owned(),
                binds: vec![*bind],
                mixed: false,
                overwritten: None,
            })
        };
        match value {
            Expr::Call(call) => {
                if self.makes_app(module, call, steps) {
                    return made_here();
                }
                if let Some(origin) = self.app_argument(module, call, bind, steps) {
                    return Object::Wrapped(origin);
                }
                match self.library_name(module, &call.func) {
                    Some(dotted) => Object::Other(Some(dotted)),
                    None if self.is_own_class(module, &call.func) => Object::Other(None),
                    None => Object::Unknown,
                }
            }
            Expr::Named(named) => self.value(module, &named.value, bind, steps),
            Expr::If(choice) => {
                let is_app = |expr: &'a Expr| {
                    matches!(self.value(module, expr, bind, steps), Object::App(_))
                };
                let direct = |expr: &Expr| matches!(expr, Expr::Call(_));
                match (is_app(&choice.body), is_app(&choice.orelse)) {
                    (true, true) if direct(&choice.body) && direct(&choice.orelse) => made_here(),
                    (false, false) => Object::Unknown,
                    _ => match self.value(module, &choice.body, bind, steps) {
                        Object::App(origin) | Object::Wrapped(origin) => Object::Wrapped(origin),
                        _ => Object::Unknown,
                    },
                }
            }
            Expr::Name(name) if name.id != bind.name => self.object_in(module, &name.id, steps),
            Expr::Attribute(_) => match self.dotted(module, value) {
                Some(dotted) => self.dotted_object(&dotted, steps),
                None => Object::Unknown,
            },
            Expr::Name(_) | Expr::Await(_) | Expr::Subscript(_) => Object::Unknown,
            _ => Object::Other(None),
        }
    }

    /// Whether a call constructs a `FastAPI` app or calls a function that provably returns one.
    fn makes_app(&self, module: &'a Module, call: &'a ast::ExprCall, steps: usize) -> bool {
        self.is_app_class_in(module, &call.func, steps)
            || self
                .function(module, &call.func)
                .and_then(|(module, def)| self.factory_in(module, def, steps))
                .is_some_and(|factory| !factory.def.is_async && !factory.places.is_empty())
    }

    fn is_own_class(&self, module: &'a Module, expr: &Expr) -> bool {
        let Expr::Name(name) = expr else { return false };
        let binds = self.binds(module, &name.id);
        let effective = Module::effective(&binds, &name.id);
        !effective.is_empty()
            && effective
                .iter()
                .all(|bind| matches!(bind.value, Bound::Class(_)))
    }

    /// The app that a call gets as an argument, directly or inside a nested call.
    fn app_argument(
        &self,
        module: &'a Module,
        call: &'a ast::ExprCall,
        bind: &Bind<'a>,
        steps: usize,
    ) -> Option<Origin<'a>> {
        let steps = self.step(steps)?;
        let arguments = call.arguments.args.iter();
        let mut arguments =
            arguments.chain(call.arguments.keywords.iter().map(|keyword| &keyword.value));
        arguments.find_map(|argument| match argument {
            Expr::Name(name) if name.id == bind.name => {
                // The same name: what it was before this statement.
                let binds = self.binds(module, &name.id);
                let before: Vec<Bind<'a>> = binds
                    .into_iter()
                    .filter(|b| b.stmt.start() < bind.stmt.start())
                    .collect();
                let effective = Module::effective(&before, &name.id);
                effective.iter().find_map(|earlier| {
                    match self.bound_object(module, earlier, steps) {
                        Object::App(origin) | Object::Wrapped(origin) => Some(origin),
                        _ => None,
                    }
                })
            }
            Expr::Name(name) => match self.object_in(module, &name.id, steps) {
                Object::App(origin) | Object::Wrapped(origin) => Some(origin),
                _ => None,
            },
            Expr::Call(inner) => self.app_argument(module, inner, bind, steps),
            _ => None,
        })
    }

    /// The function of the project that an expression names.
    pub(crate) fn function(
        &self,
        module: &'a Module,
        expr: &Expr,
    ) -> Option<(&'a Module, &'a ast::StmtFunctionDef)> {
        let (module, name) = match self.dotted(module, expr) {
            Some(dotted) if self.source.is_local(&self.roots, &dotted) => {
                self.local_target(&dotted)?
            }
            Some(_) => return None,
            None => match expr {
                Expr::Name(name) => (module, name.id.to_string()),
                _ => return None,
            },
        };
        self.function_named(module, &name, MAX_STEPS)
    }

    /// The file and name under which an object was made, whatever it is, followed through imports.
    pub(crate) fn home(&self, module: &'a Module, expr: &Expr) -> Option<(String, String)> {
        let (module, name) = match self.dotted(module, expr) {
            Some(dotted) if self.source.is_local(&self.roots, &dotted) => {
                self.local_target(&dotted)?
            }
            Some(_) => return None,
            None => match expr {
                Expr::Name(name) => (module, name.id.to_string()),
                _ => return None,
            },
        };
        self.home_of(module, &name, MAX_STEPS)
    }

    fn home_of(&self, module: &'a Module, name: &str, steps: usize) -> Option<(String, String)> {
        let steps = self.step(steps)?;
        let binds = self.binds(module, name);
        if let Some(Bind {
            value: Bound::Import,
            ..
        }) = Module::effective(&binds, name).last()
        {
            let import = module.import_of(name)?;
            let from = module.absolute(self.root_of(&module.file), import)?;
            let taken = import.name.as_ref()?;
            let (target, name) = self.local_target(&format!("{from}.{taken}"))?;
            return self.home_of(target, &name, steps);
        }
        Some((module.file.clone(), name.to_owned()))
    }

    /// The function that `name` is in `module`, followed through imports.
    pub(crate) fn function_named(
        &self,
        module: &'a Module,
        name: &str,
        steps: usize,
    ) -> Option<(&'a Module, &'a ast::StmtFunctionDef)> {
        let steps = self.step(steps.min(MAX_STEPS))?;
        let binds = self.binds(module, name);
        let bind = Module::effective(&binds, name).last().copied()?;
        match bind.value {
            Bound::Function(def) => Some((module, def)),
            Bound::Import => {
                let import = module.import_of(name)?;
                let from = module.absolute(self.root_of(&module.file), import)?;
                let taken = import.name.as_ref()?;
                let (target, name) = self.local_target(&format!("{from}.{taken}"))?;
                self.function_named(target, &name, steps)
            }
            _ => None,
        }
    }

    /// What is known about a function as a maker of apps; `None` when it does not seem to be one.
    pub(crate) fn factory(
        &self,
        module: &'a Module,
        def: &'a ast::StmtFunctionDef,
    ) -> Option<Factory<'a>> {
        self.factory_in(module, def, MAX_STEPS)
    }
}
