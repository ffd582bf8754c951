//! `keys …`: the keys that sign access tokens, straight at the data directory, whether a server is running or not.

use std::{fs, io::Read as _, path::Path, time::Duration};

use secret::SecretString;
use serde_json::{Value, json};
use server::Context;
use server::actions::signing_keys::{self, Listed, Place};
use server::clock::Clock;

use crate::arguments::{KeysCommand, KeysImport, KeysPlan, KeysRetire, KeysRotate, Serving};
use crate::commands::config;
use crate::commands::serve::chain;
use crate::failure::{Code, Failure, Outcome};
use crate::output::{Output, minute, table};

/// A file that is larger holds no key.
const MOST_BYTES: u64 = 64 * 1024;
/// How long to sleep at once while waiting, so that a changed plan is noticed.
const PAUSE: Duration = Duration::from_secs(5);

pub(crate) async fn run(command: &KeysCommand, output: Output) -> Outcome {
    match command {
        KeysCommand::List(serving) => list(serving, output).await,
        KeysCommand::Plan(arguments) => plan(arguments, output).await,
        KeysCommand::Rotate(arguments) => rotate(arguments, output).await,
        KeysCommand::Retire(arguments) => retire(arguments, output).await,
        KeysCommand::Import(arguments) => import(arguments, output).await,
    }
}

async fn list(serving: &Serving, output: Output) -> Outcome {
    let keys = on_data(serving, async |context| signing_keys::list(context).await).await?;
    let shown: Vec<_> = keys.iter().map(as_json).collect();
    output.result(&shown, |_| {
        let rows: Vec<_> = keys.iter().map(row).collect();
        table(&["KID", "ALGORITHM", "STATE", "MADE", "NOTE"], &rows);
    });
    Ok(())
}

async fn plan(arguments: &KeysPlan, output: Output) -> Outcome {
    let key = on_data(&arguments.serving, async |context| {
        signing_keys::plan(context, arguments.then_rotate).await
    })
    .await?;
    planned(&key, output);
    Ok(())
}

fn planned(key: &Listed, output: Output) {
    output.result(&as_json(key), |_| {
        let then = if key.life.switches_itself {
            "the running server switches to it then"
        } else {
            "run `vestibule keys rotate` then"
        };
        output.say(format_args!(
            "The key {} is published. It may sign from {} on; {then}.",
            key.life.kid,
            second(key)
        ));
    });
}

async fn rotate(arguments: &KeysRotate, output: Output) -> Outcome {
    if arguments.emergency {
        return revoke(&arguments.serving, None, output).await;
    }
    let key = on_data(&arguments.serving, async |context| {
        if arguments.wait {
            wait_until_due(context).await?;
        }
        signing_keys::rotate(context).await
    })
    .await?;
    output.result(&as_json(&key), |_| {
        output.say(format_args!(
            "The key {} signs now. Tokens of the old key stay good until they expire.",
            key.life.kid
        ));
    });
    Ok(())
}

/// Waits until the planned key may sign, or there is none any more.
async fn wait_until_due(context: &Context) -> Result<(), server::Error> {
    loop {
        let keys = signing_keys::list(context).await?;
        let may_sign_from = keys.iter().find_map(|key| key.may_sign_from);
        let Some(from) = may_sign_from.filter(|from| context.now() < *from) else {
            return Ok(());
        };
        let left = Duration::try_from(from.duration_since(context.now())).unwrap_or_default();
        tokio::time::sleep(left.min(PAUSE)).await;
    }
}

async fn retire(arguments: &KeysRetire, output: Output) -> Outcome {
    if arguments.emergency {
        return revoke(&arguments.serving, Some(&arguments.kid), output).await;
    }
    on_data(&arguments.serving, async |context| {
        signing_keys::retire(context, &arguments.kid).await
    })
    .await?;
    output.result(&json!({ "kid": arguments.kid, "state": "gone" }), |_| {
        output.say(format_args!("The key {} is gone.", arguments.kid));
    });
    Ok(())
}

async fn revoke(serving: &Serving, kid: Option<&str>, output: Output) -> Outcome {
    let (key, cache_life) = on_data(serving, async |context| {
        let key = signing_keys::revoke(context, kid).await?;
        Ok((key, context.config.issuer.key_cache_life.duration()))
    })
    .await?;
    output.result(&as_json(&key), |_| {
        output.say(format_args!(
            "The leaked key is out of the key set, and every token that it signed has ended. Services that keep a copy \
             of the key set notice within {} s.\nThe key {} signs now.",
            cache_life.as_secs(),
            key.life.kid
        ));
    });
    Ok(())
}

async fn import(arguments: &KeysImport, output: Output) -> Outcome {
    let pem = read(&arguments.file)?;
    let place = if arguments.current {
        Place::Current
    } else {
        Place::Next
    };
    let key = on_data(&arguments.serving, async |context| {
        signing_keys::import(context, pem.expose(), place).await
    })
    .await?;
    if !arguments.current {
        planned(&key, output);
        return Ok(());
    }
    output.result(&as_json(&key), |_| {
        output.say(format_args!(
            "The key {} signs now. Services that do not know it yet refuse its tokens until they look at the key set again.",
            key.life.kid
        ));
    });
    Ok(())
}

fn read(file: &Path) -> Result<SecretString, Failure> {
    let shown = file.display();
    let failed = |error| Failure::new(Code::Usage, format!("could not read {shown}: {error}"));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin()
            .take(MOST_BYTES + 1)
            .read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
    };
    let text = read.map(|_| SecretString::new(text)).map_err(failed)?;
    if text.expose().len() as u64 > MOST_BYTES {
        return Err(Failure::usage(format!("{shown} is too large for a key")));
    }
    Ok(text)
}

/// Does one deed on the data directory.
async fn on_data<T>(
    serving: &Serving,
    deed: impl AsyncFnOnce(&Context) -> Result<T, server::Error>,
) -> Result<T, Failure> {
    let config = config::load(serving)?;
    let context = Context::open(config, Clock::system())
        .await
        .map_err(chain)?;
    let done = deed(&context).await;
    context.storage.close().await;
    done.map_err(|error| {
        if error.status.is_server_error() {
            Failure::internal(error.message)
        } else {
            Failure::usage(error.message)
        }
    })
}

fn as_json(key: &Listed) -> Value {
    let life = &key.life;
    json!({
        "kid": life.kid,
        "algorithm": life.algorithm.as_str(),
        "state": life.state.as_str(),
        "created_at": life.created_at,
        "published_at": life.published_at,
        "current_at": life.current_at,
        "retired_at": life.retired_at,
        "may_sign_from": key.may_sign_from,
        "gone_from": key.gone_from,
        "switches_itself": life.switches_itself,
    })
}

fn row(key: &Listed) -> Vec<String> {
    let life = &key.life;
    let note = match (key.may_sign_from, key.gone_from) {
        (Some(_), _) if life.switches_itself => format!("signs from {} on, by itself", second(key)),
        (Some(_), _) => format!("may sign from {} on", second(key)),
        (_, Some(_)) => format!("verifies until {}", second(key)),
        _ => "signs".to_owned(),
    };
    vec![
        life.kid.clone(),
        life.algorithm.to_string(),
        life.state.as_str().to_owned(),
        minute(Some(&life.created_at.to_string())),
        note,
    ]
}

/// The instant that a key waits for, to the second.
fn second(key: &Listed) -> String {
    key.may_sign_from
        .or(key.gone_from)
        .map(|at| {
            let at = at.round(jiff::Unit::Second).unwrap_or(at);
            at.to_string()
        })
        .unwrap_or_default()
}
