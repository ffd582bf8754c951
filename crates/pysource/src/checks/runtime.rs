//! How the app starts and what it calls while it does.

use std::collections::BTreeSet;

use ruff_python_ast::{Expr, ExprCall};

use super::Context;
use super::facts::{Call, Facts, string};
use crate::finding::{Finding, Severity};
use crate::names;
use crate::resolve::Object;

pub(super) fn check(context: &Context<'_>, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let threads = thread_targets(facts);
    for call in &facts.calls {
        server_run(context, call, found);
        self_address(context, call, found);
        if let Some(key) = store_key(call) {
            startup_store(context, facts, call, &key, found);
            near_prefix(context, call, &key, found);
        }
        if is_store_call(call) {
            in_thread(context, facts, call, &threads, found);
        }
    }
    shadowed_sdk(context, found);
}

/// `uvicorn.run` at import blocks it; under `__main__` it is ignored.
fn server_run(context: &Context<'_>, call: &Call<'_>, found: &mut Vec<Finding>) {
    let is_server = matches!(
        call.dotted.as_deref(),
        Some("uvicorn.run" | "hypercorn.run" | "granian.run")
    ) || call.last == "run"
        && matches!(&*call.node.func, Expr::Attribute(attribute)
        if matches!(&*attribute.value, Expr::Name(name)
            if matches!(
                context.resolver.object(context.module, &name.id),
                Object::App(_) | Object::Wrapped(_)
            )));
    if !is_server || call.function.is_some() {
        return;
    }
    if call.main_only {
        let host = string(
            call.node
                .arguments
                .find_keyword("host")
                .map(|keyword| &keyword.value),
        );
        let local = matches!(host, Some("127.0.0.1" | "localhost" | "::1"));
        let port = call.node.arguments.find_keyword("port");
        let fixed = port.is_some_and(|port| matches!(port.value, Expr::NumberLiteral(_)));
        if local || fixed {
            found.push(context.at(
                call.node,
                "runtime.host-binding",
                Severity::Info,
                "The address given here is for running the app by hand.",
                "The platform starts the app itself and chooses where it listens.",
                "Nothing to do.",
            ));
        }
        return;
    }
    found.push(context.at(
        call.node,
        "runtime.blocking-run",
        Severity::Error,
        "This starts a server while the module is being imported.",
        "The platform imports the module to serve the app, and the import would never end.",
        "Move it under `if __name__ == \"__main__\":`.",
    ));
}

/// An HTTP request by the app to its own development address.
fn self_address(context: &Context<'_>, call: &Call<'_>, found: &mut Vec<Finding>) {
    let client = call.dotted.as_deref().is_some_and(|name| {
        matches!(
            name.split('.').next(),
            Some("httpx" | "requests" | "aiohttp" | "urllib")
        )
    });
    let address = call.node.arguments.args.iter().chain(
        call.node
            .arguments
            .keywords
            .iter()
            .map(|keyword| &keyword.value),
    );
    let local = address
        .filter_map(|argument| string(Some(argument)))
        .find(|text| {
            ["http://localhost:", "http://127.0.0.1:", "http://0.0.0.0:"]
                .iter()
                .any(|start| text.starts_with(start))
        });
    if let (true, false, Some(local)) = (client, call.main_only, local) {
        found.push(context.at(
            call.node,
            "runtime.self-address",
            Severity::Warning,
            format!("`{local}` is an address on the developer's machine."),
            "A published app has another address, and its gate refuses requests without a viewer.",
            "Call the function behind the route directly; the public address is in `VESTIBULE_APP_URL`.",
        ));
    }
}

const STORE_METHODS: &[&str] = &[
    "get", "set", "delete", "list", "exists", "update", "incr", "append", "aget", "aset",
    "adelete", "alist", "aexists", "aupdate", "aincr", "aappend",
];

fn is_store_call(call: &Call<'_>) -> bool {
    call.dotted.as_deref().is_some_and(names::is_sdk) && STORE_METHODS.contains(&call.last)
}

/// The literal beginning of the key a store call is given.
fn store_key(call: &Call<'_>) -> Option<String> {
    if !is_store_call(call) {
        return None;
    }
    literal_start(call.node)
}

fn literal_start(call: &ExprCall) -> Option<String> {
    let key = call.arguments.args.first().or_else(|| {
        let named = call.arguments.keywords.iter();
        named
            .filter(|keyword| {
                matches!(
                    keyword
                        .arg
                        .as_ref()
                        .map(ruff_python_ast::Identifier::as_str),
                    Some("key" | "prefix")
                )
            })
            .map(|keyword| &keyword.value)
            .next()
    })?;
    match key {
        Expr::StringLiteral(text) => Some(text.value.to_str().to_owned()),
        Expr::FString(text) => {
            let first = text.value.elements().next()?;
            Some(first.as_literal()?.value.to_string())
        }
        _ => None,
    }
}

fn startup_store(
    context: &Context<'_>,
    facts: &Facts<'_>,
    call: &Call<'_>,
    key: &str,
    found: &mut Vec<Finding>,
) {
    if call.main_only || !facts.runs_at_start(call) {
        return;
    }
    let shared = key.starts_with("shared:") || key.starts_with("public:");
    found.push(if shared {
        context.at(
            call.node,
            "runtime.startup-kv",
            Severity::Info,
            format!("`{key}` is used while the app starts."),
            "No viewer is there yet, so the app itself reads and writes it.",
            "Nothing to do.",
        )
    } else {
        context.at(
            call.node,
            "runtime.startup-kv",
            Severity::Warning,
            format!("`{key}` is a personal key, used while the app starts."),
            "No viewer is there yet: the value would belong to the app itself, and no viewer would see it.",
            "Use a `shared:` key here, or move the call into a route.",
        )
    });
}

fn near_prefix(context: &Context<'_>, call: &Call<'_>, key: &str, found: &mut Vec<Finding>) {
    let Some((prefix, _)) = key.split_once(':') else {
        return;
    };
    if matches!(prefix, "personal" | "shared" | "public") {
        return;
    }
    let meant = match prefix.to_lowercase().as_str() {
        "shared" | "share" | "shares" | "group" => "shared:",
        "public" | "pub" | "publics" | "global" => "public:",
        "personal" | "private" | "person" | "personnal" => "personal:",
        _ => return,
    };
    found.push(context.at(
        call.node,
        "sdk.key-prefix",
        Severity::Info,
        format!("`{prefix}:` is not a scope, so this key is personal."),
        "Only `personal:`, `shared:` and `public:` decide who sees a value, written exactly so.",
        format!("Write `{meant}` if that is what is meant."),
    ));
}

/// Names of functions handed to a thread or an executor.
fn thread_targets<'a>(facts: &Facts<'a>) -> BTreeSet<&'a str> {
    let mut targets = BTreeSet::new();
    for call in &facts.calls {
        let arguments = &call.node.arguments;
        let target = match call.last {
            "Thread" | "Timer"
                if call
                    .dotted
                    .as_deref()
                    .is_some_and(|name| name.starts_with("threading.")) =>
            {
                arguments.find_argument_value("target", 1)
            }
            "run_in_executor" => arguments.args.get(1),
            "submit" => arguments.args.first(),
            _ => None,
        };
        if let Some(Expr::Name(name)) = target {
            targets.insert(name.id.as_str());
        }
    }
    targets
}

fn in_thread(
    context: &Context<'_>,
    facts: &Facts<'_>,
    call: &Call<'_>,
    targets: &BTreeSet<&str>,
    found: &mut Vec<Finding>,
) {
    let inside = call
        .function
        .is_some_and(|index| targets.contains(facts.functions[index].def.name.as_str()));
    if inside {
        found.push(context.at(
            call.node,
            "runtime.kv-in-thread",
            Severity::Warning,
            "This runs in a thread of its own, where the viewer is not known.",
            "The call would use the app's own data instead of the viewer's.",
            "Use `asyncio.to_thread`, which carries the viewer along.",
        ));
    }
}

/// A name of the SDK that the module binds to something else as well.
fn shadowed_sdk(context: &Context<'_>, found: &mut Vec<Finding>) {
    for bind in context.module.binds() {
        let imported = || {
            context
                .module
                .import_of(bind.name)
                .is_some_and(|import| names::is_sdk(&import.module))
        };
        if matches!(bind.value, crate::module::Bound::Value(_)) && imported() {
            found.push(context.at(
                bind.stmt,
                "sdk.name-shadowed",
                Severity::Info,
                format!("`{}` hides the import of the same name.", bind.name),
                "Calls after this line do not reach the platform's store.",
                "Give the variable another name.",
            ));
        }
    }
}
