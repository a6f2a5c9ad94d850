//! A disk that is full while many groups of a stream are on their way: what was sent
//! stands in the ledger in that order, without a hole, and the whole of it in the end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use indelible_tests::sandbox::{in_memory, say_skipped};
use indelible_tests::server::{Server, Setup};

/// The disk, and what fills it at first: some of the events find room, not all.
const DISK: &str = "168m";
const BALLAST: &str = "144m";
/// Failures after which the disk gets room: until then the database opens again each time, and fails with
/// the next large commit.
const FAILURES: usize = 5;
/// The same in time, should fewer be noticed: opening again needs room, too.
const FAILING_MAX: Duration = Duration::from_secs(3);
const EVENTS: u64 = 80;
const EVENT_BYTES: usize = 650 << 10;
/// Longer than recovering from a full disk takes, with the machine busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server on a small disk that is nearly full.
fn nearly_full(folder: &Path) -> Option<Server> {
    let disk = folder.join("disk");
    fs::create_dir(&disk).unwrap();
    let prepare = format!("head -c {BALLAST} /dev/zero >\"$0/ballast\"");
    let wrapper = in_memory(&disk, DISK, &prepare)?;
    let server = Setup::new(&disk.join("data")).within(wrapper).start().expect("a start");
    server.client().create("orders", "record");
    Some(server)
}

/// Runs `work` and makes room when some commits have failed. Also returns how many did.
fn with_relief<T>(server: &Server, folder: &Path, work: impl FnOnce() -> T) -> (T, usize) {
    let ballast = server.data().parent().unwrap().join("ballast");
    let ended = Arc::new(AtomicBool::new(false));
    let watcher = {
        let ended = Arc::clone(&ended);
        let log = folder.join("disk/data.log");
        std::thread::spawn(move || {
            let mut first = None;
            loop {
                let failures = store_failures(&log);
                if failures > 0 {
                    let since = *first.get_or_insert_with(Instant::now);
                    if failures >= FAILURES || since.elapsed() > FAILING_MAX {
                        let _ = fs::remove_file(&ballast);
                    }
                }
                if ended.load(SeqCst) {
                    return failures;
                }
                std::thread::sleep(Duration::from_millis(3));
            }
        })
    };
    let done = work();
    ended.store(true, SeqCst);
    (done, watcher.join().unwrap())
}

/// Commits that failed, as the server's log has them: a server that cannot read its store answers little.
fn store_failures(log: &Path) -> usize {
    fs::read_to_string(log).expect("the server's log").matches("a commit failed").count()
}

fn event(n: u64) -> String {
    // Nothing that compresses: the disk is to become full.
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let pad: String = (0..EVENT_BYTES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'a' + (state >> 40) as u8 % 26)
        })
        .collect();
    format!("{{\"n\":{n},\"pad\":\"{pad}\"}}")
}

/// Every event is there once, in order.
fn assert_whole(server: &Server) {
    let mut client = server.client();
    assert_eq!(client.size("orders"), EVENTS + 1);
    for n in 0..EVENTS {
        let record = client.get(&format!("/v1/ledgers/orders/events/{}", n + 1)).json();
        assert_eq!(record["event"]["n"], n);
    }
}

/// Sends lines from `from` on; the next line to send. Nothing is taken behind one that failed, and what
/// is taken has the place that its order gives it.
fn stream(server: &Server, from: u64) -> Option<u64> {
    let body: String =
        (from..EVENTS).map(|n| format!("{{\"event\":{},\"id\":\"e{n}\"}}\n", event(n))).collect();
    let headers = [("content-type", "application/x-ndjson")];
    let path = "/v1/ledgers/orders/events";
    // An answer that breaks off says nothing: all of it is sent again.
    let Ok(answer) = server.client().http().request("POST", path, &headers, body.as_bytes()) else {
        return Some(from);
    };
    if answer.status != 200 {
        assert_eq!(answer.status, 503, "{}", answer.text());
        return Some(from);
    }
    let mut failed = None;
    for line in answer.text().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let Some(number) = line["line"].as_u64() else {
            assert_eq!(line["error"]["resend_from"].as_u64(), failed, "{line}");
            continue;
        };
        match (line["seq"].as_u64(), failed) {
            (Some(seq), None) => assert_eq!(seq, from + number, "line {number} is out of order"),
            (Some(_), Some(first)) => panic!("line {number} is taken although {first} failed"),
            (None, _) => {
                failed.get_or_insert(number);
                assert_eq!(line["error"]["resend_from"].as_u64(), failed, "{line}");
            }
        }
    }
    failed.map(|line| from + line - 1)
}

#[test]
fn a_stream_onto_a_full_disk_keeps_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = nearly_full(folder.path()) else {
        say_skipped("order on a full disk", "this system allows no mount namespace");
        return;
    };
    let ((), failures) = with_relief(&server, folder.path(), || {
        let until = Instant::now() + PATIENCE;
        let mut from = Some(0);
        while let Some(next) = from {
            assert!(Instant::now() < until, "it does not heal\n{}", server.log());
            from = stream(&server, next);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(failures > 0, "the disk was full {failures} times");
    assert_whole(&server);
    server.stop();
}

#[test]
fn the_program_keeps_the_order_of_its_input_on_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = nearly_full(folder.path()) else {
        say_skipped(
            "order on a full disk, with the program",
            "this system allows no mount namespace",
        );
        return;
    };
    let input = folder.path().join("input.ndjson");
    fs::write(&input, (0..EVENTS).map(|n| event(n) + "\n").collect::<String>()).unwrap();
    let (ran, failures) = with_relief(&server, folder.path(), || {
        server.cli(&["append", "orders", input.to_str().unwrap(), "--json"])
    });
    let ran = ran.expect(0);
    assert!(failures > 0, "the disk was full {failures} times");
    let told: Vec<u64> = ran
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64())
        .collect();
    assert!(told.iter().copied().eq(1..=EVENTS), "out of order: {told:?}");
    assert_whole(&server);
    server.stop();
}
