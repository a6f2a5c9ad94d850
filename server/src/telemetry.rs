//! Logs to stderr: text for people, JSON for collectors.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::Log;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not a filter.
    #[error("`log.level` is not a filter such as info or indelible_server=debug,info: {0}")]
    Filter(String),
}

/// Installs the logger for the whole process. A logger that is there already stays: in tests many
/// servers share one process.
///
/// # Errors
/// [`TelemetryError::Filter`] for a level that cannot be parsed.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| TelemetryError::Filter(error.to_string()))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let ansi = std::io::stderr().is_terminal();
    let _ = if log.json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_ansi(ansi).with_target(false).try_init()
    };
    Ok(())
}
