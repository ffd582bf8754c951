//! Printing: tables and sentences for people, JSON for programs; never both.
#![expect(
    clippy::print_stdout,
    reason = "this is the one place that prints results"
)]

use std::io::IsTerminal as _;

use console::{Style, measure_text_width};
use pysource::{Finding, Severity};
use serde::Serialize;

use crate::arguments::Global;
use crate::failure::Failure;

/// Where and how results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        if global.no_color || std::env::var_os("NO_COLOR").is_some() {
            console::set_colors_enabled(false);
            console::set_colors_enabled_stderr(false);
        }
        Self {
            json: global.json,
            quiet: global.quiet,
        }
    }

    /// Whether a person is looking, so that progress bars and questions make sense.
    pub(crate) fn is_interactive(self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// Prints the result as JSON, or by `human`.
    pub(crate) fn result<T: Serialize + ?Sized>(self, value: &T, human: impl FnOnce(&T)) {
        if self.json {
            println!(
                "{}",
                serde_json::to_string(value).expect("wire types hold no maps with odd keys")
            );
        } else if !self.quiet {
            human(value);
        }
    }

    /// One line of JSON in a stream of them.
    pub(crate) fn json_line<T: Serialize + ?Sized>(self, value: &T) {
        if self.json {
            println!(
                "{}",
                serde_json::to_string(value).expect("wire types hold no maps with odd keys")
            );
        }
    }

    /// A sentence for people.
    pub(crate) fn say(self, text: impl std::fmt::Display) {
        if !self.json && !self.quiet {
            println!("{text}");
        }
    }

    /// A result that is text already; printed even when quiet.
    #[expect(
        clippy::unused_self,
        reason = "printing goes through an output everywhere"
    )]
    pub(crate) fn text(self, text: impl std::fmt::Display) {
        println!("{text}");
    }

    /// Why the command failed, on standard error; as JSON when programs are listening.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let mut error =
                serde_json::json!({ "error": failure.message, "code": failure.code as u8 });
            if !failure.log.is_empty() {
                error["log"] = failure.log.clone().into();
            }
            eprintln!("{error}");
        } else {
            if !failure.log.is_empty() {
                print_log(&failure.log);
            }
            eprintln!(
                "{} {failure}",
                console::style("error:").for_stderr().red().bold()
            );
        }
    }

    /// Findings, one a line and greppable, each followed by why and what to do.
    pub(crate) fn findings(self, findings: &[Finding]) {
        for finding in findings {
            let style = match finding.severity {
                Severity::Error => Style::new().red().bold(),
                Severity::Warning => Style::new().yellow(),
                Severity::Info => Style::new().dim(),
            };
            println!("{}", style.apply_to(finding));
            if !self.quiet {
                println!("    why: {}", finding.why);
                println!("    fix: {}", finding.fix.replace('\n', "\n         "));
            }
        }
    }
}

/// Prints the last lines of an app's log, beside a failure.
fn print_log(log: &str) {
    println!("\nThe last lines of the log:");
    for line in log.lines() {
        println!("    {line}");
    }
    println!();
}

/// Prints rows under headings, columns aligned by what a terminal shows.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            rows.iter()
                .map(|row| measure_text_width(&row[column]))
                .chain([heading.len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(
                ' ',
                width - measure_text_width(cell) + 2,
            ));
        }
        text.trim_end().to_owned()
    };
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    println!("{}", Style::new().bold().apply_to(line(&headings)));
    for row in rows {
        println!("{}", line(row));
    }
}

/// A short text for an optional time: the date and minute in UTC, or a dash.
pub(crate) fn minute(time: Option<&str>) -> String {
    time.map_or_else(
        || "–".into(),
        |time| time.get(..16).unwrap_or(time).replace('T', " "),
    )
}
