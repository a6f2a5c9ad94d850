//! Heads: checkpoints that the auditor saved earlier, and what became of them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::UncheckedCode;
use indelible_core::hash::NodeHash;
use indelible_core::key::Trust;
use indelible_core::limits::RECEIPT_FILE_BYTES_MAX;
use indelible_core::name::Origin;
use indelible_core::note::{from_file, without_byte_order_mark};

use crate::findings::{Finding, Unchecked};
use crate::receipt;

/// A file with a head as it was given: a checkpoint, or a receipt, whose checkpoint then counts.
#[derive(Debug, Clone)]
pub struct HeadFile {
    source: String,
    contents: Result<Vec<u8>, String>,
}

impl HeadFile {
    /// The bytes of a checkpoint or receipt that is spoken of as `source`.
    #[must_use]
    pub fn new(source: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { source: source.into(), contents: Ok(bytes.into()) }
    }

    /// Reads a file. One that the system does not give is something not checked, which the report says.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let mut bytes = Vec::new();
        let read = File::open(path)
            // What is longer comes one byte too long, and is refused then.
            .and_then(|file| file.take(RECEIPT_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
        let contents = read.map(|_| bytes).map_err(|error| error.to_string());
        Self { source: path.display().to_string(), contents }
    }

    /// What it is spoken of as.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The bytes, unless the system did not give them.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.contents.as_deref().ok()
    }
}

/// Why a head cannot be used.
#[derive(Debug)]
pub(crate) enum BadHead {
    Finding(Box<Finding>),
    Unchecked(Unchecked),
}

/// What became of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Waiting,
    /// The ledger contains it.
    Agrees,
    /// The ledger is another one.
    Contradicts,
}

/// A head that a trusted key signed.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) origin: Origin,
    pub(crate) size: u64,
    pub(crate) root: NodeHash,
    pub(crate) source: String,
    pub(crate) fate: Fate,
}

impl Head {
    /// Opens a head that was given.
    ///
    /// # Errors
    /// What to say where it cannot be used.
    pub(crate) fn open(file: &HeadFile, trust: &Trust) -> Result<Self, BadHead> {
        let source = file.source.clone();
        let bytes = match &file.contents {
            Ok(bytes) => bytes,
            Err(why) => {
                let what = format!("the head in {source}");
                return Err(BadHead::Unchecked(Unchecked::new(
                    UncheckedCode::Unreadable,
                    what,
                    why,
                )));
            }
        };
        let Checkpoint { origin, size, root } =
            checkpoint(bytes, trust).map_err(|bad| bad.of(&source))?;
        Ok(Self { origin, size, root, source, fate: Fate::Waiting })
    }

    /// That it could not be compared.
    pub(crate) fn not_compared(&self, why: impl Into<String>) -> Unchecked {
        let what = format!("the head in {}", self.source);
        Unchecked::new(UncheckedCode::HeadNotCompared, what, why).ledger(self.origin.ledger())
    }
}

fn checkpoint(bytes: &[u8], trust: &Trust) -> Result<Checkpoint, BadHead> {
    if without_byte_order_mark(bytes).trim_ascii_start().first() == Some(&b'{') {
        return receipt::checkpoint_of(bytes, trust);
    }
    Checkpoint::open_any(&from_file(bytes), trust).map_err(|error| {
        let what = format!("the head cannot be used: {error}");
        BadHead::Finding(Box::new(Finding::damage(error.code(), what)))
    })
}

impl BadHead {
    fn of(self, source: &str) -> Self {
        match self {
            Self::Finding(finding) => Self::Finding(Box::new(finding.file(source))),
            Self::Unchecked(unchecked) => {
                let what = format!("the head in {source}: {}", unchecked.what);
                Self::Unchecked(Unchecked::new(unchecked.code, what, unchecked.why))
            }
        }
    }
}
