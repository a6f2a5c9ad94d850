//! What gets into the vault, and when.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use indelible_archiver::{
    ArchiveError, Archiver, DirectoryVault, Progress, Seal, Silent, VaultError,
};
use indelible_core::manifest::Manifest;
use indelible_core::name::{EventId, LedgerName, ServerName};
use indelible_core::note::SignedNote;
use indelible_core::system::SignPer;
use indelible_core::time::Timestamp;
use indelible_ledger::{Engine, EngineConfig};

use crate::common::{
    LEDGER, SERVER, World, append, append_with_id, assert_good, files, manifests, name, news,
    signer, wait,
};

/// The records of one whole segment.
const WHOLE: u64 = 65_536;

#[test]
fn whole_segments_are_cut_at_their_border_and_the_rest_waits_for_a_seal() {
    let home = tempfile::tempdir().unwrap();
    let config = EngineConfig::new(home.path().join("data"), ServerName::new(SERVER).unwrap());
    let engine = Engine::open(config, signer()).unwrap();
    wait(engine.create_ledger(name(LEDGER), SignPer::Record)).unwrap();
    append(&engine, LEDGER, WHOLE + 999, 40);
    let vault = DirectoryVault::open(&home.path().join("vault")).unwrap();
    let archiver = Archiver::new(engine.clone(), home.path().into());
    let run = |seal| wait(archiver.archive(&name(LEDGER), &vault, seal, &Silent)).unwrap();

    let first = run(Seal::Whole);
    assert_eq!((first.segments, first.records, first.archived), (1, WHOLE, WHOLE));
    assert_eq!(first.size, WHOLE + 1000);
    assert_good(vault.root(), WHOLE);
    assert_eq!(run(Seal::Whole).segments, 0);

    let sealed = run(Seal::Now);
    assert_eq!((sealed.segments, sealed.archived), (1, WHOLE + 1001), "999, 2 and the news");
    assert_good(vault.root(), WHOLE + 1001);
    let folder = vault.root().join(LEDGER);
    assert_eq!(
        manifests(&folder),
        [
            "00000000000000000000-00000000000000065535.manifest",
            "00000000000000065536-00000000000000066536.manifest"
        ]
    );
    let said = news(&engine, LEDGER);
    assert_eq!(said.len(), 2);
    for (news, name) in said.iter().zip(manifests(&folder)) {
        let note = files(&folder).remove(&name).unwrap();
        let manifest = Manifest::parse_text(SignedNote::parse(&note).unwrap().text()).unwrap();
        assert_eq!(news.manifest_sha256, manifest.text_sha256());
        assert_eq!(news.segment_sha256, manifest.packed.sha256);
        assert_eq!((news.first_seq, news.last_seq), (manifest.run.first(), manifest.run.last()));
        assert!(news.vault.contains("vault"), "{}", news.vault);
    }
}

#[test]
fn signed_per_commit_a_whole_segment_may_end_within_a_commit() {
    let world = World::new(SignPer::Commit);
    append(&world.engine, LEDGER, WHOLE + 999, 20);
    let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
    for (seal, archived) in [(Seal::Whole, WHOLE), (Seal::Now, WHOLE + 1001)] {
        let vault = world.vault();
        let run = wait(archiver.archive(&name(LEDGER), &vault, seal, &Silent)).unwrap();
        assert_eq!((run.segments, run.archived), (1, archived));
        world.assert_good(archived);
    }
}

#[test]
fn a_second_run_changes_nothing_in_the_vault_and_appends_nothing() {
    for sign_per in [SignPer::Record, SignPer::Commit] {
        let world = World::new(sign_per);
        for _ in 0..3 {
            append(&world.engine, LEDGER, 33, 300);
        }
        let summary = world.archive(Seal::Now).unwrap();
        assert!(summary.segments > 1, "{summary:?}");
        assert_eq!(summary.records, 100);
        let (before, size) = (files(&world.folder()), world.size());
        assert_eq!(size, 100 + summary.segments);
        for seal in [Seal::Now, Seal::Whole, Seal::Now] {
            let again = world.archive(seal).unwrap();
            assert_eq!((again.segments, again.records, again.archived), (0, 0, 100));
        }
        assert_eq!(files(&world.folder()), before);
        assert_eq!(world.size(), size);
        world.assert_good(100);
    }
}

#[test]
fn a_run_after_new_events_continues_behind_the_last_segment() {
    let world = World::filled(30);
    let mut known = files(&world.folder());
    for round in 1..4 {
        append(&world.engine, LEDGER, 25, 200);
        let size = world.size();
        let summary = world.archive(Seal::Now).unwrap();
        assert_eq!(summary.archived, size, "round {round}");
        world.assert_good(size);
        let now = files(&world.folder());
        assert!(now.len() > known.len());
        assert!(known.iter().all(|(name, bytes)| now.get(name) == Some(bytes)));
        known = now;
    }
    assert_eq!(world.news().len(), manifests(&world.folder()).len());
}

#[test]
fn large_events_cut_a_segment_early() {
    let world = World::new(SignPer::Commit);
    append(&world.engine, LEDGER, 40, 900_000);
    let archiver =
        Archiver::new(world.engine.clone(), world.home.path().into()).with_segment_bytes(10 << 20);
    let vault = world.vault();
    let summary = wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &Silent)).unwrap();
    assert_eq!((summary.segments, summary.records), (4, 41), "12 lines of 0.9 MB are 10 MiB");
    assert!(summary.packed_bytes < summary.plain_bytes);
    world.assert_good(41);
}

#[test]
fn a_tail_is_sealed_when_its_first_event_is_old_enough() {
    let world = World::filled(10);
    let last = world.engine.ledger(&name(LEDGER)).unwrap().created;
    let later = |seconds: u64| Timestamp::from_micros(last.micros() + seconds * 1_000_000).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(world.archive(Seal::OlderThan(hour, later(3599))).unwrap().segments, 0);
    assert!(!world.folder().exists(), "nothing to write makes no folder");
    assert!(world.archive(Seal::OlderThan(hour, later(3600))).unwrap().segments > 0);
    // What waits now are only the records about what was archived, however old they get.
    assert_eq!(world.archive(Seal::OlderThan(hour, later(999_999))).unwrap().segments, 0);
}

#[test]
fn an_unknown_ledger_is_an_error_and_no_folder_is_made_for_it() {
    let world = World::filled(10);
    let other = LedgerName::new("typo").unwrap();
    let run = wait(world.archiver().archive(&other, &world.vault(), Seal::Now, &Silent));
    assert!(matches!(run, Err(ArchiveError::Engine(_))), "{run:?}");
    assert_eq!(std::fs::read_dir(world.vault_path()).unwrap().count(), 0);
}

#[test]
fn several_ledgers_share_a_vault_and_one_ledger_has_several() {
    let world = World::filled(30);
    wait(world.engine.create_ledger(name("other"), SignPer::Commit)).unwrap();
    append(&world.engine, "other", 9, 50);
    world.archive(Seal::Now).unwrap();
    let vault = world.vault();
    wait(world.archiver().archive(&name("other"), &vault, Seal::Now, &Silent)).unwrap();
    world.assert_good(40);
    let second = DirectoryVault::open(&world.home.path().join("second")).unwrap();
    let size = world.size();
    world.archive_into(&second, Seal::Now).unwrap();
    assert_good(second.root(), size);
    let vaults: std::collections::BTreeSet<_> =
        world.news().into_iter().map(|news| news.vault).collect();
    assert_eq!(vaults.len(), 2);
}

#[test]
fn archiving_goes_on_while_others_append() {
    let world = World::filled(50);
    let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
    let vault = world.vault();
    let archive = || wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &Silent)).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..100 {
                append(&world.engine, LEDGER, 20, 200);
            }
        });
        let (mut runs, mut archived) = (0, 0);
        while !writer.is_finished() || runs < 3 {
            let summary = archive();
            assert!(summary.archived >= archived);
            archived = summary.archived;
            world.assert_good(archived);
            runs += 1;
        }
    });
    archive();
    assert!(world.size() > 2000);
    assert_eq!(world.news().len(), manifests(&world.folder()).len());
}

#[test]
fn a_client_that_takes_the_id_of_an_archive_record_cannot_silence_it() {
    let world = World::filled(10);
    // The same rows, so the same segment in the same vault: the id of its record is known beforehand.
    let twin = world.copy(|_| {});
    let vault = world.vault();
    twin.archive_into(&vault, Seal::Now).unwrap();
    let taken = twin.engine.range(
        &name(LEDGER),
        indelible_core::name::Seq::new(10).unwrap(),
        indelible_ledger::Direction::Forward,
        1,
        1 << 20,
    );
    let taken = taken.unwrap();
    let view = indelible_core::record::RecordView::parse(&taken[0].record).unwrap();
    append_with_id(&world.engine, LEDGER, EventId::new(&view.id).unwrap());
    // The vault has the segment already; the ledger learns of it now, under another id.
    world.archive(Seal::Whole).unwrap();
    assert_eq!(world.news().len(), 1);
    world.archive(Seal::Whole).unwrap();
    assert_eq!(world.news().len(), 1, "and only once");
}

/// Stops a run after some records.
#[derive(Default)]
struct Stopper {
    begun: AtomicU64,
    packed: AtomicU64,
}

impl Progress for Stopper {
    fn begin(&self, _ledger: &LedgerName, records: u64) {
        self.begun.store(records, SeqCst);
    }
    fn at(&self, records: u64) {
        self.packed.store(records, SeqCst);
    }
    fn should_stop(&self) -> bool {
        self.packed.load(SeqCst) > 0
    }
}

#[test]
fn a_run_that_is_asked_to_stop_leaves_the_rest_to_the_next() {
    let world = World::new(SignPer::Record);
    append(&world.engine, LEDGER, 2999, 10);
    let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
    let stopper = Stopper::default();
    let run = wait(archiver.archive(&name(LEDGER), &world.vault(), Seal::Now, &stopper));
    assert!(matches!(run, Err(ArchiveError::Stopped)), "{run:?}");
    assert_eq!(stopper.begun.load(SeqCst), 3000);
    let packed = stopper.packed.load(SeqCst);
    assert!((1..3000).contains(&packed), "{packed}");
    assert_eq!(files(&world.folder()).len(), 0);
    world.archive(Seal::Now).unwrap();
    world.assert_good(3000);
}

#[test]
fn of_two_archivers_at_once_one_is_told_to_wait() {
    let world = World::filled(200);
    let (won, told) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..5 {
        append(&world.engine, LEDGER, 100, 200);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| match world.archive(Seal::Now) {
                    Ok(_) => won.fetch_add(1, SeqCst),
                    Err(ArchiveError::Vault(VaultError::Busy { .. })) => told.fetch_add(1, SeqCst),
                    Err(error) => panic!("{error}"),
                });
            }
        });
        assert!(won.load(SeqCst) > 0);
        let summary = world.archive(Seal::Now).unwrap();
        world.assert_good(summary.archived);
    }
    assert_eq!(won.load(SeqCst) + told.load(SeqCst), 20);
    assert_eq!(world.news().len(), manifests(&world.folder()).len());
}
