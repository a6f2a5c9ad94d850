//! What gets into the vault, and when.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use indelible_archiver::{
    ArchiveError, Archiver, DirectoryVault, Progress, Seal, Silent, VaultError,
};
use indelible_core::manifest::Manifest;
use indelible_core::name::{EventId, LedgerName, Seq, ServerName};
use indelible_core::note::SignedNote;
use indelible_core::record::RecordView;
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
    assert_eq!((sealed.segments, sealed.archived), (1, WHOLE + 1001), "1000 and the news");
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
    assert_eq!(said.len(), 1, "the last segment is recorded when there is more to ship");
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
    world.assert_at_rest();
}

#[test]
fn large_events_cut_a_segment_early() {
    let world = World::new(SignPer::Commit);
    append(&world.engine, LEDGER, 40, 900_000);
    let archiver =
        Archiver::new(world.engine.clone(), world.home.path().into()).with_segment_bytes(10 << 20);
    let vault = world.vault();
    let summary = wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &Silent)).unwrap();
    assert_eq!((summary.segments, summary.records), (4, 44), "12 lines of 0.9 MB are 10 MiB");
    assert!(summary.packed_bytes < summary.plain_bytes);
    world.assert_good(44);
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
    world.assert_at_rest();
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
fn several_ledgers_share_a_vault() {
    let world = World::filled(30);
    wait(world.engine.create_ledger(name("other"), SignPer::Commit)).unwrap();
    append(&world.engine, "other", 9, 50);
    world.archive(Seal::Now).unwrap();
    let vault = world.vault();
    wait(world.archiver().archive(&name("other"), &vault, Seal::Now, &Silent)).unwrap();
    world.assert_good(world.size() + 10);
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
    world.assert_at_rest();
}

/// A world whose only segment is not recorded yet, and the first id that its record will have.
fn world_with_known_id() -> (World, String) {
    let world = World::filled(10);
    // The same rows, so the same segment in the same vault: the id of its record is known beforehand.
    world.archive(Seal::Now).unwrap();
    let twin = world.copy(|_| {});
    append(&twin.engine, LEDGER, 1, 10);
    twin.archive_into(&world.vault(), Seal::Now).unwrap();
    let last = twin.engine.get(&name(LEDGER), Seq::new(11).unwrap()).unwrap().unwrap();
    let id = RecordView::parse(&last.record).unwrap().id.to_string();
    for name in manifests(&world.folder()).iter().skip(1) {
        std::fs::remove_file(world.folder().join(name)).unwrap();
    }
    (world, id)
}

#[test]
fn a_client_that_takes_the_id_of_an_archive_record_cannot_silence_it() {
    let (world, id) = world_with_known_id();
    append_with_id(&world.engine, LEDGER, EventId::new(&id).unwrap());
    world.archive(Seal::Now).unwrap();
    assert_eq!(world.news().len(), 1);
    world.assert_at_rest();
    append(&world.engine, LEDGER, 1, 10);
    world.archive(Seal::Now).unwrap();
    assert_eq!(world.news().len(), 2, "each once");
    world.assert_at_rest();
}

#[test]
fn a_client_that_takes_all_ids_of_an_archive_record_does_not_hold_up_the_archive() {
    let (world, id) = world_with_known_id();
    append_with_id(&world.engine, LEDGER, EventId::new(&id).unwrap());
    for attempt in 1..20 {
        append_with_id(&world.engine, LEDGER, EventId::new(&format!("{id}-{attempt}")).unwrap());
    }
    let summary = world.archive(Seal::Now).unwrap();
    assert_eq!((summary.archived, summary.records), (30, 20));
    world.assert_good(30);
    assert_eq!(world.news().len(), 0, "its records are all taken by the client's events");
    append(&world.engine, LEDGER, 1, 10);
    world.archive(Seal::Now).unwrap();
    world.assert_good(world.size());
    assert_eq!(world.news().len(), 1, "the next segment has ids of its own");
}

/// Follows how far a run says it is.
#[derive(Default)]
struct Follower(std::sync::Mutex<Vec<u64>>);

impl Progress for Follower {
    fn begin(&self, _ledger: &LedgerName, _records: u64) {}
    fn at(&self, records: u64) {
        self.0.lock().unwrap().push(records);
    }
}

#[test]
fn segments_that_are_packed_at_once_are_the_ones_that_are_packed_one_by_one() {
    let home = tempfile::tempdir().unwrap();
    let config = EngineConfig::new(home.path().join("data"), ServerName::new(SERVER).unwrap());
    let engine = Engine::open(config, signer()).unwrap();
    wait(engine.create_ledger(name(LEDGER), SignPer::Commit)).unwrap();
    let (once, steps) = (home.path().join("once"), home.path().join("steps"));
    let archive = |path: &std::path::Path, progress: &dyn Progress| {
        let vault = DirectoryVault::open(path).unwrap();
        let archiver = Archiver::new(engine.clone(), home.path().into());
        wait(archiver.archive(&name(LEDGER), &vault, Seal::Whole, progress)).unwrap()
    };
    for segment in 1..=3 {
        append(&engine, LEDGER, WHOLE, 40);
        // Where only one whole segment waits, nothing is packed ahead.
        assert_eq!(archive(&steps, &Silent).archived, segment * WHOLE);
    }
    let follower = Follower::default();
    let summary = archive(&once, &follower);
    assert_eq!((summary.segments, summary.archived), (3, 3 * WHOLE));
    assert_good(&once, 3 * WHOLE);
    let (once, steps) = (files(&once.join(LEDGER)), files(&steps.join(LEDGER)));
    let segments = |files: std::collections::BTreeMap<String, Vec<u8>>| {
        let mut files = files;
        files.retain(|name, _| name.ends_with(".zst"));
        files
    };
    assert!(segments(once) == segments(steps), "the same records make the same bytes");
    let said = follower.0.into_inner().unwrap();
    assert!(said.is_sorted() && said.last() == Some(&(3 * WHOLE)), "{said:?}");
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
    let left: Vec<String> = files(&world.folder()).into_keys().collect();
    assert!(matches!(&left[..], [name] if name.starts_with(".tmp-turn-")), "{left:?}");
    world.archive(Seal::Now).unwrap();
    world.assert_good(world.size());
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
    world.assert_at_rest();
}
