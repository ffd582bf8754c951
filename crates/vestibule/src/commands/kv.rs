//! `kv get|set|delete|list`: an app's stored data, as its owner sees it.

use std::io::Read as _;

use protocol::control::{KvKeys, KvValue};
use reqwest::Method;
use serde_json::{Value, json};

use crate::arguments::KvCommand;
use crate::client::{Client, segment};
use crate::commands::apps::path;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

pub(crate) async fn run(client: &Client, command: &KvCommand, output: Output) -> Outcome {
    match command {
        KvCommand::Get { slug, key } => {
            let value: KvValue = client.get(&entry(slug, key)).await?;
            output.result(&value, |value| {
                output
                    .text(serde_json::to_string_pretty(&value.value).expect("a JSON value prints"));
            });
        }
        KvCommand::Set { slug, key, value } => {
            let text = if value == "-" {
                standard_input()?
            } else {
                value.clone()
            };
            if let Err(error) = serde_json::from_str::<Value>(&text) {
                return Err(Failure::usage(format!(
                    "the value is no JSON ({error}); quote a text, as in '\"hello\"'"
                )));
            }
            let request = client
                .request(Method::PUT, &entry(slug, key))
                .header("content-type", "application/json");
            client.done(request.body(text)).await?;
            output.result(&json!({ "stored": key }), |_| {
                output.say(format!("{key} is stored."))
            });
        }
        KvCommand::Delete { slug, key } => {
            client
                .done(client.request(Method::DELETE, &entry(slug, key)))
                .await?;
            output.result(&json!({ "deleted": key }), |_| {
                output.say(format!("{key} is gone."))
            });
        }
        KvCommand::List { slug, prefix } => {
            let request = client
                .request(Method::GET, &path(slug, "/kv"))
                .query(&[("prefix", prefix)]);
            let keys: KvKeys = client.json(request).await?;
            output.result(&keys, |keys| {
                keys.keys.iter().for_each(|key| output.text(key))
            });
        }
    }
    Ok(())
}

fn entry(slug: &str, key: &str) -> String {
    path(slug, &format!("/kv/{}", segment(key)))
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
