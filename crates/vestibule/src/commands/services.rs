//! `services …`: programs that call the issuer in their own name. Straight at the data directory, whether a server is
//! running or not; a running one notices through the event log.

use std::io::Read as _;

use ::accounts::{Scopes, Service};
use secret::SecretString;
use serde_json::{Value, json};
use server::Context;
use server::actions::services::{self as actions, NewService, Registered};
use server::clock::Clock;

use crate::arguments::Serving;
use crate::arguments::{ServiceAdd, ServiceRotate, ServicesCommand};
use crate::commands::config;
use crate::commands::serve::chain;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, minute, table};

/// No secret that is piped in is longer than this.
const MOST_INPUT: u64 = 4096;

pub(crate) async fn run(command: ServicesCommand, output: Output) -> Outcome {
    match command {
        ServicesCommand::Add(arguments) => add(arguments, output).await,
        ServicesCommand::List(serving) => list(&serving, output).await,
        ServicesCommand::Show(named) => {
            let service = with(&named.serving, async |context| {
                let id = id(&named.id)?;
                let found = actions::find_service(context, &id).await.map_err(refused)?;
                found.ok_or_else(|| unknown(&named.id))
            });
            show(&service.await?, output);
            Ok(())
        }
        ServicesCommand::RotateSecret(arguments) => rotate(&arguments, output).await,
        ServicesCommand::Remove(named) => {
            with(&named.serving, async |context| {
                let id = id(&named.id)?;
                let removed = actions::remove(context, &id).await;
                removed.map_err(|error| named_or_refused(error, &named.id))
            })
            .await?;
            output.result(&json!({ "removed": named.id }), |_| {
                output.say(format_args!(
                    "{} is removed; what it was given is worthless now.",
                    named.id
                ));
            });
            Ok(())
        }
    }
}

async fn add(arguments: ServiceAdd, output: Output) -> Outcome {
    let scopes = Scopes::from_words(arguments.scopes.iter().map(String::as_str))
        .map_err(Failure::usage_of)?;
    let secret = piped_secret(arguments.secret_stdin)?;
    let brought = secret.is_some();
    let new = NewService {
        id: id(&arguments.id)?,
        name: arguments.name,
        audience: arguments.audience,
        scopes,
        secret,
    };
    let registered = with(&arguments.serving, async |context| {
        actions::add(context, new)
            .await
            .map_err(|error| match error.code {
                "taken" => Failure::usage(format!(
                    "there is a service {} already; choose another id, or give it a new secret with services rotate-secret",
                    arguments.id
                )),
                _ => refused(error),
            })
    })
    .await?;
    announce(&registered, brought, output);
    Ok(())
}

async fn rotate(arguments: &ServiceRotate, output: Output) -> Outcome {
    let secret = piped_secret(arguments.secret_stdin)?;
    let brought = secret.is_some();
    let registered = with(&arguments.serving, async |context| {
        let id = id(&arguments.id)?;
        let rotated = actions::rotate_secret(context, &id, secret).await;
        rotated.map_err(|error| named_or_refused(error, &arguments.id))
    })
    .await?;
    announce(&registered, brought, output);
    Ok(())
}

async fn list(serving: &Serving, output: Output) -> Outcome {
    let services = with(serving, async |context| {
        actions::list_services(context).await.map_err(refused)
    })
    .await?;
    let json: Vec<Value> = services.iter().map(described).collect();
    output.result(&json, |_| {
        if services.is_empty() {
            output.say("No service is registered; add one with vestibule services add.");
            return;
        }
        let row = |service: &Service| {
            vec![
                service.id.to_string(),
                service.name.clone(),
                audience(service).to_owned(),
                service.scopes.to_string(),
                standing(service).to_owned(),
                minute(Some(&service.updated_at.to_string())),
            ]
        };
        let rows: Vec<_> = services.iter().map(row).collect();
        table(
            &["ID", "NAME", "AUDIENCE", "SCOPES", "STANDING", "CHANGED"],
            &rows,
        );
    });
    Ok(())
}

/// Shows a service and, this once, the secret that it was given.
fn announce(registered: &Registered, brought: bool, output: Output) {
    let mut json = described(&registered.service);
    if !brought {
        json["secret"] = registered.secret.expose().as_str().into();
    }
    output.result(&json, |_| {
        if brought {
            output.say(format_args!(
                "{} can call with the secret that was piped in.",
                registered.service.id
            ));
        } else {
            output.say(format_args!(
                "{}\nThis is the secret of {}; it is not shown again.",
                registered.secret.expose(),
                registered.service.id
            ));
        }
    });
}

fn show(service: &Service, output: Output) {
    output.result(&described(service), |_| {
        for (label, value) in [
            ("id", service.id.as_str()),
            ("name", &service.name),
            ("audience", audience(service)),
            ("scopes", &service.scopes.to_string()),
            ("standing", standing(service)),
            ("created", &minute(Some(&service.created_at.to_string()))),
            ("changed", &minute(Some(&service.updated_at.to_string()))),
        ] {
            output.say(format_args!("{label:<9} {value}"));
        }
    });
}

fn described(service: &Service) -> Value {
    json!({
        "id": service.id.as_str(),
        "name": service.name,
        "audience": service.audience,
        "scopes": service.scopes.iter().collect::<Vec<_>>(),
        "has_secret": service.secret.is_some(),
        "disabled": service.disabled,
        "created_at": service.created_at,
        "updated_at": service.updated_at,
    })
}

fn audience(service: &Service) -> &str {
    service.audience.as_deref().unwrap_or("(default)")
}

const fn standing(service: &Service) -> &'static str {
    match (service.disabled, service.secret.is_some()) {
        (true, _) => "disabled",
        (false, true) => "active",
        (false, false) => "no secret",
    }
}

/// Does one deed on the data directory.
async fn with<T>(
    serving: &Serving,
    deed: impl AsyncFnOnce(&Context) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = config::load(serving)?;
    let context = Context::open(config, Clock::system())
        .await
        .map_err(chain)?;
    let done = deed(&context).await;
    context.storage.close().await;
    done
}

fn id(text: &str) -> Result<ids::ServiceId, Failure> {
    text.parse().map_err(Failure::usage_of)
}

fn piped_secret(from_stdin: bool) -> Result<Option<SecretString>, Failure> {
    if !from_stdin {
        return Ok(None);
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MOST_INPUT)
        .read_to_string(&mut text)?;
    Ok(Some(SecretString::new(
        text.trim_end_matches(['\r', '\n']).to_owned(),
    )))
}

fn named_or_refused(error: server::Error, id: &str) -> Failure {
    if error.code == "not_found" {
        unknown(id)
    } else {
        refused(error)
    }
}

fn unknown(id: &str) -> Failure {
    Failure::usage(format!(
        "there is no service {id}; vestibule services list shows those there are"
    ))
}

fn refused(error: server::Error) -> Failure {
    if error.status.is_server_error() {
        Failure::internal(error.message)
    } else {
        Failure::usage(error.message)
    }
}
