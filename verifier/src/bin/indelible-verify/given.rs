//! What the auditor gives: keys and heads.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use indelible_core::code::{EXIT_UNCHECKED, EXIT_USAGE};
use indelible_core::key::Trust;
use indelible_core::limits::LINE_BYTES_MAX;
use indelible_verifier::keys::{self, GivenKeyError};

use crate::out::Stop;

/// Largest head in bytes: a receipt, which is larger than a checkpoint can be.
pub(crate) const HEAD_BYTES_MAX: usize = LINE_BYTES_MAX;

#[derive(Args)]
pub(crate) struct Keys {
    /// A key that you trust: a vkey, or a file with one in each line. May be given several times.
    #[arg(long, value_name = "VKEY_OR_FILE")]
    key: Vec<String>,
}

impl Keys {
    /// The keys that were given. Without any, nothing can be verified: whoever changes a ledger can also
    /// put another key beside it.
    pub(crate) fn trust(&self) -> Result<Trust, Stop> {
        if self.key.is_empty() {
            return Err(Stop(
                EXIT_USAGE,
                "no --key was given. Trust cannot come from the thing that is checked: whoever rewrites \
                 a ledger signs it anew with a key of his own. Get the operator's vkey (the file \
                 public.vkey) on another way and give it with --key"
                    .to_owned(),
            ));
        }
        let mut trust = Trust::new();
        for text in &self.key {
            keys::add_given(&mut trust, text).map_err(|error| {
                let unreadable = matches!(error, GivenKeyError::Unreadable { .. });
                let code = if unreadable { EXIT_UNCHECKED } else { EXIT_USAGE };
                Stop(code, format!("--key {error}"))
            })?;
        }
        Ok(trust)
    }
}

/// A small file; what is longer than it can be comes back one byte too long, and is refused then.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Stop::unreadable(path, &error))?;
    Ok(bytes)
}

/// Heads with the names under which they are spoken of.
pub(crate) fn heads(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Stop> {
    let one = |path: &PathBuf| Ok((path.display().to_string(), read(path, HEAD_BYTES_MAX)?));
    paths.iter().map(one).collect()
}
