//! Looking into a vault, an export, a segment or a receipt, without checking anything.
//!
//! Showing is not verifying: what comes from here is what the files say, whoever wrote them. No key is
//! asked for and no digest is computed. Evidence that was damaged can still be looked at this way: what
//! cannot be read is handed on as [`Seen::Damaged`], and reading goes on behind it.
//!
//! A source is read once from its beginning to its end, in blocks of whole lines; nothing grows with it.

mod file;
mod json;
mod lines;
mod select;
mod vault;

use std::io;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;

use indelible_core::name::LedgerName;
use indelible_core::record::RecordView;

pub use json::{indented, pointer};
pub use select::{Criteria, PathEquals, PathEqualsError, Pattern};

/// What is looked for. Whole files can be passed over by it; [`Criteria`] judge the records.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The ledgers; empty for all.
    pub ledgers: Vec<LedgerName>,
    /// Numbers of records; empty for all. Segments whose names say that they hold none of these are not
    /// opened.
    pub seqs: Vec<RangeInclusive<u64>>,
    /// Plain bytes that are read at most.
    pub bytes_max: u64,
}

impl Wanted {
    /// Everything there is.
    #[must_use]
    pub const fn all() -> Self {
        Self { ledgers: Vec::new(), seqs: Vec::new(), bytes_max: u64::MAX }
    }

    fn wants(&self, ledger: &str) -> bool {
        self.ledgers.is_empty() || self.ledgers.iter().any(|name| **name == *ledger)
    }

    fn wants_run(&self, first: u64, last: u64) -> bool {
        let overlaps = |seqs: &RangeInclusive<u64>| first <= *seqs.end() && last >= *seqs.start();
        self.seqs.is_empty() || self.seqs.iter().any(overlaps)
    }
}

/// A way through a source.
struct Walk<'a> {
    wanted: &'a Wanted,
    /// Plain bytes that may still be read.
    bytes_left: u64,
    each: &'a mut dyn FnMut(Seen<'_>) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn see(&mut self, seen: Seen<'_>) -> ControlFlow<()> {
        (self.each)(seen)
    }

    fn unread(&mut self, what: impl Into<String>, why: impl Into<String>) -> ControlFlow<()> {
        self.see(Seen::Unread { what: what.into(), why: why.into() })
    }
}

/// A record that could be read.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The record.
    pub record: RecordView<'a>,
    /// The digest that is stated beside it, in hex.
    pub digest: &'a str,
    /// The id of the key that is said to have signed it; absent where it carries no signature.
    pub signed_by: Option<&'a str>,
    /// The number that the record should have in this place.
    pub due: u64,
}

/// What was met, in the order of the source.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A record.
    Record(Entry<'a>),
    /// A line that is none.
    Damaged {
        /// The ledger that it should be of, as folder or header says; empty where nothing does.
        ledger: &'a str,
        /// The number that a record should have in this place.
        due: u64,
        /// Its bytes; bounded by the limit for a line.
        bytes: &'a [u8],
        /// What is wrong with it.
        why: String,
    },
    /// Something that could not be read at all, or not further.
    Unread {
        /// A file or folder.
        what: String,
        /// Why.
        why: String,
    },
}

/// Calls `each` with everything in a source until it breaks off.
///
/// # Errors
/// When the source itself cannot be opened, or is none of those that can be looked into. What cannot be
/// read within it is a [`Seen::Unread`].
pub fn walk(
    path: &Path,
    wanted: &Wanted,
    each: &mut dyn FnMut(Seen<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut walk = Walk { wanted, bytes_left: wanted.bytes_max, each };
    // Whether it was broken off is known to whoever did it.
    let _ = if std::fs::metadata(path)?.is_dir() {
        vault::walk(path, &mut walk)?
    } else {
        file::walk(path, &mut walk)?
    };
    Ok(())
}
