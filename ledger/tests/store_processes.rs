//! What a store meets in the world outside of one process: a kill in the middle of a write, a full disk,
//! a folder it may not write, a second process. Each test starts this very program again as a child that
//! plays a role.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use indelible_ledger::folder::{DataFolder, FolderError};
use indelible_ledger::store::rocks::{RocksBeside, RocksConfig, RocksOpener};
use indelible_ledger::store::{Batch, Read, Scan, Space, Store, StoreError, StoreOpener};
use tempfile::TempDir;

const ROLE: &str = "INDELIBLE_TEST_ROLE";
const DIR: &str = "INDELIBLE_TEST_DIR";

/// Not a test: what the children run. Without a role there is nothing to do.
#[test]
fn child() {
    let (Ok(role), Ok(dir)) = (env::var(ROLE), env::var(DIR)) else { return };
    let dir = Path::new(&dir);
    match role.as_str() {
        "write until killed" => write_for_ever(dir),
        "open the store" => say(&describe(opener(dir).open().map(drop))),
        "open the folder" => say(&describe(DataFolder::open(dir).map(drop))),
        "write until full" => write_until_full(dir),
        other => panic!("no role {other}"),
    }
}

fn opener(dir: &Path) -> RocksOpener {
    RocksOpener::new(RocksConfig::new(dir))
}

fn describe<E: std::fmt::Debug + std::fmt::Display>(result: Result<(), E>) -> String {
    result.map_or_else(|error| format!("{error:?} {error}").replace('\n', " "), |()| "fine".into())
}

/// Lines for the parent begin with a mark, since the test harness writes to the same place.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{line}").unwrap();
    out.flush().unwrap();
}

/// One commit over several spaces, with values of very different sizes.
fn commit(store: &dyn Store, number: u64) -> Result<(), StoreError> {
    let key = number.to_be_bytes();
    let mut batch = Batch::new();
    batch.put(Space::Commits, &key, &key);
    let block = vec![number as u8; (number as usize * 7919) % 60_000];
    batch.put_owned(Space::Blocks, &key, block);
    batch.put(Space::Heads, b"head", &key);
    batch.put(Space::Ids, &number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), &key);
    store.commit(&batch)
}

/// The last commit; panics unless everything up to it is there, whole.
fn check_commits(store: &dyn Read) -> u64 {
    let commits = store.rows(&Scan::all(Space::Commits)).unwrap();
    for (number, (key, value)) in commits.iter().enumerate() {
        let number = number as u64;
        assert_eq!((&key[..], &value[..]), (&number.to_be_bytes()[..], &number.to_be_bytes()[..]));
        let block = store.get(Space::Blocks, key).unwrap().expect("the block of a commit");
        assert_eq!(block.len(), (number as usize * 7919) % 60_000);
        assert!(block.iter().all(|byte| *byte == number as u8));
        let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        assert_eq!(store.get(Space::Ids, &id).unwrap().as_ref(), Some(value));
    }
    let count = commits.len() as u64;
    let last = count.checked_sub(1).map(|last| last.to_be_bytes().to_vec());
    assert_eq!(store.get(Space::Heads, b"head").unwrap(), last);
    assert_eq!(store.rows(&Scan::all(Space::Blocks)).unwrap().len() as u64, count);
    assert_eq!(store.rows(&Scan::all(Space::Ids)).unwrap().len() as u64, count);
    count
}

fn write_for_ever(dir: &Path) {
    let store = opener(dir).open().unwrap();
    let mut next = check_commits(&*store);
    loop {
        commit(&*store, next).unwrap();
        say(&next.to_string());
        next += 1;
    }
}

fn write_until_full(dir: &Path) {
    let store = opener(dir).open().unwrap();
    for number in 0..10_000 {
        if let Err(error) = commit(&*store, number) {
            let later = commit(&*store, number + 1).expect_err("a poisoned handle took a commit");
            say(&format!("{number} {error:?} | {later:?}"));
            return;
        }
    }
    say("never full");
}

fn start(program: &Path, role: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(DIR, dir).stdout(Stdio::piped());
    command
}

fn child_of(role: &str, dir: &Path) -> Child {
    start(&env::current_exe().unwrap(), role, dir).spawn().unwrap()
}

fn answer(mut child: Child) -> String {
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.wait().unwrap();
    let line = out.lines().find_map(|line| line.strip_prefix('@'));
    line.unwrap_or_else(|| panic!("the child said nothing: {out}")).to_owned()
}

/// The numbers that a writer says, as they come.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix('@')?.parse().ok())
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_afterwards() {
    let dir = TempDir::new().unwrap();
    let db = dir.path().join("db");
    let mut known = 0;
    for round in 0..12u64 {
        let mut child = child_of("write until killed", &db);
        let mut numbers = acknowledged(&mut child);
        let first = numbers.next().expect("the writer starts");
        assert!(first >= known, "round {round}: {first} was acknowledged before");
        thread::sleep(Duration::from_millis(5 + round * 13));
        child.kill().unwrap();
        let last = numbers.last().unwrap_or(first);
        child.wait().unwrap();
        let store = opener(&db).open().unwrap();
        known = check_commits(&*store);
        assert!(known > last, "round {round}: {last} was acknowledged, but only {known} are there");
    }
}

#[test]
fn a_second_process_is_told_that_the_store_and_the_folder_are_in_use() {
    let dir = TempDir::new().unwrap();
    let folder = DataFolder::open(dir.path()).unwrap();
    let store = opener(&folder.database()).open().unwrap();
    let said = answer(child_of("open the store", &folder.database()));
    assert!(said.starts_with("Locked"), "{said}");
    let said = answer(child_of("open the folder", dir.path()));
    assert!(said.starts_with("Locked"), "{said}");
    assert!(said.contains(&dir.path().display().to_string()), "{said}");
    assert!(said.contains("another process"), "{said}");
    store.close().unwrap();
    drop(folder);
    assert_eq!(answer(child_of("open the folder", dir.path())), "fine");
    assert_eq!(answer(child_of("open the store", &dir.path().join("db"))), "fine");
}

#[test]
fn a_reader_beside_a_live_writer_sees_one_whole_state() {
    let dir = TempDir::new().unwrap();
    let db = dir.path().join("db");
    let mut child = child_of("write until killed", &db);
    let mut numbers = acknowledged(&mut child);
    let mut last = numbers.next().expect("the writer starts");
    for _ in 0..8 {
        let reader = RocksBeside::open(&RocksConfig::new(&db)).unwrap();
        let seen = check_commits(&reader);
        assert!(seen > last, "{last} was acknowledged, but the reader sees {seen}");
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {
            last = numbers.next().expect("the writer goes on beside a reader");
        }
        assert_eq!(check_commits(&reader), seen, "the state changed under the reader");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(check_commits(&*opener(&db).open().unwrap()) > last);
}

/// A limit on the size of files is the one way to a real failing write that needs no rights. Files grow
/// until the kernel answers EFBIG.
#[test]
fn a_full_disk_ends_in_an_error_and_loses_nothing_acknowledged() {
    let dir = TempDir::new().unwrap();
    let db = dir.path().join("db");
    let mut shell = Command::new("sh");
    // Blocks of 512 bytes: files of at most 2 MiB. Without the trap the kernel ends the process.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" child --exact --nocapture"]);
    shell.arg(env::current_exe().unwrap()).stdout(Stdio::piped());
    shell.env(ROLE, "write until full").env(DIR, &db);
    let said = answer(shell.spawn().unwrap());
    let failed: u64 = said.split(' ').next().unwrap().parse().expect(&said);
    assert!(failed > 20, "{said}");
    assert!(said.contains("UnknownOutcome { cause: Full("), "{said}");
    assert!(said.contains("| Poisoned("), "{said}");
    let store = opener(&db).open().unwrap();
    let there = check_commits(&*store);
    assert!((failed..=failed + 1).contains(&there), "{there} commits, {failed} acknowledged");
    commit(&*store, there).unwrap();
}

#[test]
fn a_folder_without_permission_is_named() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let folder = DataFolder::open(&data).unwrap();
    commit(&*opener(&folder.database()).open().unwrap(), 0).unwrap();
    drop(folder);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    fs::set_permissions(data.join("db"), fs::Permissions::from_mode(0o500)).unwrap();
    // Permissions do not bind root, so root tries as nobody, from a copy that nobody may run.
    let root = rustix::process::geteuid().is_root();
    let program = dir.path().join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |role: &str, dir: &Path| {
        let mut command = start(&program, role, dir);
        if root {
            command.uid(65_534).gid(65_534);
        }
        answer(command.spawn().unwrap())
    };
    let said = run("open the folder", &data);
    assert!(said.starts_with("Permission"), "{said}");
    assert!(said.contains(&data.display().to_string()), "{said}");
    let said = run("open the store", &data.join("db"));
    assert!(said.starts_with("Permission"), "{said}");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(data.join("db"), fs::Permissions::from_mode(0o700)).unwrap();
    let store = opener(&data.join("db")).open().unwrap();
    assert_eq!(check_commits(&*store), 1);
    assert!(!matches!(DataFolder::open(&data), Err(FolderError::Permission { .. })));
}
