//! Data kept where it does not last: databases beside the app, files on its disk.

use std::collections::BTreeSet;

use ruff_python_ast::{Expr, ExprCall};

use super::Context;
use super::facts::{Call, Facts, string};
use crate::finding::{Finding, Severity};

const WHY_WIPED: &str =
    "The app's disk is wiped at every publish, so what is written there disappears.";

/// Import names of database libraries that are refused whatever they are connected to.
const REFUSED: &[(&str, &str)] = &[
    ("sqlalchemy", "SQLAlchemy"),
    ("databases", "databases"),
    ("tortoise", "Tortoise ORM"),
];

/// Those that are let through with a warning when the app takes its settings from the environment,
/// since they may then talk to a server elsewhere.
const QUESTIONED: &[(&str, &str)] = &[
    ("sqlmodel", "SQLModel"),
    ("peewee", "peewee"),
    ("pony", "Pony"),
    ("piccolo", "Piccolo"),
    ("ormar", "ormar"),
    ("aiosqlite", "aiosqlite"),
    ("beanie", "Beanie"),
    ("motor", "Motor"),
    ("pymongo", "PyMongo"),
    ("psycopg", "psycopg"),
    ("psycopg2", "psycopg2"),
    ("asyncpg", "asyncpg"),
    ("redis", "redis"),
];

pub(super) fn check(context: &Context<'_>, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    libraries(context, found);
    let scratch = scratch_functions(facts);
    for call in facts.calls.iter().filter(|call| !call.main_only) {
        if !sqlite(context, call, found) {
            file_write(context, &scratch, call, found);
        }
    }
}

fn libraries(context: &Context<'_>, found: &mut Vec<Finding>) {
    let mut reported = BTreeSet::new();
    for import in context
        .module
        .imports()
        .iter()
        .filter(|import| !import.typing_only)
    {
        let top = import.module.split('.').next().unwrap_or("");
        if import.level > 0 || context.source.is_local(&context.graph.roots, top) {
            continue;
        }
        let refused = REFUSED.iter().find(|(name, _)| *name == top);
        let questioned = QUESTIONED.iter().find(|(name, _)| *name == top);
        let Some((_, title)) = refused.or(questioned) else {
            continue;
        };
        if !reported.insert((import.range.start(), top.to_owned())) {
            continue;
        }
        let severity = if refused.is_none() && context.reads_environment {
            Severity::Warning
        } else {
            Severity::Error
        };
        found.push(context.at(
            import.range,
            "persistence.database-library",
            severity,
            format!("{title} keeps data in a database of the app's own."),
            "The platform runs no database beside the app, and its disk is wiped at every publish.",
            "Keep the data in the key-value store: `kv.set(\"shared:…\", value)`, or `personal:` for each viewer's own.",
        ));
    }
}

fn sqlite(context: &Context<'_>, call: &Call<'_>, found: &mut Vec<Finding>) -> bool {
    if !matches!(
        call.dotted.as_deref(),
        Some("sqlite3.connect" | "sqlite3.dbapi2.connect" | "aiosqlite.connect")
    ) {
        return false;
    }
    let database = call.node.arguments.find_argument_value("database", 0);
    let shown = database.map_or_else(String::new, |database| {
        shorten(context.module.slice(database))
    });
    let in_memory = string(database)
        .is_some_and(|name| name == ":memory:" || name.is_empty() || name.contains(":memory:"));
    let (severity, message) = if in_memory {
        (
            Severity::Info,
            "This database lives in memory only.".to_owned(),
        )
    } else {
        (
            Severity::Error,
            format!("`connect({shown})` keeps data in a file."),
        )
    };
    found.push(context.at(
        call.node,
        "persistence.sqlite",
        severity,
        message,
        if in_memory { "It is empty again after every restart." } else { WHY_WIPED },
        "Keep the data in the key-value store: `kv.set(\"shared:…\", value)`, or `personal:` for each viewer's own.",
    ));
    true
}

/// A path or expression short enough for one line.
fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() > 40 || line.len() < text.len() {
        let start: String = line.chars().take(40).collect();
        format!("{start}…")
    } else {
        line.to_owned()
    }
}

fn file_write(
    context: &Context<'_>,
    scratch: &BTreeSet<usize>,
    call: &Call<'_>,
    found: &mut Vec<Finding>,
) {
    let arguments = &call.node.arguments;
    let is_open = match (call.dotted.as_deref(), &*call.node.func) {
        (Some("io.open" | "codecs.open" | "aiofiles.open"), _) => true,
        (None, Expr::Name(name)) => {
            name.id == "open"
                && context.module.import_of("open").is_none()
                && !context.resolver.table(context.module).contains_key("open")
        }
        _ => false,
    };
    let is_path_open = call.last == "open" && is_path(context, call.node);
    let certain = if is_open || is_path_open {
        let position = usize::from(is_open);
        match arguments.find_argument_value("mode", position) {
            None => return,
            Some(mode) => match string(Some(mode)) {
                Some(mode) if mode.contains(['w', 'a', 'x', '+']) => true,
                Some(_) => return,
                None => false,
            },
        }
    } else {
        let writes = match call.last {
            "write_text" | "write_bytes" => matches!(&*call.node.func, Expr::Attribute(_)),
            "to_csv" | "to_excel" | "to_parquet" | "to_json" | "to_pickle" => {
                call.dotted.is_none() && arguments.find_argument_value("path_or_buf", 0).is_some()
            }
            "open" => call.dotted.as_deref() == Some("shelve.open"),
            _ => false,
        };
        if !writes {
            return;
        }
        true
    };
    let temporary =
        |text: &str| text.contains("/tmp") || text.contains("tempfile") || text.contains("TMPDIR");
    let in_temporary = temporary(context.module.slice(call.node))
        || call
            .function
            .is_some_and(|function| scratch.contains(&function));
    if in_temporary {
        return;
    }
    let shown = shorten(context.module.slice(call.node));
    found.push(context.at(
        call.node,
        "persistence.file-write",
        Severity::Warning,
        if certain {
            format!("`{shown}` writes to the app's disk.")
        } else {
            format!("`{shown}` maybe writes to the app's disk; its mode shows only when it runs.")
        },
        WHY_WIPED,
        "Keep the data in the key-value store, `kv.set(\"shared:…\", value)`; for scratch files use `tempfile`.",
    ));
}

/// The functions that make temporary files or folders; what they write is taken as scratch.
fn scratch_functions(facts: &Facts<'_>) -> BTreeSet<usize> {
    let temporary = |call: &&Call<'_>| {
        call.dotted
            .as_deref()
            .is_some_and(|name| name.starts_with("tempfile."))
    };
    facts
        .calls
        .iter()
        .filter(temporary)
        .filter_map(|call| call.function)
        .collect()
}

/// Whether a method is called on `Path(...)`.
fn is_path(context: &Context<'_>, call: &ExprCall) -> bool {
    let Expr::Attribute(attribute) = &*call.func else {
        return false;
    };
    let mut value = &*attribute.value;
    while let Expr::BinOp(join) = value {
        value = &join.left;
    }
    matches!(value, Expr::Call(made)
        if context.outside_name(&made.func).as_deref() == Some("pathlib.Path"))
}
