//! Settings as written: where each value came from, and every mistake found on the way.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::{
    providers,
    setting::{Setting, Value, environment_name},
    settings,
};

/// Everything that settings can be written in.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Dotted key and value, from command-line flags.
    pub flags: Vec<(String, String)>,
    /// The process's environment; names without the prefix `VESTIBULE_` are skipped.
    pub environment: Vec<(String, String)>,
    /// Path and text of the configuration file, if there is one.
    pub file: Option<(PathBuf, String)>,
}

/// Variables with our prefix that are no settings: they speak to the command line, or to a published app.
const NOT_SETTINGS: &[&str] = &[
    "VESTIBULE_SERVER",
    "VESTIBULE_TOKEN",
    "VESTIBULE_CONFIG",
    "VESTIBULE_BINARY",
    "VESTIBULE_APP_ID",
    "VESTIBULE_APP_SLUG",
    "VESTIBULE_APP_KEY",
    "VESTIBULE_VIEWER_KEY",
    "VESTIBULE_GATEWAY_SECRET",
    "VESTIBULE_DATA_SOCKET",
    "VESTIBULE_DATA_URL",
    "VESTIBULE_SHELL_URL",
    "VESTIBULE_APP_URL",
    "VESTIBULE_ISSUER",
];

/// Variables of our own test tools.
const TEST_PREFIX: &str = "VESTIBULE_TEST_";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A command-line flag.
    Flag,
    /// This environment variable.
    Environment(String),
    /// This configuration file.
    File(PathBuf),
    /// A file that holds the secret, named by this variable or key.
    SecretFile {
        /// The variable or key.
        named_by: String,
        /// The file.
        path: PathBuf,
    },
    /// Nobody set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::SecretFile { named_by, path } => {
                write!(f, "file {} ({named_by})", path.display())
            }
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake(pub String);

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone)]
pub struct ConfigErrors(pub Vec<Mistake>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(
            f,
            "the configuration has {count} mistake{}",
            if count == 1 { "" } else { "s" }
        )?;
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  - {}", mistake.0))
    }
}

impl std::error::Error for ConfigErrors {}

/// Settings as written, all optional, with their sources.
#[derive(Debug)]
pub struct RawConfig {
    /// By dotted key; those of providers, whose names we do not know beforehand, by theirs too.
    values: BTreeMap<String, (String, Source)>,
    mistakes: Vec<Mistake>,
}

impl RawConfig {
    /// Puts the sources together, the strongest last.
    pub(super) fn collect(sources: &Sources) -> Self {
        let mut raw = Self {
            values: BTreeMap::new(),
            mistakes: Vec::new(),
        };
        if let Some((path, text)) = &sources.file {
            raw.read_file(path, text);
        }
        raw.read_environment(&sources.environment);
        for (key, value) in &sources.flags {
            raw.set(key, value.clone(), Source::Flag, "flag");
        }
        raw
    }

    fn read_file(&mut self, path: &std::path::Path, text: &str) {
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                return self.mistake(format!("{}: {}", path.display(), error.to_string().trim()));
            }
        };
        for (name, value) in table {
            match value {
                toml::Value::Table(section) => {
                    for (key, value) in section {
                        self.read_file_entry(path, &format!("{name}.{key}"), value);
                    }
                }
                value => self.read_file_value(path, &name, value),
            }
        }
    }

    /// An entry of a section: a value, or the section of one provider.
    fn read_file_entry(&mut self, path: &std::path::Path, key: &str, value: toml::Value) {
        match value {
            toml::Value::Table(provider) if key.starts_with("provider.") => {
                for (field, value) in provider {
                    self.read_file_value(path, &format!("{key}.{field}"), value);
                }
            }
            value => self.read_file_value(path, key, value),
        }
    }

    fn read_file_value(&mut self, path: &std::path::Path, key: &str, value: toml::Value) {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            _ => return self.mistake(format!("{}: {key} takes a single value", path.display())),
        };
        self.set(
            key,
            text,
            Source::File(path.to_owned()),
            &path.display().to_string(),
        );
    }

    fn read_environment(&mut self, environment: &[(String, String)]) {
        let names: Vec<String> = settings().map(Setting::environment_name).collect();
        for (name, value) in environment {
            if !name.starts_with("VESTIBULE_")
                || NOT_SETTINGS.contains(&name.as_str())
                || name.starts_with(TEST_PREFIX)
            {
                continue;
            }
            let key = key_of(name);
            if is_key(&key) && (environment_name(&key) == *name) {
                self.set(&key, value.clone(), Source::Environment(name.clone()), name);
            } else {
                let hint = nearest(name, names.iter().map(String::as_str));
                self.mistake(format!("{name} in the environment is no setting{hint}"));
            }
        }
    }

    /// Notes a value. `place` tells the reader of a mistake where to look.
    fn set(&mut self, key: &str, value: String, source: Source, place: &str) {
        if is_setting(key) {
            self.values.insert(key.to_owned(), (value, source));
        } else if let Some(key_of_secret) = secret_of_file_key(key) {
            let path = PathBuf::from(value);
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let source = Source::SecretFile {
                        named_by: place.to_owned(),
                        path,
                    };
                    self.values
                        .insert(key_of_secret.to_owned(), (text.trim().to_owned(), source));
                }
                Err(error) => {
                    let path = path.display();
                    self.mistake(format!("{place}: {key} names {path}: {error}"));
                }
            }
        } else {
            let fields = provider_keys(key);
            let known = settings().map(|setting| setting.key);
            let hint = nearest(key, known.chain(fields.iter().map(String::as_str)));
            self.mistake(format!("{place}: unknown key {key}{hint}"));
        }
    }

    /// Takes the typed value of a setting, noting a mistake when it cannot be read.
    pub(super) fn value<T: Value>(
        &mut self,
        key: &'static str,
        default: &'static str,
    ) -> Option<T> {
        let (text, source) = match self.values.get(key) {
            Some((text, source)) => (text.as_str(), source.clone()),
            None if default.is_empty() => return T::absent(),
            None => (default, Source::Default),
        };
        let value = T::read(text);
        if value.is_none() {
            let shown = if T::SECRET {
                "the given value".to_owned()
            } else {
                format!("{text:?}")
            };
            self.mistake(format!("{key} ({source}): {shown} is not {}", T::EXPECTED));
        }
        value
    }

    /// Whether anybody set the key.
    pub fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value as written and its source.
    pub(super) fn written(&self, key: &str) -> Option<(&str, &Source)> {
        self.values
            .get(key)
            .map(|(value, source)| (value.as_str(), source))
    }

    /// The providers that something is set for, by name.
    pub(super) fn provider_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .values
            .keys()
            .filter_map(|key| key.strip_prefix("provider.")?.split_once('.'))
            .map(|(name, _)| name.to_owned())
            .collect();
        names.dedup();
        names
    }

    /// What is set of providers, by key.
    pub(super) fn provider_values(
        &self,
    ) -> impl Iterator<Item = (&str, &'static Setting, &str, &Source)> {
        self.values.iter().filter_map(|(key, (value, source))| {
            Some((
                key.as_str(),
                providers::find_setting(key)?,
                value.as_str(),
                source,
            ))
        })
    }

    pub(super) fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    pub(super) fn into_errors(self) -> ConfigErrors {
        ConfigErrors(self.mistakes)
    }

    pub(super) fn mistake(&mut self, text: String) {
        self.mistakes.push(Mistake(text));
    }
}

/// The dotted key that an environment variable of ours stands for. Names of providers may have hyphens, which variables
/// cannot: they are written with `_` there.
fn key_of(variable: &str) -> String {
    let key = variable
        .trim_start_matches("VESTIBULE_")
        .replace("__", ".")
        .to_lowercase();
    match key.splitn(3, '.').collect::<Vec<_>>()[..] {
        ["provider", name, field] => format!("provider.{}.{field}", name.replace('_', "-")),
        _ => key,
    }
}

fn find_setting(key: &str) -> Option<&'static Setting> {
    settings()
        .find(|setting| setting.key == key)
        .or_else(|| providers::find_setting(key))
}

fn is_setting(key: &str) -> bool {
    find_setting(key).is_some()
}

/// The key of the secret that a key ending in `_file` names the file of.
fn secret_of_file_key(key: &str) -> Option<&str> {
    let key = key.strip_suffix("_file")?;
    find_setting(key)
        .filter(|setting| setting.secret)
        .map(|_| key)
}

fn is_key(key: &str) -> bool {
    is_setting(key) || secret_of_file_key(key).is_some()
}

/// What could be set of the provider that a key names.
fn provider_keys(key: &str) -> Vec<String> {
    let name = key
        .strip_prefix("provider.")
        .and_then(|rest| rest.split_once('.'));
    let Some((name, _)) = name else {
        return Vec::new();
    };
    let fields = providers::PROVIDER_SETTINGS.iter();
    fields
        .map(|setting| setting.key.replace("<name>", name))
        .collect()
}

/// `; did you mean …?` when a known name is close.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (strsim::normalized_damerau_levenshtein(wrong, name), name))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}
