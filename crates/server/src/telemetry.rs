//! Logs: JSON, or pretty on a terminal.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{Log, LogFormat};

/// Begins logging to standard error. Later calls in one process change nothing.
pub fn init(log: &Log) {
    let filter = EnvFilter::new(log.level.as_str());
    let pretty = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let result = if pretty {
        registry
            .with(
                fmt::layer()
                    .compact()
                    .with_target(false)
                    .with_writer(std::io::stderr),
            )
            .try_init()
    } else {
        let json = fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false);
        registry.with(json.with_writer(std::io::stderr)).try_init()
    };
    // Only tests start several servers in one process.
    drop(result);
}
