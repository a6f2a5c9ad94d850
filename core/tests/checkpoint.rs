//! Checkpoints: golden bytes, and everything about them that must not be believed.

#[path = "note/keys.rs"]
mod keys;
#[path = "merkle/model.rs"]
#[allow(dead_code)]
mod model;

use indelible_core::checkpoint::{Checkpoint, CheckpointError};
use indelible_core::code::Code;
use indelible_core::encoding::unbase64;
use indelible_core::hash::NodeHash;
use indelible_core::key::{Trust, VKey};
use indelible_core::merkle::{CompactRange, empty_root};
use indelible_core::name::Origin;
use indelible_core::note::{NoteError, NoteVerifyError, assemble};
use keys::{GOLDEN, GOLDEN_VKEY, TestKey};

const NOTES: [(u64, &str); 3] = [
    (0, include_str!("vectors/checkpoint_0.note")),
    (3, include_str!("vectors/checkpoint_3.note")),
    (7, include_str!("vectors/checkpoint_7.note")),
];
const WITNESSED: &str = include_str!("vectors/checkpoint_7_witnessed.note");

fn origin(text: &str) -> Origin {
    Origin::new(text).unwrap()
}

fn trust(vkeys: impl IntoIterator<Item = VKey>) -> Trust {
    let mut trust = Trust::default();
    vkeys.into_iter().for_each(|vkey| trust.add(vkey));
    trust
}

fn golden_trust() -> Trust {
    trust([VKey::parse(GOLDEN_VKEY).unwrap()])
}

fn tree_root(size: u64) -> NodeHash {
    let mut range = CompactRange::new(0);
    model::entries(size).into_iter().for_each(|leaf| range.append(leaf));
    range.root().unwrap()
}

#[test]
fn golden_checkpoints_are_made_from_seed_and_entries_to_the_last_byte() {
    let key = TestKey::of(1);
    assert_eq!(key.vkey(GOLDEN).to_string(), GOLDEN_VKEY);
    for (size, note) in NOTES {
        let checkpoint = Checkpoint { origin: origin(GOLDEN), size, root: tree_root(size) };
        assert_eq!(key.note(GOLDEN, &checkpoint.body()), note);
        assert_eq!(
            Checkpoint::open(note.as_bytes(), &origin(GOLDEN), &golden_trust()),
            Ok(checkpoint)
        );
    }
}

#[test]
fn a_witnessed_checkpoint_is_opened() {
    let opened = Checkpoint::open(WITNESSED.as_bytes(), &origin(GOLDEN), &golden_trust()).unwrap();
    assert_eq!(opened.size, 7);
}

#[test]
fn the_sample_log_of_tessera_has_the_root_and_signature_that_it_should() {
    // Its origin has two slashes, so it is no ledger of ours; tree, note and key are the same.
    const NAME: &str = "example.com/log/testdata";
    let words =
        "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten";
    let mut range = CompactRange::new(0);
    words.split(' ').for_each(|word| range.append(model::leaf(word.as_bytes())));
    let root = range.root().unwrap().to_base64();
    assert_eq!((range.end(), &*root), (15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="));
    let secret = unbase64(b"AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg").unwrap();
    let key = TestKey::from_seed(secret[1..].try_into().unwrap());
    assert_eq!(
        key.vkey(NAME).to_string(),
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    );
    let text = format!("{NAME}\n15\n{root}\n");
    assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::Origin));
}

#[test]
fn a_key_named_like_the_server_speaks_for_each_of_its_ledgers() {
    let key = TestKey::of(1);
    let body = Checkpoint { origin: origin("s.example/a"), size: 3, root: tree_root(3) }.body();
    let note = key.note("s.example/a", &body);
    let open = |name: &str, at: &str| {
        Checkpoint::open(note.as_bytes(), &origin(at), &trust([key.vkey(name)]))
    };
    assert!(open("s.example", "s.example/a").is_ok() && open("s.example/a", "s.example/a").is_ok());
    for stranger in ["example", "s.example/b", "t.example", "s.example/a/b"] {
        let refused = open(stranger, "s.example/a");
        assert!(matches!(refused, Err(CheckpointError::Signature { .. })), "{stranger}");
    }
    assert!(matches!(open("s.example", "s.example/b"), Err(CheckpointError::OtherOrigin { .. })));
    assert!(Checkpoint::open_any(note.as_bytes(), &trust([key.vkey("s.example")])).is_ok());
    assert!(Checkpoint::open_any(note.as_bytes(), &trust([key.vkey("t.example")])).is_err());
    // The signature must stand under the origin's name, whatever the auditor's key is called.
    let misnamed = key.note("s.example", &body);
    let refused = Checkpoint::open(
        misnamed.as_bytes(),
        &origin("s.example/a"),
        &trust([key.vkey("s.example")]),
    );
    assert!(matches!(
        refused,
        Err(CheckpointError::Signature { error: NoteVerifyError::UnknownKeys(_), .. })
    ));
}

#[test]
fn a_wrong_signature_of_a_trusted_key_spoils_a_checkpoint_that_another_signed_well() {
    let (old, new) = (TestKey::of(1), TestKey::of(2));
    let body = Checkpoint { origin: origin(GOLDEN), size: 3, root: tree_root(3) }.body();
    let both = trust([old.vkey(GOLDEN), new.vkey(GOLDEN)]);
    let note = |lines: String| assemble(&body, &lines);
    let good = note(old.line(GOLDEN, &body) + &new.line(GOLDEN, &body));
    assert!(Checkpoint::open(good.as_bytes(), &origin(GOLDEN), &both).is_ok());
    let bad = note(old.line(GOLDEN, &body) + &new.line(GOLDEN, "other\n"));
    let refused = Checkpoint::open(bad.as_bytes(), &origin(GOLDEN), &both).unwrap_err();
    assert!(matches!(
        &refused,
        CheckpointError::Signature { error: NoteVerifyError::BadSignature(..), .. }
    ));
    assert_eq!(refused.code(), Code::CheckpointInvalid);
    // To a reader who does not know the second key the line means nothing.
    assert!(Checkpoint::open(bad.as_bytes(), &origin(GOLDEN), &trust([old.vkey(GOLDEN)])).is_ok());
}

#[test]
fn texts_that_are_not_three_exact_lines_are_refused() {
    let root = tree_root(3).to_base64();
    let with_size = |size: &str| format!("a/b\n{size}\n{root}\n");
    for (text, reason) in [
        (String::new(), CheckpointError::Lines(0)),
        ("a/b\n3\n".into(), CheckpointError::Lines(2)),
        (with_size("3") + "extension\n", CheckpointError::Lines(4)),
        (with_size("3") + "\n", CheckpointError::Lines(4)),
        (with_size("3").trim_end().into(), CheckpointError::Lines(2)),
        (with_size("3").replace("a/b", ""), CheckpointError::Origin),
        (with_size("3").replace("a/b", "A/b"), CheckpointError::Origin),
        (with_size("3").replace("a/b", "a"), CheckpointError::Origin),
        (with_size(""), CheckpointError::Size),
        (with_size("+3"), CheckpointError::Size),
        (with_size("-3"), CheckpointError::Size),
        (with_size("03"), CheckpointError::Size),
        (with_size("00"), CheckpointError::Size),
        (with_size(" 3"), CheckpointError::Size),
        (with_size("3.0"), CheckpointError::Size),
        (with_size("9223372036854775808"), CheckpointError::Size),
        (with_size("99999999999999999999"), CheckpointError::Size),
        (with_size("3").replace("cs=", "cs"), CheckpointError::Root),
        // The same 32 bytes in base64 with stray bits at the end.
        (with_size("3").replace("cs=", "ct="), CheckpointError::Root),
        (with_size("3").replace(&root, ""), CheckpointError::Root),
        (with_size("0"), CheckpointError::EmptyRoot),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(reason), "{text:?}");
    }
    assert!(Checkpoint::parse(&with_size("9223372036854775807")).is_ok());
    assert!(Checkpoint::parse(&format!("a/b\n0\n{}\n", empty_root().to_base64())).is_ok());
}

#[test]
fn an_extension_line_is_refused_even_when_well_signed() {
    let key = TestKey::of(1);
    let body = Checkpoint { origin: origin(GOLDEN), size: 3, root: tree_root(3) }.body() + "more\n";
    let refused =
        Checkpoint::open(key.note(GOLDEN, &body).as_bytes(), &origin(GOLDEN), &golden_trust());
    assert_eq!(refused, Err(CheckpointError::Lines(4)));
}

#[test]
fn every_flipped_bit_of_a_golden_checkpoint_is_noticed_or_only_spoils_a_witness() {
    let witness_from = WITNESSED.rfind('\u{2014}').unwrap();
    for place in 0..WITNESSED.len() {
        for bit in 0..8 {
            let mut changed = WITNESSED.as_bytes().to_vec();
            changed[place] ^= 1 << bit;
            let opened = Checkpoint::open(&changed, &origin(GOLDEN), &golden_trust());
            assert!(opened.is_err() || place >= witness_from, "byte {place} bit {bit}");
        }
    }
}

#[test]
fn damage_in_transport_is_told_apart_from_forgery() {
    let windows = NOTES[2].1.replace('\n', "\r\n");
    let refused =
        Checkpoint::open(windows.as_bytes(), &origin(GOLDEN), &golden_trust()).unwrap_err();
    assert!(matches!(refused, CheckpointError::Note(NoteError::Control(_))), "{refused}");
    assert!(refused.to_string().contains("line ends"));
}
