//! Reading records out of the database while a server is writing it.
//!
//! Only rows are read here (`docs/FORMAT.md` section 8), none of the engine is used: what the engine
//! believes about its data is not evidence. The database may be damaged or made up; whatever is fed to
//! the verifier is checked there.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use indelible_core::key::{KeyId, RecordSignature, Signature};
use indelible_core::name::{LedgerName, Seq};
use indelible_core::system::Creation;
use indelible_ledger::folder::{self, DataFolder, HeadFile};
use indelible_ledger::rows::block::{self, Block};
use indelible_ledger::rows::commit;
use indelible_ledger::rows::head::{self, HeadRow};
use indelible_ledger::rows::index::{self, IndexRow};
use indelible_ledger::rows::ledger::{self, LedgerRow};
use indelible_ledger::store::rocks::{RocksBeside, RocksConfig};
use indelible_ledger::store::{Read, Scan, Space};
use indelible_verifier::{Chunk, Verifier};

/// The state of a database at the moment of opening.
pub(super) struct Database {
    store: RocksBeside,
    /// How far the database must be, as the file outside of it says.
    head: Option<HeadFile>,
}

impl Database {
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        DataFolder::check(dir)?;
        // Before the database: the server goes on writing, so that the file may only be older.
        let head = folder::read_head(dir)?;
        let store = RocksBeside::open(&RocksConfig::new(folder::database(dir)))
            .with_context(|| format!("cannot read the database in {}", dir.display()))?;
        Ok(Self { store, head })
    }

    /// What is wrong when the database is not the one that the head file speaks of: an older copy was
    /// put back, or another one.
    pub(super) fn set_back(&self) -> anyhow::Result<Option<String>> {
        let Some(head) = self.head else { return Ok(None) };
        let number = head.commit;
        let row = self.store.get(Space::Commits, &commit::key(number))?;
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

    /// The names of all ledgers.
    pub(super) fn ledgers(&self) -> anyhow::Result<Vec<LedgerName>> {
        let rows = self.store.rows(&Scan::all(Space::Ledgers))?;
        Ok(rows.iter().map(|(key, _)| ledger::parse_key(key)).collect::<Result<_, _>>()?)
    }

    /// Gives every record of a ledger to the verifier, then the checkpoint over them.
    pub(super) fn feed(&self, name: &LedgerName, verifier: &mut Verifier) -> anyhow::Result<()> {
        let row = self.store.get(Space::Ledgers, ledger::key(name))?;
        let Some(row) = row else { bail!("there is no ledger {name}") };
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
        for record in Block::decode(&value)?.records() {
            let signature = record.signature.map(|signature| {
                anyhow::Ok(RecordSignature {
                    key_id: KeyId::new(signature.key_id)?,
                    signature: Signature(signature.bytes.try_into()?),
                })
            });
            chunk.push(record.bytes, record.digest, signature.transpose()?.as_ref());
        }
        Ok(())
    }
}
