//! The ledgers in memory: each loaded when somebody asks for it, the least used let go.

use std::num::NonZeroUsize;
use std::sync::Arc;

use indelible_core::name::LedgerName;
use lru::LruCache;
use parking_lot::Mutex;

use super::entry::LedgerEntry;

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
