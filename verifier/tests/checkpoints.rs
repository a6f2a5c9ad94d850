//! Two heads compared without the ledger, and what people give as keys and heads.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use indelible_core::hash::NodeHash;
use indelible_core::merkle::{NodeSource, consistency, leaf_hash, node_hash};
use running::{exit_code, program, run, vkey};
use serde_json::Value;
use support::{Ledger, Plan, Signer};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

struct Leaves(Vec<NodeHash>);

impl NodeSource for Leaves {
    type Error = std::convert::Infallible;

    fn node(&self, level: u8, index: u64) -> Result<NodeHash, Self::Error> {
        if level == 0 {
            return Ok(self.0[index as usize]);
        }
        Ok(node_hash(&self.node(level - 1, index * 2)?, &self.node(level - 1, index * 2 + 1)?))
    }
}

/// What the server answers.
fn proof(ledger: &Ledger, from: u64, to: u64) -> String {
    let leaves = ledger.records.iter().map(|made| leaf_hash(&made.digest).into()).collect();
    let hashes: Vec<String> = consistency::build(from, to, &Leaves(leaves))
        .unwrap()
        .iter()
        .map(|hash| format!("\"{}\"", hash.to_base64()))
        .collect();
    format!(
        "{{\"from\":{from},\"from_root\":\"{}\",\"proof\":[{}],\"to\":{to},\"to_root\":\"{}\"}}",
        ledger.root(from).to_base64(),
        hashes.join(","),
        ledger.root(to).to_base64()
    )
}

fn other_history() -> Ledger {
    Plan { event_bytes: 90, ..Plan::new("orders") }.ledger(30)
}

#[track_caller]
fn assert_answer(arguments: &[&str], exit: i32, verdict: &str, word: &str) {
    let output = run(arguments);
    let text = text(&output);
    assert_eq!(exit_code(&output), exit, "{text}");
    assert!(text.contains(&format!("\n{word}")), "{text}");
    let json = run(&[arguments, &["--json"]].concat());
    assert_eq!(exit_code(&json), exit);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["verdict"], &json["exit_code"]), (&verdict.into(), &exit.into()));
    assert_eq!(!json["findings"].as_array().unwrap().is_empty(), exit == 1, "{json}");
    assert_eq!(!json["unchecked"].as_array().unwrap().is_empty(), exit == 2, "{json}");
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn heads_of_one_size_need_no_proof() {
    let folder = Folder::new();
    let ledger = Plan::new("orders").ledger(30);
    let a = folder.write("a", ledger.checkpoint(20));
    let crlf = folder.write("crlf", ledger.checkpoint(20).replace('\n', "\r\n"));
    let receipt = folder.write("receipt", ledger.receipt(5, 20).to_json());
    let forged = folder.write("forged", other_history().checkpoint(20));
    assert_answer(&["checkpoints", &a, &crlf], 0, "good", "GOOD");
    assert_answer(&["checkpoints", &receipt, &a], 0, "good", "GOOD");
    assert_answer(&["checkpoints", &a, &forged], 1, "tampered", "TAMPERED ROOT_MISMATCH");
    assert_answer(&["checkpoints", &forged, &receipt], 1, "tampered", "TAMPERED ROOT_MISMATCH");
}

#[test]
fn heads_of_two_sizes_need_one() {
    let folder = Folder::new();
    let (ledger, other) = (Plan::new("orders").ledger(30), other_history());
    let old = folder.write("old", ledger.checkpoint(8));
    let new = folder.write("new", ledger.receipt(5, 31).to_json());
    let good = folder.write("good", proof(&ledger, 8, 31));
    let spaced = proof(&ledger, 8, 31).replace(',', ", \r\n ");
    let spaced = folder.write("spaced", format!("\u{feff}{spaced}\r\n"));
    for order in [[&old, &new], [&new, &old]] {
        let [a, b] = order;
        assert_answer(&["checkpoints", a, b, "--proof", &good], 0, "good", "GOOD");
        assert_answer(&["checkpoints", a, b, "--proof", &spaced], 0, "good", "GOOD");
        assert_answer(&["checkpoints", a, b], 2, "unchecked", "NOT CHECKED");
    }
    let output = run(&["checkpoints", &old, &new]);
    assert!(text(&output).contains("--consistency-from 8"), "{}", text(&output));

    // The proof shows that the smaller head is not the beginning of the larger one: both were signed.
    let theirs = folder.write("theirs", proof(&other, 8, 31));
    let rewritten = folder.write("rewritten", other.checkpoint(31));
    let arguments = ["checkpoints", &old, &rewritten, "--proof", &theirs];
    assert_answer(&arguments, 1, "tampered", "TAMPERED ROOT_MISMATCH");
    // It leads from the smaller head elsewhere, or nowhere.
    let arguments = ["checkpoints", &old, &rewritten, "--proof", &good];
    assert_answer(&arguments, 1, "damaged", "DAMAGED OR CHANGED ROOT_MISMATCH");
    let sizes = folder.write("sizes", proof(&ledger, 9, 31));
    assert_answer(&["checkpoints", &old, &new, "--proof", &sizes], 2, "unchecked", "NOT CHECKED");
    let garbage = folder.write("garbage", "{\"from\":8}");
    assert_answer(&["checkpoints", &old, &new, "--proof", &garbage], 2, "unchecked", "NOT CHECKED");
}

#[test]
fn every_changed_hash_of_a_proof_is_noticed() {
    let folder = Folder::new();
    let ledger = Plan::new("orders").ledger(30);
    let (old, new) =
        (folder.write("old", ledger.checkpoint(11)), folder.write("new", ledger.checkpoint(31)));
    let good: Value = serde_json::from_str(&proof(&ledger, 11, 31)).unwrap();
    for at in 0..good["proof"].as_array().unwrap().len() {
        let mut bad = good.clone();
        bad["proof"][at] = NodeHash([7; 32]).to_base64().into();
        let bad = folder.write("bad", bad.to_string());
        let output = run(&["checkpoints", &old, &new, "--proof", &bad]);
        assert_eq!(exit_code(&output), 1, "hash {at}: {}", text(&output));
    }
}

#[test]
fn heads_that_say_nothing_of_each_other_are_not_compared() {
    let folder = Folder::new();
    let a = folder.write("a", Plan::new("orders").ledger(30).head());
    let b = folder.write("b", Plan::new("payroll").ledger(30).head());
    assert_answer(&["checkpoints", &a, &b], 2, "unchecked", "NOT CHECKED");
    assert_answer(&["checkpoints", &a, "/nowhere/at/all"], 2, "unchecked", "NOT CHECKED");
    let stranger = Plan { signer: Signer::new(9), ..Plan::new("orders") }.ledger(30).head();
    let stranger = folder.write("stranger", stranger);
    assert_answer(&["checkpoints", &a, &stranger], 1, "damaged", "DAMAGED OR CHANGED KEY_UNKNOWN");
    let output = program().args(["checkpoints", &a, &a]).output().unwrap();
    assert_eq!(exit_code(&output), 64, "without a key nothing is compared");
}

#[test]
fn keys_are_read_as_editors_save_them() {
    let folder = Folder::new();
    let export = folder.write("export", Plan::new("orders").ledger(9).export());
    let key = vkey().to_string();
    let utf16 = |text: &str, order: fn(u16) -> [u8; 2], mark: [u8; 2]| {
        mark.into_iter().chain(text.encode_utf16().flat_map(order)).collect::<Vec<u8>>()
    };
    for (name, bytes) in [
        ("plain", key.clone().into_bytes()),
        ("crlf", format!("# keys\r\n\r\n{key}\r\n").into_bytes()),
        ("bom", format!("\u{feff}{key}\n").into_bytes()),
        ("comment", format!("\u{feff}# ours\n  {key}  \n").into_bytes()),
        ("utf16le", utf16(&format!("{key}\r\n"), u16::to_le_bytes, [0xff, 0xfe])),
        ("utf16be", utf16(&format!("{key}\r\n"), u16::to_be_bytes, [0xfe, 0xff])),
    ] {
        let path = folder.write(name, bytes);
        let output = program().args(["export", &export, "--key", &path]).output().unwrap();
        assert_eq!(exit_code(&output), 0, "{name}: {}", text(&output));
    }
    for (name, bytes) in
        [("latin", &b"\xe4+00000000+AAAA\n"[..]), ("cut", b"\xff\xfea"), ("wrong", b"a+b+c\n")]
    {
        let path = folder.write(name, bytes);
        let output = program().args(["export", &export, "--key", &path]).output().unwrap();
        assert_eq!(exit_code(&output), 64, "{name}: {}", text(&output));
    }
    for given in ["nowhere", "\u{1b}[2Ja+b+c", &"x".repeat(5000), &format!("{export}/key")] {
        let output = program().args(["export", &export, "--key", given]).output().unwrap();
        assert_eq!(exit_code(&output), 64, "{given}: {}", text(&output));
        assert!(!text(&output).contains('\u{1b}'));
    }
}

#[test]
fn a_key_file_that_may_not_be_read_is_not_called_missing() {
    let folder = Folder::new();
    let export = folder.write("export", Plan::new("orders").ledger(9).export());
    let folder_as_key = folder.0.path().to_str().unwrap().to_owned();
    let mut unreadable = vec![folder_as_key];
    let locked = folder.0.path().join("locked");
    fs::create_dir(&locked).unwrap();
    let key = locked.join("public.vkey");
    fs::write(&key, format!("{}\n", vkey())).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads what nobody may.
    if fs::read(&key).is_err() {
        unreadable.push(key.to_str().unwrap().to_owned());
    }
    for path in unreadable {
        let output = program().args(["export", &export, "--key", &path]).output().unwrap();
        assert_eq!(exit_code(&output), 2, "{}", text(&output));
        assert!(!text(&output).contains("no such file"), "{}", text(&output));
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_receipt_is_of_the_ledger_that_is_asked_for() {
    let folder = Folder::new();
    let ledger = Plan::new("orders").ledger(30);
    let receipt = folder.write("receipt", ledger.receipt(5, 20).to_json());
    assert_eq!(exit_code(&run(&["receipt", &receipt, "--ledger", "orders"])), 0);
    let output = run(&["receipt", &receipt, "--ledger", "payroll"]);
    assert_eq!(exit_code(&output), 2);
    assert!(text(&output).contains("NOT_FOUND"), "{}", text(&output));
    let export = folder.write("export", ledger.export());
    let output = run(&["export", &export, "--head", &receipt]);
    assert_eq!(exit_code(&output), 0, "a receipt is a head: {}", text(&output));
    assert!(text(&output).contains("nothing is known after record 19"), "{}", text(&output));
}
