//! A log of the database lost its end, was emptied, or is gone. Several logs carry data at once here, as
//! while tables are being written out, and as earlier versions left them: a log in the middle that ends
//! early looks to RocksDB like one that was closed there.
//!
//! Whatever is lost, the engine does not start, says what is missing, and leaves every file as it was;
//! with the log back in its place everything is there.

mod engine_support;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_support::*;
use indelible_core::name::ServerName;
use indelible_core::system::SignPer;
use indelible_ledger::folder::{DataFolder, HeadFile, database};
use indelible_ledger::rows::meta::StateRow;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::store::rocks::{RocksConfig, RocksOpener};
use indelible_ledger::store::{Space, StoreError, StoreOpener as _};
use indelible_ledger::testing::check_engine;
use indelible_ledger::{Engine, EngineConfig, OpenError, Signer as _};

const LEDGERS: [&str; 3] = ["a", "b", "c"];
const LOGS: usize = 4;
const COMMITS_OF_A_LOG: u64 = 9;

type Rows = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

fn rows(disk: &MemoryDisk) -> Rows {
    disk.contents().into_iter().map(|(space, key, value)| ((space, key), value)).collect()
}

/// What each commit of an engine wrote, the identity first.
fn commits() -> Vec<Rows> {
    let place = Place::new();
    let engine = place.open();
    let mut before = rows(&place.disk);
    let mut commits = vec![before.clone()];
    let mut step = |disk: &MemoryDisk| {
        let after = rows(disk);
        let new = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
        commits.push(new.map(|(key, value)| (key.clone(), value.clone())).collect());
        before = after;
    };
    for ledger in LEDGERS {
        create(&engine, ledger, SignPer::Record);
        step(&place.disk);
    }
    for n in 0..LOGS as u64 * COMMITS_OF_A_LOG {
        // Enough for full tiles; one ledger in a row, then another.
        let ledger = LEDGERS[(n / 4 % 3) as usize];
        let events = (0..40).map(|e| with_id(&format!("{n}-{e}"), n)).collect();
        append(&engine, ledger, events).unwrap();
        step(&place.disk);
    }
    run(engine.close());
    commits
}

/// A database whose rows lie in several logs, as one is that was killed again and again and kept its
/// logs.
fn with_many_logs(dir: &Path, commits: &[Rows]) {
    let folder = DataFolder::open(dir).unwrap();
    let keep_logs = "avoid_flush_during_recovery=true";
    let mut options = rocksdb::Options::default().get_options_from_string(keep_logs).unwrap();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let mut synced = rocksdb::WriteOptions::default();
    synced.set_sync(true);
    let names: Vec<&str> =
        std::iter::once("default").chain(Space::ALL.iter().map(|space| space.name())).collect();
    for some in commits.chunks(commits.len().div_ceil(LOGS)) {
        let db = rocksdb::DB::open_cf(&options, folder.database(), &names).unwrap();
        for commit in some {
            let mut batch = rocksdb::WriteBatch::default();
            for ((space, key), value) in commit {
                batch.put_cf(db.cf_handle(space.name()).unwrap(), key, value);
            }
            db.write_opt(batch, &synced).unwrap();
        }
    }
    let state = (Space::Meta, StateRow::KEY.to_vec());
    let state = StateRow::decode(&commits.last().unwrap()[&state]).unwrap();
    folder.begin_head(HeadFile { commit: state.commit, digest: state.digest }).unwrap();
}

fn logs(db: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(db).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    logs.retain(|log| fs::metadata(log).unwrap().len() > 0);
    logs.sort();
    logs
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // RocksDB's own text of what it did says nothing about the data.
        if path.is_file() && !name.starts_with("LOG") && name != "lock" {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

fn open(dir: &Path) -> Result<Engine, OpenError> {
    let config = EngineConfig::new(dir, ServerName::new("test.example").unwrap());
    Engine::open(config, Arc::new(signer()))
}

/// How a log is damaged.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Gone,
    Empty,
    /// Cut at this many twelfths.
    Cut(u64),
    /// Its last byte is missing.
    Torn,
}

impl Loss {
    fn all() -> Vec<Self> {
        let cuts = (1..12).map(Self::Cut);
        [Self::Gone, Self::Empty, Self::Torn].into_iter().chain(cuts).collect()
    }

    fn inflict(self, log: &Path) {
        let bytes = fs::metadata(log).unwrap().len();
        let cut = |bytes| OpenOptions::new().write(true).open(log).unwrap().set_len(bytes).unwrap();
        match self {
            Self::Gone => fs::remove_file(log).unwrap(),
            Self::Empty => cut(0),
            Self::Cut(twelfths) => cut(bytes * twelfths / 12),
            Self::Torn => cut(bytes - 1),
        }
    }
}

/// Which rows are missing is said, not only that something is wrong.
fn says_what_is_missing(error: &OpenError) -> bool {
    match error {
        OpenError::HeadBehind { found, expected, .. } => found < expected,
        OpenError::Incomplete { missing } => {
            missing.contains("commit") && missing.contains("missing")
        }
        // RocksDB itself misses a log that its manifest names.
        OpenError::Store(StoreError::Corrupt(text)) => {
            text.contains("WAL") || text.contains(".log")
        }
        _ => false,
    }
}

#[test]
fn a_log_that_was_lost_or_cut_keeps_the_engine_from_starting_and_is_named() {
    let commits = commits();
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    with_many_logs(&whole, &commits);
    let records = LEDGERS.len() as u64 + LOGS as u64 * COMMITS_OF_A_LOG * 40;
    assert_eq!(logs(&database(&whole)).len(), LOGS, "several logs carry data");
    let mut named_ranges = 0;
    for log in 0..LOGS {
        for (case, loss) in Loss::all().into_iter().enumerate() {
            let dir = folder.path().join(format!("{log}-{case}"));
            copy(&whole, &dir);
            let path = logs(&database(&dir))[log].clone();
            let kept = fs::read(&path).unwrap();
            loss.inflict(&path);
            let before = (files(&dir), files(&database(&dir)));
            let error = open(&dir).map(drop).expect_err(&format!("log {log}, {loss:?}: it starts"));
            assert!(says_what_is_missing(&error), "log {log}, {loss:?}: {error:?}");
            named_ranges += u32::from(error.to_string().contains("lacks the records"));
            assert!(
                before == (files(&dir), files(&database(&dir))),
                "{loss:?}: changed by refusing"
            );
            // Without the head outside of it only the last log's end can be missing unnoticed.
            if log + 1 < LOGS {
                let head = fs::read(dir.join("head")).unwrap();
                fs::remove_file(dir.join("head")).unwrap();
                let error = open(&dir).map(drop).expect_err("the chain over commits has a hole");
                assert!(says_what_is_missing(&error), "log {log}, {loss:?}: {error:?}");
                fs::write(dir.join("head"), head).unwrap();
            }
            fs::write(&path, kept).unwrap();
            run(open(&dir).unwrap().close());
            let store = RocksOpener::new(RocksConfig::new(database(&dir))).open().unwrap();
            let checked = check_engine(&*store, &[signer().note_key()]).unwrap();
            assert_eq!(checked.records, records, "log {log}, {loss:?}: put back");
            store.close().unwrap();
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    assert!(named_ranges > 20, "ledgers and ranges were named {named_ranges} times only");
}

#[test]
fn opening_leaves_one_log_and_everything_else_in_files() {
    let commits = commits();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    with_many_logs(&dir, &commits);
    let engine = open(&dir).unwrap();
    let rows_in_logs = || -> u64 {
        logs(&database(&dir)).iter().map(|log| fs::metadata(log).unwrap().len()).sum()
    };
    // One entry without rows, with which RocksDB begins a log after a recovery, at most.
    assert!(rows_in_logs() < 64, "{:?}", logs(&database(&dir)));
    append_one(&engine, "a", without_id(1)).unwrap();
    assert_eq!(logs(&database(&dir)).len(), 1);
    run(engine.close());
}
