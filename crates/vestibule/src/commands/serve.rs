//! `serve`: runs the server until it is told to stop.

use server::Server;
use server::actions::accounts;

use crate::arguments::Serving;
use crate::commands::config;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

pub(crate) async fn run(serving: &Serving, output: Output) -> Outcome {
    let config = config::load(serving)?;
    server::telemetry::init(&config.log);
    let server = Server::start(config).await.map_err(chain)?;
    let shell = server.context().config.shell_origin();
    match accounts::ensure_owner(server.context())
        .await
        .map_err(|error| Failure::internal(error.message))?
    {
        Some(link) => output.say(format_args!(
            "{shell} has no owner yet; whoever opens this link becomes it:\n  {link}"
        )),
        None => output.say(format_args!("serving {shell}")),
    }
    server.stopped().await;
    server.stop().await;
    Ok(())
}

/// An error and its causes in one line.
pub(crate) fn chain(error: impl std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    Failure::internal(text)
}
