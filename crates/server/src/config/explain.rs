//! What each setting is and where it came from, for people.

use std::fmt::Write as _;

use super::{RawConfig, providers, settings};

/// One line of `config explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Dotted key.
    pub key: String,
    /// The value in force; secrets are masked.
    pub value: String,
    /// Where it came from.
    pub source: String,
}

impl RawConfig {
    /// Every setting with the value in force and its source.
    pub fn explain(&self) -> Vec<Explained> {
        let explain = |setting: &super::Setting| {
            let (value, source) = match self.written(setting.key) {
                Some((_, source)) if setting.secret => ("********".to_owned(), source.to_string()),
                Some((value, source)) => (value.to_owned(), source.to_string()),
                None if setting.default.is_empty() => {
                    ("(not set)".to_owned(), "default".to_owned())
                }
                None => (setting.default.to_owned(), "default".to_owned()),
            };
            Explained {
                key: setting.key.to_owned(),
                value,
                source,
            }
        };
        let of_provider =
            |(key, setting, value, source): (&str, &super::Setting, &str, &super::Source)| {
                let value = if setting.secret { "********" } else { value };
                Explained {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    source: source.to_string(),
                }
            };
        settings()
            .map(explain)
            .chain(self.provider_values().map(of_provider))
            .collect()
    }
}

/// The reference page of all settings, in Markdown.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Generated from the declarations in `crates/server/src/config`; do not edit.\n\n\
         A value is taken from, strongest first: a command-line flag, the environment, `vestibule.toml`, the default. \
         A key `section.key` is `key` below `[section]` in the file and `VESTIBULE_SECTION__KEY` in the environment. \
         A secret may also be given as the path of a file that holds it: `<key>_file` in the file, `…_FILE` in the \
         environment. Spans are written `45s`, `30m`, `12h`, `30d`. Unknown keys are errors. \
         `vestibule config explain` shows every value and where it came from.\n",
    );
    let mut section = None;
    for setting in settings().chain(providers::PROVIDER_SETTINGS) {
        let (name, _) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if section != Some(name) {
            section = Some(name);
            let title = if name.is_empty() {
                "Top level".to_owned()
            } else {
                format!("`[{name}]`")
            };
            let _ = write!(page, "\n## {title}\n");
        }
        let default = match setting.default {
            "" => "none".to_owned(),
            text => format!("`{text}`"),
        };
        let doc = setting
            .doc
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ");
        let secret = if setting.secret { " Secret." } else { "" };
        let _ = write!(
            page,
            "\n### `{}`\n\n{}{secret}\n\n- takes {}\n- default: {default}\n- environment: `{}`{}\n",
            setting.key,
            doc.trim(),
            setting.expected,
            setting.environment_name(),
            if setting.secret {
                format!(" or `{}_FILE`", setting.environment_name())
            } else {
                String::new()
            },
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    #[test]
    fn explain_names_sources_and_masks_secrets() {
        let sources = Sources {
            flags: vec![("server.listen".into(), "127.0.0.1:1".into())],
            environment: vec![(
                "VESTIBULE_DATABASE__URL".into(),
                "postgres://me:hidden@host/db".into(),
            )],
            file: None,
        };
        let (_, raw) = Config::load(&sources).unwrap();
        let lines = raw.explain();
        let line = |key: &str| lines.iter().find(|line| line.key == key).unwrap();
        assert_eq!(line("server.listen").source, "command line");
        assert_eq!(line("database.url").value, "********");
        assert_eq!(
            line("database.url").source,
            "environment VESTIBULE_DATABASE__URL"
        );
        assert_eq!(line("kv.keys").value, "100000");
        assert!(!format!("{lines:?}").contains("hidden"));
    }

    #[test]
    fn the_reference_page_in_docs_is_current() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/configuration.md"
        );
        if std::env::var_os("VESTIBULE_TEST_UPDATE").is_some() {
            std::fs::write(path, reference_page()).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == reference_page(),
            "run this test with VESTIBULE_TEST_UPDATE=1 to renew {path}"
        );
    }
}
