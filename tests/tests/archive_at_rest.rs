//! Archived, an honest operator's ledger is good with the checkpoint that he hands out then, and archived
//! again it stays as it is: the real programs, as operator and auditor use them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indelible_tests::client::{Client, Event};
use indelible_tests::programs::{indelible, indelible_verify, run};
use indelible_tests::server::{Server, Setup};
use serde_json::Value;
use tempfile::TempDir;

/// Signed per record, and signed per commit.
const LEDGERS: [(&str, &str); 2] = [("orders", "record"), ("metrics", "commit")];
/// The records of a whole segment.
const WHOLE: u64 = 65_536;
/// Events in a request.
const REQUEST_EVENTS: u64 = 1000;
/// Longer than the schedule needs for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// An operator's house and what leaves it.
struct House {
    home: TempDir,
    server: Server,
    client: Client,
}

impl House {
    fn new(variables: &[(&str, &str)]) -> Self {
        Self::within(tempfile::tempdir().unwrap(), variables)
    }

    fn within(home: TempDir, variables: &[(&str, &str)]) -> Self {
        let setup = Setup::new(&home.path().join("data"));
        let with = |setup: Setup, (name, value): &(&str, &str)| setup.with(name, value);
        let server = variables.iter().fold(setup, with).start().expect("the server starts");
        let mut client = server.client();
        for (ledger, sign_per) in LEDGERS {
            client.create(ledger, sign_per);
        }
        Self { home, server, client }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn append(&mut self, ledger: &str, count: u64) {
        for begin in (0..count).step_by(REQUEST_EVENTS as usize) {
            let events: Vec<_> = (begin..count.min(begin + REQUEST_EVENTS))
                .map(|n| Event::anonymous(format!("{{\"n\":{n}}}")))
                .collect();
            self.client.append(ledger, &events);
        }
    }

    /// What `indelible archive` says that it did.
    #[track_caller]
    fn archive(&self, ledger: &str, vault: &str) -> Value {
        let to = self.path(vault);
        let args = ["archive", ledger, "--to", to.to_str().unwrap(), "--json"];
        self.server.cli(&args).expect(0).json()
    }

    /// Takes a checkpoint and checks that the vault is good up to it, and that it is what the vault holds.
    #[track_caller]
    fn audit(&mut self, ledger: &str, vault: &str) {
        let (head, key) = (self.path("head"), self.path("key"));
        let out = ["checkpoint", ledger, "--out", head.to_str().unwrap()];
        if head.exists() {
            fs::remove_file(&head).unwrap();
        }
        self.server.cli(&out).expect(0);
        fs::write(&key, self.server.vkey()).unwrap();
        let checkpoint = fs::read_to_string(&head).unwrap();
        let size: u64 = checkpoint.lines().nth(1).unwrap().parse().unwrap();
        assert_eq!(end(&self.path(vault).join(ledger)), size, "where vault and checkpoint end");
        assert_eq!(self.client.size(ledger), size);
        let vault = self.path(vault);
        let [vault, key, head] = [&vault, &key, &head].map(|path| path.to_str().unwrap());
        let args = ["vault", vault, "--key", key, "--head", head, "--ledger", ledger, "--json"];
        let report = run(indelible_verify(), args).expect(0).json();
        assert_eq!(report["verdict"], "good", "{report}");
    }

    /// Archives once more, which must change nothing at all, and audits.
    #[track_caller]
    fn rests(&mut self, ledger: &str, vault: &str) {
        self.audit(ledger, vault);
        let (size, before) = (self.client.size(ledger), files(&self.path(vault)));
        for _ in 0..2 {
            let again = self.archive(ledger, vault);
            assert_eq!((&again["segments"], &again["records"]), (&0.into(), &0.into()), "{again}");
            assert_eq!((&again["archived"], &again["size"]), (&size.into(), &size.into()));
        }
        assert_eq!(self.client.size(ledger), size, "no record was added");
        assert!(files(&self.path(vault)) == before, "no file was added or changed");
        self.audit(ledger, vault);
    }
}

/// Every file below `folder` with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// The number of records up to the last manifest of a ledger's folder in a vault.
fn end(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let last = names.filter(|name| name.ends_with(".manifest")).max();
    last.map_or(0, |name| name[21..41].parse::<u64>().unwrap() + 1)
}

/// How many records of the ledger are about archived segments.
fn bookkeeping(client: &mut Client, ledger: &str) -> usize {
    let kind = br#""kind":"segment_archived""#;
    let is_about = |record: &Vec<u8>| record.windows(kind.len()).any(|part| part == kind);
    client.records(ledger).iter().filter(|record| is_about(record)).count()
}

#[test]
fn archived_and_then_checked_with_the_checkpoint_of_now_a_vault_is_good() {
    let mut house = House::new(&[]);
    for (ledger, _) in LEDGERS {
        // An empty ledger, one event, and more; each ends with a ledger at rest.
        for (round, events) in [0, 1, 1, 70].into_iter().enumerate() {
            house.append(ledger, events);
            let archived = house.archive(ledger, "vault");
            let before = u64::from(round > 0);
            assert_eq!(archived["records"], events.max(1) + before, "round {round}: {archived}");
            assert_eq!(archived["segments"], 1);
            house.rests(ledger, "vault");
            assert_eq!(bookkeeping(&mut house.client, ledger), round, "each segment but the last");
        }
        let to = house.path("vault");
        let said = house.server.cli(&["archive", ledger, "--to", to.to_str().unwrap()]).expect(0);
        assert!(said.stdout.contains("nothing new"), "{said:?}");
    }
}

#[test]
fn the_program_on_the_folder_of_a_stopped_server_also_leaves_a_ledger_at_rest() {
    let mut house = House::new(&[]);
    let [data, vault] = ["data", "vault"].map(|name| house.path(name));
    let [data, vault] = [&data, &vault].map(|path| path.to_str().unwrap().to_owned());
    for (ledger, _) in LEDGERS {
        house.append(ledger, 3);
        house.archive(ledger, "vault");
        house.append(ledger, 3);
    }
    let House { home, server, .. } = house;
    server.stop();
    for (ledger, _) in LEDGERS {
        let args = ["archive", ledger, "--to", &vault, "--data", &data, "--json"];
        let offline = || run(indelible(), args).expect(0).json();
        let first = offline();
        assert_eq!((&first["records"], &first["archived"]), (&4.into(), &8.into()), "{first}");
        let files_before = files(Path::new(&vault));
        let again = offline();
        assert_eq!((&again["records"], &again["archived"]), (&0.into(), &8.into()), "{again}");
        assert!(files(Path::new(&vault)) == files_before);
    }
    let setup = Setup::new(&home.path().join("data"));
    let server = setup.start().expect("the server starts again");
    let client = server.client();
    let mut house = House { home, server, client };
    for (ledger, _) in LEDGERS {
        house.rests(ledger, "vault");
    }
}

#[test]
fn a_ledger_of_several_segments_is_at_rest_wherever_it_ends() {
    let mut house = House::new(&[]);
    for (ledger, _) in LEDGERS {
        house.append(ledger, WHOLE + 4463);
        let first = house.archive(ledger, "vault");
        assert_eq!((&first["segments"], &first["size"]), (&2.into(), &(WHOLE + 4465).into()));
        house.rests(ledger, "vault");
        // Exactly to the border, and the record about the segment before goes beyond it.
        house.append(ledger, WHOLE - 4465);
        let second = house.archive(ledger, "vault");
        assert_eq!(
            (&second["segments"], &second["archived"]),
            (&2.into(), &(2 * WHOLE + 1).into())
        );
        house.rests(ledger, "vault");
        house.append(ledger, 1);
        house.archive(ledger, "vault");
        house.rests(ledger, "vault");
    }
}

#[test]
fn two_vaults_of_a_ledger_come_to_rest_with_all_of_it() {
    let mut house = House::new(&[]);
    for (ledger, _) in LEDGERS {
        for events in [0, 5, 1] {
            house.append(ledger, events);
            for vault in ["here", "there"] {
                house.archive(ledger, vault);
                house.rests(ledger, vault);
            }
            // What the ledger records about the one vault is news for the other, and no more than that.
            let size = house.client.size(ledger);
            for vault in ["here", "there", "here"] {
                house.archive(ledger, vault);
                assert_eq!(house.client.size(ledger), size);
            }
            for vault in ["here", "there"] {
                house.rests(ledger, vault);
            }
        }
    }
}

#[test]
fn the_schedule_leaves_idle_ledgers_at_rest() {
    let home = tempfile::tempdir().unwrap();
    let vault = home.path().join("vault");
    let mut house = House::within(
        home,
        &[
            ("INDELIBLE_ARCHIVE_VAULT", vault.to_str().unwrap()),
            ("INDELIBLE_ARCHIVE_SCHEDULE_SECONDS", "1"),
        ],
    );
    for events in [0, 1, 40] {
        for (ledger, _) in LEDGERS {
            house.append(ledger, events);
        }
        for (ledger, _) in LEDGERS {
            let since = Instant::now();
            while end(&vault.join(ledger)) < house.client.size(ledger) {
                assert!(since.elapsed() < PATIENCE, "{ledger} is not archived");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let before = files(&vault);
        let sizes = LEDGERS.map(|(ledger, _)| house.client.size(ledger));
        // Some more rounds, in which nothing may happen.
        std::thread::sleep(Duration::from_millis(3500));
        assert!(files(&vault) == before, "the schedule added or changed a file");
        assert_eq!(LEDGERS.map(|(ledger, _)| house.client.size(ledger)), sizes);
        for (ledger, _) in LEDGERS {
            house.rests(ledger, "vault");
        }
    }
}
