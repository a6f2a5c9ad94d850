//! The program as an auditor meets it: exit codes, table, JSON.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use indelible_core::key::{HmacKey, NamedHmacKey};
use running::{exit_code, program, run, vkey};
use serde_json::Value;
use support::{Ledger, Plan, Signer};

struct Case {
    folder: tempfile::TempDir,
    ledger: Ledger,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Plan::new("orders").ledger(30);
        ledger.vault(&folder.path().join("vault"), &[12]);
        Plan::new("payroll").per_commit(4).ledger(9).vault(&folder.path().join("vault"), &[]);
        let case = Self { folder, ledger };
        case.write("head", case.ledger.head().as_bytes());
        case.write("export", &case.ledger.export());
        case.write("receipt", &case.ledger.receipt(5, 20).to_json());
        case.write("public.vkey", format!("{}\n", vkey()).as_bytes());
        case
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }
}

fn text(output: &std::process::Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_good_vault_ends_with_0_and_says_what_it_could_not_know() {
    let case = Case::new();
    let output = run(&["vault", &case.path("vault")]);
    let text = text(&output);
    assert_eq!(exit_code(&output), 0, "{text}");
    for expected in
        ["orders", "payroll", "All good", "41 records", "35 signatures", "cut from the end"]
    {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    assert!(!text.contains('\u{1b}'), "colours in a pipe: {text}");
    let output =
        run(&["vault", &case.path("vault"), "--head", &case.path("head"), "--ledger", "orders"]);
    assert_eq!(exit_code(&output), 0);
    assert!(!self::text(&output).contains("cut from the end"));
}

#[test]
fn json_has_everything_the_table_has() {
    let case = Case::new();
    let output = run(&["vault", &case.path("vault"), "--json", "--jobs", "3"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["verdict"], "good");
    assert_eq!((&json["exit_code"], &json["records"]), (&0.into(), &41.into()));
    assert_eq!(json["tail_unknown"], true);
    assert_eq!(json["ledgers"][0]["name"], "orders");
    assert_eq!(json["ledgers"][0]["sign_per"], "record");
    assert_eq!(json["ledgers"][0]["root"], case.ledger.root(31).to_base64());
    assert_eq!(json["findings_total"], 0);
}

#[test]
fn a_tampered_vault_ends_with_1_and_names_the_place() {
    let case = Case::new();
    let vault = PathBuf::from(case.path("vault")).join("orders");
    let object = fs::read_dir(&vault)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".jsonl.zst"))
        .unwrap();
    fs::remove_file(&object).unwrap();
    let output = run(&["vault", &case.path("vault")]);
    assert_eq!(exit_code(&output), 1);
    let text = text(&output);
    assert!(text.contains("SEGMENT_MISSING") && text.contains("DAMAGED OR CHANGED"), "{text}");
    let output = run(&["vault", &case.path("vault"), "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["findings"][0]["code"], "SEGMENT_MISSING");
    assert_eq!(json["findings_by_code"]["SEGMENT_MISSING"], 1);
}

#[test]
fn the_list_of_findings_is_bounded_and_the_count_is_not() {
    let case = Case::new();
    let text = String::from_utf8(case.ledger.export()).unwrap();
    case.write("export", text.replace("\"by\":\"user", "\"by\":\"abcd").as_bytes());
    let output = run(&["export", &case.path("export"), "--json", "--max-findings", "4"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["findings"].as_array().unwrap().len(), 4);
    assert_eq!(json["findings_total"], 30);
    let output = run(&["export", &case.path("export"), "--max-findings", "4"]);
    assert!(self::text(&output).contains("HASH_MISMATCH 30"));
}

#[test]
fn wrong_use_ends_with_64_and_an_explanation() {
    let case = Case::new();
    let vault = case.path("vault");
    case.write("no-keys", b"# none yet\n\n");
    case.write("endless", &vec![b'\n'; (256 << 10) + 1]);
    let output = program().args(["vault", &vault]).output().unwrap();
    assert_eq!(exit_code(&output), 64);
    assert!(text(&output).contains("Trust cannot come from the thing that is checked"));
    for arguments in [
        vec!["vault"],
        vec!["frobnicate"],
        vec!["vault", &vault, "--jobs", "0"],
        vec!["vault", &vault, "--key", "nonsense"],
        vec!["vault", &vault, "--ledger", "../etc"],
        vec!["vault", &vault, "--key", &case.path("head")],
        vec!["vault", &vault, "--key", &case.path("no-keys")],
        vec!["vault", &vault, "--key", &case.path("endless")],
    ] {
        let output = run(&arguments);
        assert_eq!(exit_code(&output), 64, "{arguments:?}: {}", text(&output));
    }
    let output = program().arg("--help").output().unwrap();
    assert_eq!(exit_code(&output), 0);
    assert!(text(&output).contains("Examples:"));
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let case = Case::new();
    for arguments in [
        vec!["vault", "/nowhere/at/all"],
        vec!["export", "/nowhere/at/all"],
        vec!["receipt", "/nowhere/at/all"],
        vec!["export", &case.path("vault")],
        vec!["vault", &case.path("vault"), "--head", "/nowhere"],
        vec!["vault", &case.path("vault"), "--key", &case.path("vault")],
        vec!["vault", &case.path("vault"), "--ledger", "nothing"],
    ] {
        let output = run(&arguments);
        assert_eq!(exit_code(&output), 2, "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn keys_come_from_files_and_arguments() {
    let case = Case::new();
    let key = case.path("public.vkey");
    let output = program().args(["export", &case.path("export"), "--key", &key]).output().unwrap();
    assert_eq!(exit_code(&output), 0, "{}", text(&output));
    let several = format!("# keys\n\n{}\n{}\n", Signer::new(9).vkey("other"), vkey());
    case.write("keys", several.as_bytes());
    let output = program()
        .args(["export", &case.path("export"), "--key", &case.path("keys")])
        .output()
        .unwrap();
    assert_eq!(exit_code(&output), 0, "{}", text(&output));
    let stranger = Signer::new(9).vkey(support::SERVER).to_string();
    let output =
        program().args(["export", &case.path("export"), "--key", &stranger]).output().unwrap();
    assert_eq!(exit_code(&output), 1);
    assert!(text(&output).contains("KEY_UNKNOWN"));
}

#[test]
fn a_shared_secret_comes_from_a_file_of_its_owners_alone_and_is_never_shown() {
    let case = Case::new();
    let secret = NamedHmacKey::new(support::SERVER, HmacKey::new(&[0x5a; 32]).unwrap()).unwrap();
    case.write("secret", format!("{}\n", secret.to_text()).as_bytes());
    let (path, key) = (case.path("secret"), case.path("public.vkey"));
    let verify = |arguments: &[&str]| {
        program().args(["export", &case.path("export")]).args(arguments).output().unwrap()
    };
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    let output = verify(&["--key", &key, "--hmac-key", &path]);
    assert_eq!(exit_code(&output), 64);
    assert!(text(&output).contains("mode 0640") && text(&output).contains("chmod 600"));
    mode(0o600);
    for more in [&[][..], &["--json"]] {
        let output = verify(&[&["--key", &key, "--hmac-key", &path], more].concat());
        assert_eq!(exit_code(&output), 0, "{}", text(&output));
        assert!(!text(&output).contains("WlpaWlpa"), "{}", text(&output));
    }
    // Without a key for notes it is said which key is missing.
    let output = verify(&["--hmac-key", &path]);
    assert_eq!(exit_code(&output), 1);
    assert!(text(&output).contains("sign records only"), "{}", text(&output));
    assert!(text(&output).contains("type 0x01"), "{}", text(&output));
    // A secret is no vkey, and a vkey no secret.
    let output = verify(&["--key", &path]);
    assert_eq!(exit_code(&output), 64);
    assert!(text(&output).contains("is a secret"), "{}", text(&output));
    let no_secret = case.path("no-secret");
    fs::write(&no_secret, fs::read(&key).unwrap()).unwrap();
    fs::set_permissions(&no_secret, fs::Permissions::from_mode(0o600)).unwrap();
    let output = verify(&["--key", &key, "--hmac-key", &no_secret]);
    assert_eq!(exit_code(&output), 64);
    assert!(text(&output).contains("PRIVATE+KEY+"), "{}", text(&output));
}

#[test]
fn a_receipt_says_in_words_what_it_proves() {
    let case = Case::new();
    let output = run(&["receipt", &case.path("receipt")]);
    assert_eq!(exit_code(&output), 0, "{}", text(&output));
    let words = text(&output);
    for expected in ["Record 5", "ledger.example.com/orders", "tree of 20 records", "ed25519:"] {
        assert!(words.contains(expected), "{expected:?} is not in {words}");
    }
    let output = run(&["receipt", &case.path("receipt"), "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["proven"]["seq"], &json["verdict"]), (&5.into(), &"good".into()));
}

#[test]
fn every_changed_byte_of_a_receipt_is_found() {
    let case = Case::new();
    let trust = running::trust();
    for ledger in [case.ledger.clone(), Plan::new("orders").per_commit(4).ledger(20)] {
        let good = ledger.receipt(6, 20).to_json();
        for at in 0..good.len() {
            for bits in [1, 0x20, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bits;
                let report = indelible_verifier::receipt::verify_bytes(&bad, &trust, &[], &[]);
                assert_eq!(report.verdict().exit_code(), 1, "byte {at} ^ {bits:#x}");
                assert!(report.proven.is_none());
            }
        }
    }
}

#[test]
fn a_receipt_of_another_history_contradicts_the_saved_head() {
    let case = Case::new();
    let mut plan = Plan::new("orders");
    plan.event_bytes = 200;
    case.write("forged", &plan.ledger(30).receipt(5, 31).to_json());
    let output = run(&["receipt", &case.path("forged"), "--head", &case.path("head")]);
    assert_eq!(exit_code(&output), 1);
    assert!(text(&output).contains("ROOT_MISMATCH"));
    // Another size cannot be compared without more.
    let output = run(&["receipt", &case.path("receipt"), "--head", &case.path("head")]);
    assert_eq!(exit_code(&output), 2);
}

#[test]
fn a_receipt_given_as_a_head_has_at_most_the_bytes_that_a_file_with_one_may_have() {
    let case = Case::new();
    let mut padded = case.ledger.receipt(5, 31).to_json();
    padded.resize(indelible_core::limits::RECEIPT_FILE_BYTES_MAX, b' ');
    let verify = |bytes: &[u8]| {
        case.write("padded", bytes);
        let head = case.path("padded");
        exit_code(&run(&["vault", &case.path("vault"), "--ledger", "orders", "--head", &head]))
    };
    assert_eq!(verify(&padded), 0);
    padded.push(b' ');
    assert_eq!(verify(&padded), 1);
}
