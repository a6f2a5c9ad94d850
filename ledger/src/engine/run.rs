//! One ledger's part of a commit, as it goes through the pipeline: sealed, then signed, then durable.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use indelible_core::hash::Digest;
use indelible_core::key::{KeyId, RecordSignature, Signature};
use indelible_core::merkle::Growth;
use indelible_core::name::{EventId, Seq};
use indelible_core::receipt::{Receipt, Signed};
use indelible_core::system::Creation;
use indelible_core::time::Timestamp;

use super::entry::LedgerEntry;
use crate::api::{Accepted, SignedCheckpoint};
use crate::error::EventError;
use crate::rows::block::BlockBuilder;
use crate::rows::id::{ContentHash, IdHash};
use crate::rows::kind::KindRow;

/// The id of a record and, where it gets a row, what is in that.
#[derive(Debug, Clone)]
pub(crate) struct RunId {
    pub(crate) id: EventId,
    pub(crate) row: Option<(IdHash, ContentHash)>,
}

/// What the client will hear of each record, in the order of the records.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) ids: Vec<RunId>,
    pub(crate) times: Vec<Timestamp>,
    pub(crate) digests: Vec<Digest>,
    /// The kinds of the system records among them.
    pub(crate) kinds: BTreeSet<KindRow>,
}

/// The records that one commit adds to one ledger: numbered, hashed, and grown into the tree.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) entry: Arc<LedgerEntry>,
    /// Set when the first record is the ledger's creation.
    pub(crate) creation: Option<Creation>,
    pub(crate) first: Seq,
    /// The digest of the record before the first.
    pub(crate) prev: Option<Digest>,
    /// The records in blocks, each with the time of its first.
    pub(crate) blocks: Vec<(BlockBuilder, Timestamp)>,
    pub(crate) facts: Facts,
    pub(crate) growth: Growth,
    /// Tiles that this run fills: number and value of the row.
    pub(crate) tiles: Vec<(u64, Vec<u8>)>,
    pub(crate) to_sign: ToSign,
}

/// Which records of a run get a signature of their own. The last one always does.
#[derive(Debug, Clone)]
pub(crate) enum ToSign {
    /// Every one.
    All,
    /// These, ascending.
    These(Vec<u32>),
}

impl Sealed {
    /// The ledger's size with this run.
    pub(crate) fn size(&self) -> u64 {
        self.growth.size()
    }

    /// Bytes of its records.
    pub(crate) fn record_bytes(&self) -> usize {
        self.blocks.iter().map(|(block, _)| block.record_bytes()).sum()
    }

    /// How many signatures it needs, its checkpoint's included.
    pub(crate) fn signatures(&self) -> usize {
        1 + match &self.to_sign {
            ToSign::All => self.facts.digests.len(),
            ToSign::These(places) => places.len(),
        }
    }

    /// How many of its records have an id with a row.
    pub(crate) fn given_ids(&self) -> usize {
        self.facts.ids.iter().filter(|id| id.row.is_some()).count()
    }

    /// The digests to sign, in the order of their records.
    pub(crate) fn push_digests_to_sign(&self, out: &mut Vec<Digest>) {
        let digests = &self.facts.digests;
        match &self.to_sign {
            ToSign::All => out.extend_from_slice(digests),
            ToSign::These(indices) => {
                out.extend(indices.iter().filter_map(|&index| digests.get(index as usize)));
            }
        }
    }
}

/// A run with its signatures: what answers and receipts are made of.
#[derive(Debug)]
pub(crate) struct SignedRun {
    pub(crate) first: Seq,
    pub(crate) prev: Option<Digest>,
    pub(crate) facts: Facts,
    pub(crate) growth: Growth,
    pub(crate) key_id: KeyId,
    pub(crate) to_sign: ToSign,
    /// In the order of `to_sign`.
    pub(crate) signatures: Vec<Signature>,
    pub(crate) checkpoint: Arc<SignedCheckpoint>,
    /// Record 0 with its signature, for receipts of records that have none; `None` when nobody has
    /// read it yet.
    pub(crate) creation: Option<Arc<Signed>>,
}

impl SignedRun {
    /// The places of the records that carry a signature, ascending.
    pub(crate) fn signed_places(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match &self.to_sign {
            ToSign::All => Box::new(0..self.facts.digests.len()),
            ToSign::These(places) => Box::new(places.iter().map(|&place| place as usize)),
        }
    }

    pub(crate) fn seq(&self, index: usize) -> Option<Seq> {
        Seq::new(self.first.get() + index as u64).ok()
    }

    fn signature(&self, index: usize) -> Option<RecordSignature> {
        let place = match &self.to_sign {
            ToSign::All => index,
            ToSign::These(indices) => indices.binary_search(&u32::try_from(index).ok()?).ok()?,
        };
        let signature = self.signatures.get(place)?.clone();
        Some(RecordSignature { key_id: self.key_id.clone(), signature })
    }

    /// What the client hears about record `index`.
    pub(crate) fn accepted(&self, index: u32) -> Option<Accepted> {
        let index = index as usize;
        Some(Accepted {
            seq: self.seq(index)?,
            id: self.facts.ids.get(index)?.id.clone(),
            time: *self.facts.times.get(index)?,
            digest: *self.facts.digests.get(index)?,
            signature: self.signature(index),
            duplicate: false,
        })
    }

    /// The receipt of record `index`, whose bytes are `record`, from memory; `None` where something that
    /// belongs into it has to be read from the store.
    pub(crate) fn receipt(&self, index: u32, record: Vec<u8>) -> Option<Receipt> {
        let index = index as usize;
        let prev = match index.checked_sub(1) {
            Some(before) => self.facts.digests.get(before).copied(),
            None => self.prev,
        };
        let signed = match self.signature(index) {
            Some(signature) => Signed::Own(signature),
            None => Signed::clone(self.creation.as_deref()?),
        };
        Some(Receipt {
            record,
            prev,
            digest: *self.facts.digests.get(index)?,
            signed,
            proof: self.growth.inclusion_proof(self.seq(index)?.get())?,
            checkpoint: self.checkpoint.note.clone(),
        })
    }
}

/// The outcome of a group whose batch is durable.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Every event is new; these are their places in the run.
    Fresh(Range<u32>),
    /// Something else for at least one event.
    Mixed(Vec<One>),
}

/// The outcome of one event.
#[derive(Debug)]
pub(crate) enum One {
    /// A new record at this place of the run.
    Fresh(u32),
    /// There before, at this place of the ledger; replaced by `Duplicate` once that is durable.
    Before(Seq, EventId),
    /// There before.
    Duplicate(Box<Accepted>),
    /// Not appended.
    Refused(EventError),
}

impl One {
    pub(crate) fn into_result(
        self,
        run: Option<&SignedRun>,
    ) -> Option<Result<Accepted, EventError>> {
        match self {
            Self::Fresh(index) => run?.accepted(index).map(Ok),
            Self::Before(..) => None,
            Self::Duplicate(accepted) => Some(Ok(*accepted)),
            Self::Refused(error) => Some(Err(error)),
        }
    }
}
