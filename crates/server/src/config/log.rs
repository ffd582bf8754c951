//! What is logged and in which form.

use super::setting::{Value, section, words};

section! {
    /// What is logged and in which form.
    Log {
        /// `json` (a line an event), `pretty` (for people) or `auto`: pretty on a terminal, else JSON.
        "log.format" format: LogFormat = "auto",
        /// Lowest level shown: `error`, `warn`, `info`, `debug`, `trace`, or directives such as
        /// `info,server=debug`.
        "log.level" level: LogLevel = "info",
    }
}

words! {
    /// The form of the log.
    LogFormat {
        /// Pretty on a terminal, else JSON.
        Auto = "auto",
        /// One JSON object a line.
        Json = "json",
        /// For people.
        Pretty = "pretty",
    } expected "auto, json or pretty"
}

/// Filter directives that were checked to be readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// Warnings and errors only.
    pub fn warnings() -> Self {
        Self("warn".to_owned())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for LogLevel {
    const EXPECTED: &'static str = "a level such as info, or directives such as info,server=debug";

    fn read(text: &str) -> Option<Self> {
        let readable = !text.is_empty() && tracing_subscriber::EnvFilter::try_new(text).is_ok();
        readable.then(|| Self(text.to_owned()))
    }
}
