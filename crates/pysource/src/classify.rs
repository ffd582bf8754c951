//! Finds the served app: what the caller or `pyproject.toml` says, else a ranked search through the
//! modules, else a factory.

mod search;

use ruff_python_ast as ast;
use ruff_text_size::Ranged;

use crate::deps;
use crate::finding::{self, Finding, Severity};
use crate::module::Module;
use crate::outcome::{Binding, Classified, FoundBy, PythonRequest, PythonVersion};
use crate::parse::on_deep_stack;
use crate::project::{Parsed, Project, Source, dotted_name, is_python, is_side_file};
use crate::resolve::{Factory, FactoryPlace, Object, Origin, Resolver};
use search::APP_NAMES;

/// What the caller wishes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The entry as `module:attribute`; it wins over everything found.
    pub entry: Option<String>,
    /// The Python the app will run on unless the project asks for another.
    pub python: PythonVersion,
    /// Other versions the platform can give; a project that needs one of them gets it.
    pub pythons: Vec<PythonVersion>,
    /// Rules waived for the whole project (those that may be).
    pub allow: Vec<String>,
}

/// Finds the object to serve.
///
/// # Errors
/// The findings that say why there is none, or why the choice is not clear.
pub fn classify(project: &Project, options: &Options) -> Result<Classified, Vec<Finding>> {
    on_deep_stack(|| {
        let request = deps::python::request(project);
        let grammar = choose_python(request.as_ref(), options)?;
        let search = Search {
            source: project.source(grammar),
            request,
            grammar,
            allow: options.allow.clone(),
            shared: Resolver::new(project.source(grammar), Vec::new()),
        };
        search
            .run(options.entry.as_deref())
            .map_err(|mut findings| {
                finding::sort(&mut findings);
                findings
            })
    })
}

/// The Python to run on: the caller's choice if the project allows it, else the newest other one.
fn choose_python(
    request: Option<&PythonRequest>,
    options: &Options,
) -> Result<PythonVersion, Vec<Finding>> {
    let Some(request) = request else {
        return Ok(options.python);
    };
    let mut others = options.pythons.clone();
    others.sort();
    let chosen = std::iter::once(options.python)
        .chain(others.into_iter().rev())
        .find(|version| request.allows(*version));
    chosen.ok_or_else(|| {
        vec![
            Finding::new(
                "deps.python-version",
                Severity::Error,
                format!("The project asks for Python {}.", request.specifier),
                format!("This server runs apps on Python {}.", options.python),
                format!("Allow Python {} in {}.", options.python, request.file),
            )
            .at(request.file.clone(), request.line, 1),
        ]
    })
}

struct Search<'a> {
    source: Source<'a>,
    request: Option<PythonRequest>,
    grammar: PythonVersion,
    allow: Vec<String>,
    shared: Resolver<'a>,
}

impl<'a> Search<'a> {
    fn run(&self, entry: Option<&str>) -> Result<Classified, Vec<Finding>> {
        if let Some(entry) = entry {
            return self.named(entry, FoundBy::Option, None);
        }
        if let Some((entry, line)) = self.pyproject_entry() {
            return self.named(&entry, FoundBy::Pyproject, Some(line));
        }
        self.search()
    }

    fn pyproject_entry(&self) -> Option<(String, u32)> {
        let text = self.source.project.plain_text("pyproject.toml")?;
        let table: toml::Table = text.parse().ok()?;
        let entry = table
            .get("tool")?
            .get("fastapi")?
            .get("entrypoint")?
            .as_str()?
            .to_owned();
        Some((
            entry,
            deps::python::line_of_key(&text, "entrypoint").unwrap_or(1),
        ))
    }

    /// The entry somebody named; `line` is where `pyproject.toml` does.
    fn named(
        &self,
        entry: &str,
        found_by: FoundBy,
        line: Option<u32>,
    ) -> Result<Classified, Vec<Finding>> {
        let place = |finding: Finding| match line {
            Some(line) => finding.at("pyproject.toml", line, 1),
            None => finding,
        };
        let missing = |message: String| {
            vec![place(Finding::new(
                "runtime.entry-missing",
                Severity::Error,
                message,
                "The platform serves exactly the object that is named, and guesses nothing.",
                "Name a module and the app in it, such as `main:app`.",
            ))]
        };
        let (module_name, attribute) = match entry.split_once(':') {
            Some((module, attribute)) => (module.trim(), Some(attribute.trim())),
            None => (entry.trim(), None),
        };
        let attribute = attribute.map(|attribute| attribute.trim_end_matches("()"));
        let Some((file, module_name, app_dir)) = self.locate(module_name) else {
            return Err(missing(format!(
                "The entry `{entry}` names a module that is not in the project."
            )));
        };
        let resolver = Resolver::new(self.source, self.roots(file, app_dir.as_deref()));
        let module = match self.source.parsed(file) {
            Some(Parsed::Module(module)) => &**module,
            _ => return Err(self.unreadable(file).into_iter().collect()),
        };
        let Some(attribute) = attribute.map(str::to_owned).or_else(|| {
            APP_NAMES
                .iter()
                .find(|name| {
                    matches!(
                        resolver.object(module, name),
                        Object::App(_) | Object::Wrapped(_)
                    )
                })
                .map(|name| (*name).to_owned())
        }) else {
            return Err(missing(format!(
                "The entry `{entry}` does not say which object to serve."
            )));
        };
        let binding = match resolver.object(module, &attribute) {
            Object::App(origin) | Object::Wrapped(origin) => Some(binding(&origin)),
            Object::Missing if !attribute.contains('.') => {
                return Err(missing(format!("`{attribute}` is not defined in {file}.")));
            }
            Object::Other(Some(class))
                if class == "fastapi.APIRouter" || class.starts_with("flask.") =>
            {
                return Err(missing(format!(
                    "`{attribute}` in {file} is a `{class}`, which cannot be served by itself."
                )));
            }
            _ => None,
        };
        let found = self.classified(file, module_name, app_dir, attribute, found_by);
        if binding.is_none()
            && let Some((home, def)) = resolver.function_named(module, &found.attribute, usize::MAX)
        {
            let factory = resolver.factory(home, def);
            if factory
                .as_ref()
                .map_or_else(|| !takes_no_arguments(def), |factory| !factory.callable)
            {
                return Err(vec![factory_arguments(home, def)]);
            }
            let place = factory.map(|factory| factory_binding(home, &factory));
            return Ok(Classified {
                factory: true,
                binding: place,
                ..found
            });
        }
        Ok(Classified { binding, ..found })
    }

    /// The file, dotted name and app folder of a module named by a person, as a path or dotted.
    fn locate(&self, name: &str) -> Option<(&'a str, String, Option<String>)> {
        let with_root = |file: &'a str, root: String| {
            let dotted = dotted_name(&root, file)?;
            Some((file, dotted, (!root.is_empty()).then_some(root)))
        };
        if is_python(name) || name.contains('/') {
            let path = name.trim_start_matches("./");
            let file = self.source.python_files().find(|file| *file == path)?;
            return with_root(file, self.source.import_root(file));
        }
        for root in ["", "src"] {
            if let Some(file) = self.source.find_module(&[root.to_owned()], name) {
                return with_root(file, root.to_owned());
            }
        }
        // A module below another folder that is an import root of its own (`backend/main.py`).
        self.source
            .python_files()
            .filter(|file| !is_side_file(file))
            .find_map(|file| {
                let found = with_root(file, self.source.import_root(file))?;
                (found.1 == name).then_some(found)
            })
    }

    fn roots(&self, file: &str, app_dir: Option<&str>) -> Vec<String> {
        let mut roots = self.source.roots_for(file);
        if let Some(app_dir) = app_dir {
            roots.retain(|root| root != app_dir);
            roots.insert(0, app_dir.to_owned());
        }
        roots
    }

    fn classified(
        &self,
        file: &str,
        module: String,
        app_dir: Option<String>,
        attribute: String,
        found_by: FoundBy,
    ) -> Classified {
        Classified {
            dependency_source: deps::source_of(self.source.project, app_dir.as_deref()),
            module,
            attribute,
            factory: false,
            app_dir,
            file: file.to_owned(),
            binding: None,
            found_by,
            python: self.request.clone(),
            grammar: self.grammar,
            allow: self.allow.clone(),
            findings: Vec::new(),
        }
    }

    fn unreadable(&self, file: &str) -> Option<Finding> {
        crate::checks::unreadable(self.source, file, Severity::Error)
    }
}

fn binding(origin: &Origin<'_>) -> Binding {
    let stmt = origin.binds.last().map(|bind| bind.stmt);
    let (line, column) = stmt.map_or((1, 1), |stmt| origin.module.position(stmt));
    Binding {
        file: origin.module.file.clone(),
        line,
        column,
        name: origin.name.clone(),
    }
}

fn factory_binding(module: &Module, factory: &Factory<'_>) -> Binding {
    let (name, (line, column)) = match factory.places.first() {
        Some(FactoryPlace::Local { name, stmt }) => ((*name).to_owned(), module.position(*stmt)),
        Some(FactoryPlace::Return(stmt)) => (factory.def.name.to_string(), module.position(*stmt)),
        None => (
            factory.def.name.to_string(),
            module.position(&factory.def.name),
        ),
    };
    Binding {
        file: module.file.clone(),
        line,
        column,
        name,
    }
}

fn takes_no_arguments(def: &ast::StmtFunctionDef) -> bool {
    def.parameters
        .iter_non_variadic_params()
        .all(|parameter| parameter.default.is_some())
}

fn factory_arguments(module: &Module, def: &ast::StmtFunctionDef) -> Finding {
    let missing: Vec<&str> = def
        .parameters
        .iter_non_variadic_params()
        .filter(|parameter| parameter.default.is_none())
        .map(|parameter| parameter.parameter.name.as_str())
        .collect();
    let finding = Finding::new(
        "runtime.factory-args",
        Severity::Error,
        format!(
            "`{}` makes the app but needs arguments: {}.",
            def.name,
            missing.join(", ")
        ),
        "The server calls the factory without arguments.",
        format!(
            "Give each parameter a default, or add `app = {}(...)` at the end of the module.",
            def.name
        ),
    );
    // At the `def` itself, also when decorators stand above it.
    let (line, _) = module.position(&def.name);
    let column = module.text.line_at(def.name.start().into());
    let indentation = column.chars().take_while(|c| c.is_whitespace()).count();
    finding.at(
        module.file.clone(),
        line,
        crate::text::number(indentation + 1),
    )
}
