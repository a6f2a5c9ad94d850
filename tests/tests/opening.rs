//! A database that never finishes opening holds up nobody for ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use indelible_tests::client::Event;
use indelible_tests::programs::{indelible, run_with};
use indelible_tests::server::Setup;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let setup = Setup::new(&data);
    for round in 0..2 {
        let server = setup.start().expect("a start");
        server.client().create("orders", "record");
        server.client().append("orders", &[Event::new(format!("e{round}"), "{}")]);
        server.stop();
    }
    (folder, data)
}

fn manifest(data: &Path) -> PathBuf {
    let name = fs::read_to_string(data.join("db/CURRENT")).unwrap();
    data.join("db").join(name.trim_end())
}

/// A pipe that nobody writes into: whoever opens it waits.
fn endless(path: &Path) {
    fs::remove_file(path).unwrap();
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo cannot be run");
    assert!(made.success());
}

const IN_A_SECOND: (&str, &str) = ("INDELIBLE_DATA_OPEN_TIMEOUT", "1");

#[test]
fn a_start_that_takes_too_long_is_given_up_and_says_what_it_was_doing() {
    let (_folder, data) = folder();
    endless(&manifest(&data));
    let begun = Instant::now();
    let setup = Setup::new(&data).with(IN_A_SECOND.0, IN_A_SECOND.1);
    let refusal = setup.start().expect_err("nothing can be read");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(refusal.code, 2, "{refusal:?}");
    for text in ["did not open within 1 s", "data.open_timeout", "MANIFEST", "backup"] {
        assert!(refusal.log.contains(text), "no word of {text}: {}", refusal.log);
    }
}

#[test]
fn a_start_that_hangs_can_be_stopped() {
    let (_folder, data) = folder();
    endless(&manifest(&data));
    for signal in ["TERM", "INT"] {
        let mut starting = Setup::new(&data).spawn();
        std::thread::sleep(Duration::from_millis(500));
        starting.signal(signal);
        let begun = Instant::now();
        let ended = starting.ended();
        assert!(begun.elapsed() < Duration::from_secs(10), "{signal}: {:?}", begun.elapsed());
        assert_eq!(ended.code, 0, "{signal}: {}", ended.log);
        assert!(ended.log.contains("told to stop while starting"), "{}", ended.log);
    }
}

#[test]
fn the_other_commands_do_not_hang_either() {
    let (_folder, data) = folder();
    endless(&manifest(&data));
    let variables = [(IN_A_SECOND.0, IN_A_SECOND.1.as_ref())];
    let data = data.to_str().unwrap();
    for (command, code) in [("doctor", 1), ("verify", 2), ("repair", 2)] {
        let begun = Instant::now();
        let ran = run_with(indelible(), [command, "--data", data], &variables).expect(code);
        assert!(begun.elapsed() < Duration::from_secs(10), "{command}: {:?}", begun.elapsed());
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("did not open within 1 s"), "{command}: {said}");
    }
}

/// One flipped bit in the type of a record of MANIFEST or a write log makes RocksDB read the same place
/// for ever.
#[test]
fn a_flipped_bit_that_would_be_read_for_ever_is_refused_at_once() {
    let (_folder, data) = folder();
    let server = Setup::new(&data).start().expect("a start");
    server.client().append("orders", &[Event::new("more", "{}"), Event::new("most", "{}")]);
    server.kill();
    let mut files = vec![manifest(&data)];
    let all = fs::read_dir(data.join("db")).unwrap().map(|entry| entry.unwrap().path());
    files.extend(all.filter(|path| {
        path.extension().is_some_and(|ending| ending == "log") && path.metadata().unwrap().len() > 0
    }));
    assert!(files.len() > 1, "there is no write log");
    for path in files {
        let sound = fs::read(&path).unwrap();
        let mut damaged = sound.clone();
        let second = 7 + usize::from(u16::from_le_bytes([sound[4], sound[5]]));
        // The type of the second record of the manifest, or of the first of a log.
        let place = if second + 7 < sound.len() { second + 6 } else { 6 };
        damaged[place] ^= 4;
        fs::write(&path, damaged).unwrap();
        let begun = Instant::now();
        let refusal = Setup::new(&data).start().expect_err("damaged");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(refusal.log.contains(&format!("at byte {place}")), "{}", refusal.log);
        run_with(indelible(), ["verify", "--data", data.to_str().unwrap()], &[]).expect(2);
        fs::write(&path, sound).unwrap();
    }
    Setup::new(&data).start().expect("sound again").stop();
}
