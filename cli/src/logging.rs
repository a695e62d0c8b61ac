//! Structured logs on stderr.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::args::{LogArgs, LogFormat};

/// Starts logging as the flags say, and where they say nothing, at `level`.
///
/// # Errors
/// A filter that can't be read, in words.
pub(crate) fn start(args: &LogArgs, level: &str) -> Result<(), String> {
    let text = args.log_level.as_deref().unwrap_or(level);
    let filter = EnvFilter::try_new(text).map_err(|e| format!("--log-level {text:?}: {e}"))?;
    // A reader of the log that has gone away must not end the daemon: so no word about it.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let builder = builder.with_writer(io::stderr);
    let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let colour = colour && io::stderr().is_terminal();
    match args.log_format.unwrap_or(LogFormat::Text) {
        LogFormat::Text => builder.with_ansi(colour).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|e| e.to_string())
}
