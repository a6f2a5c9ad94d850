//! Receipts: golden ones, and every way of tampering with one.

#[path = "note/keys.rs"]
mod keys;

use indelible_core::chain::record_digest;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::{Class, Code};
use indelible_core::hash::{Digest, NodeHash};
use indelible_core::json::Numbers;
use indelible_core::key::{RecordSignature, Signature, Trust, VKey};
use indelible_core::limits::{
    EVENT_BYTES_MAX, EVENT_DEPTH_MAX, PROOF_HASHES_MAX, RECEIPT_FILE_BYTES_MAX,
};
use indelible_core::merkle::{CompactRange, Growth, leaf_hash};
use indelible_core::name::{EventId, LedgerName, Origin, Seq};
use indelible_core::receipt::{Receipt, ReceiptError, Signed};
use indelible_core::record::{Body, Judged, Place, PreparedEvent, RecordView, seal_system};
use indelible_core::system::{Creation, Principals, SignPer};
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
    result.expect_err("tampered").code().expect("a fault")
}

#[test]
fn golden_receipts_made_by_other_code_are_accepted_and_written_the_same() {
    for (json, seq, signed) in [(CREATION, 0, true), (UNSIGNED, 3, false), (SIGNED, 4, true)] {
        let receipt = Receipt::parse(json).unwrap();
        assert_eq!(receipt.to_json(), json);
        assert_eq!(receipt.signed.own().is_some(), signed);
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
    // The first is that in the creation.
    let at = UNSIGNED.windows(10).rposition(|window| window == b"\"record\":{").unwrap() + 9;
    assert!(UNSIGNED[at..].starts_with(&receipt.record));
    assert!(core::str::from_utf8(&receipt.record).unwrap().contains("zoë"));
}

#[test]
fn a_receipt_that_another_program_saved_is_read_and_the_wire_format_is_exact() {
    for sent in [SIGNED, UNSIGNED, CREATION] {
        let value: serde_json::Value = serde_json::from_slice(sent).unwrap();
        let text = core::str::from_utf8(sent).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        for saved in [
            format!("{text}\n"),
            format!("{text}\r\n\r\n"),
            format!("\u{feff}{text}"),
            pretty.replace('\n', "\r\n"),
            // Members in another order, other escapes, the same number in other words.
            format!("{{\"v\":1,{}}}", text[1..].strip_suffix(",\"v\":1}").unwrap()),
            text.replace('/', "\\/").replace('\u{eb}', "\\u00EB").replace('\u{2014}', "\\u2014"),
            text.replace("\"v\":1", "\"v\":1.0").replace("\"seq\":4", "\"seq\":0.4e1"),
            pretty,
        ] {
            let receipt = Receipt::from_file(saved.as_bytes()).unwrap();
            assert_eq!(receipt.to_json(), sent, "{saved}");
            assert!(receipt.verify(&golden_trust()).is_ok());
            assert_eq!(parse_error(saved.as_bytes()).code(), Some(Code::NotCanonical));
        }
        assert_eq!(Receipt::from_file(sent), Receipt::parse(sent));
    }
}

#[test]
fn saving_a_receipt_hides_no_change_of_it() {
    let text = core::str::from_utf8(SIGNED).unwrap();
    let saved = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Receipt::from_file(text.replacen(from, to, 1).as_bytes())
    };
    let amount = saved("4.5", "4.500000000000001").unwrap();
    assert_eq!(code(amount.verify(&golden_trust()).map(drop)), Code::HashMismatch);
    let note = saved("\\n5\\n", "\\r\\n5\\r\\n").unwrap();
    assert_eq!(code(note.verify(&golden_trust()).map(drop)), Code::CheckpointInvalid);
    for (from, to) in [
        ("4.5", "4.5000000000000001"),
        ("\"seq\":4", "\"seq\":4,\"seq\":4"),
        ("\"seq\":4", "\"seq\":90071992547409923"),
        ("\"v\":1", "\"v\":01"),
    ] {
        assert_eq!(saved(from, to).unwrap_err().code(), Some(Code::NotCanonical), "{to}");
    }
    let mut long = SIGNED.to_vec();
    long.resize(RECEIPT_FILE_BYTES_MAX, b' ');
    assert!(Receipt::from_file(&long).is_ok());
    long.push(b' ');
    let error = Receipt::from_file(&long).unwrap_err();
    assert!(error.to_string().contains(&RECEIPT_FILE_BYTES_MAX.to_string()), "{error}");
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
        receipt.signed = Receipt::parse(UNSIGNED).unwrap().signed;
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
            receipt.signed = Signed::Own(RecordSignature {
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
    assert_eq!(unknown.code(), Some(Code::KeyUnknown));
    assert!(unknown.to_string().contains("vkey"), "{unknown}");
    let zero = changed(|receipt| {
        let Signed::Own(signature) = &mut receipt.signed else { panic!("it is signed") };
        signature.signature = Signature([0; 64]);
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
        assert_eq!(error.code(), Some(Code::KeyUnknown));
        assert!(error.to_string().contains("Give the vkey"), "{error}");
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
            assert_eq!(error.code(), Some(Code::RootMismatch));
        }
    }
    for proof in
        [vec![], receipt.proof[..2].to_vec(), [&receipt.proof[..], &[NodeHash([0; 32])]].concat()]
    {
        let error = Receipt { proof, ..receipt.clone() }.verify(&golden_trust()).unwrap_err();
        assert_eq!(error.code(), Some(Code::RootMismatch));
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
    assert_eq!(other.code(), Some(Code::CheckpointInvalid));
    assert!(other.to_string().contains("ledger.example/other"), "{other}");
    let early = with(checkpoint("ledger.example/audit", 4, root)).unwrap_err();
    assert_eq!(early.code(), Some(Code::CheckpointInvalid));
    assert!(early.to_string().contains("later checkpoint"), "{early}");
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
        ("\"v\":1}", "\"v\":0}"),
        ("\"v\":1}", "\"v\":\"1\"}"),
        ("\"v\":1}", "\"v\":1,\"w\":1}"),
    ] {
        // The last occurrence: the record has members of its own with some of these names.
        let at = text.rfind(from).unwrap();
        let changed = [&text[..at], to, &text[at + from.len()..]].concat();
        let error = parse_error(changed.as_bytes());
        assert_eq!(error.code(), Some(Code::NotCanonical), "{from} -> {to}");
    }
    let newer = text.replacen("\"v\":1}", "\"v\":2}", 2);
    assert_eq!(parse_error(newer.as_bytes()), ReceiptError::Version(2));
    for bad in [&b""[..], b"{}", b"[]", b"1", b"null", b"{\"v\":1}", b"\xff", b"<html>"] {
        assert_eq!(parse_error(bad).code(), Some(Code::NotCanonical));
    }
}

#[test]
fn a_proof_longer_than_any_tree_is_high_is_refused() {
    let mut receipt = Receipt::parse(SIGNED).unwrap();
    receipt.proof = vec![NodeHash([1; 32]); PROOF_HASHES_MAX];
    assert!(Receipt::parse(&receipt.to_json()).is_ok());
    receipt.proof.push(NodeHash([1; 32]));
    assert!(parse_error(&receipt.to_json()).to_string().contains("proof"));
}

#[test]
fn a_record_that_is_no_record_is_refused_before_anything_is_believed() {
    let bad = changed(|receipt| receipt.record = br#"{"a":1}"#.to_vec());
    assert_eq!(code(bad), Code::NotCanonical);
}

/// What a record of a made-up ledger is about.
enum Content {
    Event(Vec<u8>),
    System(Vec<u8>),
}

fn creation(key: &TestKey, sign_per: SignPer) -> Creation {
    Creation {
        origin: Origin::new("s/l").unwrap(),
        sign_per,
        keys: vec![key.public().key_id()],
        max_unsigned: 1,
        numbers: Numbers::Exact,
        principals: Principals::Off,
    }
}

/// A ledger with a creation and `events`; the receipt of each record.
fn ledger(events: &[Vec<u8>], key: &TestKey) -> Vec<Receipt> {
    let created = creation(key, SignPer::Commit).to_canonical();
    let events = events.iter().cloned().map(Content::Event);
    ledger_of(std::iter::once(Content::System(created)).chain(events), key)
}

/// A ledger of any content, grown by the crate's own parts, every second record signed; the receipt of
/// each record.
fn ledger_of(contents: impl IntoIterator<Item = Content>, key: &TestKey) -> Vec<Receipt> {
    let name = LedgerName::new("l").unwrap();
    let mut digests: Vec<Digest> = Vec::new();
    let mut records = Vec::new();
    for (i, content) in contents.into_iter().enumerate() {
        let id = EventId::new(&format!("é \"{i}\"")).unwrap();
        let time = Timestamp::from_micros(i as u64).unwrap();
        let place = Place { ledger: &name, id: &id, seq: Seq::new(i as u64).unwrap(), time };
        let mut record = Vec::new();
        let prev = digests.last();
        digests.push(match &content {
            Content::Event(event) => {
                PreparedEvent::new(event).unwrap().seal(&place, prev, &mut record)
            }
            Content::System(system) => seal_system(system, &place, prev, &mut record).unwrap(),
        });
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
            signed: if i % 2 == 0 {
                Signed::Own(by(key, &digests[i]))
            } else {
                Signed::Creation { record: records[0].clone(), signature: by(key, &digests[0]) }
            },
            proof: growth.inclusion_proof(i as u64).unwrap(),
            checkpoint: note.clone(),
        })
        .collect()
}

fn by(key: &TestKey, digest: &Digest) -> RecordSignature {
    let signature = key.sign(digest.as_bytes());
    RecordSignature { key_id: key.public().key_id(), signature }
}

/// What the receipt of the last record of a ledger says.
fn last_receipt(contents: Vec<Content>) -> Result<Judged, ReceiptError> {
    let key = TestKey::of(3);
    let receipt = ledger_of(contents, &key).pop().unwrap();
    receipt.open(&trust_in([key.vkey("s")])).map(|verified| verified.judged)
}

fn system(text: &str) -> Content {
    Content::System(text.as_bytes().to_vec())
}

/// The same records are findings wherever else they are met: one function judges all.
#[test]
fn a_record_that_may_not_stand_in_its_place_has_no_receipt() {
    let good = creation(&TestKey::of(3), SignPer::Commit);
    let text = String::from_utf8(good.to_canonical()).unwrap();
    let archived = |members: &str| {
        let hash = "00".repeat(32);
        format!(
            r#"{{"first_seq":0,"kind":"segment_archived","last_seq":0,"manifest_sha256":"{hash}","segment_sha256":"{hash}"{members}}}"#
        )
    };
    let first = |content: Content| last_receipt(vec![content]);
    let second = |content: Content| last_receipt(vec![system(&text), content]);
    assert_eq!(first(system(&text)).unwrap().creation(), Some(&good));
    assert_eq!(second(Content::Event(b"{}".to_vec())).unwrap(), Judged::Event);
    assert!(second(system(&archived(",\"vault\":\"v\""))).unwrap().unchecked_kind().is_none());

    let other_key = creation(&TestKey::of(4), SignPer::Commit).to_canonical();
    for (seq, content, expected) in [
        (0, Content::Event(b"{}".to_vec()), Code::CreationInvalid),
        (0, system(&archived(",\"vault\":\"v\"")), Code::CreationInvalid),
        (0, system(&archived("")), Code::CreationInvalid),
        (0, system("{\"kind\":\"later\"}"), Code::CreationInvalid),
        (0, system("{\"informative\":true,\"kind\":\"later\"}"), Code::CreationInvalid),
        (0, system("{\"kind\":\"ledger_created\"}"), Code::CreationInvalid),
        (0, system(&text.replace("s/l", "s/m")), Code::CreationInvalid),
        (0, system(&text.replace("s/l", "t/l")), Code::CreationInvalid),
        (0, system(&text.replace(",\"numbers\":\"exact\"", "")), Code::CreationInvalid),
        (0, system(&text.replace(",\"principals\":\"off\"", "")), Code::CreationInvalid),
        (
            0,
            system(&text.replace("{\"keys", "{\"informative\":true,\"keys")),
            Code::CreationInvalid,
        ),
        (0, Content::System(other_key), Code::KeyUnknown),
        (1, system(&text), Code::CreationInvalid),
        (1, system("{\"kind\":\"ledger_created\"}"), Code::CreationInvalid),
        (1, system(&archived("")), Code::NotCanonical),
        (1, system(&archived(",\"vault\":1")), Code::NotCanonical),
        (1, system(&archived(",\"vault\":\"v\",\"w\":1")), Code::NotCanonical),
    ] {
        let receipt = if seq == 0 { first(content) } else { second(content) };
        assert_eq!(receipt.unwrap_err().code(), Some(expected));
    }
    let old = first(system(&text.replace(",\"numbers\":\"exact\"", ""))).unwrap_err();
    assert!(old.to_string().contains("before the first release"), "{old}");
}

#[test]
fn a_receipt_of_a_kind_that_nobody_knows_says_so() {
    let created = creation(&TestKey::of(3), SignPer::Commit).to_canonical();
    for (object, unchecked) in [
        ("{\"kind\":\"key_revoked\"}", Some("key_revoked")),
        ("{\"informative\":false,\"kind\":\"key_revoked\"}", Some("key_revoked")),
        ("{\"informative\":\"true\",\"kind\":\"key_revoked\"}", Some("key_revoked")),
        ("{\"informative\":true,\"kind\":\"key_revoked\"}", None),
    ] {
        let contents = vec![Content::System(created.clone()), system(object)];
        let judged = last_receipt(contents).unwrap();
        assert_eq!(judged.unchecked_kind(), unchecked, "{object}");
        assert_ne!(judged, Judged::Event);
    }
}

/// A receipt of an unsigned record whose creation is bent, and what is then said of it.
fn bent_creation(
    sign_per: SignPer,
    bend: impl FnOnce(&mut Vec<u8>, &mut RecordSignature),
) -> Option<ReceiptError> {
    let key = TestKey::of(3);
    let created = creation(&key, sign_per).to_canonical();
    let contents = [Content::System(created), Content::Event(b"{}".to_vec())];
    let mut receipt = ledger_of(contents, &key).remove(1);
    let Signed::Creation { record, signature } = &mut receipt.signed else { panic!("unsigned") };
    bend(record, signature);
    let read = Receipt::parse(&receipt.to_json()).unwrap();
    assert_eq!(read, receipt);
    read.verify(&trust_in([key.vkey("s")])).err()
}

#[test]
fn a_record_without_a_signature_is_believed_where_the_signed_creation_says_so() {
    use Class::{Damage, Tampering};
    let text = |record: &[u8]| String::from_utf8(record.to_vec()).unwrap();
    let resigned = |record: &mut Vec<u8>, signature: &mut RecordSignature, to: String| {
        *record = to.into_bytes();
        *signature = by(&TestKey::of(3), &record_digest(record, None));
    };
    assert_eq!(bent_creation(SignPer::Commit, |_, _| {}), None);
    for (name, error, code, class) in [
        (
            "every record is signed",
            bent_creation(SignPer::Record, |_, _| {}),
            Code::Unsigned,
            Tampering,
        ),
        (
            "loosened, not signed",
            bent_creation(SignPer::Record, |record, _| {
                *record = text(record).replace("\"record\",", "\"commit\",").into_bytes();
                *record = text(record)
                    .replace("\"sign_per\":\"record\"", "\"sign_per\":\"commit\"")
                    .into_bytes();
            }),
            Code::SigInvalid,
            Tampering,
        ),
        (
            "signed by a stranger",
            bent_creation(SignPer::Commit, |record, signature| {
                *signature = by(&TestKey::of(4), &record_digest(record, None));
            }),
            Code::KeyUnknown,
            Damage,
        ),
        (
            "of another ledger",
            bent_creation(SignPer::Commit, |record, signature| {
                let to = text(record)
                    .replace("s/l", "s/m")
                    .replace("\"ledger\":\"l\"", "\"ledger\":\"m\"");
                resigned(record, signature, to);
            }),
            Code::CreationInvalid,
            Tampering,
        ),
        (
            "no record 0",
            bent_creation(SignPer::Commit, |record, signature| {
                let to = text(record).replace("\"seq\":0", "\"seq\":1");
                resigned(record, signature, to);
            }),
            Code::CreationInvalid,
            Tampering,
        ),
        (
            "no record",
            bent_creation(SignPer::Commit, |record, _| *record = b"{}".to_vec()),
            Code::NotCanonical,
            Damage,
        ),
    ] {
        let Some(ReceiptError::Fault { code: found, class: of, .. }) = error else {
            panic!("{name}: {error:?}")
        };
        assert_eq!((found, of), (code, class), "{name}");
    }
}

#[test]
fn record_0_carries_a_signature_of_its_own() {
    let key = TestKey::of(3);
    let created = creation(&key, SignPer::Commit).to_canonical();
    let mut receipt = ledger_of([Content::System(created)], &key).remove(0);
    let trust = trust_in([key.vkey("s")]);
    assert!(receipt.verify(&trust).is_ok());
    let Signed::Own(signature) = receipt.signed.clone() else { panic!("it is signed") };
    receipt.signed = Signed::Creation { record: receipt.record.clone(), signature };
    assert_eq!(receipt.verify(&trust).unwrap_err().code(), Some(Code::Unsigned));
}

#[test]
fn exactly_one_thing_says_who_signed() {
    let unsigned = core::str::from_utf8(UNSIGNED).unwrap();
    let start = unsigned.find("\"creation\":").unwrap();
    let end = unsigned.find("\"digest\":").unwrap();
    let creation = &unsigned[start..end];
    let neither = unsigned.replacen(creation, "", 1);
    let signed = core::str::from_utf8(SIGNED).unwrap();
    let both = signed.replacen("\"digest\":", &format!("{creation}\"digest\":"), 1);
    let more = unsigned.replacen(
        "\"creation\":{\"alg\":\"ed25519\",",
        "\"creation\":{\"alg\":\"ed25519\",\"b\":1,",
        1,
    );
    for bad in [neither, both, more] {
        assert_eq!(parse_error(bad.as_bytes()).code(), Some(Code::NotCanonical), "{bad}");
    }
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
