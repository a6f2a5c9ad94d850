//! A vault whose every step fails once: before it was done, after it was done, or in the middle.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use indelible_archiver::{
    ArchiveError, Claim, DirectoryVault, Seal, Silent, Upload, Vault, VaultError,
};
use indelible_core::name::LedgerName;
use indelible_core::segment::FileName;

use crate::common::{LEDGER, World, append, files, manifests, name, wait};

/// How a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing of it is done.
    Before,
    /// It is done, but nobody hears of it.
    After,
    /// What is read breaks off with an error.
    Broken,
    /// One bit of what is read is another.
    Lie,
}

struct Faulty {
    within: DirectoryVault,
    fault: Fault,
    at: u64,
    steps: AtomicU64,
}

impl Faulty {
    /// Whether this is the step that fails.
    fn is_now(&self) -> bool {
        self.steps.fetch_add(1, SeqCst) == self.at
    }

    fn step<T>(&self, work: impl FnOnce() -> Result<T, VaultError>) -> Result<T, VaultError> {
        match self.fault {
            Fault::Before if self.is_now() => Err(told()),
            Fault::After if self.is_now() => work().and_then(|_| Err(told())),
            _ => work(),
        }
    }
}

fn told() -> VaultError {
    VaultError::Io { place: "step".into(), source: io::Error::other("told to fail") }
}

impl Vault for Faulty {
    fn name(&self) -> String {
        self.within.name()
    }

    fn list(&self, ledger: &LedgerName) -> Result<Vec<FileName>, VaultError> {
        self.step(|| self.within.list(ledger))
    }

    fn claim(&self, ledger: &LedgerName) -> Result<Claim, VaultError> {
        self.step(|| self.within.claim(ledger))
    }

    fn create(
        &self,
        ledger: &LedgerName,
        name: &str,
        upload: Upload<'_>,
    ) -> Result<(), VaultError> {
        self.step(|| self.within.create(ledger, name, upload))
    }

    fn discard(&self, ledger: &LedgerName, name: &str) -> Result<(), VaultError> {
        self.step(|| self.within.discard(ledger, name))
    }

    fn open(
        &self,
        ledger: &LedgerName,
        name: &str,
        bytes_max: u64,
    ) -> Result<Box<dyn Read + Send>, VaultError> {
        let fails = matches!(self.fault, Fault::Broken | Fault::Lie) && self.is_now();
        if !fails {
            return self.step(|| self.within.open(ledger, name, bytes_max));
        }
        let mut bytes = Vec::new();
        self.within.open(ledger, name, bytes_max)?.read_to_end(&mut bytes).unwrap();
        let middle = bytes.len() / 2;
        if self.fault == Fault::Lie {
            bytes[middle] ^= 1;
            return Ok(Box::new(io::Cursor::new(bytes)));
        }
        bytes.truncate(middle);
        Ok(Box::new(io::Cursor::new(bytes).chain(Breaks)))
    }
}

struct Breaks;

impl Read for Breaks {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("told to break"))
    }
}

/// Interrupts one run at step `at` and continues. `None` when the run had no such step.
fn interrupt(fault: Fault, at: u64) -> Option<()> {
    let world = World::filled(40);
    world.archive(Seal::Now).unwrap();
    append(&world.engine, LEDGER, 60, 300);
    let before = files(&world.folder());
    let vault = Faulty { within: world.vault(), fault, at, steps: AtomicU64::new(0) };
    match world.archive_into(&vault, Seal::Now) {
        Err(ArchiveError::Vault(_) | ArchiveError::Foreign { .. }) => {}
        Ok(_) if vault.steps.load(SeqCst) <= at => return None,
        // The first look at the manifest, before the claim, only says whether there is something to do.
        Ok(_) if fault == Fault::Lie && at == 0 => {}
        other => panic!("{fault:?} of step {at}: {other:?}"),
    }
    // What there is is good at any moment, and nothing that was there has changed.
    let mut left = files(&world.folder());
    left.retain(|name, _| !name.starts_with(".tmp-"));
    assert!(before.iter().all(|(name, bytes)| left.get(name) == Some(bytes)));
    let counted = manifests(&world.folder()).last().unwrap()[21..41].parse::<u64>().unwrap() + 1;
    world.assert_good(counted);

    let summary = world.archive(Seal::Now).unwrap();
    assert_eq!((summary.archived, summary.size), (world.size(), world.size()));
    let whole = files(&world.folder());
    assert!(left.iter().all(|(name, bytes)| whole.get(name) == Some(bytes)));
    // When nothing but taking the last choice away has failed, the next run that ships something does it.
    let mut unfinished = whole.keys().filter(|name| name.starts_with(".tmp-"));
    let last = unfinished.next().is_none_or(|name| name.starts_with(".tmp-turn-"));
    assert!(last && unfinished.next().is_none(), "{:?}", whole.keys());
    world.assert_at_rest();
    Some(())
}

#[test]
fn a_run_interrupted_at_any_step_of_the_vault_is_continued_by_the_next() {
    for fault in [Fault::Before, Fault::After, Fault::Broken, Fault::Lie] {
        let steps = (0..).take_while(|at| interrupt(fault, *at).is_some());
        let steps = steps.count();
        let least = if matches!(fault, Fault::Before | Fault::After) { 15 } else { 5 };
        assert!(steps >= least, "{fault:?} met only {steps} steps");
    }
}

/// What a run has chosen before it died is what the next one does, whatever it would have chosen itself.
#[test]
fn a_run_that_died_when_it_had_chosen_where_to_cut_is_carried_out_by_the_next() {
    let mut met = 0;
    for at in 0.. {
        let world = World::filled(40);
        let vault =
            Faulty { within: world.vault(), fault: Fault::Before, at, steps: AtomicU64::new(0) };
        // In one piece, so that the choice alone decides.
        let run = |vault: &dyn Vault, bytes| {
            let archiver = world.archiver().with_segment_bytes(bytes);
            wait(archiver.archive(&name(LEDGER), vault, Seal::Now, &Silent))
        };
        if run(&vault, 1 << 20).is_ok() {
            break;
        }
        let turn = files(&world.folder()).into_keys().find(|name| name.contains("turn"));
        if turn.is_none() || !manifests(&world.folder()).is_empty() {
            continue;
        }
        met += 1;
        let chosen = world.size();
        append(&world.engine, LEDGER, 60, 300);
        run(&world.vault(), 4 << 10).unwrap();
        let first = manifests(&world.folder()).remove(0);
        assert_eq!(first[21..41].parse::<u64>().unwrap() + 1, chosen, "step {at}");
        world.assert_good(world.size());
    }
    assert!(met >= 3, "a choice was left behind {met} times");
}
