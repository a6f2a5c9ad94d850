//! A ledger to which nothing is appended comes to rest: archived once more, nothing changes, and its
//! checkpoint covers exactly what the vault holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use indelible_archiver::{ArchiveError, Archiver, DirectoryVault, Progress, Seal, Silent, Vault};
use indelible_core::name::{LedgerName, Seq, ServerName};
use indelible_core::system::{SignPer, System};
use indelible_core::time::Timestamp;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::testing::Failing;
use indelible_ledger::{Engine, EngineConfig, LocalEd25519, SignError};

use crate::common::{
    LEDGER, SERVER, World, append, assert_at_rest, assert_good, files, manifests, name, wait,
};

/// The records of one whole segment.
const WHOLE: u64 = 65_536;

#[test]
fn an_idle_ledger_is_at_rest_after_one_run_and_after_each_further_one() {
    for sign_per in [SignPer::Record, SignPer::Commit] {
        for events in [0, 1, 2, 100] {
            let world = World::new(sign_per);
            world.append(events);
            let first = world.archive(Seal::Now).unwrap();
            assert_eq!(first.archived, world.size());
            world.assert_at_rest();
            for more in [1, 70] {
                world.append(more);
                let run = world.archive(Seal::Now).unwrap();
                assert_eq!((run.archived, run.size), (world.size(), world.size()));
                assert!(run.records > more, "the news of the segment before are shipped too");
                world.assert_at_rest();
            }
        }
    }
}

#[test]
fn a_run_that_finds_nothing_to_cut_appends_nothing() {
    let world = World::filled(10);
    world.archive(Seal::Now).unwrap();
    world.append(5);
    let (size, before) = (world.size(), files(&world.folder()));
    let created = world.engine.ledger(&name(LEDGER)).unwrap().created;
    for seal in [Seal::Whole, Seal::OlderThan(Duration::from_secs(3600), created)] {
        let run = world.archive(seal).unwrap();
        assert_eq!((run.segments, run.archived, run.size), (0, 10, 15));
    }
    assert_eq!((world.size(), files(&world.folder())), (size, before));
}

/// Ends the ledger at each place around the border of a whole segment, after a segment that ended before.
#[test]
fn news_that_cross_the_border_of_a_whole_segment_are_shipped_by_the_same_run() {
    for sign_per in [SignPer::Record, SignPer::Commit] {
        let world = World::new(sign_per);
        append(&world.engine, LEDGER, WHOLE - 11, 10);
        let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
        let vault = world.vault();
        let run = |seal| wait(archiver.archive(&name(LEDGER), &vault, seal, &Silent)).unwrap();
        run(Seal::Now);
        for (more, size) in [(5, WHOLE - 4), (4, WHOLE + 1), (1, WHOLE + 4)] {
            append(&world.engine, LEDGER, more, 10);
            let summary = run(Seal::Now);
            assert_eq!((summary.archived, world.size()), (size, size), "{sign_per}");
            assert_at_rest(&world.engine, &vault, run);
        }
        assert_eq!(manifests(&world.folder()).len(), 5, "the second run above cut two");
    }
}

#[test]
fn the_end_that_a_run_by_age_leaves_behind_a_whole_segment_is_sealed_when_it_is_old() {
    let world = World::new(SignPer::Record);
    append(&world.engine, LEDGER, WHOLE - 11, 10);
    let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
    let vault = world.vault();
    let run = |seal| wait(archiver.archive(&name(LEDGER), &vault, seal, &Silent)).unwrap();
    run(Seal::Now);
    append(&world.engine, LEDGER, 10, 10);
    let created = world.engine.ledger(&name(LEDGER)).unwrap().created;
    let hour = Duration::from_secs(3600);
    let whole = run(Seal::OlderThan(hour, created));
    assert_eq!((whole.segments, whole.archived, whole.size), (1, WHOLE, WHOLE + 1));
    assert_eq!(run(Seal::OlderThan(hour, created)).segments, 0);
    let later = Timestamp::from_micros(created.micros() + 7_200_000_000).unwrap();
    assert_eq!(run(Seal::OlderThan(hour, later)).archived, WHOLE + 1);
    assert_eq!(world.size(), WHOLE + 1, "news alone lead to no more news");
    assert_at_rest(&world.engine, &vault, run);
}

#[test]
fn the_news_of_one_vault_get_into_the_others_and_then_all_are_at_rest() {
    for sign_per in [SignPer::Record, SignPer::Commit] {
        let world = World::new(sign_per);
        let vaults = ["a", "b", "c"]
            .map(|name| DirectoryVault::open(&world.home.path().join(name)).unwrap());
        let run = |vault: &DirectoryVault, seal| world.archive_into(vault, seal).unwrap();
        for round in 0..4 {
            world.append(round * 20);
            // Archived right before, a vault holds what the checkpoint covers, whatever the others did.
            for vault in &vaults {
                run(vault, Seal::Now);
                assert_at_rest(&world.engine, vault, |seal| run(vault, seal));
            }
            let size = world.size();
            for vault in &vaults {
                run(vault, Seal::Now);
            }
            assert_eq!(world.size(), size, "news alone lead to no more news");
            for vault in &vaults {
                assert_at_rest(&world.engine, vault, |seal| run(vault, seal));
            }
        }
    }
}

#[test]
fn a_vault_that_was_moved_is_continued_and_its_last_segments_are_recorded_under_its_new_name() {
    let world = World::new(SignPer::Record);
    for _ in 0..260 {
        world.append(1);
        world.archive(Seal::Now).unwrap();
    }
    let old = world.vault().name();
    let moved = world.home.path().join("moved");
    std::fs::rename(world.vault_path(), &moved).unwrap();
    let moved = DirectoryVault::open(&moved).unwrap();
    let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
    let run = |seal| wait(archiver.archive(&name(LEDGER), &moved, seal, &Silent)).unwrap();
    let size = world.size();
    assert_eq!(run(Seal::Now).segments, 0);
    assert_eq!(world.size(), size, "an idle ledger does not mind");
    world.append(1);
    run(Seal::Now);
    assert_good(moved.root(), world.size());
    let (here, there): (Vec<_>, Vec<_>) =
        world.news().into_iter().partition(|news| news.vault == moved.name());
    assert!(there.iter().all(|news| news.vault == old));
    assert_eq!((there.len(), here.len()), (259, 256), "and not thousands of them");
    let last: Vec<u64> = here.iter().map(|news| news.last_seq.get()).collect();
    assert!(last.is_sorted() && last[255] == size - 1, "{last:?}");
    world.append(1);
    run(Seal::Now);
    assert_eq!(world.news().len(), 259 + 256 + 1);
}

/// An engine whose signer can be told to fail, with a ledger of `events` events.
fn failing(home: &std::path::Path, events: u64) -> (Engine, Arc<Failing<LocalEd25519>>) {
    let signer = Arc::new(Failing::new(LocalEd25519::from_seed([7; 32]).unwrap()));
    let config = EngineConfig::new(home.join("data"), ServerName::new(SERVER).unwrap());
    let disk = MemoryDisk::new();
    let engine = Engine::open_with_store(config, signer.clone(), Box::new(disk.opener())).unwrap();
    wait(engine.create_ledger(name(LEDGER), SignPer::Record)).unwrap();
    append(&engine, LEDGER, events, 100);
    (engine, signer)
}

/// Counts the records of segments.
#[derive(Default)]
struct Shipped(AtomicU64);

impl Progress for Shipped {
    fn begin(&self, _ledger: &LedgerName, _records: u64) {}

    fn at(&self, _records: u64) {}

    fn shipped(&self, records: u64) {
        self.0.fetch_add(records, SeqCst);
    }
}

#[test]
fn a_ledger_that_cannot_record_a_segment_is_archived_all_the_same_and_records_it_later() {
    let home = tempfile::tempdir().unwrap();
    let (engine, signer) = failing(home.path(), 9);
    let vault = DirectoryVault::open(&home.path().join("vault")).unwrap();
    let archiver = Archiver::new(engine.clone(), home.path().into());
    let run = || wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &Silent));
    run().unwrap();
    append(&engine, LEDGER, 5, 100);
    signer.fail(0);
    let shipped = Shipped::default();
    let error = wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &shipped)).unwrap_err();
    assert!(matches!(error, ArchiveError::Record(_)), "{error:?}");
    assert_eq!(shipped.0.load(SeqCst), 5, "what was shipped is told although the run failed");
    assert_good(vault.root(), 15);
    let said = |seq: u64| engine.get(&name(LEDGER), Seq::new(seq).unwrap()).unwrap();
    assert!(said(15).is_none());

    append(&engine, LEDGER, 1, 100);
    assert_eq!(run().unwrap().archived, 18, "the event and both segments");
    for (seq, first) in [(16, 0), (17, 10)] {
        let record = said(seq).unwrap();
        let view = indelible_core::record::RecordView::parse(&record.record).unwrap();
        let indelible_core::record::Body::System(system) = view.body else { panic!("{view:?}") };
        let System::SegmentArchived(news) = System::parse(system).unwrap() else { panic!() };
        assert_eq!(news.first_seq.get(), first);
    }
    assert_at_rest(&engine, &vault, |seal| {
        wait(archiver.archive(&name(LEDGER), &vault, seal, &Silent)).unwrap()
    });
    // A signer that stays broken is an error as long as there is something to ship, and only then.
    signer.set_broken(Some(SignError::Unavailable("told to".into())));
    assert_eq!(run().unwrap().segments, 0);
}

/// Appends more than a segment holds, before each segment.
struct Load<'a> {
    world: &'a World,
    calls: AtomicU64,
}

impl Progress for Load<'_> {
    fn begin(&self, _ledger: &LedgerName, _records: u64) {}

    fn at(&self, _records: u64) {}

    fn should_stop(&self) -> bool {
        assert!(self.calls.fetch_add(1, SeqCst) < 200, "the run does not end");
        // On another thread, for this one is within the run.
        std::thread::scope(|scope| scope.spawn(|| self.world.append(60)).join().unwrap());
        false
    }
}

#[test]
fn a_run_ends_although_more_is_appended_than_it_ships() {
    for sign_per in [SignPer::Record, SignPer::Commit] {
        let world = World::new(sign_per);
        world.append(200);
        let load = Load { world: &world, calls: AtomicU64::new(0) };
        let run = wait(world.archiver().archive(&name(LEDGER), &world.vault(), Seal::Now, &load));
        let run = run.unwrap();
        assert!(run.segments > 3 && run.archived == run.size, "{run:?}");
        assert!(run.size < world.size(), "what came in the end is left to the next run");
        world.assert_good(run.archived);
        world.archive(Seal::Now).unwrap();
        world.assert_at_rest();
    }
}
