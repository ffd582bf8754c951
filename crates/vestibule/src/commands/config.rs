//! `config explain`: each setting's value and where it comes from. `config check`: what is wrong.

use std::path::{Path, PathBuf};

use serde_json::json;
use server::Config;
use server::config::{RawConfig, Sources};

use crate::arguments::Serving;
use crate::failure::{Code, Failure, Outcome};
use crate::output::{Output, table};

/// Where settings are read from when no file is named.
const FILE: &str = "vestibule.toml";

/// Gathers what was written: flags, environment and file.
fn sources(serving: &Serving) -> Result<Sources, Failure> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let flags = [
        ("server.data_dir", serving.data_dir.as_deref().map(path)),
        ("server.listen", serving.listen.clone()),
        ("server.public_url", serving.public_url.clone()),
        ("server.apps_domain", serving.apps_domain.clone()),
        ("server.admin_listen", serving.admin_listen.clone()),
        ("database.url", serving.database_url.clone()),
    ];
    let flags = flags
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    let file = match &serving.config {
        Some(file) => Some(read(file)?),
        None if Path::new(FILE).is_file() => Some(read(FILE.as_ref())?),
        None => None,
    };
    Ok(Sources {
        flags,
        environment: std::env::vars().collect(),
        file,
    })
}

fn read(file: &Path) -> Result<(PathBuf, String), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            Code::Configuration,
            format!("could not read {}: {error}", file.display()),
        )
    })?;
    Ok((file.to_owned(), text))
}

/// Reads and checks the configuration.
pub(crate) fn load(serving: &Serving) -> Result<Config, Failure> {
    Ok(read_all(serving)?.0)
}

/// The same, with where each value came from.
pub(crate) fn read_all(serving: &Serving) -> Result<(Config, RawConfig), Failure> {
    Config::load(&sources(serving)?).map_err(|errors| mistakes(&errors))
}

/// Says that the configuration is good, with the providers that people may sign in by; its mistakes otherwise.
pub(crate) fn check(serving: &Serving, output: Output) -> Outcome {
    let config = load(serving)?;
    let providers: Vec<_> = config
        .providers
        .iter()
        .map(|provider| provider.name.as_str())
        .collect();
    output.json_line(&json!({ "good": true, "providers": providers }));
    output.say("The configuration is good.");
    if !providers.is_empty() {
        output.say(format!("People may sign in by {}.", providers.join(", ")));
    }
    Ok(())
}

pub(crate) fn explain(serving: &Serving, output: Output) -> Outcome {
    let (_, raw) = read_all(serving)?;
    let rows = raw.explain();
    let as_json: Vec<_> = rows
        .iter()
        .map(|row| json!({ "key": row.key, "value": row.value, "source": row.source }))
        .collect();
    output.result(&as_json, |_| {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| vec![row.key.clone(), row.value.clone(), row.source.clone()])
            .collect();
        table(&["SETTING", "VALUE", "SOURCE"], &rows);
    });
    Ok(())
}

fn mistakes(errors: &server::config::ConfigErrors) -> Failure {
    Failure::new(Code::Configuration, errors.to_string())
}
