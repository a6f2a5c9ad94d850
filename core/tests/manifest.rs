//! Manifests: one form, no contradiction within, no gap between, and a trusted signature.

use std::collections::BTreeSet;

use ed25519_dalek::{Signer as _, SigningKey};
use indelible_core::checkpoint::{Checkpoint, CheckpointError};
use indelible_core::hash::{Digest, NodeHash, Sha256Hash};
use indelible_core::key::{Ed25519Signature, KeyId, PublicKey, Trust, VKey};
use indelible_core::limits::{MANIFEST_BYTES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use indelible_core::manifest::{Content, Manifest, ManifestError};
use indelible_core::merkle::{CompactRange, leaf_hash};
use indelible_core::name::{Origin, Seq};
use indelible_core::note::{NoteVerifyError, SignedNote, assemble, signature_line};
use indelible_core::segment::{Line, Run};
use proptest::prelude::*;

const GOLDEN: [&str; 2] =
    [include_str!("vectors/manifest_0.note"), include_str!("vectors/manifest_3.note")];
const GOLDEN_SEGMENTS: [&str; 2] =
    [include_str!("vectors/segment_0.jsonl"), include_str!("vectors/segment_3.jsonl")];
const ORIGIN: &str = "ledger.example/orders";

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::from_bytes(signing(seed).verifying_key().as_bytes()).unwrap()
}

fn trust(seed: u8) -> Trust {
    [VKey::new("ledger.example", public(seed)).unwrap()].into_iter().collect()
}

/// A note over `text` by the key of `seed` under the name `name`.
fn note(text: &str, name: &str, seed: u8) -> String {
    let signature = Ed25519Signature(signing(seed).sign(text.as_bytes()).to_bytes());
    assemble(text, &signature_line(name, &public(seed), &signature))
}

fn golden(number: usize) -> Manifest {
    Manifest::open(GOLDEN[number].as_bytes(), &trust(1)).unwrap()
}

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn run(first: u64, last: u64) -> Run {
    Run::new(seq(first), seq(last)).unwrap()
}

/// The manifest of records `first..=last` of a ledger whose record `n` has a digest made from `n`.
fn made_up(first: u64, last: u64, previous: Option<Sha256Hash>) -> Manifest {
    let digest = |n: u64| Digest(Content::of(&n.to_be_bytes()).sha256.0);
    let mut before = CompactRange::new(0);
    (0..first).for_each(|n| before.append(leaf_hash(&digest(n))));
    let mut range = CompactRange::new(first);
    (first..=last).for_each(|n| range.append(leaf_hash(&digest(n))));
    before.append_range(&range).unwrap();
    let origin = Origin::new(ORIGIN).unwrap();
    let checkpoint =
        Checkpoint { origin: origin.clone(), size: last + 1, root: before.root().unwrap() };
    let count = last - first + 1;
    Manifest {
        run: run(first, last),
        first_prev: first.checked_sub(1).map(digest),
        last_digest: digest(last),
        keys: [public(1).key_id()].into(),
        packed: Content { sha256: Sha256Hash([first as u8; 32]), size: 9 },
        plain: Content { sha256: Sha256Hash([last as u8; 32]), size: count * 500 },
        previous,
        subtrees: range.subtrees().to_vec(),
        checkpoint: note(&checkpoint.body(), &origin, 1),
        origin,
    }
}

#[test]
fn golden_manifests_are_read_and_written_byte_for_byte() {
    for (number, text) in GOLDEN.iter().enumerate() {
        let manifest = golden(number);
        assert_eq!(SignedNote::parse(text.as_bytes()).unwrap().text(), manifest.text());
        assert_eq!(note(&manifest.signed_text().unwrap(), ORIGIN, 1), *text);
        assert_eq!(Manifest::parse_text(&manifest.text()).unwrap(), manifest);
        assert_eq!(manifest.plain, Content::of(GOLDEN_SEGMENTS[number].as_bytes()));
        assert_eq!(manifest.count(), GOLDEN_SEGMENTS[number].lines().count() as u64);
    }
    assert_eq!(golden(1).previous, Some(golden(0).text_sha256()));
    assert_eq!(golden(1).file_name(), "00000000000000000003-00000000000000000004.manifest");
}

#[test]
fn the_subtrees_of_all_manifests_make_the_signed_root() {
    let mut tree = CompactRange::new(0);
    for (number, segment) in GOLDEN_SEGMENTS.iter().enumerate() {
        let manifest = golden(number);
        let mut range = CompactRange::new(manifest.run.first().get());
        for line in segment.lines() {
            range.append(leaf_hash(&Line::parse(line.as_bytes()).unwrap().digest));
        }
        assert_eq!(range, manifest.range().unwrap());
        tree.append_range(&range).unwrap();
        assert_eq!(tree.root(), Some(manifest.stated_checkpoint().unwrap().root));
    }
}

#[test]
fn a_whole_run_is_one_subtree() {
    let whole = made_up(0, 65_535, None);
    assert_eq!(whole.subtrees.len(), 1);
    whole.check().unwrap();
    let next = made_up(65_536, 131_071, Some(whole.text_sha256()));
    assert_eq!(next.subtrees.len(), 1);
    next.check().unwrap();
}

#[test]
fn another_version_is_told_apart_from_no_manifest() {
    let text = golden(0).text();
    for (title, expected) in [
        ("v2", Some(2)),
        ("v0", Some(0)),
        ("v10", Some(10)),
        ("v99999999999999999999999", Some(u64::MAX)),
        ("v01", None),
        ("v", None),
        ("v-1", None),
        ("v1 ", None),
    ] {
        let error = Manifest::parse_text(&text.replacen("v1", title, 1)).unwrap_err();
        match expected {
            Some(version) => assert_eq!(error, ManifestError::Version(version), "{title}"),
            None => assert_eq!(error, ManifestError::Lines, "{title}"),
        }
    }
}

#[test]
fn certificates_are_for_a_newer_program_and_what_looks_like_them_is_no_manifest() {
    let text = golden(0).text();
    let with =
        |member: &str| text.replacen("{\"checkpoint\"", &format!("{{{member},\"checkpoint\""), 1);
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let many = format!("[{}1]", "1,".repeat(20_000));
    for certificates in ["[1]", r#"[{"key":"ed25519:00","of":["a",{}]}]"#, &deep, &many] {
        let error = Manifest::parse_text(&with(&format!("\"certificates\":{certificates}")));
        assert_eq!(error, Err(ManifestError::Certificates), "{certificates}");
    }
    for member in ["\"certificates\":[]", "\"certificates\":{}", "\"certificate\":[1]"] {
        let error = Manifest::parse_text(&with(member)).unwrap_err();
        assert_eq!(error, ManifestError::UnknownMember, "{member}");
    }
}

#[test]
fn keys_of_every_algorithm_are_named_and_one_that_is_not_known_too() {
    let mut manifest = golden(0);
    for (name, digits) in
        [("ecdsa-p256", 66), ("hmac-sha256", 64), ("ml-dsa-44", 7), ("rsa-sha256", 64)]
    {
        manifest.keys.insert(KeyId::new(&format!("{name}:{}", "0".repeat(digits))).unwrap());
    }
    assert_eq!(Manifest::parse_text(&manifest.text()), Ok(manifest));
}

#[test]
fn only_the_ledgers_own_key_under_its_own_name_is_accepted() {
    let manifest = golden(0);
    let text = manifest.text();
    let open = |note: &str, trust: &Trust| Manifest::open(note.as_bytes(), trust);
    let rejected = |result: Result<Manifest, ManifestError>,
                    expected: fn(&NoteVerifyError) -> bool| {
        let Err(ManifestError::Signature { error, .. }) = &result else { panic!("{result:?}") };
        assert!(expected(error), "{error}");
    };
    let unknown = |error: &NoteVerifyError| matches!(error, NoteVerifyError::UnknownKeys(_));
    let bad = |error: &NoteVerifyError| matches!(error, NoteVerifyError::BadSignature(..));
    rejected(open(GOLDEN[0], &trust(2)), unknown);
    rejected(open(GOLDEN[0], &Trust::new()), unknown);
    rejected(open(&note(&text, "ledger.example", 1), &trust(1)), unknown);
    rejected(open(&note(&text, "ledger.example/other", 1), &trust(1)), unknown);
    rejected(open(&note(&text, ORIGIN, 2), &trust(1)), unknown);
    // A signature of the right key over something else.
    let moved = GOLDEN[1].rsplit_once('\u{2014}').unwrap().1;
    rejected(open(&format!("{text}\n\u{2014}{moved}"), &trust(1)), bad);
    // A vkey for another ledger of the same server.
    let other = VKey::new("ledger.example/other", public(1)).unwrap();
    rejected(open(GOLDEN[0], &[other].into_iter().collect()), unknown);
    // A line of an unknown key beside a good one is fine.
    let two =
        format!("{}{}", GOLDEN[0], signature_line(ORIGIN, &public(9), &Ed25519Signature([0; 64])));
    assert_eq!(open(&two, &trust(1)).unwrap(), manifest);
}

#[test]
fn the_checkpoint_inside_must_be_signed_too() {
    let mut manifest = golden(0);
    let body = manifest.stated_checkpoint().unwrap().body();
    manifest.checkpoint = note(&body, ORIGIN, 2);
    let result = Manifest::open(note(&manifest.text(), ORIGIN, 1).as_bytes(), &trust(1));
    assert!(
        matches!(result, Err(ManifestError::Checkpoint(CheckpointError::Signature { .. }))),
        "{result:?}"
    );
    // With both keys given, as after a rotation, it is.
    let both: Trust =
        [1, 2].map(|seed| VKey::new("ledger.example", public(seed)).unwrap()).into_iter().collect();
    assert_eq!(
        Manifest::open(note(&manifest.text(), ORIGIN, 1).as_bytes(), &both).unwrap(),
        manifest
    );
}

/// Applies `change` to a good manifest and gives what `check` says, which must also be what reading its
/// text and asking for the text to sign say.
fn changed(number: usize, change: impl FnOnce(&mut Manifest)) -> Result<(), ManifestError> {
    let mut manifest = golden(number);
    manifest.check().unwrap();
    change(&mut manifest);
    let result = manifest.check();
    assert_eq!(Manifest::parse_text(&manifest.text()).map(drop), result);
    assert_eq!(manifest.signed_text().map(drop), result);
    result
}

#[test]
fn a_manifest_that_contradicts_itself_is_neither_read_nor_signed() {
    use ManifestError as E;
    let contradiction = |name| Err(E::Contradiction(name));
    assert_eq!(changed(0, |m| m.previous = Some(Sha256Hash([1; 32]))), contradiction("previous"));
    assert_eq!(changed(1, |m| m.previous = None), contradiction("previous"));
    assert_eq!(changed(0, |m| m.first_prev = Some(Digest([1; 32]))), contradiction("first_prev"));
    assert_eq!(changed(1, |m| m.first_prev = None), contradiction("first_prev"));
    for (size, good) in [
        (0, false),
        (3 * 90 - 1, false),
        (3 * 90, true),
        (3 * (2 << 20), true),
        (3 * (2 << 20) + 1, false),
    ] {
        let result = changed(0, |m| m.plain.size = size);
        assert_eq!(result.is_ok(), good, "plain size {size}: {result:?}");
    }
    for (size, good) in [
        // That nothing cannot be unpacked to something shows when it is unpacked.
        (0, true),
        (SEGMENT_PLAIN_BYTES_MAX, true),
        (2 * SEGMENT_PLAIN_BYTES_MAX, false),
    ] {
        let result = changed(0, |m| m.packed.size = size);
        assert_eq!(result.is_ok(), good, "packed size {size}: {result:?}");
    }
    assert!(matches!(changed(0, |m| m.subtrees.truncate(1)), Err(E::Subtrees(_))));
    assert!(matches!(changed(1, |m| m.subtrees.push(NodeHash([0; 32]))), Err(E::Subtrees(_))));
    let root = changed(0, |m| m.subtrees[0] = NodeHash([0; 32]));
    assert!(matches!(root, Err(E::Root { .. })));
    let other = golden(1).checkpoint;
    assert_eq!(
        changed(0, |m| m.checkpoint = other),
        Err(E::CheckpointSize { expected: 3, found: 5 })
    );
    let stated = golden(0).stated_checkpoint().unwrap();
    let foreign = Checkpoint { origin: Origin::new("ledger.example/other").unwrap(), ..stated };
    let foreign = note(&foreign.body(), &foreign.origin, 1);
    assert!(matches!(
        changed(0, |m| m.checkpoint = foreign),
        Err(E::Checkpoint(CheckpointError::OtherOrigin { .. }))
    ));
    assert!(matches!(
        changed(0, |m| m.checkpoint = "hello\n".to_owned()),
        Err(E::Checkpoint(CheckpointError::Note(_)))
    ));
    // The run moved, everything else as it was.
    assert!(changed(1, |m| m.run = run(3, 5)).is_err());
    assert!(changed(1, |m| m.run = run(1, 4)).is_err());
}

#[test]
fn a_manifest_too_long_for_its_file_is_not_signed() {
    let many = |count: usize| -> BTreeSet<KeyId> {
        (0..count).map(|n| format!("ed25519:{n:064x}").parse().unwrap()).collect()
    };
    assert_eq!(changed(0, |m| m.keys = BTreeSet::new()), Ok(()));
    assert_eq!(changed(0, |m| m.keys = many(800)), Ok(()));
    let mut manifest = golden(0);
    manifest.keys = many(900);
    assert!(matches!(manifest.check(), Err(ManifestError::TooLarge(_))));
    let note = note(&manifest.text(), ORIGIN, 1);
    assert!(note.len() > MANIFEST_BYTES_MAX);
    assert!(matches!(
        Manifest::open(note.as_bytes(), &trust(1)),
        Err(ManifestError::TooLarge(size)) if size == note.len()
    ));
}

#[test]
fn derived_members_and_spelling_must_be_exact() {
    use ManifestError as E;
    let text = golden(1).text();
    let parse = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Manifest::parse_text(&text.replace(from, to)).map(drop)
    };
    let key = public(1).key_id();
    let second = format!("\"{key}\",\"ed25519:{}\"", "0".repeat(64));
    for (from, to, error) in [
        ("\"count\":2", "\"count\":3", E::Contradiction("count")),
        ("\"ledger\":\"orders\"", "\"ledger\":\"payments\"", E::Contradiction("ledger")),
        (".jsonl.zst", ".jsonl.gz", E::Contradiction("object")),
        ("\"v\":1", "\"v\":2", E::Contradiction("v")),
        (&format!("\"{key}\""), &format!("\"{key}\",\"{key}\""), E::Contradiction("keys")),
        (&format!("\"{key}\""), &second, E::Contradiction("keys")),
        ("\"v\":1", "\"v\":1,\"w\":1", E::UnknownMember),
        ("\"packed\":{", "\"packed\":{\"a\":1,", E::UnknownMember),
        ("\"count\":2,", "", E::Member("count")),
        (",\"v\":1", "", E::Member("v")),
        ("\"first_seq\":3", "\"first_seq\":\"3\"", E::Member("first_seq")),
        ("\"first_seq\":3", "\"first_seq\":3.5", E::Member("first_seq")),
        ("\"first_seq\":3", "\"first_seq\":-3", E::Member("first_seq")),
        ("\"first_seq\":3", "\"first_seq\":5", E::Run { first: seq(5), last: seq(4) }),
        ("\"last_seq\":4", "\"last_seq\":65536", E::Run { first: seq(3), last: seq(65536) }),
        ("\"origin\":\"ledger.example", "\"origin\":\"Ledger.example", E::Member("origin")),
        ("\"subtrees\":[", "\"subtrees\":[1,", E::Member("subtrees")),
        ("segment manifest v1\n", "segment manifest v2\n", E::Version(2)),
        ("v1\n", "v1\n\n", E::Lines),
        ("}\n", "}", E::Lines),
        ("}\n", "}\n\n", E::Lines),
    ] {
        assert_eq!(parse(from, to), Err(error), "{from} -> {to}");
    }
    for (from, to) in [
        ("\"count\":2", "\"count\": 2"),
        ("\"count\":2", "\"count\":2.0"),
        ("\"v\":1", "\"v\":1,\"v\":1"),
        ("\u{2014}", "\\u2014"),
    ] {
        assert!(matches!(parse(from, to), Err(E::Json(_))), "{from} -> {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn manifests_of_any_cut_read_back_and_follow_each_other(
        cut in 1..200u64,
        more in 0..200u64,
        plain in 0..1u64 << 20,
        keys in prop::collection::btree_set(any::<[u8; 32]>(), 0..5),
    ) {
        let mut first = made_up(0, cut - 1, None);
        first.plain.size = (first.plain.size + plain).min(cut * (2 << 20));
        first.keys = keys.iter().map(|k| format!("ed25519:{}", hex::encode(k)).parse().unwrap()).collect();
        prop_assert_eq!(Manifest::parse_text(&first.signed_text().unwrap()), Ok(first.clone()));
        let second = made_up(cut, cut + more, Some(first.text_sha256()));
        prop_assert_eq!(Manifest::parse_text(&second.signed_text().unwrap()), Ok(second.clone()));
        let opened = Manifest::open(note(&second.text(), ORIGIN, 1).as_bytes(), &trust(1));
        prop_assert_eq!(opened, Ok(second));
    }

    #[test]
    fn no_changed_byte_of_a_signed_manifest_goes_unnoticed(place in 0..2000usize, by in 1..=255u8) {
        let mut note = GOLDEN[1].as_bytes().to_vec();
        let place = place % note.len();
        note[place] = note[place].wrapping_add(by);
        prop_assert!(Manifest::open(&note, &trust(1)).is_err());
    }

    #[test]
    fn arbitrary_text_is_never_a_panic(text: String, json: String) {
        let _ = Manifest::parse_text(&text);
        let _ = Manifest::parse_text(&format!("indelible segment manifest v1\n{json}\n"));
    }
}
