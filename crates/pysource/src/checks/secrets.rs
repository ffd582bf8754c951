//! Secrets among the uploaded files. What is found is named by kind and place, never shown.

use crate::finding::{Finding, Severity};
use crate::project::{Project, is_side_file};
use crate::text::number;

/// Larger files are not searched.
const MAX_BYTES: usize = 512 * 1024;

/// Beginnings of well-known tokens, the length of what must follow, and their kind.
const TOKENS: &[(&str, usize, &str)] = &[
    ("AKIA", 16, "a cloud access key"),
    ("ghp_", 36, "a source-host token"),
    ("github_pat_", 50, "a source-host token"),
    ("sk_live_", 20, "a payment key"),
    ("xoxb-", 24, "a chat token"),
    ("xoxp-", 24, "a chat token"),
    ("sk-ant-", 40, "a model API key"),
];

pub(super) fn check(project: &Project) -> Vec<Finding> {
    let mut found = Vec::new();
    for path in project.paths() {
        let Some(bytes) = project.bytes(path).filter(|bytes| bytes.len() <= MAX_BYTES) else {
            continue;
        };
        if bytes.contains(&0) || is_side_file(path) {
            continue;
        }
        let text = String::from_utf8_lossy(bytes);
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_env = name == ".env" || name.starts_with(".env.") && !name.contains("example");
        for (index, line) in text.lines().enumerate() {
            let kind = if line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY-----") {
                Some("a private key")
            } else if is_env && env_value(line) {
                Some("a value for the environment")
            } else {
                token_kind(line)
            };
            let Some(kind) = kind else { continue };
            found.push(
                Finding::new(
                    "secrets.committed",
                    Severity::Warning,
                    format!("The line holds {kind}."),
                    "Uploaded files are kept with every version and shown to whoever may see the source.",
                    "Remove it from the folder, replace the secret where it came from, and set it for the app.",
                )
                .at(path, number(index + 1), 1),
            );
            if is_env {
                break;
            }
        }
    }
    found
}

fn env_value(line: &str) -> bool {
    let line = line.trim();
    !line.starts_with('#')
        && line
            .split_once('=')
            .is_some_and(|(name, value)| !name.is_empty() && !value.trim().is_empty())
}

fn token_kind(line: &str) -> Option<&'static str> {
    TOKENS.iter().find_map(|(start, length, kind)| {
        line.match_indices(start).find_map(|(at, _)| {
            let rest = &line[at + start.len()..];
            let run = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                .count();
            let word_before = line[..at]
                .chars()
                .next_back()
                .is_some_and(char::is_alphanumeric);
            (run >= *length && !word_before).then_some(*kind)
        })
    })
}
