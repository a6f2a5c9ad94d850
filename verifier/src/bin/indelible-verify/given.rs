//! What the auditor gives: keys and heads.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::{EXIT_UNCHECKED, EXIT_USAGE};
use indelible_core::key::Trust;
use indelible_core::note::{self, SignedNote};
use indelible_core::receipt::Receipt;
use indelible_verifier::keys::{self, GivenKeyError};
use indelible_verifier::render::HeadGiven;
use indelible_verifier::{HeadFile, inputs};

use crate::out::Stop;

#[derive(Args)]
pub(crate) struct Keys {
    /// A key that you trust: a vkey, or a file with one in each line. May be given several times.
    #[arg(long, value_name = "VKEY_OR_FILE")]
    key: Vec<String>,
    /// A file with the shared secret of a ledger whose records are signed with hmac-sha256. It proves
    /// nothing to others: whoever can check with it can sign with it. May be given several times.
    #[arg(long, value_name = "FILE")]
    hmac_key: Vec<PathBuf>,
}

impl Keys {
    /// The keys that were given. Without any, nothing can be verified: whoever changes a ledger can also
    /// put another key beside it.
    pub(crate) fn trust(&self) -> Result<Trust, Stop> {
        if self.key.is_empty() && self.hmac_key.is_empty() {
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
        for path in &self.hmac_key {
            keys::add_hmac_file(&mut trust, path).map_err(|error| {
                let unreadable = matches!(error, GivenKeyError::Unreadable { .. });
                let code = if unreadable { EXIT_UNCHECKED } else { EXIT_USAGE };
                Stop(code, format!("--hmac-key {error}"))
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

/// What a head says of itself, whoever signed it.
pub(crate) fn head_given(head: &HeadFile) -> HeadGiven {
    let bytes = head.bytes();
    let input = bytes.map(|bytes| inputs::of_bytes(head.source(), bytes));
    let checkpoint = bytes.and_then(said);
    HeadGiven {
        file: head.source().to_owned(),
        size: input.as_ref().and_then(|input| input.size),
        sha256: input.and_then(|input| input.sha256),
        origin: checkpoint.as_ref().map(|checkpoint| checkpoint.origin.to_string()),
        records: checkpoint.map(|checkpoint| checkpoint.size),
    }
}

fn said(bytes: &[u8]) -> Option<Checkpoint> {
    let receipt = bytes.contains(&b'{').then(|| Receipt::from_file(bytes).ok()).flatten();
    let file = match receipt {
        Some(receipt) => receipt.checkpoint.into_bytes(),
        None => note::from_file(bytes).into_owned(),
    };
    Checkpoint::parse(SignedNote::parse(&file).ok()?.text()).ok()
}
