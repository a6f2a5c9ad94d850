//! The ledgers in memory: each loaded when somebody asks for it, the least used let go.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use indelible_core::hash::{Digest, LeafHash, NodeHash};
use indelible_core::json::Numbers;
use indelible_core::key::KeyId;
use indelible_core::merkle::CompactRange;
use indelible_core::name::{EventId, LedgerName, Origin, Seq};
use indelible_core::receipt::Signed;
use indelible_core::record::PreparedEvent;
use indelible_core::system::{Principals, SignPer};
use indelible_core::time::Timestamp;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::api::{LedgerInfo, SignedCheckpoint};
use crate::principal::Tenant;

/// A ledger in memory. There is never more than one of these for a ledger, so that whoever publishes a
/// new head reaches everybody who holds one.
#[derive(Debug)]
pub(crate) struct LedgerEntry {
    /// Its number in the store's keys.
    pub(crate) number: u64,
    pub(crate) name: LedgerName,
    pub(crate) origin: Origin,
    pub(crate) sign_per: SignPer,
    pub(crate) max_unsigned: u64,
    pub(crate) numbers: Numbers,
    pub(crate) principals: Principals,
    pub(crate) keys: Vec<KeyId>,
    pub(crate) created: Timestamp,
    /// Whose it is.
    pub(crate) tenant: Tenant,
    /// The durable head; `None` until somebody has loaded it.
    head: ArcSwapOption<Head>,
    /// Record 0 with its signature, once a receipt has asked for it.
    signed_creation: OnceLock<Arc<Signed>>,
    size: watch::Sender<u64>,
    /// Where the sequencer is; nobody else looks.
    pub(crate) tip: Mutex<Option<Box<Tip>>>,
}

/// The durable state of a ledger.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) last_digest: Digest,
    pub(crate) last_time: Timestamp,
    /// Its end is the ledger's size.
    pub(crate) frontier: CompactRange,
    pub(crate) checkpoint: Arc<SignedCheckpoint>,
}

impl Head {
    pub(crate) fn size(&self) -> u64 {
        self.frontier.end()
    }

    pub(crate) fn root(&self) -> NodeHash {
        self.checkpoint.checkpoint.root
    }
}

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
    /// Clients' ids that are on their way, batch by batch, the oldest first.
    pub(crate) flights: VecDeque<Flight>,
}

/// The ids that clients gave to the records of one batch.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The batch.
    pub(crate) serial: u64,
    pub(crate) ids: HashMap<EventId, InFlight>,
}

/// A record that is on its way, as far as a second submission of its id must know it.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) seq: Seq,
    pub(crate) body: Body,
}

/// What a record is about, before it is one.
#[derive(Debug)]
pub(crate) enum Body {
    Event(PreparedEvent),
    /// Canonical bytes of a system object.
    System(Vec<u8>),
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Event(a), Self::Event(b)) => a == b,
            (Self::System(a), Self::System(b)) => a == b,
            _ => false,
        }
    }
}

impl Tip {
    /// Where the durable ledger is.
    pub(crate) fn at(head: &Head, epoch: u64) -> Self {
        Self {
            epoch,
            last_digest: Some(head.last_digest),
            last_time: head.last_time,
            leaves: Vec::new(),
            leaves_from: head.size(),
            frontier: head.frontier.clone(),
            flights: VecDeque::new(),
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
        }
    }

    /// The record on its way that has the id.
    pub(crate) fn in_flight(&self, id: &EventId) -> Option<&InFlight> {
        self.flights.iter().find_map(|flight| flight.ids.get(id))
    }

    /// Notes that a record with a client's id is on its way in the batch `serial`.
    pub(crate) fn add_in_flight(&mut self, serial: u64, id: EventId, record: InFlight) {
        if self.flights.back().is_none_or(|flight| flight.serial != serial) {
            self.flights.push_back(Flight { serial, ids: HashMap::new() });
        }
        if let Some(flight) = self.flights.back_mut() {
            flight.ids.insert(id, record);
        }
    }

    /// Forgets the ids of all batches up to `serial`: they are in the store now.
    pub(crate) fn forget_in_flight(&mut self, serial: u64) {
        while self.flights.front().is_some_and(|flight| flight.serial <= serial) {
            self.flights.pop_front();
        }
    }
}

/// What record 0 and the ledger's own row say; none of it ever changes.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) number: u64,
    pub(crate) name: LedgerName,
    pub(crate) origin: Origin,
    pub(crate) sign_per: SignPer,
    pub(crate) max_unsigned: u64,
    pub(crate) numbers: Numbers,
    pub(crate) principals: Principals,
    pub(crate) keys: Vec<KeyId>,
    pub(crate) created: Timestamp,
}

impl LedgerEntry {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            number: settings.number,
            tenant: Tenant::of_ledger(&settings.name),
            name: settings.name,
            origin: settings.origin,
            sign_per: settings.sign_per,
            max_unsigned: settings.max_unsigned,
            numbers: settings.numbers,
            principals: settings.principals,
            keys: settings.keys,
            created: settings.created,
            head: ArcSwapOption::empty(),
            signed_creation: OnceLock::new(),
            size: watch::Sender::new(0),
            tip: Mutex::new(None),
        }
    }

    /// The durable head, if it has been loaded.
    pub(crate) fn head(&self) -> Option<Arc<Head>> {
        self.head.load_full()
    }

    /// Takes a durable head, from the store or from a commit that has just become durable: the one way
    /// in which a head comes into memory. An older one than is known changes nothing, so that a reader
    /// who loads and a commit that publishes may meet in any order.
    pub(crate) fn advance(&self, head: Arc<Head>) {
        let size = head.size();
        self.head.rcu(|known| match known {
            Some(known) if known.size() >= size => Arc::clone(known),
            _ => Arc::clone(&head),
        });
        self.size.send_if_modified(|known| {
            let newer = *known < size;
            *known = (*known).max(size);
            newer
        });
    }

    /// The head cannot be read any more: whoever needs it reads it from the store, and hears why not.
    pub(crate) fn forget_head(&self) {
        self.head.store(None);
    }

    /// Record 0 with its signature, as receipts of records without one carry it, if it has been read.
    pub(crate) fn signed_creation(&self) -> Option<&Arc<Signed>> {
        self.signed_creation.get()
    }

    /// Keeps record 0 with its signature, which never changes.
    pub(crate) fn keep_signed_creation(&self, creation: Signed) -> &Arc<Signed> {
        self.signed_creation.get_or_init(|| Arc::new(creation))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    fn is_watched(&self) -> bool {
        self.size.receiver_count() > 0
    }

    pub(crate) fn info(&self, head: &Head) -> LedgerInfo {
        LedgerInfo {
            name: self.name.clone(),
            origin: self.origin.clone(),
            sign_per: self.sign_per,
            max_unsigned: self.max_unsigned,
            numbers: self.numbers,
            principals: self.principals,
            keys: self.keys.clone(),
            size: head.size(),
            created: self.created,
            last_time: head.last_time,
            last_digest: head.last_digest,
            root: head.root(),
        }
    }
}

/// All ledgers in memory, by name.
pub(crate) struct Ledgers {
    entries: Mutex<LruCache<LedgerName, Arc<LedgerEntry>>>,
    max: NonZeroUsize,
}

impl Ledgers {
    pub(crate) fn new(max: usize) -> Self {
        let max = NonZeroUsize::new(max).unwrap_or(NonZeroUsize::MIN);
        Self { entries: Mutex::new(LruCache::unbounded()), max }
    }

    pub(crate) fn get(&self, name: &LedgerName) -> Option<Arc<LedgerEntry>> {
        self.entries.lock().get(name).cloned()
    }

    /// Keeps `entry`, or gives back the one of the same ledger that is already there.
    pub(crate) fn insert(&self, entry: Arc<LedgerEntry>) -> Arc<LedgerEntry> {
        let mut entries = self.entries.lock();
        if let Some(known) = entries.get(&entry.name) {
            return Arc::clone(known);
        }
        entries.put(entry.name.clone(), Arc::clone(&entry));
        Self::evict(&mut entries, self.max.get());
        entry
    }

    /// Lets go of the least used ones above the limit, except those that are in somebody's hands: were
    /// one loaded a second time, heads would be published to only one of the two.
    fn evict(entries: &mut LruCache<LedgerName, Arc<LedgerEntry>>, max: usize) {
        for _ in 0..entries.len().saturating_sub(max) {
            let Some((name, entry)) = entries.pop_lru() else { return };
            // New references are only handed out under the lock that is held here, so a count of one
            // cannot grow meanwhile.
            if Arc::strong_count(&entry) > 1 || entry.is_watched() {
                entries.put(name, entry);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Every ledger in memory, for recovery.
    pub(crate) fn all(&self) -> Vec<Arc<LedgerEntry>> {
        self.entries.lock().iter().map(|(_, entry)| Arc::clone(entry)).collect()
    }
}
