//! `logs`: prints what an app said, and goes on as it speaks.

use futures_util::StreamExt as _;
use protocol::control::LogLine;
use reqwest::Method;

use crate::arguments::Logs;
use crate::client::Client;
use crate::commands::apps::path;
use crate::failure::{Code, Failure, Outcome};
use crate::lines::Lines;
use crate::output::Output;

pub(crate) async fn run(client: &Client, arguments: &Logs, output: Output) -> Outcome {
    let mut query = vec![
        ("follow", arguments.follow.to_string()),
        ("build", arguments.build.to_string()),
    ];
    query.extend(
        arguments
            .version
            .map(|version| ("version", version.to_string())),
    );
    let request = client
        .request(Method::GET, &path(&arguments.slug, "/logs"))
        .query(&query);
    let response = client.send(request).await?;
    let mut lines = Lines::new(response.bytes_stream());
    while let Some(line) = lines.next().await {
        let line = line.map_err(|error| client.unreachable(&error))?;
        let line: LogLine = serde_json::from_str(&line).map_err(|error| {
            Failure::new(Code::Network, format!("the log arrived damaged: {error}"))
        })?;
        if output.json {
            output.json_line(&line);
        } else {
            output.text(human(&line));
        }
    }
    Ok(())
}

fn human(line: &LogLine) -> String {
    let style = match line.level.as_str() {
        "error" => console::Style::new().red(),
        "warning" => console::Style::new().yellow(),
        _ => console::Style::new(),
    };
    let time = console::Style::new()
        .dim()
        .apply_to(line.at.get(..19).unwrap_or(&line.at));
    format!("{time} {}", style.apply_to(&line.text))
}
