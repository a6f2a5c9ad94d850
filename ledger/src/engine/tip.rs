//! Where the sequencer is in a ledger, and what of it is on its way.

use std::collections::{HashMap, VecDeque};

use indelible_core::hash::{Digest, LeafHash};
use indelible_core::merkle::CompactRange;
use indelible_core::name::Seq;
use indelible_core::record::PreparedEvent;
use indelible_core::time::Timestamp;

use super::entry::Head;
use crate::rows::id::{ContentHash, IdHash};

/// A ledger as the sequencer sees it: with everything that is on its way to the disk.
#[derive(Debug)]
pub(crate) struct Tip {
    /// The run of the pipeline in which this holds. After a failure a new one begins, and the tips of
    /// the old one count for nothing.
    pub(crate) epoch: u64,
    /// `None` before record 0.
    pub(crate) last_digest: Option<Digest>,
    pub(crate) last_time: Timestamp,
    /// The tree up to the batch that is being sequenced.
    pub(crate) frontier: CompactRange,
    /// Leaf hashes of the last, partial tile, as far back as they were seen; the ones before
    /// `leaves_from` are in the store.
    pub(crate) leaves: Vec<LeafHash>,
    pub(crate) leaves_from: u64,
    /// Clients' ids that are on their way, or have become durable of late, batch by batch, the oldest
    /// first.
    pub(crate) flights: VecDeque<Flight>,
    /// Of the batches up to this one no ids are in `flights` any more.
    pub(crate) forgotten: u64,
}

/// The ids that clients gave to the records of one batch.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The batch.
    pub(crate) serial: u64,
    pub(crate) ids: HashMap<IdHash, InFlight>,
}

/// A record that is on its way, as far as a second submission of its id must know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlight {
    pub(crate) seq: Seq,
    pub(crate) content: ContentHash,
}

/// What a record is about, before it is one.
#[derive(Debug)]
pub(crate) enum Body {
    Event(PreparedEvent),
    /// Canonical bytes of a system object.
    System(Vec<u8>),
}

impl Tip {
    /// Where the durable ledger is.
    /// What became durable up to the batch `before` it knows nothing of.
    pub(crate) fn at(head: &Head, epoch: u64, before: u64) -> Self {
        Self {
            epoch,
            last_digest: Some(head.last_digest),
            last_time: head.last_time,
            leaves: Vec::new(),
            leaves_from: head.size(),
            frontier: head.frontier.clone(),
            flights: VecDeque::new(),
            forgotten: before,
        }
    }

    /// Before record 0.
    pub(crate) fn empty(epoch: u64, time: Timestamp) -> Self {
        Self {
            epoch,
            last_digest: None,
            last_time: time,
            leaves: Vec::new(),
            leaves_from: 0,
            frontier: CompactRange::new(0),
            flights: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// The record on its way that has the id.
    pub(crate) fn in_flight(&self, id: IdHash) -> Option<InFlight> {
        self.flights.iter().find_map(|flight| flight.ids.get(&id)).copied()
    }

    /// Notes that a record with a client's id is on its way in the batch `serial`.
    pub(crate) fn add_in_flight(&mut self, serial: u64, id: IdHash, record: InFlight) {
        if self.flights.back().is_none_or(|flight| flight.serial != serial) {
            self.flights.push_back(Flight { serial, ids: HashMap::new() });
        }
        if let Some(flight) = self.flights.back_mut() {
            flight.ids.insert(id, record);
        }
    }

    /// Forgets the ids of all batches up to `serial`: they are in the store.
    pub(crate) fn forget_in_flight(&mut self, serial: u64) {
        self.forgotten = self.forgotten.max(serial);
        while self.flights.front().is_some_and(|flight| flight.serial <= serial) {
            self.flights.pop_front();
        }
    }
}
