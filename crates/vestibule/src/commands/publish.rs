//! `publish`: packs a folder, sends it, and shows the pipeline at work.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use protocol::publish::{Stage, StageEvent, Status};
use pysource::Finding;
use reqwest::Method;
use server::actions::publish::PublishQuery;

use crate::arguments::PublishOptions;
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::lines::Lines;
use crate::output::Output;

/// What a publish came to.
pub(crate) struct Published {
    pub(crate) url: String,
    pub(crate) version: u64,
}

/// Publishes a folder on a server and prints each stage as it happens.
pub(crate) async fn run(
    client: &Client,
    directory: &Path,
    options: &PublishOptions,
    output: Output,
) -> Result<Published, Failure> {
    let query = query(directory, options)?;
    let packed = pack(directory)?;
    remark(&packed, output);
    let request = client
        .request(Method::POST, "/v1/apps/publish")
        .query(&query)
        .header("content-type", "application/gzip")
        .body(packed.archive);
    let response = client.send(request).await?;
    let lines = Lines::new(response.bytes_stream());
    let events = lines.map(|line| {
        let line = line.map_err(|error| client.unreachable(&error))?;
        serde_json::from_str::<StageEvent>(&line).map_err(|error| {
            Failure::new(
                Code::Network,
                format!("the server's progress arrived damaged: {error}"),
            )
        })
    });
    follow(events, output).await
}

/// What a publish request asks for.
pub(crate) fn query(directory: &Path, options: &PublishOptions) -> Result<PublishQuery, Failure> {
    let folder = folder_name(directory)?;
    let slug = match &options.slug {
        Some(slug) => slug.clone(),
        None => ids::Slug::from_name(&folder)
            .map(|slug| slug.to_string())
            .ok_or_else(|| {
                Failure::usage(format!(
                    "no slug can be made from {folder:?}; choose one with --slug"
                ))
            })?,
    };
    Ok(PublishQuery {
        slug,
        folder: Some(folder),
        name: options.name.clone(),
        entry: options.entry.clone(),
        message: options.message.clone(),
        public: flag(options.public, options.private),
        requires_auth: flag(options.gated, options.open),
        force: options.force,
    })
}

/// Shows a publish until it ends.
pub(crate) async fn follow(
    events: impl Stream<Item = Result<StageEvent, Failure>>,
    output: Output,
) -> Result<Published, Failure> {
    let mut progress = Progress::new(output);
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let event = event?;
        output.json_line(&event);
        progress.show(&event);
        if event.status == Status::Failed {
            progress.stop();
            return Err(failure(&event, output));
        }
        if event.stage == Stage::Done && event.status == Status::Ok {
            progress.stop();
            return published(&event);
        }
    }
    progress.stop();
    Err(Failure::new(
        Code::Network,
        "the connection ended before the publish did; it goes on at the server: see vestibule versions",
    ))
}

fn published(event: &StageEvent) -> Result<Published, Failure> {
    let url = event.data["url"].as_str();
    let version = event.data["version"].as_u64();
    match (url, version) {
        (Some(url), Some(version)) => Ok(Published {
            url: url.to_owned(),
            version,
        }),
        _ => Err(Failure::new(
            Code::Network,
            "the server did not say where the app is; are both of one version?",
        )),
    }
}

fn failure(event: &StageEvent, output: Output) -> Failure {
    let code = event.data["code"]
        .as_u64()
        .map_or(Code::Internal, Code::from_number);
    let serving = event.data["serving"]
        .as_u64()
        .map(|version| format!("\nv{version} keeps serving."))
        .unwrap_or_default();
    let failure = Failure::new(code, format!("{}{serving}", event.message));
    match event.data["log"].as_str() {
        // A program has it in the event already.
        Some(log) if !output.json => failure.with_log(log),
        _ => failure,
    }
}

fn flag(on: bool, off: bool) -> Option<bool> {
    match (on, off) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The folder's own name, also when it was given as `.`.
pub(crate) fn folder_name(directory: &Path) -> Result<String, Failure> {
    let full = directory.canonicalize().map_err(|error| {
        Failure::usage(format!("{} cannot be opened: {error}", directory.display()))
    })?;
    if !full.is_dir() {
        return Err(Failure::usage(format!(
            "{} is no folder",
            directory.display()
        )));
    }
    Ok(full
        .file_name()
        .map_or_else(|| "app".into(), |name| name.to_string_lossy().into_owned()))
}

/// Packs the files that are sent.
pub(crate) fn pack(directory: &Path) -> Result<bundle::Packed, Failure> {
    bundle::pack(directory, &bundle::Limits::default())
        .map_err(|error| Failure::new(Code::Findings, format!("{}: {error}", directory.display())))
}

fn remark(packed: &bundle::Packed, output: Output) {
    for skipped in &packed.skipped {
        output.say(format_args!(
            "left out {}: {}",
            skipped.path, skipped.reason
        ));
    }
    for (path, bytes) in &packed.largest {
        output.say(format_args!("large file {path}: {} MB", bytes / 1_000_000));
    }
}

/// Shows stages to a person: a spinner for the one at work, a line with its seconds when it ends.
struct Progress {
    output: Output,
    spinner: Option<ProgressBar>,
    begun: Instant,
    stage_begun: Instant,
}

impl Progress {
    fn new(output: Output) -> Self {
        let begun = Instant::now();
        let spinner = output.is_interactive().then(|| {
            let style = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}")
                .expect("the template is well formed");
            let spinner = ProgressBar::new_spinner().with_style(style);
            spinner.enable_steady_tick(Duration::from_millis(90));
            spinner
        });
        Self {
            output,
            spinner,
            begun,
            stage_begun: begun,
        }
    }

    fn show(&mut self, event: &StageEvent) {
        if let Some(finding) = event
            .finding
            .as_ref()
            .and_then(|finding| serde_json::from_value::<Finding>(finding.clone()).ok())
        {
            let output = self.output;
            self.above(|| {
                if !output.json {
                    output.findings(&[finding]);
                }
            });
            return;
        }
        let name = format!("{:?}", event.stage).to_lowercase();
        match event.status {
            Status::Started | Status::Progress => {
                if event.status == Status::Started {
                    self.stage_begun = Instant::now();
                }
                if let Some(spinner) = &self.spinner {
                    spinner.set_message(format!("{name:9} {}", event.message));
                }
            }
            Status::Ok | Status::Warning | Status::Skipped => {
                let seconds = if event.stage == Stage::Done {
                    self.begun
                } else {
                    self.stage_begun
                }
                .elapsed()
                .as_secs_f64();
                let mark = match event.status {
                    Status::Ok => console::style("✓").green(),
                    Status::Warning => console::style("!").yellow(),
                    _ => console::style("–").dim(),
                };
                let output = self.output;
                let message = &event.message;
                self.above(|| {
                    output.say(format_args!("{mark} {name:9} {seconds:6.2} s  {message}"))
                });
            }
            Status::Failed => {
                // Why is said below, where it is read.
                let output = self.output;
                let mark = console::style("✗").red();
                let seconds = self.stage_begun.elapsed().as_secs_f64();
                self.above(|| output.say(format_args!("{mark} {name:9} {seconds:6.2} s  failed")));
            }
        }
    }

    /// Prints above the spinner.
    fn above(&self, print: impl FnOnce()) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(print),
            None => print(),
        }
    }

    fn stop(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
