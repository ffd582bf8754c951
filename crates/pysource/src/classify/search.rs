//! The ranked search through the modules: apps bound at top level in the usual places first, then
//! factories, then objects that only show what they are when they run.

use std::collections::BTreeSet;

use ruff_python_ast::{self as ast, Expr};

use super::{Search, binding, factory_arguments, factory_binding};
use crate::finding::{Finding, Severity};
use crate::module::{Bound, Module};
use crate::outcome::{Classified, FoundBy};
use crate::project::{dotted_name, is_side_file};
use crate::resolve::{Factory, Object, Origin, Resolver};

/// The names an app usually has, best first.
pub(super) const APP_NAMES: &[&str] = &["app", "api", "application"];
/// Names under which an outer ASGI app is served.
const OUTER_NAMES: &[&str] = &["app", "api", "application", "asgi", "asgi_app", "server"];
const FACTORY_NAMES: &[&str] = &[
    "create_app",
    "create_api",
    "make_app",
    "get_app",
    "build_app",
];
/// Rank of a file that is not in one of the usual places.
const ANYWHERE: usize = 20;

/// The place of a file in the order of search, lowest first.
fn rank(path: &str) -> usize {
    let usual = [
        "main.py",
        "app.py",
        "api.py",
        "server.py",
        "asgi.py",
        "app/main.py",
        "app/app.py",
        "app/api.py",
        "app/__init__.py",
    ];
    if let Some(rank) = usual.iter().position(|usual| *usual == path) {
        return rank;
    }
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["src", "main.py" | "app.py"] => 10,
        ["src", _, "main.py"] => 11,
        [_, "main.py"] => 12,
        _ => ANYWHERE,
    }
}

/// An app object that could be served.
struct Candidate<'a> {
    file: &'a str,
    rank: usize,
    name: String,
    name_rank: usize,
    origin: Option<Origin<'a>>,
    line: (u32, u32),
}

impl<'a> Search<'a> {
    /// Searches; an error says why nothing, or what of several, was found.
    pub(super) fn search(&self) -> Result<Classified, Vec<Finding>> {
        let files: Vec<&'a str> = self
            .source
            .python_files()
            .filter(|file| !is_side_file(file))
            .collect();
        let mut candidates: Vec<Candidate<'a>> = Vec::new();
        let mut weak: Vec<Candidate<'a>> = Vec::new();
        let mut mounted: Vec<Origin<'a>> = Vec::new();
        let mut factories: Vec<(&'a Module, Factory<'a>)> = Vec::new();
        let mut routers: Vec<String> = Vec::new();
        for file in &files {
            let Some(module) = self.source.module(file) else {
                continue;
            };
            if crate::dropped::is_generated(&module.text.characters) {
                continue;
            }
            self.examine(
                module,
                &mut candidates,
                &mut weak,
                &mut mounted,
                &mut factories,
                &mut routers,
            );
        }
        candidates.retain(|candidate| match &candidate.origin {
            Some(origin) => !mounted.iter().any(|mount| mount.same(origin)),
            None => true,
        });
        Self::drop_inner(&mut candidates);
        candidates
            .sort_by(|a, b| (a.rank, a.name_rank, a.file).cmp(&(b.rank, b.name_rank, b.file)));
        let best = candidates
            .first()
            .map(|candidate| (candidate.rank, candidate.name_rank));
        // A better place that cannot be read must not lose to a worse one silently.
        let best_rank = best.map_or(usize::MAX, |(rank, _)| rank);
        let broken: Vec<Finding> = files
            .iter()
            .filter(|file| rank(file) < best_rank.min(ANYWHERE + 1))
            .filter_map(|file| self.unreadable(file))
            .collect();
        if !broken.is_empty() {
            return Err(broken);
        }
        if let Some(best) = best {
            let mut equal: Vec<&Candidate<'a>> = candidates
                .iter()
                .filter(|candidate| (candidate.rank, candidate.name_rank) == best)
                .collect();
            if equal.len() > 1 {
                let hints = self.hints();
                let hinted: Vec<&Candidate<'a>> = equal
                    .iter()
                    .copied()
                    .filter(|candidate| hints.contains(&self.target(candidate)))
                    .collect();
                if hinted.len() == 1 {
                    equal = hinted;
                }
            }
            return match equal.as_slice() {
                [only] => Ok(self.serve(only)),
                several => Err(self.ambiguous(several)),
            };
        }
        self.serve_factory(&factories)
            .or_else(|| {
                let found = weak
                    .iter()
                    .min_by_key(|found| (found.rank, found.name_rank))?;
                Some(Ok(self.serve(found)))
            })
            .unwrap_or_else(|| Err(vec![self.nothing(files.len(), &routers)]))
    }

    /// Gathers what one module offers.
    fn examine(
        &self,
        module: &'a Module,
        candidates: &mut Vec<Candidate<'a>>,
        weak: &mut Vec<Candidate<'a>>,
        mounted: &mut Vec<Origin<'a>>,
        factories: &mut Vec<(&'a Module, Factory<'a>)>,
        routers: &mut Vec<String>,
    ) {
        let resolver = self.shared.sibling(self.source.roots_for(&module.file));
        let file_rank = rank(&module.file);
        let table = resolver.table(module);
        let mut names: Vec<&&str> = table.keys().collect();
        names.sort_unstable();
        for name in names {
            let binds = &table[*name];
            let Some(last) = binds.last() else { continue };
            let position = module.position(last.stmt);
            let name_rank = APP_NAMES
                .iter()
                .position(|usual| usual == name)
                .unwrap_or(APP_NAMES.len());
            let candidate = |origin| Candidate {
                file: &module.file,
                rank: file_rank,
                name: (*name).to_owned(),
                name_rank,
                origin,
                line: position,
            };
            if let Bound::Function(def) = last.value {
                factories.extend(
                    resolver
                        .factory(module, def)
                        .map(|factory| (module, factory)),
                );
                continue;
            }
            let imported = binds.iter().all(|bind| matches!(bind.value, Bound::Import));
            if imported && (file_rank >= ANYWHERE || name_rank == APP_NAMES.len()) {
                continue;
            }
            match resolver.object(module, name) {
                Object::App(origin) => candidates.push(candidate(Some(origin))),
                Object::Wrapped(origin) => {
                    let rebound = binds
                        .iter()
                        .any(|bind| origin.same_place(module, bind.name));
                    if rebound || OUTER_NAMES.contains(name) {
                        candidates.push(candidate(Some(origin)));
                    }
                }
                Object::Unknown if name_rank < APP_NAMES.len() && file_rank < ANYWHERE => {
                    let called = binds
                        .iter()
                        .any(|bind| matches!(bind.value, Bound::Value(Expr::Call(_))));
                    let own = binds.iter().any(|bind| {
                        matches!(bind.value, Bound::Value(Expr::Call(call))
                            if resolver.library_name(module, &call.func).is_none())
                    });
                    if called && own {
                        weak.push(candidate(None));
                    }
                }
                Object::Other(Some(class)) if class.ends_with(".APIRouter") => {
                    routers.push(format!("{} in {}:{}", name, module.file, position.0));
                }
                _ => {}
            }
        }
        collect_mounts(&resolver, module, mounted);
    }

    /// Of candidates that are one object under several names, keeps the best; the place it is
    /// re-exported from counts when it ranks better than the place it is made.
    fn drop_inner(candidates: &mut Vec<Candidate<'a>>) {
        candidates.sort_by_key(|candidate| (candidate.rank, candidate.name_rank));
        let mut seen: Vec<Origin<'a>> = Vec::new();
        candidates.retain(|candidate| match &candidate.origin {
            Some(origin) if seen.iter().any(|other| other.same(origin)) => false,
            Some(origin) => {
                seen.push(origin.clone());
                true
            }
            None => true,
        });
    }

    fn target(&self, candidate: &Candidate<'_>) -> String {
        let root = self.source.import_root(candidate.file);
        let module = dotted_name(&root, candidate.file).unwrap_or_default();
        format!("{module}:{}", candidate.name)
    }

    /// Targets named by start commands lying around; they only break ties.
    fn hints(&self) -> BTreeSet<String> {
        let mut hints = BTreeSet::new();
        for file in [
            "Procfile",
            "Dockerfile",
            "README.md",
            "docker-compose.yml",
            "compose.yaml",
        ] {
            let Some(text) = self.source.project.plain_text(file) else {
                continue;
            };
            let separators =
                |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '[' | ']' | '`');
            hints.extend(
                text.split(separators)
                    .filter(|word| word.contains(':'))
                    .map(str::to_owned),
            );
        }
        hints
    }

    fn serve(&self, candidate: &Candidate<'a>) -> Classified {
        let root = self.source.import_root(candidate.file);
        let module = dotted_name(&root, candidate.file).unwrap_or_default();
        let app_dir = (!root.is_empty()).then_some(root);
        let mut found = self.classified(
            candidate.file,
            module,
            app_dir,
            candidate.name.clone(),
            FoundBy::Search,
        );
        if let Some(origin) = &candidate.origin {
            found.binding = Some(binding(origin));
            if let Some(earlier) = &origin.overwritten {
                found.findings.push(origin.module.place(
                    Finding::new(
                        "runtime.app-overwritten",
                        Severity::Info,
                        format!("`{}` is made here and again further down.", origin.name),
                        "Only the last one is served; routes added to this one are lost.",
                        "Delete one of the two statements.",
                    ),
                    earlier.stmt,
                ));
            }
        }
        found
    }

    fn ambiguous(&self, several: &[&Candidate<'a>]) -> Vec<Finding> {
        let targets: Vec<String> = several
            .iter()
            .map(|candidate| self.target(candidate))
            .collect();
        several
            .iter()
            .map(|candidate| {
                Finding::new(
                    "runtime.entry-ambiguous",
                    Severity::Error,
                    format!("The project has {} apps that could be served: {}.", several.len(), targets.join(", ")),
                    "One app is served, and nothing tells which of these.",
                    format!(
                        "Name it: `--entry {}`, or `[tool.fastapi] entrypoint = \"{}\"` in pyproject.toml.",
                        self.target(candidate),
                        self.target(candidate)
                    ),
                )
                .at(candidate.file, candidate.line.0, candidate.line.1)
            })
            .collect()
    }

    fn serve_factory(
        &self,
        factories: &[(&'a Module, Factory<'a>)],
    ) -> Option<Result<Classified, Vec<Finding>>> {
        let name_rank = |factory: &Factory<'_>| {
            FACTORY_NAMES
                .iter()
                .position(|name| *name == factory.def.name.as_str())
                .unwrap_or(FACTORY_NAMES.len())
        };
        let mut usable: Vec<&(&'a Module, Factory<'a>)> = factories
            .iter()
            .filter(|(_, factory)| !factory.def.is_async)
            .filter(|(_, factory)| name_rank(factory) < FACTORY_NAMES.len() || factories.len() == 1)
            .collect();
        usable.sort_by_key(|(module, factory)| {
            (!factory.callable, rank(&module.file), name_rank(factory))
        });
        let (module, factory) = usable.first()?;
        let key = |entry: &(&'a Module, Factory<'a>)| {
            (!entry.1.callable, rank(&entry.0.file), name_rank(&entry.1))
        };
        let equal: Vec<Candidate<'a>> = usable
            .iter()
            .filter(|entry| key(entry) == key(usable[0]))
            .map(|(module, factory)| Candidate {
                file: &module.file,
                rank: rank(&module.file),
                name: factory.def.name.to_string(),
                name_rank: 0,
                origin: None,
                line: module.position(&factory.def.name),
            })
            .collect();
        if !factory.callable {
            return Some(Err(vec![factory_arguments(module, factory.def)]));
        }
        if equal.len() > 1 {
            return Some(Err(self.ambiguous(&equal.iter().collect::<Vec<_>>())));
        }
        let found = self.serve(&equal[0]);
        Some(Ok(Classified {
            factory: true,
            binding: Some(factory_binding(module, factory)),
            ..found
        }))
    }

    fn nothing(&self, looked_at: usize, routers: &[String]) -> Finding {
        let mut message = if looked_at == 0 {
            "The project has no Python module that could hold an app.".to_owned()
        } else {
            format!("None of the {looked_at} modules looked at makes a FastAPI app.")
        };
        if let Some(router) = routers.first() {
            message =
                format!("{message} There is a router, `{router}`, but no app that includes it.");
        }
        let finding = Finding::new(
            "runtime.entry-missing",
            Severity::Error,
            message,
            "The platform serves a FastAPI object, found in the text of the project.",
            "Put `app = FastAPI()` into main.py, or name the app with `--entry module:app`.",
        );
        match self
            .source
            .python_files()
            .find(|file| rank(file) < ANYWHERE)
        {
            Some(file) => finding.at(file, 1, 1),
            None => finding,
        }
    }
}

/// The apps that a module mounts into others: `root.mount("/admin", admin)`.
fn collect_mounts<'a>(resolver: &Resolver<'a>, module: &'a Module, mounted: &mut Vec<Origin<'a>>) {
    struct Mounts<'a, 'b> {
        resolver: &'b Resolver<'a>,
        module: &'a Module,
        mounted: &'b mut Vec<Origin<'a>>,
    }
    impl<'a> ast::visitor::Visitor<'a> for Mounts<'a, '_> {
        fn visit_expr(&mut self, expr: &'a Expr) {
            if let Expr::Call(call) = expr {
                let is_mount = match &*call.func {
                    Expr::Attribute(attribute) => {
                        matches!(attribute.attr.as_str(), "mount" | "host")
                    }
                    Expr::Name(name) => matches!(name.id.as_str(), "Mount" | "Host"),
                    _ => false,
                };
                if is_mount && let Some(app) = call.arguments.find_argument_value("app", 1) {
                    let object = match app {
                        Expr::Name(name) => self.resolver.object(self.module, &name.id),
                        Expr::Attribute(_) => self.resolver.attribute(self.module, app),
                        _ => Object::Unknown,
                    };
                    if let Object::App(origin) | Object::Wrapped(origin) = object {
                        self.mounted.push(origin);
                    }
                }
            }
            ast::visitor::walk_expr(self, expr);
        }
    }
    let mut mounts = Mounts {
        resolver,
        module,
        mounted,
    };
    ast::visitor::Visitor::visit_body(&mut mounts, module.body());
}
