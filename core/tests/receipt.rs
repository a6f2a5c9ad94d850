//! Receipts: golden ones, and every way of tampering with one.

#[path = "note/keys.rs"]
mod keys;

use indelible_core::chain::record_digest;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::Code;
use indelible_core::hash::{Digest, NodeHash};
use indelible_core::key::{RecordSignature, Signature, Trust, VKey};
use indelible_core::limits::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX, PROOF_HASHES_MAX};
use indelible_core::merkle::{CompactRange, Growth, leaf_hash};
use indelible_core::name::{EventId, LedgerName, Origin, Seq};
use indelible_core::receipt::{Receipt, ReceiptError};
use indelible_core::record::{Body, Place, PreparedEvent, RecordView};
use indelible_core::time::Timestamp;
use keys::TestKey;
use proptest::prelude::*;

const SIGNED: &[u8] = include_bytes!("vectors/receipt_signed.json");
const UNSIGNED: &[u8] = include_bytes!("vectors/receipt_unsigned.json");
const CREATION: &[u8] = include_bytes!("vectors/receipt_creation.json");
const VKEY: &str = include_str!("vectors/receipt.vkey");

fn trust_in(vkeys: impl IntoIterator<Item = VKey>) -> Trust {
    vkeys.into_iter().collect()
}

fn golden_trust() -> Trust {
    trust_in([VKey::parse_file(VKEY).unwrap()])
}

fn parse_error(json: &[u8]) -> ReceiptError {
    Receipt::parse(json).expect_err("not a receipt")
}

/// The golden signed receipt with something changed, and what verifying it says.
fn changed(change: impl FnOnce(&mut Receipt)) -> Result<(), ReceiptError> {
    let mut receipt = Receipt::parse(SIGNED).unwrap();
    change(&mut receipt);
    receipt.verify(&golden_trust()).map(drop)
}

fn code(result: Result<(), ReceiptError>) -> Code {
    result.expect_err("tampered").code
}

#[test]
fn golden_receipts_made_by_other_code_are_accepted_and_written_the_same() {
    for (json, seq, signed) in [(CREATION, 0, true), (UNSIGNED, 3, false), (SIGNED, 4, true)] {
        let receipt = Receipt::parse(json).unwrap();
        assert_eq!(receipt.to_json(), json);
        assert_eq!(receipt.signature.is_some(), signed);
        let verified = receipt.open(&golden_trust()).unwrap();
        assert_eq!((verified.record.seq.get(), verified.record.ledger), (seq, "audit"));
        assert_eq!(matches!(verified.record.body, Body::System(_)), seq == 0);
        assert_eq!(
            (verified.checkpoint.size, &*verified.checkpoint.origin),
            (5, "ledger.example/audit")
        );
    }
}

#[test]
fn the_record_keeps_its_bytes() {
    let receipt = Receipt::parse(UNSIGNED).unwrap();
    let at = UNSIGNED.windows(10).position(|window| window == b"\"record\":{").unwrap() + 9;
    assert!(UNSIGNED[at..].starts_with(&receipt.record));
    assert!(core::str::from_utf8(&receipt.record).unwrap().contains("zoë"));
}

#[test]
fn a_file_may_end_in_a_line_feed_and_the_wire_format_may_not() {
    let file = [SIGNED, b"\n"].concat();
    assert_eq!(Receipt::parse_file(&file), Receipt::parse(SIGNED));
    assert_eq!(Receipt::parse_file(SIGNED), Receipt::parse(SIGNED));
    assert_eq!(parse_error(&file).code, Code::NotCanonical);
    assert!(Receipt::parse_file(&[&file[..], b"\n"].concat()).is_err());
}

#[test]
fn a_pretty_printed_receipt_is_refused_with_words_that_help() {
    let value: serde_json::Value = serde_json::from_slice(SIGNED).unwrap();
    let error = parse_error(&serde_json::to_vec_pretty(&value).unwrap());
    assert_eq!(error.code, Code::NotCanonical);
    assert!(error.reason.contains("pretty-printed") && error.reason.contains("fetch"), "{error}");
    let spaced = String::from_utf8_lossy(SIGNED).replacen("\"proof\":[", "\"proof\": [", 1);
    assert!(parse_error(spaced.as_bytes()).reason.contains("pretty-printed"));
}

#[test]
fn a_record_that_was_edited_is_a_hash_mismatch() {
    let edited = changed(|receipt| {
        let text = String::from_utf8(receipt.record.clone()).unwrap();
        receipt.record = text.replace("grant", "grunt").into_bytes();
    });
    assert_eq!(code(edited), Code::HashMismatch);
    assert_eq!(code(changed(|receipt| receipt.digest.0[0] ^= 1)), Code::HashMismatch);
    let prev =
        changed(|receipt| receipt.prev = receipt.prev.map(|digest| Digest([digest.0[0]; 32])));
    assert_eq!(code(prev), Code::HashMismatch);
}

#[test]
fn a_record_whose_digest_was_made_to_fit_is_caught_by_signature_and_root() {
    let refit = |receipt: &mut Receipt| {
        let text = String::from_utf8(receipt.record.clone()).unwrap();
        receipt.record = text.replace("grant", "grunt").into_bytes();
        receipt.digest = record_digest(&receipt.record, receipt.prev.as_ref());
    };
    assert_eq!(code(changed(refit)), Code::SigInvalid);
    let unsigned = changed(|receipt| {
        refit(receipt);
        receipt.signature = None;
    });
    assert_eq!(code(unsigned), Code::RootMismatch);
}

#[test]
fn only_record_0_stands_without_a_digest_before_it() {
    let dropped = changed(|receipt| {
        receipt.prev = None;
        receipt.digest = record_digest(&receipt.record, None);
    });
    assert_eq!(code(dropped), Code::ChainBroken);
    let mut creation = Receipt::parse(CREATION).unwrap();
    creation.prev = Some(Digest([0; 32]));
    creation.digest = record_digest(&creation.record, creation.prev.as_ref());
    assert_eq!(code(creation.verify(&golden_trust()).map(drop)), Code::ChainBroken);
}

#[test]
fn a_signature_of_another_digest_or_key_is_refused() {
    let resigned = |signer: u8, named: u8, message: [u8; 32]| {
        changed(|receipt| {
            receipt.signature = Some(RecordSignature {
                key_id: TestKey::of(named).public().key_id(),
                signature: TestKey::of(signer).sign(&message),
            });
        })
    };
    let digest = Receipt::parse(SIGNED).unwrap().digest.0;
    assert_eq!(resigned(7, 7, digest), Ok(()));
    assert_eq!(code(resigned(7, 7, [1; 32])), Code::SigInvalid);
    assert_eq!(code(resigned(8, 7, digest)), Code::SigInvalid);
    let unknown = resigned(8, 8, digest).unwrap_err();
    assert_eq!(unknown.code, Code::KeyUnknown);
    assert!(unknown.reason.contains("vkey"), "{unknown}");
    let zero = changed(|receipt| {
        receipt.signature.as_mut().unwrap().signature = Signature([0; 64]);
    });
    assert_eq!(code(zero), Code::SigInvalid);
}

#[test]
fn a_receipt_says_nothing_to_somebody_without_the_key() {
    let receipt = Receipt::parse(SIGNED).unwrap();
    for vkeys in [
        vec![],
        vec![TestKey::of(8).vkey("ledger.example")],
        vec![TestKey::of(7).vkey("other.example")],
    ] {
        let error = receipt.verify(&trust_in(vkeys)).unwrap_err();
        assert_eq!(error.code, Code::KeyUnknown);
        assert!(error.reason.contains("Give the vkey"), "{error}");
    }
    let by_origin = trust_in([TestKey::of(7).vkey("ledger.example/audit")]);
    assert!(receipt.verify(&by_origin).is_ok());
}

#[test]
fn every_flipped_bit_of_the_proof_is_noticed() {
    let receipt = Receipt::parse(UNSIGNED).unwrap();
    assert_eq!(receipt.proof.len(), 3);
    for place in 0..3 {
        for bit in 0..256 {
            let mut receipt = receipt.clone();
            receipt.proof[place].0[bit / 8] ^= 1 << (bit % 8);
            let error = receipt.verify(&golden_trust()).unwrap_err();
            assert_eq!(error.code, Code::RootMismatch);
        }
    }
    for proof in
        [vec![], receipt.proof[..2].to_vec(), [&receipt.proof[..], &[NodeHash([0; 32])]].concat()]
    {
        let error = Receipt { proof, ..receipt.clone() }.verify(&golden_trust()).unwrap_err();
        assert_eq!(error.code, Code::RootMismatch);
    }
}

#[test]
fn every_flipped_bit_of_a_receipt_is_noticed() {
    let trust = golden_trust();
    for json in [SIGNED, UNSIGNED, CREATION] {
        for place in 0..json.len() {
            for bit in 0..8 {
                let mut bytes = json.to_vec();
                bytes[place] ^= 1 << bit;
                let Ok(receipt) = Receipt::parse(&bytes) else { continue };
                assert!(receipt.verify(&trust).is_err(), "byte {place} bit {bit}");
            }
        }
    }
}

/// A checkpoint by the golden key that says whatever it is told to.
fn checkpoint(origin: &str, size: u64, root: NodeHash) -> String {
    let checkpoint = Checkpoint { origin: Origin::new(origin).unwrap(), size, root };
    TestKey::of(7).note(origin, &checkpoint.body())
}

#[test]
fn a_well_signed_checkpoint_that_does_not_belong_to_the_record_is_refused() {
    let root = Checkpoint::open_any(
        Receipt::parse(SIGNED).unwrap().checkpoint.as_bytes(),
        &golden_trust(),
    )
    .unwrap()
    .root;
    let with = |note: String| changed(|receipt| receipt.checkpoint = note);
    assert_eq!(with(checkpoint("ledger.example/audit", 5, root)), Ok(()));
    let other = with(checkpoint("ledger.example/other", 5, root)).unwrap_err();
    assert_eq!(other.code, Code::CheckpointInvalid);
    assert!(other.reason.contains("ledger.example/other"), "{other}");
    let early = with(checkpoint("ledger.example/audit", 4, root)).unwrap_err();
    assert_eq!(early.code, Code::CheckpointInvalid);
    assert!(early.reason.contains("later checkpoint"), "{early}");
    assert_eq!(code(with(checkpoint("ledger.example/audit", 6, root))), Code::RootMismatch);
    assert_eq!(
        code(with(checkpoint("ledger.example/audit", 5, NodeHash([0; 32])))),
        Code::RootMismatch
    );
    assert_eq!(code(with(String::new())), Code::CheckpointInvalid);
}

#[test]
fn a_proof_for_another_place_does_not_serve() {
    // Leaf 2's proof and digest with record 3's number would need another record: its number is inside.
    let unsigned = Receipt::parse(UNSIGNED).unwrap();
    let signed = Receipt::parse(SIGNED).unwrap();
    let mixed = Receipt { proof: signed.proof, ..unsigned };
    assert_eq!(code(mixed.verify(&golden_trust()).map(drop)), Code::RootMismatch);
}

#[test]
fn members_that_are_missing_surplus_or_of_another_form_are_refused() {
    let text = core::str::from_utf8(SIGNED).unwrap();
    for (from, to) in [
        ("{\"alg\":\"ed25519\",", "{"),
        ("\"alg\":\"ed25519\"", "\"alg\":\"rsa-sha256\""),
        ("\"alg\":\"ed25519\"", "\"alg\":null"),
        ("\"kid\":\"ed25519:", "\"kid\":\"ED25519:"),
        ("\"sig\":\"", "\"sig\":\"AA"),
        ("\"digest\":\"", "\"digest\":\"0"),
        ("\"prev\":\"", "\"prev\":\"0"),
        ("\"proof\":[", "\"proof\":[0,"),
        ("\"proof\":[", "\"proof\":[\"AA==\","),
        ("\"proof\":[", "\"proofs\":["),
        ("\"v\":1}", "\"v\":2}"),
        ("\"v\":1}", "\"v\":\"1\"}"),
        ("\"v\":1}", "\"v\":1,\"w\":1}"),
    ] {
        // The last occurrence: the record has members of its own with some of these names.
        let at = text.rfind(from).unwrap();
        let changed = [&text[..at], to, &text[at + from.len()..]].concat();
        let error = parse_error(changed.as_bytes());
        assert_eq!(error.code, Code::NotCanonical, "{from} -> {to}");
    }
    let newer = text.replacen("\"v\":1}", "\"v\":2}", 2);
    assert!(parse_error(newer.as_bytes()).reason.contains("version 2"));
    for bad in [&b""[..], b"{}", b"[]", b"1", b"null", b"{\"v\":1}", b"\xff", b"<html>"] {
        assert_eq!(parse_error(bad).code, Code::NotCanonical);
    }
}

#[test]
fn a_proof_longer_than_any_tree_is_high_is_refused() {
    let mut receipt = Receipt::parse(SIGNED).unwrap();
    receipt.proof = vec![NodeHash([1; 32]); PROOF_HASHES_MAX];
    assert!(Receipt::parse(&receipt.to_json()).is_ok());
    receipt.proof.push(NodeHash([1; 32]));
    assert!(parse_error(&receipt.to_json()).reason.contains("proof"));
}

#[test]
fn a_record_that_is_no_record_is_refused_before_anything_is_believed() {
    let bad = changed(|receipt| receipt.record = br#"{"a":1}"#.to_vec());
    assert_eq!(code(bad), Code::NotCanonical);
}

/// A ledger of `events`, grown by the crate's own parts; the receipt of each record.
fn ledger(events: &[Vec<u8>], key: &TestKey) -> Vec<Receipt> {
    let name = LedgerName::new("l").unwrap();
    let mut digests: Vec<Digest> = Vec::new();
    let mut records = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let id = EventId::new(&format!("é \"{i}\"")).unwrap();
        let time = Timestamp::from_micros(i as u64).unwrap();
        let place = Place { ledger: &name, id: &id, seq: Seq::new(i as u64).unwrap(), time };
        let mut record = Vec::new();
        let prepared = PreparedEvent::new(event).unwrap();
        digests.push(prepared.seal(&place, digests.last(), &mut record));
        records.push(record);
    }
    let mut growth = Growth::new(CompactRange::new(0)).unwrap();
    growth.extend(digests.iter().map(leaf_hash)).unwrap();
    let origin = Origin::new("s/l").unwrap();
    let body = Checkpoint { origin, size: growth.size(), root: growth.root() }.body();
    let note = key.note("s/l", &body);
    (0..records.len())
        .map(|i| Receipt {
            record: records[i].clone(),
            prev: i.checked_sub(1).map(|before| digests[before]),
            digest: digests[i],
            signature: (i % 2 == 0).then(|| RecordSignature {
                key_id: key.public().key_id(),
                signature: key.sign(digests[i].as_bytes()),
            }),
            proof: growth.inclusion_proof(i as u64).unwrap(),
            checkpoint: note.clone(),
        })
        .collect()
}

#[test]
fn the_largest_and_deepest_event_has_a_receipt() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(EVENT_BYTES_MAX - 8)).into_bytes();
    assert_eq!(large.len(), EVENT_BYTES_MAX);
    let levels = EVENT_DEPTH_MAX as usize - 1;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    let key = TestKey::of(3);
    for receipt in ledger(&[large, deep], &key) {
        let parsed = Receipt::parse(&receipt.to_json()).unwrap();
        assert_eq!(parsed, receipt);
        assert!(parsed.verify(&trust_in([key.vkey("s")])).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn receipts_of_any_ledger_survive_the_round_trip_and_verify(texts in prop::collection::vec("\\PC{0,30}", 1..40)) {
        let events: Vec<Vec<u8>> = texts
            .iter()
            .map(|text| {
                let mut event = b"{\"t\":".to_vec();
                indelible_core::json::push_string(&mut event, text);
                event.push(b'}');
                event
            })
            .collect();
        let key = TestKey::of(3);
        let trust = trust_in([key.vkey("s")]);
        for (i, receipt) in ledger(&events, &key).into_iter().enumerate() {
            let parsed = Receipt::parse(&receipt.to_json()).unwrap();
            prop_assert_eq!(&parsed, &receipt);
            let record: RecordView<'_> = parsed.verify(&trust).unwrap();
            prop_assert_eq!(record.seq.get(), i as u64);
        }
    }
}
