//! A second verifier, in Python and written from `docs/FORMAT.md` alone, must see what the first one sees.
//!
//! Ledgers are made, attacked in every way that `docs/GUARANTEES.md` names and in hundreds of random
//! ones, and both programs must name the same set of codes and end with the same exit code. Where they
//! differ, one of them is wrong, or the page leaves something open; either has to be settled.

#![allow(missing_docs, unreachable_pub)]

#[path = "python/mod.rs"]
mod python;
#[path = "../../verifier/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use indelible_core::system::SignPer;
use indelible_tests::forge::{self, Row, copy_folder, rechain, renumber};
use indelible_tests::programs::run;
use indelible_tests::server::Setup;
use python::{Case, Python, agree};
use support::{Ledger, Made, Plan, SERVER, Signer, files};
use tempfile::TempDir;

const CUTS: [u64; 3] = [7, 13, 16];

fn plans() -> [Plan; 2] {
    [Plan::new("orders"), Plan::new("orders").per_commit(5)]
}

/// A folder in which cases are laid out side by side, to be judged together.
struct Scene {
    folder: TempDir,
    key: String,
    cases: Vec<Case>,
}

impl Scene {
    fn new() -> Self {
        let key = Signer::new(7).vkey(SERVER).to_string();
        Self { folder: tempfile::tempdir().unwrap(), key, cases: Vec::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.cases.len().to_string())
    }

    fn add(&mut self, name: &str, what: &str, path: &Path, head: Option<&str>, codes: &[&str]) {
        let mut arguments = vec![what.to_owned(), path.display().to_string()];
        arguments.extend(["--key".to_owned(), self.key.clone()]);
        if let Some(head) = head {
            let file = self.folder.path().join(format!("{}.head", self.cases.len()));
            fs::write(&file, head).unwrap();
            arguments.extend(["--head".to_owned(), file.display().to_string()]);
        }
        let must = codes.iter().map(ToString::to_string).collect();
        self.cases.push(Case { name: name.to_owned(), arguments, must });
    }

    /// A vault of the ledger, then something is done to it.
    fn vault(
        &mut self,
        name: &str,
        ledger: &Ledger,
        head: Option<&str>,
        codes: &[&str],
        attack: impl FnOnce(&Path),
    ) {
        let path = self.path();
        ledger.vault(&path, &CUTS);
        attack(&path);
        self.add(name, "vault", &path, head, codes);
    }

    fn file(&mut self, name: &str, what: &str, bytes: &[u8], head: Option<&str>, codes: &[&str]) {
        let path = self.path();
        fs::write(&path, bytes).unwrap();
        self.add(name, what, &path, head, codes);
    }

    fn judge(self) {
        agree(&self.cases);
    }
}

/// Bends the lines of the second segment (records 7 to 12).
fn bend(vault: &Path, change: impl FnOnce(&mut Vec<Row>)) {
    let mut part = forge::vault(vault, "orders").remove(1);
    change(&mut part.rows);
    part.overwrite();
}

/// An export of bent records under the honest ledger's closing line.
fn export_of(honest: &Ledger, bend: impl FnOnce(&mut Vec<Made>)) -> Vec<u8> {
    let mut bent = honest.clone();
    bend(&mut bent.records);
    let whole = bent.export();
    let end = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    [&whole[..end], &support::closing_line(&honest.head())].concat()
}

fn edit(made: &mut Made) {
    let text = String::from_utf8(made.record.clone()).unwrap();
    assert!(text.contains("\"action\":\"pay\""), "{text}");
    made.record = text.replacen("\"pay\"", "\"PAY\"", 1).into_bytes();
}

#[test]
fn honest_evidence_is_good_for_both() {
    let mut scene = Scene::new();
    for plan in plans() {
        let ledger = plan.ledger(20);
        let head = ledger.head();
        scene.vault("a vault", &ledger, None, &[], |_| {});
        scene.vault("a vault with its head", &ledger, Some(&head), &[], |_| {});
        scene.vault(
            "a vault with an older head",
            &ledger,
            Some(&ledger.checkpoint(9)),
            &[],
            |_| {},
        );
        scene.file("an export", "export", &ledger.export(), Some(&head), &[]);
        scene.file("packed", "export", &support::pack(&ledger.export()), None, &[]);
        for seq in [0, 1, 7, 20] {
            let receipt = ledger.receipt(seq, 21).to_json();
            scene.file("a receipt", "receipt", &receipt, Some(&head), &[]);
        }
    }
    scene.judge();
}

#[test]
fn every_attack_on_records_in_a_vault_has_the_same_codes() {
    let mut scene = Scene::new();
    for plan in plans() {
        let ledger = plan.ledger(20);
        let mut attack = |name: &str, codes: &[&str], change: &dyn Fn(&mut Vec<Row>)| {
            scene.vault(name, &ledger, None, codes, |vault| bend(vault, |rows| change(rows)));
        };
        let per_record = plan.sign_per == SignPer::Record;
        attack("a record edited", &["MANIFEST_INVALID", "HASH_MISMATCH"], &|rows| {
            rows[2].replace("\"pay\"", "\"PAY\"")
        });
        attack("edited into a longer one", &["MANIFEST_INVALID", "HASH_MISMATCH"], &|rows| {
            let long: String = (0..9_000).map(|n| char::from(b'a' + (n * n % 25) as u8)).collect();
            rows[2].replace("\"pay\"", &format!("\"{long}\""))
        });
        attack("a record that is none", &["MANIFEST_INVALID", "NOT_CANONICAL"], &|rows| {
            rows[2].replace(":", " :")
        });
        let codes = &["MANIFEST_INVALID", "SIG_INVALID", "CHAIN_BROKEN"];
        attack("edited, digest recomputed", codes, &|rows| {
            rows[3].replace("\"pay\"", "\"PAY\"");
            let prev = rows[2].digest;
            rechain(&mut rows[3..4], Some(prev));
        });
        let codes = &["MANIFEST_INVALID", "SIG_INVALID", "ROOT_MISMATCH"];
        attack("edited, all digests recomputed", codes, &|rows| {
            rows[2].replace("\"pay\"", "\"PAY\"");
            let prev = rows[1].digest;
            rechain(&mut rows[2..], Some(prev));
        });
        let codes = &["MANIFEST_INVALID", "SEQ_GAP", "CHAIN_BROKEN"];
        attack("dropped", codes, &|rows| drop(rows.remove(2)));
        attack("doubled", codes, &|rows| rows.insert(3, rows[2].clone()));
        attack("swapped", codes, &|rows| rows.swap(2, 3));
        attack("many more behind the last", &["MANIFEST_INVALID", "SEQ_GAP"], &|rows| {
            let again = rows.clone();
            (0..500).for_each(|_| rows.extend(again.iter().cloned()));
        });
        attack("the last ones cut", &["MANIFEST_INVALID", "SEQ_GAP"], &|rows| rows.truncate(4));
        let codes = &["MANIFEST_INVALID", "HASH_MISMATCH"];
        attack("a digest altered", codes, &|rows| rows[3].digest.0[0] ^= 1);
        let codes: &[&str] = if per_record { &["UNSIGNED"] } else { &["MANIFEST_INVALID"] };
        attack("all signatures gone", codes, &|rows| {
            rows.iter_mut().for_each(|row| row.signature = None);
        });
        attack("a signature altered", &["MANIFEST_INVALID", "SIG_INVALID"], &|rows| {
            let signed = rows.iter_mut().find_map(|row| row.signature.as_mut()).unwrap();
            signed.signature.0[9] ^= 4;
        });
        attack("a record of another ledger", &["MANIFEST_INVALID", "CHAIN_BROKEN"], &|rows| {
            rows[2].replace("\"ledger\":\"orders\"", "\"ledger\":\"others\"");
        });
        attack("time goes backwards", &["MANIFEST_INVALID", "TIME_BACKWARDS"], &|rows| {
            rows[2].replace("\"time\":\"2026", "\"time\":\"2025");
        });
    }
    scene.judge();
}

#[test]
fn every_attack_on_segments_and_manifests_has_the_same_codes() {
    let ledger = Plan::new("orders").ledger(20);
    let head = ledger.head();
    let parts = |vault: &Path| forge::vault(vault, "orders");
    let mut scene = Scene::new();
    scene.vault("a segment gone", &ledger, None, &["SEGMENT_MISSING"], |v| parts(v)[1].remove());
    scene.vault("gone, a head given", &ledger, Some(&head), &["SEGMENT_MISSING"], |v| {
        parts(v)[1].remove();
    });
    scene.vault("the first segment gone", &ledger, None, &["SEGMENT_MISSING"], |v| {
        parts(v)[0].remove();
    });
    scene.vault("its file gone", &ledger, Some(&head), &["SEGMENT_MISSING"], |v| {
        fs::remove_file(&parts(v)[1].object).unwrap();
    });
    scene.vault("its manifest gone", &ledger, None, &["SEGMENT_MISSING"], |v| {
        fs::remove_file(&parts(v)[1].manifest_file).unwrap();
    });
    scene.vault("the tail cut", &ledger, Some(&head), &["TAIL_MISSING"], |v| parts(v)[3].remove());
    scene.vault("the tail cut, no head", &ledger, None, &[], |v| parts(v)[3].remove());
    scene.vault("segments swapped", &ledger, None, &["MANIFEST_INVALID"], |v| {
        let (a, b) = (parts(v)[0].object.clone(), parts(v)[1].object.clone());
        let (x, y) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
        fs::write(a, y).unwrap();
        fs::write(b, x).unwrap();
    });
    scene.vault("a segment of another ledger", &ledger, None, &["MANIFEST_INVALID"], |v| {
        let other = tempfile::tempdir().unwrap();
        Plan::new("others").ledger(20).vault(other.path(), &CUTS);
        let theirs = forge::vault(other.path(), "others").remove(1);
        let mine = parts(v).remove(1);
        fs::copy(&theirs.manifest_file, &mine.manifest_file).unwrap();
        fs::copy(&theirs.object, v.join("orders").join(theirs.object.file_name().unwrap()))
            .unwrap();
    });
    scene.vault("a manifest spoilt", &ledger, None, &["MANIFEST_INVALID"], |v| {
        let file = &parts(v)[1].manifest_file;
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, text.replacen("\"count\":6", "\"count\":5", 1)).unwrap();
    });
    scene.vault("the ledger's folder renamed", &ledger, None, &["MANIFEST_INVALID"], |v| {
        fs::rename(v.join("orders"), v.join("others")).unwrap();
    });
    scene.vault("a stranger's ledger", &stranger(), None, &["KEY_UNKNOWN"], |_| {});
    scene.vault("an empty folder", &ledger, None, &[], |v| {
        fs::remove_dir_all(v.join("orders")).unwrap()
    });
    scene.judge();
}

fn stranger() -> Ledger {
    Plan { signer: Signer::new(9), ..Plan::new("orders") }.ledger(20)
}

#[test]
fn a_history_signed_anew_with_the_stolen_key_shows_against_a_saved_head() {
    let mut scene = Scene::new();
    let ledger = Plan::new("orders").ledger(20);
    let mut rewritten = Plan::new("orders").ledger(11);
    rewritten.push_event(b"{\"action\":\"nothing\"}", 12 * 250);
    let digest = rewritten.records[12].digest;
    rewritten.records[12].signature = Some(rewritten.plan.signer.record(&digest));
    rewritten.grow(8);
    let head = ledger.head();
    scene.vault("rewritten", &rewritten, Some(&head), &["ROOT_MISMATCH"], |_| {});
    scene.vault("rewritten, no head", &rewritten, None, &[], |_| {});
    scene.file("rewritten", "export", &rewritten.export(), Some(&head), &["ROOT_MISMATCH"]);
    let receipt = rewritten.receipt(12, 21).to_json();
    scene.file("rewritten", "receipt", &receipt, Some(&head), &["ROOT_MISMATCH"]);
    let strange = stranger().head();
    scene.file(
        "a head of a stranger",
        "export",
        &ledger.export(),
        Some(&strange),
        &["KEY_UNKNOWN"],
    );
    let longer = Plan::new("orders").ledger(30).head();
    scene.file("an older copy", "export", &ledger.export(), Some(&longer), &["HEAD_BEHIND"]);
    scene.vault("an older copy", &ledger, Some(&longer), &["TAIL_MISSING"], |_| {});
    scene.judge();
}

#[test]
fn attacks_on_exports_and_receipts_have_the_same_codes() {
    let mut scene = Scene::new();
    for plan in plans() {
        let ledger = plan.ledger(20);
        let mut attack = |name: &str, codes: &[&str], bend: &dyn Fn(&mut Vec<Made>)| {
            scene.file(name, "export", &export_of(&ledger, |made| bend(made)), None, codes);
        };
        attack("edited", &["HASH_MISMATCH"], &|made| edit(&mut made[6]));
        attack("dropped", &["SEQ_GAP", "CHAIN_BROKEN"], &|made| drop(made.remove(6)));
        attack("the tail cut", &["TAIL_MISSING"], &|made| made.truncate(15));
        attack("one too many", &["SEQ_GAP"], &|made| made.push(made[3].clone()));
        attack("unsigned", &["UNSIGNED"], &|made| {
            made.iter_mut().skip(1).for_each(|made| made.signature = None);
        });
        attack("no creation", &["SEQ_GAP"], &|made| {
            made[0].record = made[1].record.clone();
        });
    }
    let ledger = Plan::new("orders").ledger(20);
    let export = ledger.export();
    scene.file(
        "cut inside a line",
        "export",
        &export[..export.len() - 100],
        None,
        &["TAIL_MISSING"],
    );
    let packed = support::pack(&Plan::new("orders").ledger(2_000).export());
    scene.file("packed and cut", "export", &packed[..packed.len() - 9], None, &["TAIL_MISSING"]);
    scene.file("empty", "export", b"", None, &["NOT_CANONICAL"]);
    let receipt = ledger.receipt(5, 21);
    let mut alter =
        |name: &str, codes: &[&str], change: &dyn Fn(&mut indelible_core::receipt::Receipt)| {
            let mut altered = receipt.clone();
            change(&mut altered);
            scene.file(name, "receipt", &altered.to_json(), None, codes);
        };
    alter("another record", &["HASH_MISMATCH"], &|receipt| {
        receipt.record = ledger.records[6].record.clone();
    });
    alter("no digest before", &["CHAIN_BROKEN"], &|receipt| receipt.prev = None);
    alter("another proof", &["ROOT_MISMATCH"], &|receipt| {
        receipt.proof.pop();
    });
    alter("a checkpoint too early", &["CHECKPOINT_INVALID"], &|receipt| {
        receipt.checkpoint = ledger.checkpoint(3);
    });
    alter("another's signature", &["SIG_INVALID"], &|receipt| {
        receipt.signature = ledger.records[6].signature.clone();
    });
    alter("a stranger's checkpoint", &["KEY_UNKNOWN"], &|receipt| {
        receipt.checkpoint = stranger().head();
    });
    alter("no signature of its own", &[], &|receipt| receipt.signature = None);
    scene.judge();
}

/// Every byte of small evidence changed would take minutes; every so many, each time others, does not.
#[test]
fn changed_bytes_anywhere_have_the_same_codes() {
    let mut scene = Scene::new();
    let ledger = Plan::new("orders").per_commit(3).ledger(5);
    let mut flip = |what: &str, bytes: &[u8], step: usize| {
        for at in (0..bytes.len()).step_by(step) {
            let mut bent = bytes.to_vec();
            bent[at] ^= [1, 2, 32, 128][at % 4];
            scene.file(&format!("byte {at} of the {what}"), what, &bent, None, &[]);
        }
    };
    flip("export", &ledger.export(), 11);
    flip("receipt", &ledger.receipt(3, 6).to_json(), 5);
    let honest = tempfile::tempdir().unwrap();
    ledger.vault(honest.path(), &[3]);
    for file in files(honest.path()) {
        let bytes = fs::read(&file).unwrap();
        let name = file.strip_prefix(honest.path()).unwrap();
        for at in (0..bytes.len()).step_by(9) {
            let path = scene.path();
            copy_folder(honest.path(), &path);
            let mut bent = bytes.clone();
            bent[at] ^= [1, 2, 32, 128][at % 4];
            fs::write(path.join(name), bent).unwrap();
            scene.add(&format!("byte {at} of {}", name.display()), "vault", &path, None, &[]);
        }
    }
    scene.judge();
}

#[test]
fn what_the_server_makes_is_good_for_the_python_program() {
    let folder = tempfile::tempdir().unwrap();
    let server = Setup::new(&folder.path().join("data")).start().unwrap();
    let python = Python::program();
    let file = |name: &str| folder.path().join(name).display().to_string();
    for (ledger, sign_per) in [("orders", "record"), ("metrics", "commit")] {
        server.client().create(ledger, sign_per);
        let events: Vec<String> = (0..300)
            .map(|n| format!("{{\"n\":{n},\"x\":{},\"é\":\"\\u0001\"}}", n as f64 / 7.0))
            .collect();
        fs::write(file("events"), events.join("\n") + "\n").unwrap();
        server.cli(&["append", ledger, &file("events")]).expect(0);
        server.cli(&["archive", ledger, "--to", &file("vault")]).expect(0);
        server.cli(&["export", ledger, "--out", &file(ledger)]).expect(0);
        let receipt = server.client().get(&format!("/v1/ledgers/{ledger}/events/17/receipt"));
        fs::write(file("receipt"), &receipt.body).unwrap();
        fs::write(file("head"), server.client().checkpoint(ledger)).unwrap();
        for (what, path, head) in [
            ("export", file(ledger), true),
            ("receipt", file("receipt"), false),
            ("vault", file("vault"), false),
        ] {
            let mut arguments = vec![what.to_owned(), path, "--key".to_owned(), server.vkey()];
            if head {
                arguments.extend(["--head".to_owned(), file("head")]);
            }
            run(&python.interpreter, python.arguments(&arguments)).expect(0);
        }
    }
    let mut rows = forge::Export::read(Path::new(&file("orders")));
    rows.rows.remove(5);
    renumber(&mut rows.rows);
    rows.write(Path::new(&file("bent")));
    let arguments = ["export", &file("bent"), "--key", &server.vkey()].map(str::to_owned);
    run(&python.interpreter, python.arguments(&arguments)).expect(1);
    server.stop();
}

/// Texts that are JSON or nearly so: parts put together, then some bytes changed.
fn nearly_json(seed: u64) -> Vec<u8> {
    const PARTS: [&str; 40] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"\u{e9}\"",
        "\"\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\n\\u001f\"",
        "\"\u{fb33}\u{1f600}\"",
        "0",
        "-0",
        "1e21",
        "1e20",
        "1.50",
        "0.000001",
        "1e-7",
        "9007199254740991",
        "9007199254740992",
        "1e400",
        "1e-400",
        "5e-324",
        "333333333.33333329",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "{\"a\":1}",
        "[1,2]",
        "{\"b\":{},\"a\":[]}",
        "{\"a\":1,\"a\":2}",
        "123456789012345678",
        "4.5",
        "-1.7976931348623157e308",
        "01",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    if random(3) == 0 {
        let number = f64::from_bits(random(1 << 31) as u64 ^ (random(1 << 31) as u64) << 33);
        return format!("[{number:e}]").into_bytes();
    }
    let mut text = match random(3) {
        0 => (0..1 + random(6)).map(|_| PARTS[random(PARTS.len())]).collect::<String>(),
        1 => format!(
            "{{{}:{},\"c\":{}}}",
            PARTS[6 + random(8)],
            PARTS[14 + random(13)],
            PARTS[random(40)]
        ),
        _ => format!("[{},{}]", PARTS[6 + random(25)], PARTS[14 + random(26)]),
    }
    .into_bytes();
    if random(4) == 0 {
        let at = random(text.len());
        text[at] ^= 1 << random(8);
    }
    text
}

#[test]
fn canonical_json_is_the_same_to_both() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use indelible_core::json::{Limits, canonicalize, check_canonical};
    let texts: Vec<Vec<u8>> = (1..6_000).map(nearly_json).collect();
    let questions: Vec<_> = texts
        .iter()
        .map(|text| serde_json::json!({"bytes": STANDARD.encode(text), "depth": 64}))
        .collect();
    let mut accepted = 0;
    for (text, answer) in texts.iter().zip(Python::program().ask("json", &questions)) {
        let shown = String::from_utf8_lossy(text);
        match canonicalize(text, Limits::EVENT) {
            Ok(canonical) => {
                accepted += 1;
                assert_eq!(answer["canonical"], STANDARD.encode(canonical), "{shown}: {answer}");
            }
            Err(error) => assert!(answer["code"].is_string(), "{shown}: {error}, Python: {answer}"),
        }
        let same = check_canonical(text, Limits::EVENT).is_ok();
        assert_eq!(same, answer["same"] == true, "{shown}: {answer}");
    }
    assert!(accepted > 1_000 && accepted < 5_500, "{accepted} are JSON: the texts are one-sided");
}
