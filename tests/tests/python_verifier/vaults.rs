//! Attacks on vaults.

use std::fs;
use std::path::Path;

use indelible_core::key::Signature;
use indelible_core::system::SignPer;
use indelible_tests::forge::{self, Row, rechain};

use crate::scene::{CUTS, Scene, bend, plans, stranger};
use crate::support::Plan;

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
            let mut bytes = signed.signature.as_bytes().to_vec();
            bytes[9] ^= 4;
            signed.signature = Signature::new(&signed.key_id, &bytes).unwrap();
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
    scene.vault("the tail cut", &ledger, Some(&head), &["HEAD_BEHIND"], |v| parts(v)[3].remove());
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
