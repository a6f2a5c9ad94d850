//! Archiving without being asked: every ledger, again and again, until the server stops. How it fares is
//! shown by `/metrics` and `/readyz`.
//!
//! A ledger to which nothing was appended costs nothing: what the last run left in the vault is known, and
//! the vault is touched again only when there is something to cut. A start looks at every vault once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use indelible_archiver::{ArchiveError, Seal, VaultError};
use indelible_core::name::LedgerName;
use indelible_core::time::Timestamp;
use indelible_ledger::LedgerInfo;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::Archiving;
use crate::listen::stopped;

/// Ledgers that are asked for at once.
const PAGE_LEDGERS: usize = 256;

/// When the schedule runs and what it ships.
pub(crate) struct Schedule {
    /// Where to.
    pub(crate) vault: PathBuf,
    /// Time between two rounds.
    pub(crate) every: Duration,
    /// Age of the first record that waits at which a segment is cut before it is whole.
    pub(crate) seal_after: Duration,
}

/// A schedule at work.
struct Keeper {
    archiving: Arc<Archiving>,
    schedule: Schedule,
    /// Records in the vault, by ledger, as the last good run left it: some hundred bytes each.
    held: HashMap<LedgerName, u64>,
}

/// Archives every ledger until the server stops: whole segments at once, and a smaller one when its
/// first record has waited long enough.
pub(crate) async fn keep(archiving: Arc<Archiving>, schedule: Schedule) {
    let mut ticks = interval(schedule.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = archiving.stop.clone();
    let mut keeper = Keeper { archiving, schedule, held: HashMap::new() };
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = ticks.tick() => {}
        }
        let is_good = keeper.round().await;
        if keeper.archiving.is_stopping() {
            return;
        }
        keeper.archiving.archived.end_round(!is_good, now());
    }
}

impl Keeper {
    /// Every ledger once. Whether all of them could be archived.
    async fn round(&mut self) -> bool {
        let mut is_good = true;
        let mut after: Option<LedgerName> = None;
        loop {
            let Some(ledgers) = self.page(after).await else {
                self.archiving.archived.count_failure();
                tracing::error!(
                    "archiving: the ledgers cannot be listed; the next round tries again"
                );
                return false;
            };
            after = ledgers.last().map(|last| last.name.clone());
            let is_last = ledgers.len() < PAGE_LEDGERS;
            for ledger in ledgers {
                if self.archiving.is_stopping() {
                    return is_good;
                }
                is_good &= self.one(ledger).await;
            }
            if is_last {
                return is_good;
            }
        }
    }

    async fn page(&self, after: Option<LedgerName>) -> Option<Vec<LedgerInfo>> {
        let engine = self.archiving.archiver.engine().clone();
        let page = spawn_blocking(move || engine.ledgers(after.as_ref(), PAGE_LEDGERS));
        page.await.ok()?.ok()
    }

    async fn one(&mut self, info: LedgerInfo) -> bool {
        let Some(now) = now() else { return false };
        let seal = Seal::OlderThan(self.schedule.seal_after, now);
        let name = info.name.clone();
        if !self.is_due(info, seal).await {
            return true;
        }
        let Ok(_permit) = Arc::clone(&self.archiving.places).acquire_owned().await else {
            return true;
        };
        // Known again when it went well.
        self.held.remove(&name);
        match self.archiving.run(None, name.clone(), self.schedule.vault.clone(), seal).await {
            Ok(summary) => {
                let (segments, records) = (summary.segments, summary.records);
                if segments > 0 {
                    tracing::info!(ledger = %name, segments, records, "archived");
                }
                self.held.insert(name, summary.archived);
                true
            }
            // Somebody has asked for the same, or the server stops: what is left is for the next round.
            Err(ArchiveError::Stopped | ArchiveError::Vault(VaultError::Busy { .. })) => true,
            Err(error) => {
                self.archiving.archived.count_failure();
                tracing::error!(ledger = %name, %error, "archiving failed; the next round continues");
                false
            }
        }
    }

    /// Whether there is something to cut, or the vault was not looked at yet.
    async fn is_due(&self, info: LedgerInfo, seal: Seal) -> bool {
        let Some(&held) = self.held.get(&info.name) else { return true };
        if info.size == held {
            return false;
        }
        let archiving = Arc::clone(&self.archiving);
        let due = spawn_blocking(move || archiving.archiver.is_due(&info, held, seal));
        // What cannot be read now is for the run to tell.
        due.await.ok().and_then(Result::ok).unwrap_or(true)
    }
}

fn now() -> Option<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Timestamp::from_micros(u64::try_from(since.as_micros()).ok()?).ok()
}
