//! Building a database anew from its records.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use indelible_core::hash::Digest;

use super::findings::{Finding, Findings, Nature};
use super::heads;
use super::ledger::Row;
use super::walk::{Log, Sink, walk};
use crate::rows::CommitNumber;
use crate::rows::id::IdRow;
use crate::rows::kind::KindRow;
use crate::rows::meta::{IdentityRow, StateRow};
use crate::store::{Batch, Read, Scan, Space, Store, StoreError};

/// The spaces that a database is rebuilt from. They are copied byte for byte; of `m` only who and how far
/// the engine is.
pub const TRUTH: [Space; 4] = [Space::Meta, Space::Heads, Space::Blocks, Space::Bodies];

/// Bytes of rows that are written together.
const BATCH_BYTES: usize = 8 << 20;

/// Why a database was not rebuilt. What was written so far is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The records, heads or state are damaged themselves; the findings say which.
    #[error("the records themselves are damaged, and nothing can be worked out from them")]
    Log(Findings),
    /// The new database cannot be written, or a copied space not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Records that were copied.
    pub records: u64,
    /// Rows that were written, by [`Space::index`].
    pub rows: [u64; Space::ALL.len()],
}

/// Writes into the empty store `to` what the records in `from` say must be there, and copies the records,
/// heads and state as they are. Of `from` only the spaces of [`TRUTH`] are read.
///
/// # Errors
/// [`RebuildError`].
pub fn rebuild(
    from: &dyn Read,
    to: &dyn Store,
    findings_max: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Rebuilt, RebuildError> {
    let mut writer = Writer {
        to,
        batch: Batch::new(),
        ids: BTreeMap::new(),
        rows: [0; Space::ALL.len()],
        findings: Findings::new(findings_max),
        failed: None,
        progress,
    };
    let log = walk(from, &mut writer);
    heads::check(from, &log, &mut writer.findings, &mut [0; Space::ALL.len()]);
    if log.dropped > 0 {
        writer.findings.add(Finding {
            space: Space::Bodies,
            ledger: String::new(),
            records: None,
            what: format!(
                "the bodies of {} records were dropped, so that the entries of their ids cannot be worked out",
                log.dropped
            ),
            nature: Nature::Log,
            unreadable: false,
        });
    }
    if !writer.findings.is_empty() {
        return Err(RebuildError::Log(writer.findings));
    }
    writer.truth(from, &log)?;
    writer.flush();
    match writer.failed {
        Some(error) => Err(error.into()),
        None => Ok(Rebuilt { records: log.records, rows: writer.rows }),
    }
}

struct Writer<'a> {
    to: &'a dyn Store,
    batch: Batch,
    /// Ids of the batch that is not written yet.
    ids: BTreeMap<Vec<u8>, Vec<u8>>,
    rows: [u64; Space::ALL.len()],
    findings: Findings,
    failed: Option<StoreError>,
    progress: &'a mut dyn FnMut(u64),
}

impl Writer<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) {
        if let Some(count) = self.rows.get_mut(space.index()) {
            *count += 1;
        }
        self.batch.put_owned(space, key, value.to_vec());
        if self.batch.payload_bytes() >= BATCH_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.to.commit(&self.batch).err();
        }
        self.batch.clear();
        self.ids.clear();
    }

    /// Copies what no record repeats.
    fn truth(&mut self, from: &dyn Read, log: &Log) -> Result<(), StoreError> {
        for key in [IdentityRow::KEY, StateRow::KEY] {
            if let Some(value) = from.get(Space::Meta, key)? {
                self.put(Space::Meta, key, &value);
            }
        }
        for kind in &log.kinds {
            self.put(Space::Meta, &kind.key(), KindRow::VALUE);
        }
        from.scan(&Scan::all(Space::Heads), &mut |key, value| {
            self.put(Space::Heads, key, value);
            ControlFlow::Continue(())
        })
    }

    /// One id must not name two records: the second would hide the first.
    fn check_id(&mut self, row: &Row, shown: &dyn Fn(u64) -> String) {
        let before = match self.ids.insert(row.key.clone(), row.value.clone()) {
            Some(before) => Some(before),
            None => self.to.get(Space::Ids, &row.key).unwrap_or_default(),
        };
        if let Some(Ok(first)) = before.map(|before| IdRow::decode(&before)) {
            self.findings.add(Finding {
                space: Space::Blocks,
                ledger: shown(row.ledger),
                records: row.records,
                what: format!("it has the id of record {}", first.seq),
                nature: Nature::Log,
                unreadable: false,
            });
        }
    }
}

impl Sink for Writer<'_> {
    fn truth(&mut self, space: Space, key: &[u8], value: &[u8]) {
        self.put(space, key, value);
    }

    fn rows(&mut self, rows: &mut Vec<Row>, shown: &dyn Fn(u64) -> String) {
        // An id of the server's form is found by its time, with a row or without.
        for row in rows.drain(..).filter(|row| !row.optional) {
            if row.space == Space::Ids {
                self.check_id(&row, shown);
            }
            self.put(row.space, &row.key, &row.value);
        }
    }

    fn wrong(&mut self, finding: Finding) {
        self.findings.add(finding);
    }

    fn stored_digest(&mut self, _: CommitNumber) -> Option<Digest> {
        None
    }

    fn at(&mut self, records: u64) {
        (self.progress)(records);
    }
}
