//! Archiving without being asked: every ledger, again and again, until the server stops. How it fares is
//! shown by `/metrics` and `/readyz`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use indelible_archiver::{ArchiveError, Seal, VaultError};
use indelible_core::name::LedgerName;
use indelible_core::time::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use super::app::App;
use super::archive::run;
use crate::listen::stopped;

/// Ledgers that are asked for at once.
const PAGE_LEDGERS: usize = 256;

/// How archiving fares: what requests and the schedule have shipped, and whether the schedule works.
#[derive(Debug, Default)]
pub struct Archived {
    records: AtomicU64,
    segments: AtomicU64,
    failures: AtomicU64,
    /// Unix seconds of the end of the last round of the schedule in which every ledger was brought up
    /// to date; 0 before the first.
    last_success: AtomicU64,
    is_failing: AtomicBool,
}

impl Archived {
    /// Counts a segment that was shipped.
    pub(super) fn count(&self, records: u64) {
        self.records.fetch_add(records, Relaxed);
        self.segments.fetch_add(1, Relaxed);
    }

    fn end_round(&self, has_failed: bool, now: Option<Timestamp>) {
        self.is_failing.store(has_failed, Relaxed);
        if let (false, Some(now)) = (has_failed, now) {
            self.last_success.store(now.micros() / 1_000_000, Relaxed);
        }
    }

    /// Whether the schedule's last round failed for some ledger.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Relaxed)
    }

    /// Name, meaning and value of each counter.
    pub(super) fn counters(&self) -> [(&'static str, &'static str, u64); 3] {
        [
            (
                "indelible_archived_records_total",
                "Records shipped into vaults.",
                self.records.load(Relaxed),
            ),
            (
                "indelible_archived_segments_total",
                "Segments shipped into vaults.",
                self.segments.load(Relaxed),
            ),
            (
                "indelible_archive_failures_total",
                "Ledgers that the schedule could not archive.",
                self.failures.load(Relaxed),
            ),
        ]
    }

    /// Name, meaning and value of each gauge.
    pub(super) fn gauges(&self) -> [(&'static str, &'static str, u64); 2] {
        [
            (
                "indelible_archive_last_success_seconds",
                "Unix time of the schedule's last round without a failure.",
                self.last_success.load(Relaxed),
            ),
            (
                "indelible_archive_failing",
                "1 when the schedule's last round failed for some ledger.",
                u64::from(self.is_failing()),
            ),
        ]
    }
}

/// When the schedule runs and what it ships.
pub(crate) struct Schedule {
    /// Where to.
    pub(crate) vault: PathBuf,
    /// Time between two rounds.
    pub(crate) every: Duration,
    /// Age of the first record that waits at which a segment is cut before it is whole.
    pub(crate) seal_after: Duration,
}

/// Archives every ledger until the server stops: whole segments at once, and a smaller one when its
/// first record has waited long enough.
pub(crate) async fn keep(app: Arc<App>, schedule: Schedule) {
    let mut ticks = interval(schedule.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = app.stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = ticks.tick() => {}
        }
        let is_good = round(&app, &schedule).await;
        if *stop.borrow() {
            return;
        }
        app.archived.end_round(!is_good, now());
    }
}

/// Every ledger once. Whether all of them could be archived.
async fn round(app: &Arc<App>, schedule: &Schedule) -> bool {
    let mut is_good = true;
    let mut after: Option<LedgerName> = None;
    loop {
        let from = after.clone();
        let page = app.read(move |engine| Ok(engine.ledgers(from.as_ref(), PAGE_LEDGERS)?)).await;
        let Ok(ledgers) = page else {
            app.archived.failures.fetch_add(1, Relaxed);
            tracing::error!("archiving: the ledgers cannot be listed; the next round tries again");
            return false;
        };
        after = ledgers.last().map(|last| last.name.clone());
        for ledger in &ledgers {
            if *app.stop.borrow() {
                return is_good;
            }
            is_good &= one(app, &ledger.name, &schedule.vault, schedule.seal_after).await;
        }
        if ledgers.len() < PAGE_LEDGERS {
            return is_good;
        }
    }
}

async fn one(app: &Arc<App>, ledger: &LedgerName, vault: &Path, seal_after: Duration) -> bool {
    let Ok(_permit) = app.archives.acquire().await else { return true };
    let Some(now) = now() else { return false };
    let seal = Seal::OlderThan(seal_after, now);
    match run(app, app.engine.clone(), ledger.clone(), vault.to_owned(), seal).await {
        Ok(summary) if summary.segments > 0 => {
            tracing::info!(%ledger, segments = summary.segments, records = summary.records, "archived");
            true
        }
        // Somebody has asked for the same, or the server stops: what is left is for the next round.
        Ok(_) | Err(ArchiveError::Stopped | ArchiveError::Vault(VaultError::Busy { .. })) => true,
        Err(error) => {
            app.archived.failures.fetch_add(1, Relaxed);
            tracing::error!(%ledger, %error, "archiving failed; the next round continues");
            false
        }
    }
}

fn now() -> Option<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Timestamp::from_micros(u64::try_from(since.as_micros()).ok()?).ok()
}
