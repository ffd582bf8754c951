//! Routes on paths that mean sign-in, or that the platform keeps for itself. Prefixes of routers,
//! of `include_router` and of mounts are joined before a path is judged.

use std::collections::BTreeMap;

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged;

use super::Context;
use super::facts::{Facts, string};
use crate::finding::{Finding, Severity};
use crate::graph::Graph;
use crate::module::Module;
use crate::names;
use crate::resolve::Resolver;

/// A router or app: its file and its name there.
type Place = (String, String);

/// All prefixes under which the routes of a router or app can be reached.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    own: BTreeMap<Place, String>,
    /// Who includes it, with the prefix given there.
    included: BTreeMap<Place, Vec<(Place, String)>>,
}

/// Bound on nested inclusion, and so on cycles.
const MAX_NESTING: usize = 8;
/// Bound on the prefixes kept for one router.
const MAX_PREFIXES: usize = 32;

impl Prefixes {
    fn of(&self, place: &Place, nesting: usize) -> Vec<String> {
        let own = self.own.get(place).map_or("", String::as_str);
        let above = self.included.get(place).filter(|_| nesting < MAX_NESTING);
        let mut all: Vec<String> = above
            .into_iter()
            .flatten()
            .flat_map(|(includer, prefix)| {
                self.of(includer, nesting + 1)
                    .into_iter()
                    .map(move |outer| format!("{outer}{prefix}{own}"))
            })
            .take(MAX_PREFIXES)
            .collect();
        if all.is_empty() {
            all.push(own.to_owned());
        }
        all
    }
}

/// Gathers the prefixes of the whole project; modules that do not run add nothing.
pub(super) fn prefixes<'a>(
    resolver: &Resolver<'a>,
    graph: &Graph,
    modules: &[&'a Module],
) -> Prefixes {
    let mut prefixes = Prefixes::default();
    for module in modules
        .iter()
        .filter(|module| graph.reachable.contains(&module.file))
    {
        let mut walk = Walk {
            resolver,
            module,
            prefixes: &mut prefixes,
        };
        walk.visit_body(module.body());
        for bind in module.binds() {
            if let crate::module::Bound::Value(Expr::Call(call)) = bind.value
                && let Some(prefix) = keyword_text(call, "prefix")
            {
                prefixes.own.insert(
                    (module.file.clone(), bind.name.to_owned()),
                    prefix.to_owned(),
                );
            }
        }
    }
    prefixes
}

fn keyword_text<'a>(call: &'a ExprCall, name: &str) -> Option<&'a str> {
    string(
        call.arguments
            .find_keyword(name)
            .map(|keyword| &keyword.value),
    )
}

struct Walk<'a, 'b> {
    resolver: &'b Resolver<'a>,
    module: &'a Module,
    prefixes: &'b mut Prefixes,
}

impl<'a> Visitor<'a> for Walk<'a, '_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr
            && let Expr::Attribute(attribute) = &*call.func
        {
            let arguments = &call.arguments;
            let (target, prefix) = match attribute.attr.as_str() {
                "include_router" => (
                    arguments.find_argument_value("router", 0),
                    Some(keyword_text(call, "prefix").unwrap_or("")),
                ),
                "mount" => (
                    arguments.find_argument_value("app", 1),
                    string(arguments.find_argument_value("path", 0)),
                ),
                _ => (None, None),
            };
            if let (Some(target), Some(prefix)) = (target, prefix)
                && let Some(target) = self.resolver.home(self.module, target)
                && let Some(includer) = self.resolver.home(self.module, &attribute.value)
            {
                let prefix = prefix.trim_end_matches('/').to_owned();
                self.prefixes
                    .included
                    .entry(target)
                    .or_default()
                    .push((includer, prefix));
            }
        }
        walk_expr(self, expr);
    }
}

const METHODS: &[&str] = &[
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "head",
    "options",
    "trace",
    "api_route",
    "route",
    "websocket",
    "websocket_route",
];
const ADDERS: &[&str] = &[
    "add_api_route",
    "add_route",
    "add_api_websocket_route",
    "add_websocket_route",
];

pub(super) fn check(
    context: &Context<'_>,
    facts: &Facts<'_>,
    prefixes: &Prefixes,
    found: &mut Vec<Finding>,
) {
    for function in &facts.functions {
        for decorator in &function.def.decorator_list {
            if let Expr::Call(call) = &decorator.expression {
                route(context, call, METHODS, decorator, prefixes, found);
            }
        }
    }
    for call in &facts.calls {
        route(context, call.node, ADDERS, call.node, prefixes, found);
    }
}

fn route(
    context: &Context<'_>,
    call: &ExprCall,
    methods: &[&str],
    node: impl Ranged + Copy,
    prefixes: &Prefixes,
    found: &mut Vec<Finding>,
) {
    let Expr::Attribute(attribute) = &*call.func else {
        return;
    };
    if !methods.contains(&attribute.attr.as_str()) {
        return;
    }
    let Some(path) = string(call.arguments.find_argument_value("path", 0)) else {
        return;
    };
    let all = match context.resolver.home(context.module, &attribute.value) {
        Some(place) => prefixes.of(&place, 0),
        None => vec![String::new()],
    };
    let judged = all.iter().find_map(|prefix| {
        let full = format!("{prefix}{path}");
        judge(context, node, &full)
    });
    found.extend(judged);
}

fn judge(context: &Context<'_>, node: impl Ranged, path: &str) -> Option<Finding> {
    let trimmed = path.trim_end_matches('/');
    let reserved = names::RESERVED_PATHS
        .iter()
        .any(|reserved| trimmed == *reserved || trimmed.starts_with(&format!("{reserved}/")));
    if reserved {
        return Some(context.at(
            node,
            "identity.reserved-path",
            Severity::Error,
            format!("The path `{path}` belongs to the platform."),
            "Requests to it never reach the app.",
            "Give the route another path.",
        ));
    }
    let severity = match trimmed {
        "/login" | "/signup" | "/auth/callback" => Severity::Error,
        "/logout" | "/register" | "/signin" | "/oauth" => Severity::Warning,
        _ if trimmed.starts_with("/oauth/") => Severity::Warning,
        _ => return None,
    };
    Some(context.at(
        node,
        "identity.auth-route",
        severity,
        format!("The route `{path}` is a sign-in of the app's own."),
        "People sign in and out at the platform, before a request reaches the app.",
        "Remove the route and ask who is calling: `vestibule.viewer()`.",
    ))
}
