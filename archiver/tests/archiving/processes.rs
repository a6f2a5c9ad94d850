//! What happens to whole processes: killed at random moments, and on a full disk.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use indelible_archiver::{ArchiveError, Archiver, DirectoryVault, Seal, Silent, VaultError};
use indelible_core::name::ServerName;
use indelible_core::system::SignPer;
use indelible_ledger::{CreateError, Engine, EngineConfig};

use crate::common::{
    LEDGER, SERVER, World, append, assert_at_rest, assert_good, files, manifests, name, signer,
    wait,
};

const ROLE: &str = "INDELIBLE_ARCHIVER_TEST_ROLE";
const HOME: &str = "INDELIBLE_ARCHIVER_TEST_HOME";
const DATA: &str = "INDELIBLE_ARCHIVER_TEST_DATA";
const BYTES: &str = "INDELIBLE_ARCHIVER_TEST_BYTES";
/// More rounds than the usual few.
const ROUNDS: &str = "INDELIBLE_ARCHIVER_KILL_ROUNDS";

/// The other processes of the tests below are this program again, with this as its only test.
#[test]
fn this_process_plays_the_role_it_was_given() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let home = PathBuf::from(std::env::var_os(HOME).unwrap());
    match role.as_str() {
        "append and archive" => append_and_archive(&home),
        "archive a copy" => archive_a_copy(&home),
        "fill the vault" => fill_the_vault(&home),
        role => panic!("{role}"),
    }
}

fn this_program(wrapper: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap();
    let test = "processes::this_process_plays_the_role_it_was_given";
    let mut command = match wrapper {
        [] => Command::new(&program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
    };
    command.args(["--exact", test, "--nocapture"]).stdout(Stdio::null());
    command
}

fn open(home: &Path) -> Engine {
    let config = EngineConfig::new(home.join("data"), ServerName::new(SERVER).unwrap());
    let engine = Engine::open(config, signer()).unwrap();
    match wait(engine.create_ledger(name(LEDGER), SignPer::Record)) {
        Ok(_) | Err(CreateError::Exists(_)) => engine,
        Err(error) => panic!("{error}"),
    }
}

fn append_and_archive(home: &Path) {
    let engine = open(home);
    let vault = DirectoryVault::open(&home.join("vault")).unwrap();
    let archiver = Archiver::new(engine.clone(), home.into()).with_segment_bytes(4 << 10);
    fs::write(home.join("ready"), "").unwrap();
    loop {
        append(&engine, LEDGER, 50, 100);
        wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &Silent)).unwrap();
    }
}

#[test]
fn an_archiver_killed_at_random_moments_is_continued_and_the_vault_is_good_each_time() {
    let rounds = std::env::var(ROUNDS).map_or(12, |rounds| rounds.parse().unwrap());
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("vault").join(LEDGER);
    let mut seen = files(&folder);
    for round in 0..rounds {
        let ready = home.path().join("ready");
        let _ = fs::remove_file(&ready);
        let mut child = this_program(&[])
            .env(ROLE, "append and archive")
            .env(HOME, home.path())
            .spawn()
            .unwrap();
        let since = Instant::now();
        while !ready.exists() {
            assert!(since.elapsed() < Duration::from_secs(60), "the archiver does not begin");
            assert!(child.try_wait().unwrap().is_none(), "the archiver ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Spread over a run of some ten milliseconds, never the same twice.
        std::thread::sleep(Duration::from_micros(20_000 + round * 7919 % 60_000));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "killed, not ended by itself");

        let left = files(&folder);
        assert!(seen.iter().all(|(n, b)| n.starts_with(".tmp-") || left.get(n) == Some(b)));
        if let Some(last) = manifests(&folder).last() {
            assert_good(&home.path().join("vault"), last[21..41].parse::<u64>().unwrap() + 1);
        }
        seen = left;
    }
    assert!(manifests(&folder).len() > 4, "the archiver was killed before it did anything");

    let engine = open(home.path());
    let vault = DirectoryVault::open(&home.path().join("vault")).unwrap();
    let archiver = Archiver::new(engine.clone(), home.path().into());
    let run = |seal| wait(archiver.archive(&name(LEDGER), &vault, seal, &Silent)).unwrap();
    run(Seal::Now);
    assert_at_rest(&engine, &vault, run);
}

/// One of two that have the same ledger, each in a copy of the data folder, and cut it differently.
fn archive_a_copy(home: &Path) {
    let of = |name: &str| std::env::var(name).unwrap();
    let config = EngineConfig::new(of(DATA), ServerName::new(SERVER).unwrap());
    let engine = Engine::open(config, signer()).unwrap();
    let vault = DirectoryVault::open(&home.join("vault")).unwrap();
    let archiver = Archiver::new(engine, home.into());
    let archiver = archiver.with_segment_bytes(of(BYTES).parse().unwrap());
    fs::write(format!("{}.ready", of(DATA)), "").unwrap();
    while !home.join("go").exists() {
        std::hint::spin_loop();
    }
    let _ = wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &Silent));
}

#[test]
fn two_processes_that_cut_one_ledger_differently_never_leave_segments_that_overlap() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path());
    append(&engine, LEDGER, 300, 300);
    wait(engine.close());
    for round in 0..8 {
        let here = home.path().join(format!("round-{round}"));
        fs::create_dir(&here).unwrap();
        let mut children: Vec<_> = ["5000", "7000"]
            .into_iter()
            .map(|bytes| {
                let data = here.join(bytes);
                let mut copied = Command::new("cp");
                copied.arg("-a").arg(home.path().join("data")).arg(&data);
                assert!(copied.status().unwrap().success());
                let mut child = this_program(&[]);
                child.env(ROLE, "archive a copy").env(HOME, &here).env(DATA, &data);
                child.env(BYTES, bytes).spawn().unwrap()
            })
            .collect();
        let since = Instant::now();
        while !["5000.ready", "7000.ready"].iter().all(|name| here.join(name).exists()) {
            assert!(since.elapsed() < Duration::from_secs(60), "they do not begin");
            std::thread::sleep(Duration::from_millis(1));
        }
        fs::write(here.join("go"), "").unwrap();
        for child in &mut children {
            assert!(child.wait().unwrap().success());
        }
        // One of them may have had to stop, since its copy of the ledger went another way than the other's:
        // what is in the vault is one history without a hole or an overlap.
        let last = manifests(&here.join("vault").join(LEDGER)).pop().unwrap();
        assert_good(&here.join("vault"), last[21..41].parse::<u64>().unwrap() + 1);
    }
}

/// Runs where the vault is a file system of 128 KiB that it may enlarge.
fn fill_the_vault(home: &Path) {
    let world = World::filled(1000);
    let vault = DirectoryVault::open(home).unwrap();
    let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
    let run = || wait(archiver.archive(&name(LEDGER), &vault, Seal::Now, &Silent));
    let error = run().unwrap_err();
    let full = matches!(&error, ArchiveError::Vault(VaultError::Io { source, .. })
        if source.kind() == std::io::ErrorKind::StorageFull);
    assert!(full, "{error:?}");
    let left: Vec<String> = files(&home.join(LEDGER)).into_keys().collect();
    let only_the_choice = matches!(&left[..], [name] if name.starts_with(".tmp-turn-"));
    assert!(only_the_choice, "what was unfinished is taken away again: {left:?}");
    let room = Command::new("mount").args(["-o", "remount,size=16m"]).arg(home).status();
    assert!(room.unwrap().success());
    run().unwrap();
    assert_good(home, 1000);
    fs::write(home.join("done"), "").unwrap();
}

#[test]
fn a_full_vault_is_a_clear_error_and_the_next_run_continues_when_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    let root = rustix::process::geteuid().is_root();
    let script = "mount -t tmpfs -o size=128k,mode=0700 tmpfs \"$0\" && exec \"$@\"";
    let wrapper = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, path];
    let wrapper: Vec<&str> =
        wrapper.into_iter().filter(|part| !root || *part != "--map-root-user").collect();
    let mut works = Command::new(wrapper[0]);
    works.args(&wrapper[1..]).arg("true").stderr(Stdio::null());
    if !works.status().is_ok_and(|status| status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT TESTED: a full vault, because this system lets nobody mount a tmpfs ***\n"
        );
        return;
    }
    let status = this_program(&wrapper).env(ROLE, "fill the vault").env(HOME, path).status();
    assert!(status.unwrap().success());
}
