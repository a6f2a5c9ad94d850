//! Who wrote a record: three ledgers, two tokens, every way to append, and the real programs as operator
//! and auditor use them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indelible_tests::client::{Appended, Client, Event, Line};
use indelible_tests::programs::{Ran, indelible_verify, run};
use indelible_tests::server::{Server, Setup};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than a server needs to take notice of a token.
const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    home: TempDir,
    server: Server,
}

impl House {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let server = Setup::new(&home.path().join("data")).start().expect("the server starts");
        fs::write(home.path().join("key"), server.vkey()).unwrap();
        Self { home, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A connection with a new token.
    fn client(&self, name: &str, more: &[&str]) -> Client {
        let data = self.path("data");
        let mut args = vec!["token", "create", name, "--data", data.to_str().unwrap()];
        args.extend(["--scope", "append", "--scope", "read"]);
        args.extend(more);
        let token = self.server.cli(&args).expect(0).stdout.trim().to_owned();
        let begun = Instant::now();
        loop {
            let mut client = Client::connect(self.server.address(), &token).unwrap();
            let answer = client.http().request("GET", "/v1/ledgers", &[], &[]).unwrap();
            if answer.status == 200 {
                return client;
            }
            assert!(begun.elapsed() < PATIENCE, "the token {name} is not known: {}", answer.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `indelible-verify`, as an auditor runs it who has the key.
    #[track_caller]
    fn verify(&self, what: &str, path: &Path) -> Ran {
        let key = self.path("key");
        let args = [what, path.to_str().unwrap(), "--key", key.to_str().unwrap()];
        run(indelible_verify(), args.map(str::to_owned))
    }

    #[track_caller]
    fn show(&self, args: &[&str]) -> String {
        run(indelible_verify(), args.iter().copied().map(str::to_owned)).expect(0).stdout
    }
}

fn event(n: u32) -> String {
    format!("{{\"n\":{n}}}")
}

#[test]
fn who_wrote_a_record_stands_in_it_in_every_kind_of_ledger_and_way_to_append() {
    let house = House::new();
    for principals in ["off", "name", "full"] {
        let name = format!("acme.{principals}");
        let args = ["ledger", "create", &name, "--principals", principals, "--json"];
        let created = house.server.cli(&args).expect(0).json();
        assert_eq!(created["principals"], principals);
        let shown = house.server.cli(&["ledger", "show", &name]).expect(0).stdout;
        assert!(shown.contains("principals") && shown.contains(principals), "{shown}");
    }
    let listed = house.server.cli(&["ledger", "list"]).expect(0).stdout;
    assert!(["PRINCIPALS", "off", "name", "full"].iter().all(|word| listed.contains(word)));
    let mut ann = house.client("ann \"the first\"", &[]);
    let mut bob = house.client("bob", &["--tenant", "globex"]);
    let by = |principals: &str, name: &str, tenant: &str| match principals {
        "name" => json!({ "name": name }),
        "full" => json!({ "how": "token", "name": name, "tenant": tenant }),
        _ => Value::Null,
    };
    for principals in ["off", "name", "full"] {
        let ledger = format!("acme.{principals}");
        let of_ann = by(principals, "ann \"the first\"", "acme");
        let of_bob = by(principals, "bob", "globex");
        // One, an array, a stream, by each; and the same again by the other one.
        let single = ann.post(&ledger, &Event::new("one", event(1))).unwrap();
        assert_eq!((single.status, &single.json()["record"]["by"]), (201, &of_ann));
        let again = bob.post(&ledger, &Event::new("one", event(1))).unwrap();
        assert_eq!(again.status, 200);
        assert_eq!(again.json()["record"], single.json()["record"], "the first one's stays");
        bob.append(&ledger, &[Event::new("two", event(2)), Event::anonymous(event(3))]);
        let known = ann.append(&ledger, &[Event::new("two", event(2))]);
        assert!(known[0].duplicate && known[0].seq == 2);
        let other = ann.append_all(&ledger, &[Event::new("two", event(9))]).unwrap();
        let Appended::Refused(problem) = other else { panic!("{other:?}") };
        assert_eq!(problem.problem(), "id_conflict");
        let mut duplicates = Vec::new();
        let stream = [Event::new("four", event(4)), Event::new("two", event(2))];
        ann.stream(&ledger, &stream, |line| {
            if let Line::Acked(_, ack) = line {
                duplicates.push(ack.duplicate);
            }
        })
        .unwrap();
        assert_eq!(duplicates, [false, true]);
        let file = house.path("events");
        fs::write(&file, event(5) + "\n").unwrap();
        house.server.cli(&["append", &ledger, file.to_str().unwrap()]).expect(0);
        let of_admin = by(principals, "admin.token", "acme");
        let records = [Value::Null, of_ann.clone(), of_bob.clone(), of_bob, of_ann, of_admin];
        for (seq, by) in records.iter().enumerate() {
            let record = ann.get(&format!("/v1/ledgers/{ledger}/events/{seq}")).json();
            assert_eq!(record["by"], *by, "{ledger} {seq}");
            let receipt = ann.get(&format!("/v1/ledgers/{ledger}/events/{seq}/receipt"));
            let file = house.path("receipt");
            fs::write(&file, &receipt.body).unwrap();
            let proven = house.verify("receipt", &file).expect(0).stdout;
            let said = proven.contains("The server said that it was written by");
            assert_eq!(said, !by.is_null(), "{proven}");
            let name = by["name"].as_str().unwrap_or_default();
            assert!(proven.replace('\n', " ").contains(name), "{proven}");
        }
    }
    let vault = house.path("vault");
    for principals in ["off", "name", "full"] {
        let ledger = format!("acme.{principals}");
        house.server.cli(&["archive", &ledger, "--to", vault.to_str().unwrap()]).expect(0);
        let export = house.path(&ledger);
        house.server.cli(&["export", &ledger, "--out", export.to_str().unwrap()]).expect(0);
        house.verify("export", &export).expect(0);
    }
    house.verify("vault", &vault).expect(0);
    let vault = vault.to_str().unwrap();
    let found = house.show(&["search", vault, "--by", "bob"]);
    assert_eq!(found.matches("by bob").count(), 4, "{found}");
    assert!(found.contains("by bob (known by token, tenant globex)"), "{found}");
    let one = house.show(&["show", vault, "--ledger", "acme.name", "1"]);
    assert!(one.contains("written by ann \"the first\""), "{one}");
    let data = house.path("data");
    house.server.stop();
    run(
        indelible_tests::programs::indelible(),
        ["verify", "--data", data.to_str().unwrap()].map(str::to_owned),
    )
    .expect(0);
}

/// What somebody without the key does to an export shows, each kind with its code.
#[test]
fn a_changed_or_missing_or_added_writer_is_found() {
    let house = House::new();
    let mut ann = house.client("ann", &[]);
    for principals in ["off", "name", "full"] {
        let ledger = format!("acme.{principals}");
        house.server.cli(&["ledger", "create", &ledger, "--principals", principals]).expect(0);
        ann.append(&ledger, &[Event::new("a", event(1)), Event::new("b", event(2))]);
    }
    let full = r#""by":{"how":"token","name":"ann","tenant":"acme"},"#;
    let name = r#""by":{"name":"ann"},"#;
    for (principals, from, to, codes) in [
        ("name", name, r#""by":{"name":"eve"},"#, "HASH_MISMATCH"),
        ("name", name, "", "HASH_MISMATCH NOT_CANONICAL"),
        ("name", name, full, "HASH_MISMATCH NOT_CANONICAL"),
        ("full", full, name, "HASH_MISMATCH NOT_CANONICAL"),
        (
            "full",
            r#""tenant":"acme""#,
            r#""tenant":"acme","role":"x""#,
            "HASH_MISMATCH NOT_CANONICAL",
        ),
        (
            "off",
            r#""event":{"n":1}"#,
            r#""by":{"name":"ann"},"event":{"n":1}"#,
            "HASH_MISMATCH NOT_CANONICAL",
        ),
        ("off", r#""principals":"off""#, r#""principals":"name""#, "HASH_MISMATCH NOT_CANONICAL"),
        ("full", r#""principals":"full","#, "", "CREATION_INVALID HASH_MISMATCH"),
    ] {
        let (honest, bent) = (house.path("honest"), house.path("bent"));
        let ledger = format!("acme.{principals}");
        if honest.exists() {
            fs::remove_file(&honest).unwrap();
        }
        house.server.cli(&["export", &ledger, "--out", honest.to_str().unwrap()]).expect(0);
        house.verify("export", &honest).expect(0);
        let text = plain(&fs::read(&honest).unwrap());
        assert!(text.contains(from), "{from} in {text}");
        fs::write(&bent, text.replacen(from, to, 1)).unwrap();
        let key = house.path("key");
        let args = ["export", bent.to_str().unwrap(), "--key", key.to_str().unwrap(), "--json"];
        let report = run(indelible_verify(), args.map(str::to_owned)).expect(1).json();
        let mut found: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.join(" "), codes, "{from} -> {to}");
    }
}

fn plain(bytes: &[u8]) -> String {
    let plain =
        if bytes.starts_with(b"{") { bytes.to_vec() } else { zstd::decode_all(bytes).unwrap() };
    String::from_utf8(plain).unwrap()
}
