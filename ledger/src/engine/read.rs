//! Reading. Whatever is read here is durable and stays as it is.

use std::ops::Bound;
use std::sync::Arc;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::hash::NodeHash;
use indelible_core::key::RecordSignature;
use indelible_core::merkle::{BuildError, CompactRange, consistency, empty_root, inclusion};
use indelible_core::name::{EventId, LedgerName, Seq};
use indelible_core::note;
use indelible_core::receipt::{Receipt, Signed};
use indelible_core::time::Timestamp;
use tokio::sync::watch;

use super::Engine;
use super::entry::{Head, LedgerEntry};
use super::ids;
use super::lookup;
use super::nodes::StoredNodes;
use super::records::{self, corrupt};
use super::signing::sign_note;
use crate::api::{Direction, LedgerInfo, SignedCheckpoint, StoredRecord};
use crate::error::ReadError;
use crate::rows::LedgerNumber;
use crate::rows::ledger;
use crate::signer::SignError;
use crate::store::{Direction as ScanDirection, Read, Scan, Space};

/// What a read of one ledger needs: the store, and how far the ledger is durable.
struct At {
    store: Arc<dyn Read + Send + Sync>,
    entry: Arc<LedgerEntry>,
    head: Arc<Head>,
}

impl At {
    fn number(&self) -> LedgerNumber {
        LedgerNumber(self.entry.number)
    }

    /// The durable tree's nodes.
    fn nodes(&self) -> StoredNodes<'_> {
        StoredNodes::new(&*self.store, self.number(), self.head.size())
            .with_partial_tile(&self.entry.partial_tile)
    }

    fn check_size(&self, size: u64) -> Result<(), ReadError> {
        if size <= self.head.size() {
            Ok(())
        } else {
            Err(ReadError::OutOfRange { asked: size, size: self.head.size() })
        }
    }

    /// Why a record with this signature, or without one, can be believed.
    fn signed(&self, signature: Option<RecordSignature>) -> Result<Signed, ReadError> {
        if let Some(signature) = signature {
            return Ok(Signed::Own(signature));
        }
        if let Some(creation) = self.entry.signed_creation() {
            return Ok(Signed::clone(creation));
        }
        let creation = creation_of(&*self.store, self.number(), &self.entry.name)?;
        Ok(Signed::clone(self.entry.keep_signed_creation(creation)))
    }

    fn root_at(&self, size: u64) -> Result<NodeHash, ReadError> {
        self.check_size(size)?;
        match size {
            0 => Ok(empty_root()),
            size if size == self.head.size() => Ok(self.head.root()),
            size => CompactRange::load(0, size, &self.nodes())?
                .root()
                .ok_or_else(|| corrupt("a range from leaf 0 has no root")),
        }
    }
}

fn proof_error(error: BuildError<ReadError>) -> ReadError {
    match error {
        BuildError::OutOfRange { of, size } | BuildError::TooLong { of, size } => {
            ReadError::OutOfRange { asked: of, size }
        }
        BuildError::Source(error) => error,
    }
}

impl Engine {
    fn at(&self, ledger: &LedgerName) -> Result<At, ReadError> {
        let shared = &self.inner.shared;
        let entry = lookup::entry(shared, ledger)?;
        let head = lookup::head(shared, &entry)?;
        // After the head: the store has at least what the head says.
        Ok(At { store: shared.store.reading()?, entry, head })
    }

    /// A ledger as of its last durable commit.
    ///
    /// # Errors
    /// [`ReadError::NotFound`].
    pub fn ledger(&self, name: &LedgerName) -> Result<LedgerInfo, ReadError> {
        let at = self.at(name)?;
        Ok(at.entry.info(&at.head))
    }

    /// Ledgers by name, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn ledgers(
        &self,
        after: Option<&LedgerName>,
        limit: usize,
    ) -> Result<Vec<LedgerInfo>, ReadError> {
        self.ledgers_with_prefix("", after, limit)
    }

    /// Ledgers whose names begin with `prefix`, by name, those after `after`, at most `limit`. Others are
    /// not read.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn ledgers_with_prefix(
        &self,
        prefix: &str,
        after: Option<&LedgerName>,
        limit: usize,
    ) -> Result<Vec<LedgerInfo>, ReadError> {
        let shared = &self.inner.shared;
        let store = shared.store.reading()?;
        let from = match after {
            Some(name) if **name >= *prefix => Bound::Excluded(ledger::key(name)),
            _ => Bound::Included(prefix.as_bytes()),
        };
        // No name has a byte as high as this.
        let end = [prefix.as_bytes(), &[0xff]].concat();
        let to = Bound::Excluded(&*end);
        let scan =
            Scan { from, to, direction: ScanDirection::Forward, ..Scan::all(Space::Ledgers) };
        let rows = store.rows(&scan.take(limit))?;
        rows.iter()
            .map(|(key, value)| {
                let damaged = |error: crate::rows::RowError| corrupt(&error.to_string());
                let name = ledger::parse_key(key).map_err(damaged)?;
                // A list does not push other ledgers out of memory.
                let entry = match shared.ledgers.get(&name) {
                    Some(entry) => entry,
                    None => {
                        let row = ledger::LedgerRow::decode(value).map_err(damaged)?;
                        Arc::new(LedgerEntry::new(lookup::settings(&name, &row)?))
                    }
                };
                let head = entry.head().map_or_else(|| lookup::load_head(&*store, &entry), Ok)?;
                Ok(entry.info(&head))
            })
            .collect()
    }

    /// The record at `seq`; `None` beyond the durable end.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&self, ledger: &LedgerName, seq: Seq) -> Result<Option<StoredRecord>, ReadError> {
        let at = self.at(ledger)?;
        if seq.get() >= at.head.size() {
            return Ok(None);
        }
        let record = records::get(&*at.store, at.number(), seq)?;
        record.map(Some).ok_or_else(|| corrupt(&format!("record {seq} of '{ledger}' is missing")))
    }

    /// Durable records from `from` on (included): ascending, or descending. Ends after `records_max`
    /// records, or before `bytes_max` bytes of records would be exceeded; at least one is returned where
    /// there is one. A backward read from beyond the end begins with the last record.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn range(
        &self,
        ledger: &LedgerName,
        from: Seq,
        direction: Direction,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, ReadError> {
        let at = self.at(ledger)?;
        let size = at.head.size();
        let last = Seq::new(size.saturating_sub(1)).unwrap_or(from);
        let from = if direction == Direction::Backward { from.min(last) } else { from };
        records::range(&*at.store, at.number(), from, direction, (records_max, bytes_max), size)
    }

    /// Where the record with this id is, whether a client or the engine made the id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn find_id(&self, ledger: &LedgerName, id: &EventId) -> Result<Option<Seq>, ReadError> {
        let at = self.at(ledger)?;
        ids::find_id(&*at.store, at.number(), id, at.head.size())
    }

    /// The first record whose time is not before `time`; `None` when all are before.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn first_at_or_after(
        &self,
        ledger: &LedgerName,
        time: Timestamp,
    ) -> Result<Option<Seq>, ReadError> {
        let at = self.at(ledger)?;
        records::first_at_or_after(&*at.store, at.number(), time, at.head.size())
    }

    /// The latest durable checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn checkpoint(&self, ledger: &LedgerName) -> Result<Arc<SignedCheckpoint>, ReadError> {
        Ok(Arc::clone(&self.at(ledger)?.head.checkpoint))
    }

    /// The receipt of a record under the latest checkpoint; `None` beyond the durable end.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn receipt(&self, ledger: &LedgerName, seq: Seq) -> Result<Option<Receipt>, ReadError> {
        let at = self.at(ledger)?;
        if seq.get() >= at.head.size() {
            return Ok(None);
        }
        let Some(record) = records::get(&*at.store, at.number(), seq)? else {
            return Err(corrupt(&format!("record {seq} of '{ledger}' is missing")));
        };
        let proof =
            inclusion::build(seq.get(), at.head.size(), &at.nodes()).map_err(proof_error)?;
        Ok(Some(Receipt {
            record: record.record.to_vec(),
            prev: record.prev,
            digest: record.digest,
            signed: at.signed(record.signature)?,
            proof,
            checkpoint: at.head.checkpoint.note.clone(),
        }))
    }

    /// The proof that record `seq` is in the tree of `size` leaves, RFC 6962 section 2.1.1.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] when the tree is larger than the durable one, or has no such leaf.
    pub fn inclusion_proof(
        &self,
        ledger: &LedgerName,
        seq: Seq,
        size: u64,
    ) -> Result<Vec<NodeHash>, ReadError> {
        let at = self.at(ledger)?;
        at.check_size(size)?;
        inclusion::build(seq.get(), size, &at.nodes()).map_err(proof_error)
    }

    /// The proof that the tree of `to` leaves continues the one of `from`, RFC 6962 section 2.1.2.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] when `to` is beyond the durable size, [`ReadError::OutOfOrder`] when
    /// `from` is beyond `to`.
    pub fn consistency_proof(
        &self,
        ledger: &LedgerName,
        from: u64,
        to: u64,
    ) -> Result<Vec<NodeHash>, ReadError> {
        let at = self.at(ledger)?;
        at.check_size(to)?;
        if from > to {
            return Err(ReadError::OutOfOrder { from, to });
        }
        consistency::build(from, to, &at.nodes()).map_err(proof_error)
    }

    /// The root of the tree over the first `size` records.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] beyond the durable size.
    pub fn root_at(&self, ledger: &LedgerName, size: u64) -> Result<NodeHash, ReadError> {
        self.at(ledger)?.root_at(size)
    }

    /// The roots of the largest perfect subtrees that cover leaves `begin` to `end` (not included), from
    /// left to right.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] beyond the durable size, [`ReadError::OutOfOrder`] when the bounds
    /// cross.
    pub fn subtrees(
        &self,
        ledger: &LedgerName,
        begin: u64,
        end: u64,
    ) -> Result<Vec<NodeHash>, ReadError> {
        let at = self.at(ledger)?;
        at.check_size(end)?;
        if begin > end {
            return Err(ReadError::OutOfOrder { from: begin, to: end });
        }
        Ok(CompactRange::load(begin, end, &at.nodes())?.into_subtrees())
    }

    /// A checkpoint of exactly the first `size` records, signed now.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] beyond the durable size, [`ReadError::Signing`].
    pub async fn checkpoint_at(
        &self,
        ledger: &LedgerName,
        size: u64,
    ) -> Result<SignedCheckpoint, ReadError> {
        let (entry, checkpoint, known) = {
            let at = self.at(ledger)?;
            let (origin, root) = (at.entry.origin.clone(), at.root_at(size)?);
            let known = (size == at.head.size()).then(|| (*at.head.checkpoint).clone());
            (Arc::clone(&at.entry), Checkpoint { origin, size, root }, known)
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let note = self.sign_text(&entry, &checkpoint.body()).await?;
        Ok(SignedCheckpoint { checkpoint, note })
    }

    /// Signs a text under the ledger's origin and returns the whole note: for manifests.
    ///
    /// # Errors
    /// [`ReadError::NotSignable`] for a text that could be taken for a checkpoint of this or another
    /// ledger, or that no note can carry.
    pub async fn sign_note(&self, ledger: &LedgerName, text: &str) -> Result<String, ReadError> {
        let entry = lookup::entry(&self.inner.shared, ledger)?;
        if !note::is_text(text) || may_be_checkpoint(text) {
            return Err(ReadError::NotSignable);
        }
        self.sign_text(&entry, text).await
    }

    /// Signs a text with the ledger's own signer.
    async fn sign_text(&self, entry: &LedgerEntry, text: &str) -> Result<String, ReadError> {
        let nobody = || SignError::Refused("no signer of this server has the ledger's key".into());
        let lane = self.inner.shared.lanes.of(entry.keys.current()).ok_or_else(nobody)?;
        let signature = sign_note(lane, text).await?;
        let line = note::signature_line(&entry.origin, &lane.keys.note, &signature);
        Ok(note::assemble(text, &line))
    }

    /// The ledger's durable size, and every change of it.
    ///
    /// # Errors
    /// [`ReadError::NotFound`].
    pub fn watch(&self, ledger: &LedgerName) -> Result<watch::Receiver<u64>, ReadError> {
        let at = self.at(ledger)?;
        Ok(at.entry.watch())
    }
}

/// Whether some reader could take the text for a checkpoint (C2SP tlog-checkpoint): an origin, a size, a
/// root. Texts of ours begin with words and a space, which an origin never has; a second line of digits
/// is refused whatever stands before it.
fn may_be_checkpoint(text: &str) -> bool {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let second = lines.next().unwrap_or_default();
    !first.contains(' ') || second.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands in the receipt of a record that is not signed itself: record 0, whose signature is over the
/// rules that say so.
fn creation_of(
    store: &dyn crate::store::Read,
    number: LedgerNumber,
    ledger: &LedgerName,
) -> Result<Signed, ReadError> {
    let first = records::get(store, number, Seq::ZERO)?;
    let first = first.ok_or_else(|| corrupt(&format!("record 0 of '{ledger}' is missing")))?;
    let signature =
        first.signature.ok_or_else(|| corrupt(&format!("record 0 of '{ledger}' is not signed")))?;
    Ok(Signed::Creation { record: first.record.to_vec(), signature })
}
