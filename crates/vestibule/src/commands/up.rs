//! `up`: a server and a published folder in one step.

use std::path::Path;

use futures_util::stream;
use serde_json::json;
use server::actions::{
    accounts,
    publish::{self as publishing, Report, Upload},
};
use server::config::LogLevel;
use server::{Context, Server};
use tokio::sync::mpsc;

use crate::arguments::{PublishOptions, Up};
use crate::commands::serve::chain;
use crate::commands::{config, publish};
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;

pub(crate) async fn run(arguments: &Up, output: Output) -> Outcome {
    let (mut config, raw) = config::read_all(&arguments.serving)?;
    if !raw.is_set("log.level") {
        // People watch the progress here; the log speaks up when something is wrong.
        config.log.level = LogLevel::warnings();
    }
    server::telemetry::init(&config.log);
    if let Some(directory) = &arguments.directory {
        publish::folder_name(directory)?;
    }
    output.say("starting the server …");
    let server = Server::start(config).await.map_err(chain)?;
    let outcome = {
        // One wait for both halves: a signal that comes just as the first ends is not lost.
        let mut stopped = std::pin::pin!(server.stopped());
        let work = tokio::select! {
            work = announce(&server, arguments, output) => work,
            () = &mut stopped => Err(Failure::new(Code::Interrupted, "interrupted")),
        };
        if work.is_ok() {
            stopped.await;
            output.say("\nstopping …");
        }
        work
    };
    server.stop().await;
    outcome
}

async fn announce(server: &Server, arguments: &Up, output: Output) -> Outcome {
    let context = server.context();
    // An app that is coming back must not be in the way of its own publish.
    server.booted().await;
    let link = accounts::owner_link(context).await.map_err(refused)?;
    let app = match &arguments.directory {
        Some(directory) => {
            Some(publish_here(context, directory, &arguments.options, output).await?)
        }
        None => None,
    };
    let shell = context.config.shell_origin();
    output.result(
        &json!({ "ready": { "shell": shell, "link": link, "app": app.as_ref().map(|app| &app.url), "version": app.as_ref().map(|app| app.version) } }),
        |_| {
            output.say(format_args!("\n  shell  {shell}"));
            output.say(format_args!("         sign in once with {link}"));
            if let Some(app) = &app {
                output.say(format_args!("  app    {}", app.url));
            }
            output.say("\nCtrl-C stops everything.");
        },
    );
    Ok(())
}

/// Publishes as the owner, without a detour over HTTP.
async fn publish_here(
    context: &Context,
    directory: &Path,
    options: &PublishOptions,
    output: Output,
) -> Result<publish::Published, Failure> {
    let owner = accounts::owner(context).await.map_err(refused)?;
    let query = publish::query(directory, options)?;
    let options = publishing::PublishOptions::try_from(query).map_err(Failure::usage_of)?;
    let packed = publish::pack(directory)?;
    let upload = Upload::from_bytes(&packed.archive)?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let report = Report::new(context.clock.clone(), sender);
    let work = publishing::publish(context, &owner, options, upload, report)
        .await
        .map_err(refused)?;
    let running = tokio::spawn(work);
    let events = stream::unfold(receiver, async |mut receiver| {
        Some((Ok(receiver.recv().await?), receiver))
    });
    let published = publish::follow(events, output).await;
    drop(running.await);
    published
}

fn refused(error: server::Error) -> Failure {
    Failure::internal(error.message)
}
