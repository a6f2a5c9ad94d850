//! Honest evidence, and attacks on exports and receipts.

use serde_json::{Value, json};

use crate::scene::{Scene, edit, export_of, plans, stranger};
use crate::support::{self, Made, Plan};

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
    scene.vault("an older copy", &ledger, Some(&longer), &["HEAD_BEHIND"], |_| {});
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
    let receipt: Value = serde_json::from_slice(&ledger.receipt(5, 21).to_json()).unwrap();
    let other: Value = serde_json::from_slice(&ledger.receipt(6, 21).to_json()).unwrap();
    let mut alter = |name: &str, codes: &[&str], member: &str, value: Value| {
        let mut altered = receipt.clone();
        altered[member] = value;
        scene.file(name, "receipt", altered.to_string().as_bytes(), None, codes);
    };
    let edited = other["record"].clone();
    alter("another record", &["HASH_MISMATCH"], "record", edited);
    alter("no digest before", &["CHAIN_BROKEN"], "prev", Value::Null);
    alter("another proof", &["ROOT_MISMATCH"], "proof", json!([]));
    alter(
        "a checkpoint too early",
        &["CHECKPOINT_INVALID"],
        "checkpoint",
        json!(ledger.checkpoint(3)),
    );
    alter("another's signature", &["SIG_INVALID"], "sig", other["sig"].clone());
    alter("a stranger's checkpoint", &["KEY_UNKNOWN"], "checkpoint", json!(stranger().head()));
    let mut bare = receipt.clone();
    let members = bare.as_object_mut().unwrap();
    ["alg", "kid", "sig"].iter().for_each(|member| drop(members.remove(*member)));
    scene.file("no signature", "receipt", bare.to_string().as_bytes(), None, &["NOT_CANONICAL"]);
    scene.judge();
}
