//! Bits flip in the files of the database. No answer is ever wrong; whatever a server stumbles over is
//! named by `indelible verify`; and what follows from the records is built anew by `indelible repair`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indelible_core::hash::NodeHash;
use indelible_core::key::Trust;
use indelible_core::receipt::Receipt;
use indelible_ledger::rows::{LedgerNumber, commit, id, index, node, tile};
use indelible_ledger::store::rocks::{RocksBeside, RocksConfig, RocksOpener};
use indelible_ledger::store::{Batch, Read, Scan, Space, Store};
use indelible_tests::check::{Replayed, replay};
use indelible_tests::client::{Client, Event};
use indelible_tests::forge::{close_to_others, copy_folder};
use indelible_tests::programs::{Ran, indelible, run, run_with};
use indelible_tests::server::Setup;

const LEDGERS: [(&str, &str); 2] = [("orders", "record"), ("metrics", "commit")];
/// Flips in all, spread over the files.
const FLIPS: u64 = 160;
/// Threads that flip, each with a folder of its own.
const WORKERS: u64 = 2;

/// What a server answered while everything was sound.
struct Truth {
    ledgers: BTreeMap<String, Replayed>,
    trust: Trust,
}

/// A folder with table files, full tiles and nodes, clients' ids, and commits that are in a log only.
fn scene(folder: &Path) -> (PathBuf, Truth) {
    let data = folder.join("data");
    let setup = Setup::new(&data);
    for round in 0..3 {
        let server = setup.start().expect("a start");
        for (ledger, sign_per) in LEDGERS {
            let mut client = server.client();
            client.create(ledger, sign_per);
            let given =
                (0..200).map(|n| Event::new(format!("{round}-{n}"), format!("{{\"n\":{n}}}")));
            client.append(ledger, &given.collect::<Vec<_>>());
            client.append(ledger, &[Event::anonymous("{\"made\":true}")]);
        }
        if round == 2 {
            let mut client = server.client();
            let ledgers = LEDGERS
                .iter()
                .map(|(ledger, _)| ((*ledger).to_owned(), replay(&mut client, ledger)));
            let truth = Truth { ledgers: ledgers.collect(), trust: server.trust() };
            server.kill();
            return (data, truth);
        }
        server.stop();
    }
    unreachable!("the last round returns")
}

/// A generator of numbers that are the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}

/// Seconds after which opening is given up: some flips make it endless.
const OPEN_TIMEOUT: (&str, &str) = ("INDELIBLE_DATA_OPEN_TIMEOUT", "10");

fn with_timeout(command: &str, data: &Path) -> Ran {
    let args = [command, "--data", data.to_str().unwrap(), "--json"];
    run_with(indelible(), args, &[(OPEN_TIMEOUT.0, OPEN_TIMEOUT.1.as_ref())])
}

fn verify(data: &Path) -> Ran {
    with_timeout("verify", data)
}

fn repair(data: &Path) -> Ran {
    with_timeout("repair", data)
}

/// Asks for everything. Counts what was refused; whatever is answered must be the truth.
fn read_all(client: &mut Client, truth: &Truth, at: &str) -> u64 {
    let mut refused = 0;
    let mut get = |path: &str| {
        let answer = client.http().request("GET", path, &[], &[]).expect("an answer");
        if answer.status == 200 {
            return Some(answer);
        }
        assert!(matches!(answer.status, 500 | 503), "{at}: {path}: {}", answer.text());
        refused += 1;
        None
    };
    for (ledger, Replayed { records, roots, .. }) in &truth.ledgers {
        let base = format!("/v1/ledgers/{ledger}");
        if let Some(info) = get(&base) {
            assert_eq!(info.json()["size"], records.len(), "{at}: {ledger}");
        }
        for (seq, record) in records.iter().enumerate().step_by(23) {
            if let Some(answer) = get(&format!("{base}/events/{seq}")) {
                assert_eq!(&answer.body, record, "{at}: {ledger} {seq}");
            }
            if let Some(answer) = get(&format!("{base}/events/{seq}/receipt")) {
                let receipt = Receipt::parse(&answer.body).expect("a receipt");
                assert_eq!(&receipt.record, record, "{at}: {ledger} {seq}");
                receipt
                    .verify(&truth.trust)
                    .unwrap_or_else(|e| panic!("{at}: {ledger} {seq}: {e}"));
            }
            if let Some(answer) = get(&format!("{base}/proofs/consistency?from={}", seq + 1)) {
                let root = NodeHash::from_base64(answer.json()["from_root"].as_str().unwrap());
                assert_eq!(root.unwrap(), roots[seq + 1], "{at}: {ledger} {seq}");
            }
        }
        for id in ["0-0", "1-77", "2-199"] {
            if let Some(found) = get(&format!("{base}/events?id={id}")) {
                assert!(found.text().contains(&format!("\"id\":\"{id}\"")), "{at}: {ledger} {id}");
            }
        }
    }
    refused
}

/// What one flip led to.
#[derive(Debug, Default)]
struct Outcome {
    refused_to_start: u64,
    endless: u64,
    reads_failed: u64,
    repaired: u64,
    not_repairable: u64,
    unharmed: u64,
}

fn flip(data: &Path, truth: &Truth, file: &Path, bit: u64, outcome: &mut Outcome) {
    let path = data.join("db").join(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
    fs::write(&path, bytes).unwrap();
    let at = format!("bit {bit} of {}", file.display());
    let verified = verify(data);
    // The server works on a copy: what it writes while starting must not mend what repair is to mend.
    let tried = PathBuf::from(format!("{}-tried", data.display()));
    let _ = fs::remove_dir_all(&tried);
    copy_folder(data, &tried);
    match Setup::new(&tried).with(OPEN_TIMEOUT.0, OPEN_TIMEOUT.1).start() {
        Err(refusal) => {
            assert_eq!(refusal.code, 2, "{at}: {refusal:?}");
            outcome.refused_to_start += 1;
            if refusal.log.contains("did not open within") {
                eprintln!("{at}: endless, {}", refusal.log);
                outcome.endless += 1;
            }
            assert_ne!(verified.code, 0, "{at}: good, but no start: {}", refusal.log);
        }
        Ok(server) => {
            let refused = read_all(&mut server.client(), truth, &at);
            server.kill();
            if refused > 0 {
                outcome.reads_failed += 1;
                assert_ne!(verified.code, 0, "{at}: good, but {refused} reads failed");
            }
        }
    }
    if verified.code == 0 {
        outcome.unharmed += 1;
        return;
    }
    let before = fs::read(&path).unwrap();
    match repair(data).code {
        0 => {
            outcome.repaired += 1;
            verify(data).expect(0);
            let server = Setup::new(data).start().unwrap_or_else(|e| panic!("{at}: {e:?}"));
            assert_eq!(read_all(&mut server.client(), truth, &at), 0, "{at}, repaired");
            server.kill();
        }
        _ => {
            outcome.not_repairable += 1;
            assert_eq!(fs::read(&path).unwrap(), before, "{at}: changed although not repaired");
            assert!(!data.join("db.new").exists(), "{at}");
        }
    }
}

#[test]
fn a_flipped_bit_gives_no_wrong_answer_and_is_named_where_it_does_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (data, truth) = scene(folder.path());
    let truth = Arc::new(truth);
    let mut files: Vec<(PathBuf, u64)> = fs::read_dir(data.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (PathBuf::from(entry.file_name()), entry.metadata().unwrap().len()))
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    files.sort();
    assert!(files.iter().any(|(name, _)| name.to_str().unwrap().ends_with(".sst")), "{files:?}");
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (data, files, truth) = (data.clone(), files.clone(), Arc::clone(&truth));
            std::thread::spawn(move || {
                let mut outcome = Outcome::default();
                for number in (worker..FLIPS).step_by(WORKERS as usize) {
                    let own = data.with_extension(format!("flip-{worker}"));
                    let _ = fs::remove_dir_all(&own);
                    copy_folder(&data, &own);
                    let (file, bytes) = &files[(number % files.len() as u64) as usize];
                    let bit = Numbers(number).below(bytes * 8);
                    flip(&own, &truth, file, bit, &mut outcome);
                }
                outcome
            })
        })
        .collect();
    let outcomes: Vec<Outcome> = workers.into_iter().map(|one| one.join().unwrap()).collect();
    eprintln!("{outcomes:?}");
    // All of it happened, or the test has shown nothing.
    for count in [
        |one: &Outcome| one.refused_to_start,
        |one: &Outcome| one.repaired,
        |one: &Outcome| one.not_repairable,
        |one: &Outcome| one.unharmed,
    ] {
        assert!(outcomes.iter().map(count).sum::<u64>() > 0, "{outcomes:?}");
    }
}

/// Rows of every derived space, wrong in a way that the database itself does not see.
fn spoil(data: &Path) -> Vec<(Space, &'static str)> {
    let config = RocksConfig::new(data.join("db"));
    let store = RocksOpener::new(config).open_rocks().unwrap();
    let mut batch = Batch::new();
    let orders = LedgerNumber(1);
    let wrong = |space, key: &[u8]| {
        let mut value = store.get(space, key).unwrap().expect("the row is there");
        value[0] ^= 1;
        value
    };
    let id = indelible_core::name::EventId::new("1-77").unwrap();
    let id = id::key(orders, id::IdHash::of(&id));
    let first = indelible_core::name::Seq::new(1).unwrap();
    let (tile, node) = (tile::key(orders, 1), node::key(orders, 8, 0));
    let (index, commit) =
        (index::key(orders, first), commit::key(indelible_ledger::rows::CommitNumber(4)));
    let spoilt: [(Space, &[u8], &str); 5] = [
        (Space::Ids, &id, "ledger orders, record "),
        (Space::Tiles, &tile, "ledger orders, records 256 to 511: "),
        (Space::Nodes, &node, "ledger orders, records 0 to 255: "),
        (Space::Index, &index, "ledger orders, records 1 to "),
        (Space::Commits, &commit, "commit 4: "),
    ];
    for (space, key, _) in spoilt {
        batch.put(space, key, &wrong(space, key));
    }
    let stray = [&2u64.to_be_bytes()[..], b"never-sent"].concat();
    batch.put(Space::Ids, &stray, &5u64.to_be_bytes());
    store.commit(&batch).unwrap();
    store.close().unwrap();
    close_to_others(data);
    spoilt.map(|(space, _, named)| (space, named)).to_vec()
}

fn blocks(data: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = RocksBeside::open(&RocksConfig::new(data.join("db"))).unwrap();
    store.rows(&Scan::all(Space::Blocks)).unwrap()
}

#[test]
fn rows_that_follow_from_the_records_are_named_and_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (data, truth) = scene(folder.path());
    let before = blocks(&data);
    let spoilt = spoil(&data);
    let named = run(indelible(), ["verify", "--data", data.to_str().unwrap()]).expect(1).stdout;
    for (space, text) in &spoilt {
        let is_named =
            |line: &str| line.contains(text) && line.contains(&format!("space {}", space.name()));
        assert!(named.lines().any(is_named), "{text} of {}: {named}", space.name());
    }
    assert!(named.contains("although no record asks for it"), "{named}");
    assert!(named.contains("indelible repair"), "{named}");
    let doctor = ["doctor", "--deep", "--json", "--data", data.to_str().unwrap()];
    assert!(run(indelible(), doctor).expect(1).stdout.contains("records 256 to 511"));
    // Only said.
    let check = run(indelible(), ["repair", "--check", "--data", data.to_str().unwrap()]).expect(1);
    assert!(check.stdout.contains("Nothing was changed"), "{check:?}");
    run(indelible(), ["verify", "--data", data.to_str().unwrap()]).expect(1);

    let repaired = repair(&data).expect(0).json();
    assert_eq!(repaired["result"], "repaired");
    assert_eq!(repaired["records"], 2 * (1 + 3 * 201));
    assert!(data.join("db.damaged-1").is_dir());
    assert_eq!(blocks(&data), before, "no record and no signature is touched");
    verify(&data).expect(0);
    run(indelible(), doctor);
    let server = Setup::new(&data).start().expect("repaired");
    assert_eq!(read_all(&mut server.client(), &truth, "repaired"), 0);
    let again = server.client().append("orders", &[Event::new("1-77", "{\"n\":77}")]);
    assert!(again[0].duplicate, "its id is known again");
    server.client().append("metrics", &[Event::new("never-sent", "{}")]);
    // Nor while somebody uses the folder.
    let refused = repair(&data).expect(2);
    assert!(refused.stderr.contains("in use by another process"), "{refused:?}");
    server.stop();
    assert_eq!(repair(&data).expect(0).json()["result"], "nothing");
}

#[test]
fn records_that_are_damaged_are_named_with_ledger_and_range_and_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = scene(folder.path());
    let store = RocksOpener::new(RocksConfig::new(data.join("db"))).open_rocks().unwrap();
    let all = store.rows(&Scan::all(Space::Blocks)).unwrap();
    let mut batch = Batch::new();
    // The second block of the fourth commit's kind: the events of `orders` in the first round.
    let (key, value) = all.iter().find(|(_, value)| value.len() > 3_000).unwrap();
    let mut value = value.clone();
    let last = value.len() - 1;
    value[last] ^= 0xff;
    batch.put(Space::Blocks, key, &value);
    store.commit(&batch).unwrap();
    store.close().unwrap();
    close_to_others(&data);
    let verified = verify(&data).expect(1).json();
    let findings = verified["database"]["findings"].as_array().unwrap();
    let named =
        findings.iter().find(|finding| finding["ledger"] == "orders" && finding["space"] == "b");
    let named = named.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!((&named["first_seq"], named["repairable"].as_bool()), (&1.into(), Some(false)));
    assert_eq!(verified["database"]["repairable"], false);
    let refused = repair(&data).expect(1).json();
    assert_eq!(refused["result"], "refused");
    assert!(!data.join("db.damaged-1").exists() && !data.join("db.new").exists());
}

#[test]
fn a_folder_with_a_kind_of_record_that_is_not_known_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = scene(folder.path());
    let put = |key: &[u8]| {
        let store = RocksOpener::new(RocksConfig::new(data.join("db"))).open_rocks().unwrap();
        let mut batch = Batch::new();
        batch.put(Space::Meta, key, &[1]);
        store.commit(&batch).unwrap();
        store.close().unwrap();
        close_to_others(&data);
    };
    put(b"informative:note_of_a_later_version");
    Setup::new(&data).start().expect("a reader may pass over it").stop();
    put(b"kind:key_revoked");
    let refusal = Setup::new(&data).start().expect_err("nobody knows what it means");
    assert_eq!(refusal.code, 2, "{refusal:?}");
    for text in ["key_revoked", "newer version"] {
        assert!(refusal.log.contains(text), "{}", refusal.log);
    }
}

#[test]
fn a_jump_of_the_clock_that_nobody_accepted_is_held_by_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = scene(folder.path());
    let note = "{\"ahead_us\":3600000000,\"seen\":\"2001-01-01T00:00:00.000000Z\",\"v\":1}";
    fs::write(data.join("clock.held"), note).unwrap();
    close_to_others(&data);
    let server = Setup::new(&data).start().expect("it starts and says why it takes nothing");
    let mut client = server.client();
    let answer = client.post("orders", &Event::new("held", "{}")).unwrap();
    assert_eq!((answer.status, answer.problem().as_str()), (503, "clock_jumped"));
    assert!(answer.header("retry-after").is_some());
    // After an append that failed a connection takes no more, so that nothing gets ahead of it.
    let mut client = server.client();
    let ready = client.http().request("GET", "/readyz", &[], &[]).unwrap();
    assert_eq!((ready.status, ready.problem().as_str()), (503, "clock_jumped"));
    assert!(client.get("/metrics").text().contains("indelible_clock_held_seconds 3600"));
    assert!(server.cli(&["clock", "show"]).expect(0).stdout.contains("3,600 s ahead"));
    let doctor = run(indelible(), ["doctor", "--data", data.to_str().unwrap()]).expect(1);
    assert!(doctor.stdout.contains("indelible clock accept"), "{doctor:?}");
    server.cli(&["clock", "accept"]).expect(0);
    assert!(server.cli(&["clock", "accept"]).expect(0).stdout.contains("nothing to accept"));
    client.append("orders", &[Event::new("held", "{}")]);
    server.stop();
    Setup::new(&data).start().expect("accepted for good").stop();
}
