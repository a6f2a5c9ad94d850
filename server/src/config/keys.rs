//! Every key that can be set: where it stands, what it means, what it takes. Reading, overriding,
//! explaining and suggesting all go through [`KEYS`].

use std::path::PathBuf;
use std::time::Duration;

use indelible_core::name::ServerName;
use indelible_ledger::SignerName;
use indelible_ledger::folder::Access;
use toml::Value;

use super::{Config, ENV_PREFIX};

type Set = fn(&mut Config, &Value) -> Result<(), String>;

/// One key of the configuration.
pub struct Key {
    /// `section.key`.
    pub path: &'static str,
    /// What it does, with units; one line.
    pub doc: &'static str,
    /// The default as TOML; empty where there is none.
    pub default: &'static str,
    pub(super) set: Set,
}

impl Key {
    /// The environment variable that overrides this key: `INDELIBLE_LISTEN_ADDRESS`.
    #[must_use]
    pub fn env_name(&self) -> String {
        format!("{ENV_PREFIX}{}", self.path.replace('.', "_").to_uppercase())
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a text in quotes".to_owned())
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

fn integer(value: &Value, min: u64, max: u64) -> Result<u64, String> {
    value
        .as_integer()
        .and_then(|number| u64::try_from(number).ok())
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("must be an integer from {min} to {max}"))
}

fn size(value: &Value, min: u64, max: u64) -> Result<usize, String> {
    usize::try_from(integer(value, min, max)?)
        .map_err(|_| "is too large for this machine".to_owned())
}

fn seconds(value: &Value) -> Result<Duration, String> {
    integer(value, 1, 86_400).map(Duration::from_secs)
}

fn paths(value: &Value) -> Result<Vec<PathBuf>, String> {
    let list = value.as_array().ok_or_else(|| "must be a list of folders".to_owned())?;
    list.iter().map(|item| text(item).map(PathBuf::from)).collect()
}

fn signers(value: &Value) -> Result<Vec<(SignerName, PathBuf)>, String> {
    let list = value.as_array().ok_or_else(|| "must be a list of NAME=KEY FILE".to_owned())?;
    let one = |item: &Value| {
        let (name, file) = text(item)?
            .split_once('=')
            .ok_or_else(|| "must be a list of NAME=KEY FILE".to_owned())?;
        let name = SignerName::new(name).map_err(|error| format!("is refused: {error}"))?;
        Ok((name, PathBuf::from(file)))
    };
    list.iter().map(one).collect()
}

fn optional_path(value: &Value) -> Result<Option<PathBuf>, String> {
    text(value).map(|text| (!text.is_empty()).then(|| PathBuf::from(text)))
}

/// The mode of a folder as people write it, `"0750"`; a number would be read as decimal.
fn access(value: &Value) -> Result<Access, String> {
    u32::from_str_radix(text(value)?, 8).ok().and_then(Access::new).ok_or_else(|| {
        "must be a folder's mode between 0700 and 0775 in quotes, such as \"0750\"".to_owned()
    })
}

/// Every key there is.
pub const KEYS: &[Key] = &[
    Key {
        path: "listen.address",
        doc: "Address and port. Anything but loopback needs listen.allow_remote, as there is no TLS.",
        default: "\"127.0.0.1:7412\"",
        set: |config, value| {
            config.listen.address = text(value)?
                .parse()
                .map_err(|_| "must be an address with a port, such as 127.0.0.1:7412".to_owned())?;
            Ok(())
        },
    },
    Key {
        path: "listen.allow_remote",
        doc: "Allow an address that other machines can reach. Tokens then cross the network in the clear.",
        default: "false",
        set: |config, value| flag(value).map(|v| config.listen.allow_remote = v),
    },
    Key {
        path: "listen.metrics_public",
        doc: "Answer /metrics without a token. It names the ledgers.",
        default: "false",
        set: |config, value| flag(value).map(|v| config.listen.metrics_public = v),
    },
    Key {
        path: "data.dir",
        doc: "The folder that holds database, signing key and tokens. Created on the first start.",
        default: "\"indelible-data\"",
        set: |config, value| text(value).map(|v| config.data_dir = PathBuf::from(v)),
    },
    Key {
        path: "data.mode",
        doc: "Mode of the data folder: 0750 lets a group read, files then have 0640. One that is open to others than this says is refused.",
        default: "\"0700\"",
        set: |config, value| access(value).map(|v| config.data_access = v),
    },
    Key {
        path: "data.open_timeout",
        doc: "Seconds that opening the database may take. It takes less than one, unless its files are damaged: then RocksDB may never end, and the start is given up.",
        default: "120",
        set: |config, value| seconds(value).map(|v| config.open_timeout = v),
    },
    Key {
        path: "clock.jump_max",
        doc: "Seconds that the clock may jump ahead since the last record. Beyond them appends are refused until it is back or an operator accepts it (indelible clock accept).",
        default: "600",
        set: |config, value| seconds(value).map(|v| config.clock_jump_max = v),
    },
    Key {
        path: "server.name",
        doc: "The server's name in every checkpoint and key, such as ledger.example.com. Fixed by the first start (default then: localhost).",
        default: "",
        set: |config, value| {
            let name =
                ServerName::new(text(value)?).map_err(|error| format!("is refused: {error}"))?;
            config.server_name = Some(name);
            Ok(())
        },
    },
    Key {
        path: "signing.keys",
        doc: "Further signers, each with ledgers of its own (indelible ledger create --signer NAME), as \"NAME=KEY FILE\". The key in the data folder signs all others and is called default. One that fails holds up its own ledgers only.",
        default: "[]",
        set: |config, value| signers(value).map(|v| config.signers = v),
    },
    Key {
        path: "limits.connections_max",
        doc: "Connections open at the same time. One more ends the one that has been idle longest, and is answered 503 when none is. Fewer where the system allows fewer open files.",
        default: "4096",
        set: |config, value| size(value, 1, 1 << 20).map(|v| config.limits.connections_max = v),
    },
    Key {
        path: "limits.streams_per_connection_max",
        doc: "Requests in flight on one HTTP/2 connection.",
        default: "128",
        set: |config, value| {
            config.limits.streams_per_connection_max =
                u32::try_from(integer(value, 1, 65_536)?).unwrap_or(u32::MAX);
            Ok(())
        },
    },
    Key {
        path: "limits.header_bytes_max",
        doc: "Bytes of a request's head.",
        default: "32768",
        set: |config, value| size(value, 8192, 1 << 20).map(|v| config.limits.header_bytes_max = v),
    },
    Key {
        path: "limits.headers_max",
        doc: "Header fields of a request.",
        default: "100",
        set: |config, value| size(value, 16, 1024).map(|v| config.limits.headers_max = v),
    },
    Key {
        path: "limits.body_bytes_max",
        doc: "Bytes of a JSON body. NDJSON has no total limit, only one for a line.",
        default: "33554432",
        set: |config, value| size(value, 1024, 1 << 30).map(|v| config.limits.body_bytes_max = v),
    },
    Key {
        path: "limits.batch_events_max",
        doc: "Events in one JSON array, and in one commit.",
        default: "2048",
        set: |config, value| size(value, 1, 1 << 20).map(|v| config.limits.batch_events_max = v),
    },
    Key {
        path: "limits.header_timeout_seconds",
        doc: "Time to send a request's head.",
        default: "10",
        set: |config, value| seconds(value).map(|v| config.limits.header_timeout = v),
    },
    Key {
        path: "limits.idle_timeout_seconds",
        doc: "Time that a connection may stay open without a request.",
        default: "75",
        set: |config, value| seconds(value).map(|v| config.limits.idle_timeout = v),
    },
    Key {
        path: "limits.body_stall_timeout_seconds",
        doc: "Time without a byte of a body, or of a begun NDJSON line, after which a client is cut off.",
        default: "20",
        set: |config, value| seconds(value).map(|v| config.limits.body_stall_timeout = v),
    },
    Key {
        path: "limits.body_rate_min",
        doc: "Bytes a second that a JSON body must keep up on average.",
        default: "1024",
        set: |config, value| integer(value, 1, 1 << 30).map(|v| config.limits.body_rate_min = v),
    },
    Key {
        path: "limits.write_stall_timeout_seconds",
        doc: "Time without progress after which a client that takes no answer is cut off.",
        default: "30",
        set: |config, value| seconds(value).map(|v| config.limits.write_stall_timeout = v),
    },
    Key {
        path: "limits.stream_idle_timeout_seconds",
        doc: "Time that an NDJSON request may be silent between lines.",
        default: "300",
        set: |config, value| seconds(value).map(|v| config.limits.stream_idle_timeout = v),
    },
    Key {
        path: "limits.drain_timeout_seconds",
        doc: "Time that running requests have to finish when the server stops. Shorter than what comes after it: Docker kills after 10 seconds, Kubernetes after 30, and the database is closed last.",
        default: "8",
        set: |config, value| seconds(value).map(|v| config.limits.drain_timeout = v),
    },
    Key {
        path: "limits.spool_bytes_max",
        doc: "Bytes of NDJSON results set aside on disk for one client that sends without reading; 8 GiB are about 30 million results.",
        default: "8589934592",
        set: |config, value| {
            integer(value, 1 << 20, 1 << 50).map(|v| config.limits.spool_bytes_max = v)
        },
    },
    Key {
        path: "limits.reads_max",
        doc: "Reads that may use the store at the same time; others wait.",
        default: "32",
        set: |config, value| size(value, 1, 512).map(|v| config.limits.reads_max = v),
    },
    Key {
        path: "limits.exports_max",
        doc: "Exports and NDJSON listings that may run at the same time; one more is answered 503.",
        default: "4",
        set: |config, value| size(value, 1, 256).map(|v| config.limits.exports_max = v),
    },
    Key {
        path: "limits.streams_max",
        doc: "Event streams (SSE) that may be open at the same time; one more is answered 503.",
        default: "1024",
        set: |config, value| size(value, 1, 1 << 20).map(|v| config.limits.streams_max = v),
    },
    Key {
        path: "limits.page_events_max",
        doc: "Events on one page of a listing.",
        default: "1000",
        set: |config, value| size(value, 1, 100_000).map(|v| config.limits.page_events_max = v),
    },
    Key {
        path: "limits.queue_events_max",
        doc: "Events that may wait for the sequencer before clients are told to come back later.",
        default: "32768",
        set: |config, value| size(value, 1, 1 << 24).map(|v| config.limits.queue_events_max = v),
    },
    Key {
        path: "limits.queue_bytes_max",
        doc: "Bytes of events that may wait for the sequencer.",
        default: "67108864",
        set: |config, value| {
            size(value, 2 << 20, 1 << 36).map(|v| config.limits.queue_bytes_max = v)
        },
    },
    Key {
        path: "archive.dirs",
        doc: "Folders in which an archive request may write its vault. Empty: any while listening on loopback only, else none.",
        default: "[]",
        set: |config, value| {
            paths(value).map(|v| config.archive.dirs_allowed = (!v.is_empty()).then_some(v))
        },
    },
    Key {
        path: "archive.vault_mode",
        doc: "Mode of vaults and their folders: 0750 lets a group of readers in, files then have 0440. One that is open to others than this says is refused.",
        default: "\"0700\"",
        set: |config, value| access(value).map(|v| config.archive.vault_access = v),
    },
    Key {
        path: "archive.vault",
        doc: "The vault that the schedule writes to.",
        default: "\"\"",
        set: |config, value| optional_path(value).map(|v| config.archive.vault = v),
    },
    Key {
        path: "archive.schedule_seconds",
        doc: "Time between two runs of the schedule; 0 archives on request only.",
        default: "0",
        set: |config, value| {
            let every = integer(value, 0, 31 * 86_400)?;
            config.archive.schedule = (every > 0).then(|| Duration::from_secs(every));
            Ok(())
        },
    },
    Key {
        path: "archive.seal_after_seconds",
        doc: "Age of the first waiting record at which the schedule cuts a segment before it is whole (65,536 records); 0: the schedule's interval.",
        default: "0",
        set: |config, value| {
            let age = integer(value, 0, 366 * 86_400)?;
            config.archive.seal_after = (age > 0).then(|| Duration::from_secs(age));
            Ok(())
        },
    },
    Key {
        path: "log.level",
        doc: "error, warn, info, debug or trace, also for parts: \"indelible_server=debug,info\".",
        default: "\"info\"",
        set: |config, value| text(value).map(|v| config.log.level = v.to_owned()),
    },
    Key {
        path: "log.format",
        doc: "text, or json for one object a line. Both go to stderr.",
        default: "\"text\"",
        set: |config, value| match text(value)? {
            "text" => {
                config.log.json = false;
                Ok(())
            }
            "json" => {
                config.log.json = true;
                Ok(())
            }
            _ => Err("must be \"text\" or \"json\"".to_owned()),
        },
    },
];
