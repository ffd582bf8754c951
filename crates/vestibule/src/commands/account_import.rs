//! `account import`: accounts of another program, from JSON lines or CSV, straight into the data.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use server::Context;
use server::actions::accounts::{Existing, Foreign, Imported, import_accounts};
use server::clock::Clock;

use crate::arguments::{AccountImport, ImportFormat};
use crate::commands::config;
use crate::commands::serve::chain;
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;

/// Accounts taken over in one transaction.
const AT_ONCE: usize = 500;
/// Longest line, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;

/// What was found in the file, counted.
#[derive(Debug, Default)]
struct Tally {
    made: u64,
    updated: u64,
    skipped: u64,
    problems: Vec<(u64, String)>,
    unknown: BTreeSet<String>,
}

pub(crate) async fn import(arguments: &AccountImport, output: Output) -> Outcome {
    let config = config::load(&arguments.serving)?;
    let mut lines = open(arguments)?;
    let context = Context::open(config, Clock::system())
        .await
        .map_err(chain)?;
    let tally = run(&context, arguments, &mut lines, output).await;
    context.storage.close().await;
    report(arguments, &tally?, output)
}

async fn run(
    context: &Context,
    arguments: &AccountImport,
    lines: &mut dyn Iterator<Item = Result<Row, Failure>>,
    output: Output,
) -> Result<Tally, Failure> {
    let existing = if arguments.update {
        Existing::Updated
    } else {
        Existing::Skipped
    };
    let progress = if output.is_interactive() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    let mut tally = Tally::default();
    let mut seen: HashMap<String, u64> = HashMap::new();
    loop {
        let mut numbers = Vec::new();
        let mut batch = Vec::new();
        while batch.len() < AT_ONCE {
            let Some(row) = lines.next() else { break };
            let (line, fields) = row?;
            let read = fields.and_then(|fields| account(fields, &mut tally.unknown));
            let read = read.and_then(|account| {
                // Twice in one file is a slip that only its writer can mend.
                match seen.insert(account.email.trim().to_lowercase(), line) {
                    Some(earlier) => Err(format!("email: the same as in line {earlier}")),
                    None => Ok(account),
                }
            });
            match read {
                Ok(account) => {
                    numbers.push(line);
                    batch.push(account);
                }
                Err(problem) => tally.problems.push((line, problem)),
            }
        }
        if batch.is_empty() {
            break;
        }
        let outcomes = import_accounts(context, batch, existing, arguments.dry_run)
            .await
            .map_err(|error| Failure::internal(error.message))?;
        for (line, outcome) in numbers.into_iter().zip(outcomes) {
            match outcome {
                Ok(Imported::Made) => tally.made += 1,
                Ok(Imported::Updated) => tally.updated += 1,
                Ok(Imported::Skipped) => tally.skipped += 1,
                Err(problem) => tally.problems.push((line, problem)),
            }
        }
        progress.set_message(format!(
            "{} made, {} updated, {} skipped",
            tally.made, tally.updated, tally.skipped
        ));
        progress.tick();
    }
    progress.finish_and_clear();
    tally.problems.sort();
    Ok(tally)
}

fn report(arguments: &AccountImport, tally: &Tally, output: Output) -> Outcome {
    let problems: Vec<_> = tally
        .problems
        .iter()
        .map(|(line, problem)| json!({"line": line, "problem": problem}))
        .collect();
    let result = json!({
        "made": tally.made, "updated": tally.updated, "skipped": tally.skipped,
        "problems": problems, "unknown_fields": tally.unknown, "dry_run": arguments.dry_run,
    });
    output.result(&result, |_| {
        for (line, problem) in &tally.problems {
            output.say(format_args!("line {line}: {problem}"));
        }
        if !tally.unknown.is_empty() {
            let names: Vec<_> = tally.unknown.iter().map(String::as_str).collect();
            output.say(format_args!("Not read: {}.", names.join(", ")));
        }
        output.say(format_args!(
            "{}{} made, {} updated, {} there already, {} with problems.",
            if arguments.dry_run { "Would be: " } else { "" },
            tally.made,
            tally.updated,
            tally.skipped,
            tally.problems.len()
        ));
    });
    match tally.problems.len() {
        0 => Ok(()),
        count => Err(Failure::new(
            Code::Findings,
            format!(
                "{count} account{} not taken over; mend the lines named above and run the same again",
                if count == 1 { " was" } else { "s were" }
            ),
        )),
    }
}

/// A line's number and its fields, or what is wrong with it.
type Row = (u64, Result<Map<String, Value>, String>);

fn open(
    arguments: &AccountImport,
) -> Result<Box<dyn Iterator<Item = Result<Row, Failure>>>, Failure> {
    let is_stdin = arguments.file.as_os_str() == "-";
    let mut reader: Box<dyn BufRead> = if is_stdin {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(&arguments.file).map_err(|error| {
            Failure::usage(format!(
                "could not read {}: {error}",
                arguments.file.display()
            ))
        })?;
        Box::new(BufReader::new(file))
    };
    let by_name = arguments
        .file
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let format = match arguments.format {
        Some(format) => format,
        None if by_name => ImportFormat::Csv,
        None if is_stdin => {
            let begins = reader
                .fill_buf()?
                .iter()
                .find(|byte| !byte.is_ascii_whitespace());
            if begins.is_none_or(|byte| *byte == b'{') {
                ImportFormat::Jsonl
            } else {
                ImportFormat::Csv
            }
        }
        None => ImportFormat::Jsonl,
    };
    match format {
        ImportFormat::Jsonl => Ok(Box::new(json_lines(reader))),
        ImportFormat::Csv => csv_lines(reader),
    }
}

fn json_lines(mut reader: Box<dyn BufRead>) -> impl Iterator<Item = Result<Row, Failure>> {
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut line = Vec::new();
            match (&mut reader)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)
            {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error.into())),
            }
            if line.len() as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
                return Some(Err(Failure::usage(format!(
                    "line {number} is longer than {LONGEST_LINE} bytes"
                ))));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            // What serde says of a wrong value may repeat it, so only the place is told.
            let read = serde_json::from_slice::<Map<String, Value>>(&line).map_err(|error| {
                match error.column() {
                    0 => "not a JSON object".to_owned(),
                    column => format!("not a JSON object (column {column})"),
                }
            });
            return Some(Ok((number, read)));
        }
    })
}

fn csv_lines(
    reader: Box<dyn BufRead>,
) -> Result<Box<dyn Iterator<Item = Result<Row, Failure>>>, Failure> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(reader);
    let names = reader
        .headers()
        .map_err(|_| {
            Failure::usage(
                "the first line of the CSV holds the fields' names; it could not be read",
            )
        })?
        .clone();
    Ok(Box::new(reader.into_records().map(move |record| {
        Ok(match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                let fields = names.iter().zip(record.iter());
                let fields = fields
                    // An empty cell is none.
                    .filter(|(_, value)| !value.is_empty())
                    .map(|(name, value)| (name.to_owned(), Value::from(value)));
                (line, Ok(fields.collect()))
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                (
                    line,
                    Err("not a record of as many fields as the first line".to_owned()),
                )
            }
        })
    })))
}

/// Reads an account's fields. Messages name fields and never repeat what was in them.
fn account(fields: Map<String, Value>, unknown: &mut BTreeSet<String>) -> Result<Foreign, String> {
    let mut account = Foreign::default();
    let (mut provider, mut subject, mut is_superuser) = (None, None, None);
    for (name, value) in fields {
        if value.is_null() {
            continue;
        }
        match name.as_str() {
            "id" => account.id = Some(text(&name, value)?),
            "email" => account.email = text(&name, value)?,
            "username" => account.username = Some(text(&name, value)?),
            "full_name" | "name" => account.full_name = Some(text(&name, value)?),
            "avatar" => account.avatar = Some(text(&name, value)?),
            "role" => account.role = Some(text(&name, value)?),
            "is_active" | "active" => account.active = Some(flag(&name, &value)?),
            "email_verified" | "is_verified" => {
                account.email_verified = Some(flag(&name, &value)?);
            }
            "is_superuser" => is_superuser = Some(flag(&name, &value)?),
            "password_hash" | "hashed_password" | "password" => {
                account.password_hash = Some(text(&name, value)?.into());
            }
            "provider" => provider = Some(text(&name, value)?).filter(|one| one != "password"),
            "oauth_user_id" => subject = Some(text(&name, value)?),
            "providers" => account.identities.extend(identities(&value)?),
            "created_at" => {
                let text = text(&name, value)?;
                let at: Timestamp = text
                    .parse()
                    .map_err(|_| format!("{name}: not a time such as 2026-01-05T09:00:00Z"))?;
                account.created_at = Some(at);
            }
            "updated_at" => {}
            _ => {
                unknown.insert(name);
            }
        }
    }
    if account.email.is_empty() {
        return Err("email: is missing".into());
    }
    if let Some(subject) = subject {
        account
            .identities
            .push((provider.unwrap_or_else(|| "google".to_owned()), subject));
    }
    if is_superuser == Some(true) && account.role.is_none() {
        account.role = Some("superadmin".to_owned());
    }
    Ok(account)
}

fn text(name: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(format!("{name}: not a text")),
    }
}

fn flag(name: &str, value: &Value) -> Result<bool, String> {
    let word = match value {
        Value::Bool(flag) => return Ok(*flag),
        Value::String(word) => word.to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    match word.as_str() {
        "true" | "t" | "yes" | "1" => Ok(true),
        "false" | "f" | "no" | "0" => Ok(false),
        _ => Err(format!("{name}: neither true nor false")),
    }
}

/// `{"google": "1234"}`, in a CSV as such a text.
fn identities(value: &Value) -> Result<Vec<(String, String)>, String> {
    let wrong = || "providers: not an object of names and ids".to_owned();
    let read;
    let object = match value {
        Value::String(text) => {
            read = serde_json::from_str::<Value>(text).map_err(|_| wrong())?;
            &read
        }
        value => value,
    };
    let object = object.as_object().ok_or_else(wrong)?;
    object
        .iter()
        .map(|(name, id)| Ok((name.clone(), id.as_str().ok_or_else(wrong)?.to_owned())))
        .collect()
}
