//! A ledger in memory: what never changes of it, its durable head, and who waits for it to grow.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use indelible_core::hash::{Digest, NodeHash};
use indelible_core::json::Numbers;
use indelible_core::key::LedgerKeys;
use indelible_core::merkle::CompactRange;
use indelible_core::name::{LedgerName, Origin};
use indelible_core::receipt::Signed;
use indelible_core::system::{Principals, SignPer};
use indelible_core::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::partial_tile::PartialTile;
use super::tip::Tip;
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
    pub(crate) keys: LedgerKeys,
    pub(crate) created: Timestamp,
    /// Whose it is.
    pub(crate) tenant: Tenant,
    /// The durable head; `None` until somebody has loaded it.
    head: ArcSwapOption<Head>,
    /// What proofs need of the last, partial tile.
    pub(crate) partial_tile: PartialTile,
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
    pub(crate) keys: LedgerKeys,
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
            partial_tile: PartialTile::default(),
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

    pub(crate) fn is_watched(&self) -> bool {
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
