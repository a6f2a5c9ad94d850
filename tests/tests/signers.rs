//! A server with three signers: each signs ledgers of its own, is archived and audited under its own key,
//! and when one is not there, the others' ledgers do not notice.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indelible_core::checkpoint::Checkpoint;
use indelible_core::key::{Trust, VKey};
use indelible_tests::client::{Appended, Client, Event, Line};
use indelible_tests::programs::{Ran, indelible, indelible_verify, run, run_with};
use indelible_tests::server::{Server, Setup, key_file, signing_keys};
use serde_json::Value;
use tempfile::TempDir;

/// Signers beside the one of the data folder.
const SIGNERS: [&str; 2] = ["east", "west"];
const ALL: [&str; 3] = ["default", "east", "west"];
/// Ledgers, how they are signed, and by whom.
const LEDGERS: [(&str, &str, &str); 6] = [
    ("orders", "record", "default"),
    ("orders.eu", "record", "east"),
    ("orders.us", "record", "west"),
    ("metrics", "commit", "default"),
    ("metrics.eu", "commit", "east"),
    ("bulk", "commit", "west"),
];
/// Longer than the schedule needs for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// An operator's house, in which all three signers have ledgers.
struct House {
    home: TempDir,
    setup: Setup,
}

impl House {
    fn new() -> (Self, Server) {
        let home = tempfile::tempdir().unwrap();
        let setup = Setup::new(&home.path().join("data")).with_signers(home.path(), &SIGNERS);
        let server = setup.start().expect("the server starts");
        for (ledger, sign_per, signer) in LEDGERS {
            server.client().create_signed_by(ledger, sign_per, signer);
        }
        (Self { home, setup }, server)
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn key(&self, signer: &str) -> PathBuf {
        key_file(self.home.path(), signer)
    }

    /// A command on the data folder, with the server's environment or without it.
    fn offline(&self, args: &[&str], signers: &[&str]) -> Ran {
        let data = self.path("data");
        let keys = signing_keys(self.home.path(), signers);
        let variables = [("INDELIBLE_SIGNING_KEYS", keys.as_ref())];
        let variables = if signers.is_empty() { &[][..] } else { &variables };
        run_with(indelible(), args.iter().copied().chain(["--data", &data]), variables)
    }

    #[track_caller]
    fn archive(&self, server: &Server, ledger: &str) -> Value {
        server.cli(&["archive", ledger, "--to", &self.path("vault"), "--json"]).expect(0).json()
    }

    /// What an auditor with these keys says of a ledger in the vault, or of all of them.
    fn audit(&self, ledger: Option<&str>, keys: &[VKey]) -> Ran {
        let mut args = vec!["vault".to_owned(), self.path("vault"), "--json".into()];
        args.extend(ledger.into_iter().flat_map(|name| ["--ledger".to_owned(), name.into()]));
        args.extend(keys.iter().flat_map(|key| ["--key".to_owned(), key.to_string()]));
        run(indelible_verify(), args)
    }

    /// The vault is good under all keys, holds every record, and each ledger is good under its own key and
    /// under no other.
    #[track_caller]
    fn audit_all(&self, keys: &[VKey; 3], sizes: &[u64; 6]) {
        let report = self.audit(None, keys).expect(0).json();
        assert_eq!(report["verdict"], "good", "{report}");
        for ((ledger, _, signer), size) in LEDGERS.into_iter().zip(sizes) {
            for (key, of) in keys.iter().zip(ALL) {
                let code = i32::from(of != signer);
                let report = self.audit(Some(ledger), std::slice::from_ref(key)).expect(code);
                let report = report.json();
                if of == signer {
                    let records = &report["ledgers"][0]["records"];
                    assert_eq!(records, &Value::from(*size), "{ledger}: {report}");
                }
            }
        }
    }
}

fn keys(server: &Server) -> [VKey; 3] {
    ALL.map(|signer| server.vkey_of(signer))
}

fn sizes(server: &Server) -> [u64; 6] {
    LEDGERS.map(|(ledger, ..)| server.client().size(ledger))
}

fn events(count: u32) -> Vec<Event> {
    (0..count).map(|n| Event::anonymous(format!("{{\"n\":{n}}}"))).collect()
}

/// One event, an array and a stream, all of which must be taken.
#[track_caller]
fn append(server: &Server, ledger: &str) {
    let mut client = server.client();
    let answer = client.post(ledger, &events(1)[0]).unwrap();
    assert_eq!(answer.status, 201, "{ledger}: {}", answer.text());
    assert_eq!(client.append(ledger, &events(50)).len(), 50);
    let mut acked = 0;
    let each = |line| match line {
        Line::Acked(..) => acked += 1,
        Line::Failed(number, code) => panic!("{ledger}, line {number}: {code}"),
        Line::Closed(_) => {}
    };
    client.stream(ledger, &events(100), each).unwrap();
    assert_eq!(acked, 100);
}

/// The vkey that `indelible key show` prints.
#[track_caller]
fn shown(ran: Ran) -> VKey {
    let value = ran.expect(0).json();
    VKey::parse(value["vkey"].as_str().expect("a vkey is shown")).unwrap()
}

#[test]
fn each_ledger_is_archived_and_audited_under_the_key_of_its_own_signer() {
    let (house, server) = House::new();
    let keys = keys(&server);
    for round in 0..2 {
        for (ledger, ..) in LEDGERS {
            append(&server, ledger);
            let summary = house.archive(&server, ledger);
            assert_eq!(summary["segments"], 1, "round {round}: {summary}");
            assert_eq!(house.archive(&server, ledger)["segments"], 0, "it is at rest");
        }
        house.audit_all(&keys, &sizes(&server));
    }
    let data = house.path("data");
    for (ledger, _, signer) in LEDGERS {
        // The key that an auditor is to be given.
        let own = server.vkey_of(signer);
        let from_folder =
            shown(server.cli(&["key", "show", "--ledger", ledger, "--data", &data, "--json"]));
        let asked =
            shown(server.cli(&["key", "show", "--ledger", ledger, "--from-server", "--json"]));
        assert_eq!(from_folder, asked, "{ledger}");
        assert_eq!(asked.key(), own.key(), "{ledger} is signed by {signer}");
        let head = house.path(&format!("{ledger}.head"));
        server.cli(&["checkpoint", ledger, "--out", &head]).expect(0);
        let note = fs::read(&head).unwrap();
        Checkpoint::open_any(&note, &Trust::from_iter([asked])).expect("its own key opens it");
        let file = house.path(&format!("{ledger}.jsonl"));
        server.cli(&["export", ledger, "--out", &file]).expect(0);
        for (key, of) in keys.iter().zip(ALL) {
            let key = key.to_string();
            let args = ["export", &file, "--key", &key, "--head", &head];
            run(indelible_verify(), args).expect(i32::from(of != signer));
        }
    }
    // Beside the running server: with the keys in the folder, with all, and with one alone.
    let verify = |given: &[VKey]| {
        let mut args = vec!["verify".to_owned(), "--data".into(), data.clone(), "--json".into()];
        args.extend(given.iter().flat_map(|key| ["--key".to_owned(), key.to_string()]));
        run(indelible(), args)
    };
    for given in [&[][..], &keys] {
        let report = verify(given).expect(0).json();
        assert_eq!(report["ledgers"].as_array().map(Vec::len), Some(LEDGERS.len()), "{report}");
    }
    verify(&keys[..1]).expect(1);
    server.stop();
}

#[test]
fn a_folder_without_server_is_archived_with_the_keys_that_the_configuration_names() {
    let (house, server) = House::new();
    let keys = keys(&server);
    LEDGERS.iter().for_each(|(ledger, ..)| append(&server, ledger));
    let sizes = sizes(&server);
    server.stop();
    let vault = house.path("vault");
    let refused = house.offline(&["archive", "orders.eu", "--to", &vault], &[]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("signing.keys"), "{}", refused.stderr);
    let config = house.path("indelible.toml");
    let list = signing_keys(house.home.path(), &SIGNERS).replace(',', "\", \"");
    fs::write(&config, format!("[signing]\nkeys = [\"{list}\"]\n")).unwrap();
    for (ledger, ..) in &LEDGERS[..3] {
        house.offline(&["archive", ledger, "--to", &vault], &SIGNERS).expect(0);
    }
    for (ledger, ..) in &LEDGERS[3..] {
        house.offline(&["archive", ledger, "--to", &vault, "--config", &config], &[]).expect(0);
    }
    house.audit_all(&keys, &sizes);
}

#[test]
fn the_schedule_archives_the_ledgers_of_every_signer() {
    let (mut house, server) = House::new();
    server.stop();
    let vault = house.path("vault");
    house.setup = house
        .setup
        .with("INDELIBLE_ARCHIVE_VAULT", &vault)
        .with("INDELIBLE_ARCHIVE_SCHEDULE_SECONDS", "1");
    let server = house.setup.start().expect("the server starts");
    LEDGERS.iter().for_each(|(ledger, ..)| append(&server, ledger));
    let (since, sizes) = (Instant::now(), sizes(&server));
    let archived = |ledger: &str, size: u64| {
        // Where a segment ends depends on when it was cut, and on what the ledger says of those before.
        let Ok(files) = fs::read_dir(house.home.path().join("vault").join(ledger)) else {
            return false;
        };
        let names = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
        let manifests = names.filter_map(|name| Some(name.strip_suffix(".manifest")?.to_owned()));
        let ends = manifests.filter_map(|name| name.split('-').nth(1)?.parse::<u64>().ok());
        ends.max().is_some_and(|last| last + 1 >= size)
    };
    while !LEDGERS.iter().zip(sizes).all(|((ledger, ..), size)| archived(ledger, size)) {
        assert!(since.elapsed() < PATIENCE, "not archived: {}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let keys = keys(&server);
    server.stop();
    let report = house.audit(None, &keys).expect(0).json();
    assert_eq!(report["verdict"], "good", "{report}");
    assert_eq!(report["ledgers"].as_array().map(Vec::len), Some(LEDGERS.len()), "{report}");
}

/// Every way to read a ledger.
#[track_caller]
fn read(house: &House, server: &Server, ledger: &str, signer: &VKey) {
    let mut client: Client = server.client();
    let size = client.size(ledger);
    assert_eq!(client.records(ledger).len() as u64, size);
    client.record(ledger, size - 1);
    client.consistency(ledger, 1, size);
    let trust = Trust::from_iter([signer.clone()]);
    Checkpoint::open_any(client.checkpoint(ledger).as_bytes(), &trust).expect("its checkpoint");
    let (receipt, export) = (house.path("receipt.json"), house.path("export.jsonl"));
    let _ = (fs::remove_file(&receipt), fs::remove_file(&export));
    server.cli(&["receipt", ledger, "1", "--out", &receipt]).expect(0);
    server.cli(&["export", ledger, "--out", &export]).expect(0);
    for (kind, file) in [("receipt", &receipt), ("export", &export)] {
        run(indelible_verify(), [kind, file, "--key", &signer.to_string()]).expect(0);
    }
}

#[test]
fn without_a_signers_key_its_ledgers_can_be_read_and_all_others_go_on() {
    let (house, server) = House::new();
    LEDGERS.iter().for_each(|(ledger, ..)| append(&server, ledger));
    let (keys, east) = (keys(&server), server.vkey_of("east"));
    server.stop();
    let (there, away) = (house.key("east"), house.path("away"));
    fs::rename(&there, &away).unwrap();
    let server = house.setup.start().expect("the server starts without one of its keys");
    assert!(server.log().contains("east"), "it is said: {}", server.log());
    let mut client = server.client();
    client.get("/readyz");
    let metrics = client.get("/metrics").text();
    for (signer, ready) in [("default", 1), ("east", 0), ("west", 1)] {
        let line = format!("indelible_signer_ready{{signer=\"{signer}\"}} {ready}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    for (ledger, _, signer) in LEDGERS {
        if signer != "east" {
            append(&server, ledger);
            assert_eq!(house.archive(&server, ledger)["segments"], 1);
            continue;
        }
        let before = server.client().size(ledger);
        let answer = server.client().post(ledger, &events(1)[0]).unwrap();
        assert_eq!((answer.status, answer.problem().as_str()), (409, "key_mismatch"));
        // A connection ends with an append that failed.
        let all = server.client().append_all(ledger, &events(3)).unwrap();
        let Appended::Refused(answer) = all else { panic!("{ledger} was appended to") };
        assert_eq!((answer.status, answer.problem().as_str()), (409, "key_mismatch"));
        let each = |line: Line| assert!(!matches!(line, Line::Acked(..)), "{line:?}");
        let _ = server.client().stream(ledger, &events(3), each);
        let refused = server.cli(&["archive", ledger, "--to", &house.path("vault")]);
        assert_ne!(refused.code, 0);
        assert!(refused.stderr.contains("key_mismatch"), "{}", refused.stderr);
        assert_eq!(server.client().size(ledger), before, "nothing was appended");
        read(&house, &server, ledger, &east);
    }
    let doctor = house.offline(&["doctor", "--json"], &SIGNERS).stdout;
    assert!(
        doctor.lines().any(|line| line.contains("signers") && line.contains("east")),
        "{doctor}"
    );
    server.stop();
    fs::rename(&away, &there).unwrap();
    let server = house.setup.start().expect("all keys are there again");
    for (ledger, ..) in LEDGERS {
        append(&server, ledger);
        house.archive(&server, ledger);
    }
    house.audit_all(&keys, &sizes(&server));
    server.stop();
}

/// Starts that are refused, and what they say.
#[track_caller]
fn refused(setup: &Setup, words: &[&str]) {
    let refusal = setup.start().map(Server::stop).expect_err("a server must not start like this");
    assert_ne!(refusal.code, 0);
    for word in words {
        assert!(refusal.log.contains(word), "no {word:?} in {}", refusal.log);
    }
}

#[test]
fn a_wrong_key_and_one_key_for_two_are_refused_at_the_start() {
    let (house, server) = House::new();
    LEDGERS.iter().for_each(|(ledger, ..)| append(&server, ledger));
    let keys = keys(&server);
    server.stop();
    let (east, west) = (fs::read(house.key("east")).unwrap(), fs::read(house.key("west")).unwrap());
    fs::write(house.key("east"), &west).unwrap();
    refused(&house.setup, &["'east'", "'west'", "same key"]);
    fs::write(house.key("west"), &east).unwrap();
    refused(&house.setup, &["'east'", "another key", "public.east.vkey"]);
    fs::write(house.key("west"), &west).unwrap();
    fs::copy(house.home.path().join("data/signing.key"), house.key("east")).unwrap();
    refused(&house.setup, &["'default'", "'east'", "same key"]);
    fs::write(house.key("east"), "no key").unwrap();
    refused(&house.setup, &["'east'", "east.key", "not an Ed25519 private key"]);
    // Nothing was spoiled by that.
    fs::write(house.key("east"), &east).unwrap();
    let server = house.setup.start().expect("the right keys again");
    for (ledger, ..) in LEDGERS {
        append(&server, ledger);
        house.archive(&server, ledger);
    }
    house.audit_all(&keys, &sizes(&server));
    server.stop();
}
