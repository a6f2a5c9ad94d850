//! What the threads of an engine share.

use std::sync::Arc;

use indelible_core::key::{KeyId, PublicKey};
use parking_lot::{Mutex, RwLock};

use super::entry::Ledgers;
use super::queue::Queue;
use crate::config::EngineConfig;
use crate::error::ReadError;
use crate::metrics::{EngineMetrics, Health};
use crate::rows::meta::StateRow;
use crate::signer::Signer;
use crate::store::Store;

pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) key: PublicKey,
    pub(crate) key_id: KeyId,
    pub(crate) store: StoreCell,
    pub(crate) ledgers: Ledgers,
    pub(crate) queue: Queue,
    pub(crate) metrics: Arc<EngineMetrics>,
    /// How far the engine is, durably.
    pub(crate) state: Mutex<StateRow>,
    pub(crate) health: Mutex<Health>,
    /// The runtime in which the engine was opened; signers may need its timers and sockets.
    pub(crate) runtime: Option<tokio::runtime::Handle>,
}

impl Shared {
    /// Why appends are refused, if they are.
    pub(crate) fn poisoned(&self) -> Option<Arc<str>> {
        match &*self.health.lock() {
            Health::Poisoned { reason } => Some(Arc::clone(reason)),
            _ => None,
        }
    }
}

/// The open store, or why there is none. Replaced when the store had to be opened again.
pub(crate) struct StoreCell(RwLock<Result<Arc<dyn Store>, Arc<str>>>);

impl StoreCell {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(RwLock::new(Ok(store)))
    }

    pub(crate) fn get(&self) -> Result<Arc<dyn Store>, ReadError> {
        self.0.read().clone().map_err(|reason| ReadError::Unavailable { reason })
    }

    pub(crate) fn put(&self, store: Arc<dyn Store>) {
        *self.0.write() = Ok(store);
    }

    /// Takes the store out. Readers that have it already finish or are refused by the closed store.
    pub(crate) fn take(&self, reason: Arc<str>) -> Option<Arc<dyn Store>> {
        std::mem::replace(&mut *self.0.write(), Err(reason)).ok()
    }
}
