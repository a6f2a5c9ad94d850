//! Proofs in the last, partial tile of a ledger: out of memory, and right all the same, whichever way the
//! ledger came there.

mod engine_support;

use engine_support::*;
use indelible_core::hash::Digest;
use indelible_core::merkle::{consistency, inclusion, leaf_hash};
use indelible_core::system::SignPer;
use indelible_ledger::Engine;
use indelible_ledger::store::StoreError;
use indelible_ledger::store::memory::CommitFault;

/// Appends records, one commit each.
fn append_singly(engine: &Engine, count: u64) {
    for number in 0..count {
        append_one(engine, "a", without_id(number)).unwrap();
    }
}

/// Checks the proofs of these records, and that the tree continues those of every smaller size.
fn check_proofs(engine: &Engine, seqs: std::ops::Range<u64>, digests: &[Digest]) {
    let ledger = name("a");
    let checkpoint = engine.checkpoint(&ledger).unwrap();
    let (size, root) = (checkpoint.checkpoint.size, checkpoint.checkpoint.root);
    for number in seqs {
        let proof = engine.inclusion_proof(&ledger, seq(number), size).unwrap();
        let leaf = leaf_hash(&digests[number as usize]);
        inclusion::verify(number, size, &leaf, &proof, &root).unwrap();
        let before = engine.root_at(&ledger, number + 1).unwrap();
        let proof = engine.consistency_proof(&ledger, number + 1, size).unwrap();
        consistency::verify(number + 1, size, &before, &root, &proof).unwrap();
    }
}

fn digests(engine: &Engine) -> Vec<Digest> {
    let size = engine.ledger(&name("a")).unwrap().size;
    (0..size).map(|at| engine.get(&name("a"), seq(at)).unwrap().unwrap().digest).collect()
}

fn without_reads(place: &Place, check: impl FnOnce()) {
    place.disk.faults().fail_reads(0, StoreError::Io("scripted: no reads".into()));
    check();
    place.disk.faults().clear();
}

#[test]
fn a_proof_in_the_partial_tile_reads_nothing() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    append_singly(&engine, 100);
    append(&engine, "a", (0..20).map(without_id).collect()).unwrap();
    let known = digests(&engine);
    without_reads(&place, || check_proofs(&engine, 0..121, &known));
    // After a start the leaves are read once.
    run(engine.close());
    let engine = place.open();
    check_proofs(&engine, 7..8, &known);
    without_reads(&place, || check_proofs(&engine, 0..121, &known));
    append_singly(&engine, 2);
    let known = digests(&engine);
    without_reads(&place, || check_proofs(&engine, 0..123, &known));
    run(engine.close());
    place.check();
}

#[test]
fn proofs_are_right_before_and_behind_the_end_of_a_tile() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Commit);
    append_singly(&engine, 250);
    for many in [1, 3, 1, 1, 2, 300, 205, 5] {
        append(&engine, "a", (0..many).map(without_id).collect()).unwrap();
        let known = digests(&engine);
        let size = known.len() as u64;
        check_proofs(&engine, 0..3, &known);
        check_proofs(&engine, 240..size.min(260), &known);
        check_proofs(&engine, size - 3..size, &known);
    }
    run(engine.close());
    place.check();
}

#[test]
fn proofs_are_right_after_a_commit_whose_answer_was_lost() {
    for fault in [CommitFault::persisted(), CommitFault::not_persisted()] {
        let place = Place::new();
        let engine = place.open();
        create(&engine, "a", SignPer::Record);
        append_singly(&engine, 10);
        place.disk.faults().fail_commit(0, fault);
        append_until_done(&engine, "a", "lost", 1);
        append_singly(&engine, 3);
        let known = digests(&engine);
        assert_eq!(known.len(), 15);
        check_proofs(&engine, 0..15, &known);
        without_reads(&place, || check_proofs(&engine, 0..15, &known));
        run(engine.close());
        place.check();
    }
}
