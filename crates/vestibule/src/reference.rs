//! The reference page of the command line, made from its definition so that the two cannot disagree.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::arguments::Arguments;

/// The page, in Markdown.
pub(crate) fn page() -> String {
    let mut root = Arguments::command();
    root.build();
    let mut page = String::from(
        "# Command line\n\nGenerated from the definition of the command line; do not edit.\n\n\
         Options of every command:\n\n",
    );
    for argument in root
        .get_arguments()
        .filter(|argument| argument.is_global_set())
    {
        line(&mut page, argument);
    }
    page.push_str(
        "\nExit codes: 0 fine, 1 internal error, 2 usage, 3 findings of severity error, 4 build failed, 5 start or verify \
         failed (the old version keeps serving), 6 not signed in or no right, 7 network, 8 configuration missing, \
         130 interrupted.\n",
    );
    for command in root
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        section(&mut page, "vestibule", command);
    }
    page
}

fn section(page: &mut String, above: &str, command: &Command) {
    let path = format!("{above} {}", command.get_name());
    let mut inner = command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
        .peekable();
    if inner.peek().is_some() {
        inner.for_each(|inner| section(page, &path, inner));
        return;
    }
    let mut usage = path.clone();
    for argument in command.get_positionals() {
        let name = argument
            .get_value_names()
            .map_or_else(String::new, |names| names[0].to_string());
        let _ = if argument.is_required_set() {
            write!(usage, " {name}")
        } else {
            write!(usage, " [{name}]")
        };
    }
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let _ = write!(
        page,
        "\n## `{path}`\n\n{about}\n\n```text\n{usage} [options]\n```\n\n"
    );
    let own = command
        .get_arguments()
        .filter(|argument| !argument.is_global_set());
    for argument in own.filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
    {
        line(page, argument);
    }
    if let Some(examples) = command.get_after_help() {
        let _ = write!(page, "\n```text\n{}\n```\n", examples.to_string().trim());
    }
}

fn line(page: &mut String, argument: &Arg) {
    let mut name = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        _ => String::new(),
    };
    if argument.get_action().takes_values() {
        let value = argument
            .get_value_names()
            .map_or_else(String::new, |names| names[0].to_string());
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(&value);
    }
    let help = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let default = argument
        .get_default_values()
        .first()
        .map(|value| value.to_string_lossy().into_owned());
    let _ = write!(page, "- `{name}`: {help}");
    match default {
        Some(default) if !default.is_empty() && argument.get_action().takes_values() => {
            let _ = write!(page, " [default: {default}]");
        }
        _ => {}
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run with `UPDATE_REFERENCE=1` to write the page anew.
    #[test]
    fn the_reference_page_is_up_to_date() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/command-line.md"
        );
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "docs/reference/command-line.md is stale; run UPDATE_REFERENCE=1 cargo test -p vestibule"
        );
    }
}
