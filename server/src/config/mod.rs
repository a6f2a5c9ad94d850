//! The configuration: one TOML file, overridden by `INDELIBLE_<SECTION>_<KEY>` in the environment.
//!
//! [`KEYS`] is the only list of what can be set. Reading the file, reading the environment, the
//! explained example file and the answer to a misspelled key all come from it, so they cannot drift
//! apart. An unknown key is an error: a limit that was meant and misspelled would otherwise be a limit
//! that is not there.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indelible_core::name::ServerName;
use indelible_ledger::SignerName;
use indelible_ledger::folder::Access;
use toml::{Table, Value};

mod keys;
mod nearest;

pub use keys::{KEYS, Key};
pub use nearest::nearest;

/// Prefix of the environment variables that override the file.
pub const ENV_PREFIX: &str = "INDELIBLE_";

/// Address that is listened on unless another is configured. Loopback only, as there is no TLS.
pub const ADDRESS_DEFAULT: &str = "127.0.0.1:7412";

/// Time that opening a database may take unless another is configured. It takes less than a second even
/// for hundreds of gigabytes; a slow disk that has to replay the longest write log needs some.
pub const OPEN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);

/// Everything that can be set. Build it with [`Config::load`] or change fields of the default.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where connections are accepted.
    pub listen: Listen,
    /// The folder that holds everything the server must keep.
    pub data_dir: PathBuf,
    /// Who besides the owner may use what is in it.
    pub data_access: Access,
    /// Time that opening the database may take.
    pub open_timeout: Duration,
    /// Jump of the clock ahead, since the last record, beyond which appends are refused.
    pub clock_jump_max: Duration,
    /// The server's name in origins and key names; `None` takes the one of the first start.
    pub server_name: Option<ServerName>,
    /// Keys beside the one in the data folder, each a signer of its own with ledgers of its own: name and
    /// key file.
    pub signers: Vec<(SignerName, PathBuf)>,
    /// What one client, one request or one connection may use.
    pub limits: Limits,
    /// Archiving from inside the server.
    pub archive: Archive,
    /// What is logged and how.
    pub log: Log,
}

/// Section `listen`.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address and port. Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Whether an address that other machines can reach may be used although there is no TLS.
    pub allow_remote: bool,
    /// Whether `/metrics` answers without a token.
    pub metrics_public: bool,
}

/// Section `limits`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at the same time.
    pub connections_max: usize,
    /// Requests in flight on one HTTP/2 connection.
    pub streams_per_connection_max: u32,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
    /// Header fields of a request.
    pub headers_max: usize,
    /// Bytes of a body that is read as a whole (JSON). NDJSON has no total limit.
    pub body_bytes_max: usize,
    /// Events in one JSON array.
    pub batch_events_max: usize,
    /// Time to send a request's head.
    pub header_timeout: Duration,
    /// Time that a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// Time without a byte of a body, or of a begun NDJSON line, after which the client is cut off.
    pub body_stall_timeout: Duration,
    /// Bytes a second that a JSON body must keep up on average.
    pub body_rate_min: u64,
    /// Time without progress after which a client that takes no answer is cut off.
    pub write_stall_timeout: Duration,
    /// Time that an NDJSON request may be silent between lines.
    pub stream_idle_timeout: Duration,
    /// Time that running requests have to finish when the server stops.
    pub drain_timeout: Duration,
    /// Bytes of NDJSON results that are set aside on disk for one client that does not read.
    pub spool_bytes_max: u64,
    /// Reads that may use the store at the same time.
    pub reads_max: usize,
    /// Exports that may run at the same time.
    pub exports_max: usize,
    /// Event streams (SSE) that may be open at the same time.
    pub streams_max: usize,
    /// Events on one page of a listing.
    pub page_events_max: usize,
    /// Events waiting for the sequencer.
    pub queue_events_max: usize,
    /// Bytes of events waiting for the sequencer.
    pub queue_bytes_max: usize,
}

/// Section `archive`.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Folders in which vaults may be written on a client's request. `None` takes any folder while the
    /// server listens on loopback only, and none otherwise.
    pub dirs_allowed: Option<Vec<PathBuf>>,
    /// Who besides the owner may use vaults.
    pub vault_access: Access,
    /// The vault of the schedule; `None` archives on request only.
    pub vault: Option<PathBuf>,
    /// Time between two runs of the schedule; `None` archives on request only.
    pub schedule: Option<Duration>,
    /// Age of the first record that waits at which the schedule cuts a segment before it is whole;
    /// `None` takes the time between two runs.
    pub seal_after: Option<Duration>,
}

/// Section `log`.
#[derive(Debug, Clone)]
pub struct Log {
    /// A filter such as `info` or `indelible_server=debug,info`.
    pub level: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Archive {
    /// These settings with the folders settled for a server that listens on `address`.
    #[must_use]
    pub fn settled(&self, address: SocketAddr) -> Self {
        let mut settled = self.clone();
        if settled.dirs_allowed.is_none() && !address.ip().is_loopback() {
            settled.dirs_allowed = Some(Vec::new());
        }
        settled
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen {
                address: SocketAddr::from(([127, 0, 0, 1], 7412)),
                allow_remote: false,
                metrics_public: false,
            },
            data_dir: PathBuf::from("indelible-data"),
            data_access: Access::OWNER,
            open_timeout: OPEN_TIMEOUT_DEFAULT,
            clock_jump_max: Duration::from_secs(600),
            server_name: None,
            signers: Vec::new(),
            limits: Limits::default(),
            archive: Archive {
                dirs_allowed: None,
                vault_access: Access::OWNER,
                vault: None,
                schedule: None,
                seal_after: None,
            },
            log: Log { level: "info".into(), json: false },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            streams_per_connection_max: 128,
            header_bytes_max: 32 << 10,
            headers_max: 100,
            body_bytes_max: 32 << 20,
            batch_events_max: 2048,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_stall_timeout: Duration::from_secs(20),
            body_rate_min: 1024,
            write_stall_timeout: Duration::from_secs(30),
            stream_idle_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(8),
            spool_bytes_max: 8 << 30,
            reads_max: 32,
            exports_max: 4,
            streams_max: 1024,
            page_events_max: 1000,
            queue_events_max: 32_768,
            queue_bytes_max: 64 << 20,
        }
    }
}

/// Why a configuration was refused. Each text names the place and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{place} is not TOML: {reason}")]
    Syntax {
        /// The file.
        place: String,
        /// Line, column and reason.
        reason: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{}", suggest(.nearest))]
    UnknownKey {
        /// The file or variable.
        place: String,
        /// What stood there.
        key: String,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A value that its key cannot take.
    #[error("{place}: `{key}` {reason}")]
    Value {
        /// The file or variable.
        place: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        reason: String,
    },
    /// An address that others can reach, without leave.
    #[error(
        "refusing to listen on {0}: other machines can reach it and this server speaks no TLS, so tokens \
         and events would cross the network in the clear. Listen on 127.0.0.1 behind a TLS proxy, or set \
         `listen.allow_remote = true` (or --allow-remote) if the network itself is trusted"
    )]
    Remote(SocketAddr),
}

fn suggest(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

impl Config {
    /// The defaults, then `file` if there is one, then the environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file or variable, the key and what it must be.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
            config.apply_text(&text, &path.display().to_string())?;
        }
        config.apply_env(|name| std::env::var(name).ok())?;
        Ok(config)
    }

    /// Applies a TOML text; `place` names it in errors.
    ///
    /// # Errors
    /// [`ConfigError`] at the first thing that is wrong.
    pub fn apply_text(&mut self, text: &str, place: &str) -> Result<(), ConfigError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            place: place.to_owned(),
            reason: error.to_string(),
        })?;
        for (section, value) in &table {
            let Value::Table(keys) = value else {
                return Err(unknown(place, section));
            };
            if keys.is_empty() && !KEYS.iter().any(|key| section_of(key.path) == section) {
                return Err(unknown(place, section));
            }
            for (name, value) in keys {
                let path = format!("{section}.{name}");
                let key = KEYS.iter().find(|key| key.path == path);
                self.apply(key.ok_or_else(|| unknown(place, &path))?, value, place)?;
            }
        }
        Ok(())
    }

    /// Applies the variables that `lookup` knows. A list is written with commas.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the variable.
    pub fn apply_env(
        &mut self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        for key in KEYS {
            let name = key.env_name();
            let Some(text) = lookup(&name) else { continue };
            let value = env_value(key, &text);
            self.apply(key, &value, &format!("environment variable {name}"))?;
        }
        Ok(())
    }

    fn apply(&mut self, key: &Key, value: &Value, place: &str) -> Result<(), ConfigError> {
        (key.set)(self, value).map_err(|reason| ConfigError::Value {
            place: place.to_owned(),
            key: key.path,
            reason,
        })
    }

    /// Refuses what is allowed key by key but not together.
    ///
    /// # Errors
    /// [`ConfigError::Remote`] for a reachable address without leave.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.listen.address.ip().is_loopback() || self.listen.allow_remote {
            Ok(())
        } else {
            Err(ConfigError::Remote(self.listen.address))
        }
    }

    /// A configuration file with every key, its explanation and its default, all commented out.
    #[must_use]
    pub fn explained_default() -> String {
        let mut text = String::from(
            "# Configuration of `indelible serve`. Every key is optional and shown with its default.\n\
             # An environment variable overrides the file: listen.address is INDELIBLE_LISTEN_ADDRESS.\n",
        );
        let mut section = "";
        for key in KEYS {
            let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
            if of != section {
                section = of;
                let _ = write!(text, "\n[{section}]\n");
            }
            let default = if key.default.is_empty() { "\"\"" } else { key.default };
            let _ = write!(text, "# {}\n# {name} = {default}\n", key.doc);
        }
        text
    }
}

fn section_of(path: &str) -> &str {
    path.split_once('.').map_or(path, |(section, _)| section)
}

fn unknown(place: &str, key: &str) -> ConfigError {
    let nearest = nearest(key, KEYS.iter().map(|key| key.path));
    ConfigError::UnknownKey { place: place.to_owned(), key: key.to_owned(), nearest }
}

/// A variable holds a bare text; what it means depends on the key that it overrides.
fn env_value(key: &Key, text: &str) -> Value {
    if key.default.starts_with('[') {
        let items = text.split(',').filter(|item| !item.is_empty());
        return Value::Array(items.map(|item| Value::String(item.trim().to_owned())).collect());
    }
    match key.default.as_bytes().first() {
        Some(b't' | b'f') => text.parse().map(Value::Boolean).ok(),
        Some(b'0'..=b'9') => text.parse().map(Value::Integer).ok(),
        _ => None,
    }
    .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests;
