//! Reading records out of the database while a server is writing it.
//!
//! Only rows are read here (`docs/STORAGE.md`), none of the engine is used: what the engine
//! believes about its data is not evidence. The database may be damaged or made up; whatever is fed to
//! the verifier is checked there.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use indelible_core::key::{KeyId, RecordSignature, Signature};
use indelible_core::name::{LedgerName, Seq};
use indelible_core::system::Creation;
use indelible_core::time::Timestamp;
use indelible_ledger::derived::{self, Checked};
use indelible_ledger::folder::{self, DataFolder, HeadFile};
use indelible_ledger::rows::block::{self, Block};
use indelible_ledger::rows::commit;
use indelible_ledger::rows::head::{self, HeadRow};
use indelible_ledger::rows::index::{self, IndexRow};
use indelible_ledger::rows::ledger::{self, LedgerRow};
use indelible_ledger::rows::meta::StateRow;
use indelible_ledger::store::rocks::{RocksBeside, RocksConfig};
use indelible_ledger::store::{Read, Scan, Space};
use indelible_verifier::{Chunk, Progress as _, Verifier};

use super::progress::Bar;
use crate::opening;

/// No ledger of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no ledger {0}")]
pub(in crate::cli) struct NoSuchLedger(LedgerName);

/// The state of a database at the moment of opening.
pub(in crate::cli) struct Database {
    store: RocksBeside,
    /// How far the database must be, as the file outside of it says.
    head: Option<HeadFile>,
}

impl Database {
    pub(in crate::cli) fn open(dir: &Path, timeout: Duration) -> anyhow::Result<Self> {
        DataFolder::check(dir)?;
        // Before the database: the server goes on writing, so that the file may only be older.
        let head = folder::read_head(dir)?;
        let mut config = RocksConfig::new(folder::database(dir));
        if matches!(DataFolder::is_in_use(dir), Ok(false)) {
            config.tries_max = 1;
        }
        let step = config.opening.clone();
        let store = opening::within(timeout, &step, move || RocksBeside::open(&config))?
            .with_context(|| format!("cannot read the database in {}", dir.display()))?;
        Ok(Self { store, head })
    }

    /// What is wrong when the database is not the one that the head file speaks of: an older copy was
    /// put back, or another one.
    pub(in crate::cli) fn set_back(&self) -> anyhow::Result<Option<String>> {
        set_back(&self.store, self.head)
    }

    /// Holds every row against the records.
    pub(in crate::cli) fn check_rows(&self, findings_max: usize) -> Checked {
        let bar = Bar::new();
        let total = self.store.get(Space::Meta, StateRow::KEY).ok().flatten();
        let total = total.and_then(|row| StateRow::decode(&row).ok()).map_or(0, |row| row.records);
        bar.expect("rows", total);
        let mut before = 0;
        let checked = derived::check(&self.store, findings_max, &mut |records| {
            bar.advance(records - before);
            before = records;
        });
        bar.done();
        checked
    }

    /// How far the ledgers' times are ahead of `now`, the furthest first.
    pub(in crate::cli) fn ahead_of(
        &self,
        now: Timestamp,
    ) -> anyhow::Result<Vec<(LedgerName, Duration)>> {
        let mut ahead = Vec::new();
        for name in self.ledgers()? {
            let Some(row) = self.store.get(Space::Ledgers, ledger::key(&name))? else { continue };
            let number = LedgerRow::decode(&row)?.number;
            let Some(row) = self.store.get(Space::Heads, &head::key(number))? else { continue };
            let last = HeadRow::decode(&row)?.last_time;
            let by = Duration::from_micros(last.micros().saturating_sub(now.micros()));
            if !by.is_zero() {
                ahead.push((name, by));
            }
        }
        ahead.sort_by_key(|(_, by)| std::cmp::Reverse(*by));
        Ok(ahead)
    }

    /// The names of all ledgers.
    pub(in crate::cli) fn ledgers(&self) -> anyhow::Result<Vec<LedgerName>> {
        let rows = self.store.rows(&Scan::all(Space::Ledgers))?;
        Ok(rows.iter().map(|(key, _)| ledger::parse_key(key)).collect::<Result<_, _>>()?)
    }

    /// The keys that a ledger's record 0 names.
    pub(in crate::cli) fn keys(&self, name: &LedgerName) -> anyhow::Result<Vec<KeyId>> {
        let row = self.store.get(Space::Ledgers, ledger::key(name))?;
        let row = LedgerRow::decode(&row.ok_or_else(|| NoSuchLedger(name.clone()))?)?;
        let creation =
            Creation::parse(&row.creation).map_err(|error| anyhow!("{name}: {error}"))?;
        Ok(creation.keys)
    }

    /// Gives every record of a ledger to the verifier, then the checkpoint over them.
    pub(in crate::cli) fn feed(
        &self,
        name: &LedgerName,
        verifier: &mut Verifier,
    ) -> anyhow::Result<()> {
        let row = self.store.get(Space::Ledgers, ledger::key(name))?;
        let Some(row) = row else { return Err(NoSuchLedger(name.clone()).into()) };
        let row = LedgerRow::decode(&row)?;
        let creation =
            Creation::parse(&row.creation).map_err(|error| anyhow!("{name}: {error}"))?;
        let head = self.store.get(Space::Heads, &head::key(row.number))?;
        let Some(head) = head else { bail!("the head of ledger {name} is missing") };
        let head = HeadRow::decode(&head)?;
        let mut live = verifier.live(&creation.origin, head.size);
        let last = Seq::new(head.size.saturating_sub(1))?;
        let (from, to) = (index::key(row.number, Seq::ZERO), index::key(row.number, last));
        let mut chunk = Chunk::new();
        let mut failed = None;
        self.store.scan(&Scan::through(Space::Index, &from, &to), &mut |_, value| match self
            .feed_block(value, &mut chunk)
        {
            Ok(()) if chunk.is_full() => {
                live.feed(std::mem::take(&mut chunk));
                ControlFlow::Continue(())
            }
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        live.feed(chunk);
        // The checkpoint says how many records there must be, so a missing block is found all the same.
        live.close(head.note.as_bytes());
        failed.map_or(Ok(()), |error| Err(error.context(format!("ledger {name}"))))
    }

    /// Adds the records of the block that an index row leads to.
    fn feed_block(&self, index: &[u8], chunk: &mut Chunk) -> anyhow::Result<()> {
        let row = IndexRow::decode(index)?;
        let Some(value) = self.store.get(Space::Blocks, &block::key(row.place))? else {
            bail!("a block of commit {} is missing", row.place.commit);
        };
        let block = Block::decode(&value)?;
        let key = block::bodies_key(block.ledger(), block.first_seq());
        let Some(bodies) = self.store.get(Space::Bodies, &key)? else {
            bail!("the records from {} on are not in the database", block.first_seq());
        };
        block.check_bodies(&bodies)?;
        for record in block.records() {
            let signature = record.signature.map(|signature| {
                let key_id = KeyId::new(signature.key_id)?;
                anyhow::Ok(RecordSignature {
                    signature: Signature::new(&key_id, signature.bytes)?,
                    key_id,
                })
            });
            chunk.push(record.bytes_in(&bodies), record.digest, signature.transpose()?.as_ref());
        }
        Ok(())
    }
}

/// What is wrong when a database is not the one that a head file speaks of.
pub(in crate::cli) fn set_back(
    store: &dyn Read,
    head: Option<HeadFile>,
) -> anyhow::Result<Option<String>> {
    let Some(head) = head else { return Ok(None) };
    let number = head.commit;
    let row = store.get(Space::Commits, &commit::key(number))?;
    let digest = row.map(|row| commit::decode(&row)).transpose()?;
    Ok(match digest {
        Some(digest) if digest == head.digest => None,
        Some(_) => Some(format!(
            "commit {number} is not the one in the file `head`: the database was replaced"
        )),
        // An engine that has not committed yet may have said so in the file.
        None if number.0 == 0 => None,
        None => Some(format!(
            "the database ends before commit {number} of the file `head`: it was set back"
        )),
    })
}
