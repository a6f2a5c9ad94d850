//! Signed notes: third-party vectors, what is accepted and what is refused.

#[path = "note/keys.rs"]
mod keys;

use indelible_core::encoding::{base64, unbase64};
use indelible_core::key::VKey;
use indelible_core::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, SIGNER_SHOWN_BYTES_MAX};
use indelible_core::note::{NoteError, NoteVerifyError, SignedNote, assemble, from_file, is_text};
use keys::TestKey;
use proptest::prelude::*;

const TEXT: &str = "first line\nsecond line\n";

fn verify(note: &str, vkeys: &[VKey]) -> Result<usize, NoteVerifyError> {
    let note = SignedNote::parse(note.as_bytes()).unwrap();
    note.verify(vkeys.iter().map(|vkey| (vkey.name(), vkey.note_key().unwrap())))
        .map(|signers| signers.len())
}

fn refusal(note: &[u8]) -> NoteError {
    SignedNote::parse(note).map(|note| note.to_string()).expect_err("not a note")
}

/// A signature line that belongs to no key, of any size, as logs add them to keep readers honest.
fn grease(name: &str, bytes: usize) -> String {
    let blob: Vec<u8> = (0..4 + bytes).map(|i| (i * 37 + bytes) as u8).collect();
    format!("\u{2014} {name} {}\n", base64(&blob))
}

#[test]
fn notes_of_the_specification_and_of_sigsum_are_accepted() {
    for (vkey, note) in [
        (
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            include_str!("vectors/note_spec_example.note"),
        ),
        (
            "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69+809da1a3+AWbguFjkYqYJ5m/nE3DIFtiEb/ED1UmaIqf+w3/bxCSn",
            include_str!("vectors/note_sigsum.note"),
        ),
        (keys::GOLDEN_VKEY, include_str!("vectors/checkpoint_3.note")),
        (keys::GOLDEN_VKEY, include_str!("vectors/checkpoint_7_witnessed.note")),
    ] {
        let vkey = VKey::parse(vkey).unwrap();
        assert_eq!(verify(note, &[vkey]), Ok(1), "{note}");
        assert_eq!(SignedNote::parse(note.as_bytes()).unwrap().to_string(), note);
    }
}

#[test]
fn the_sigsum_note_is_made_again_from_its_seed() {
    let mut seed = [0; 32];
    seed[0] = 0x11;
    let known = include_str!("vectors/note_sigsum.note");
    let parsed = SignedNote::parse(known.as_bytes()).unwrap();
    assert_eq!(TestKey::from_seed(seed).note(parsed.signatures()[0].name, parsed.text()), known);
}

#[test]
fn a_vkey_whose_base64_holds_plus_signs_is_read() {
    // A third of all keys have one; these are the first of the fixed seeds.
    let with_plus =
        (1..=255).map(TestKey::of).filter(|key| key.vkey("n").to_string().matches('+').count() > 2);
    let mut seen = 0;
    for key in with_plus {
        let vkey = VKey::parse(&key.vkey("n").to_string()).unwrap();
        assert_eq!(verify(&key.note("n", TEXT), &[vkey]), Ok(1));
        seen += 1;
    }
    assert!(seen > 20);
}

#[test]
fn signatures_begin_after_the_last_blank_line() {
    let key = TestKey::of(1);
    for text in [
        "a\n\nb\n",
        "a\n\n",
        "\n",
        "\n\n\n",
        // A text that itself looks like a signed note.
        &key.note("n", TEXT),
    ] {
        let note = key.note("n", text);
        assert_eq!(SignedNote::parse(note.as_bytes()).unwrap().text(), text);
        assert_eq!(verify(&note, &[key.vkey("n")]), Ok(1), "{text:?}");
    }
}

#[test]
fn up_to_a_hundred_signatures_are_read_and_not_one_more() {
    let key = TestKey::of(1);
    for others in [0, 15, 16, NOTE_SIGNATURES_MAX - 1] {
        let lines: String = (0..others).map(|i| grease(&format!("w{i}"), 64)).collect();
        let note = assemble(TEXT, &(lines + &key.line("n", TEXT)));
        assert_eq!(verify(&note, &[key.vkey("n")]), Ok(1));
    }
    let lines: String = (0..=NOTE_SIGNATURES_MAX).map(|_| key.line("n", TEXT)).collect();
    assert_eq!(refusal(assemble(TEXT, &lines).as_bytes()), NoteError::TooManySignatures);
}

#[test]
fn signatures_in_any_order_with_grease_between_are_accepted_and_kept() {
    let (ours, witness) = (TestKey::of(1), TestKey::of(2));
    let mut lines = [
        ours.line("n", TEXT),
        witness.line("w", TEXT),
        grease("grease.invalid", 1),
        grease("n", 64),
        grease("post-quantum.example", 2432),
    ];
    for turn in 0..lines.len() {
        lines.rotate_left(1);
        lines.swap(0, turn);
        let note = assemble(TEXT, &lines.concat());
        assert_eq!(verify(&note, &[ours.vkey("n")]), Ok(1));
        assert_eq!(verify(&note, &[ours.vkey("n"), witness.vkey("w")]), Ok(2));
        assert_eq!(SignedNote::parse(note.as_bytes()).unwrap().to_string(), note);
    }
}

#[test]
fn unknown_keys_are_ignored_though_name_or_hash_be_known() {
    let (ours, other) = (TestKey::of(1), TestKey::of(2));
    // The right hash under another name, the right name with another key.
    let blob = unbase64(ours.line("n", TEXT).trim_end().rsplit(' ').next().unwrap().as_bytes());
    let renamed = format!("\u{2014} m {}\n", base64(&blob.unwrap()));
    for line in [renamed, other.line("n", TEXT)] {
        let alone = assemble(TEXT, &line);
        let refused = verify(&alone, &[ours.vkey("n")]);
        assert!(matches!(refused, Err(NoteVerifyError::UnknownKeys(_))), "{refused:?}");
        let beside = assemble(TEXT, &(line + &ours.line("n", TEXT)));
        assert_eq!(verify(&beside, &[ours.vkey("n")]), Ok(1));
    }
    let nobody = verify(&ours.note("n", TEXT), &[]);
    assert!(matches!(nobody, Err(NoteVerifyError::UnknownKeys(_))));
}

#[test]
fn the_refusal_of_unknown_keys_names_who_signed() {
    let lines: String = (0..9).map(|i| grease(&format!("w{i}"), 64)).collect();
    let message = verify(&assemble(TEXT, &lines), &[]).unwrap_err().to_string();
    assert!(message.contains("w0+40658aaf, w1+40658aaf, w2"), "{message}");
    assert!(message.ends_with("6 more"), "{message}");
    let lines: String = (0..3).map(|i| grease(&format!("w{i}"), 64)).collect();
    let message = verify(&assemble(TEXT, &lines), &[]).unwrap_err().to_string();
    assert!(message.contains(", w2+") && !message.contains("more"), "{message}");
    // Names may be as long as the note, and speak to a terminal.
    let long = format!("\u{9b}{}", "x".repeat(60_000));
    let lines: String = (0..3).map(|_| grease(&long, 64)).collect();
    let message = verify(&assemble(TEXT, &lines), &[]).unwrap_err().to_string();
    assert!(message.len() < 3 * SIGNER_SHOWN_BYTES_MAX + 200, "{}", message.len());
    assert!(message.contains("\\u{9b}xxx") && !message.contains(char::is_control), "{message}");
}

#[test]
fn one_wrong_signature_of_a_known_key_spoils_the_note() {
    let (ours, second) = (TestKey::of(1), TestKey::of(2));
    let wrong = ours.line("n", "another text\n");
    let short = {
        let hash = ours.public().note_hash("n");
        format!("\u{2014} n {}\n", base64(&[&hash[..], &[1; 63]].concat()))
    };
    for bad in [wrong, short] {
        for lines in [
            bad.clone(),
            ours.line("n", TEXT) + &bad,
            bad.clone() + &ours.line("n", TEXT),
            bad.clone() + &second.line("n", TEXT),
        ] {
            let verdict = verify(&assemble(TEXT, &lines), &[ours.vkey("n"), second.vkey("n")]);
            assert!(matches!(verdict, Err(NoteVerifyError::BadSignature(..))), "{lines}");
        }
    }
}

#[test]
fn a_doubled_signature_counts_once() {
    let key = TestKey::of(1);
    let line = key.line("n", TEXT);
    let note = assemble(TEXT, &[&*line, &line, &line].concat());
    assert_eq!(verify(&note, &[key.vkey("n"), key.vkey("n")]), Ok(1));
}

#[test]
fn every_flipped_bit_of_text_and_signature_is_noticed() {
    let key = TestKey::of(1);
    let note = key.note("n", TEXT).into_bytes();
    let vkey = key.vkey("n");
    for place in 0..note.len() {
        for bit in 0..8 {
            let mut changed = note.clone();
            changed[place] ^= 1 << bit;
            let Ok(parsed) = SignedNote::parse(&changed) else { continue };
            let verdict = parsed.verify([(vkey.name(), vkey.note_key().unwrap())]);
            assert!(verdict.is_err(), "byte {place} bit {bit}");
        }
    }
}

#[test]
fn bytes_that_are_no_note_are_refused_with_the_reason() {
    let key = TestKey::of(1);
    let line = key.line("n", TEXT);
    let with = |lines: &str| assemble(TEXT, lines).into_bytes();
    for (bytes, reason) in [
        (b"".to_vec(), NoteError::NoSignatures),
        (TEXT.into(), NoteError::NoSignatures),
        (with(""), NoteError::NoSignatures),
        (format!("{TEXT}{line}").into(), NoteError::NoSignatures),
        (with(line.trim_end()), NoteError::SignatureLine(1)),
        (with(&line.replace('\u{2014}', "-")), NoteError::SignatureLine(1)),
        (with(&line.replace(" n ", "  ")), NoteError::SignatureLine(1)),
        (with(&line.replace(" n ", " a+b ")), NoteError::SignatureLine(1)),
        (with(&line.replace(" n ", " a\u{a0}b ")), NoteError::SignatureLine(1)),
        (with(&line.replace(" n ", " n  ")), NoteError::SignatureLine(1)),
        (with(&line.replace('\n', " \n")), NoteError::SignatureLine(1)),
        (with(&line.replace("=\n", "\n")), NoteError::SignatureLine(1)),
        (with("\u{2014} n g0NNOA==\n"), NoteError::SignatureLine(1)),
        (with("\u{2014} n \n"), NoteError::SignatureLine(1)),
        (with(&(line.clone() + "\u{2014} n\n")), NoteError::SignatureLine(2)),
        (with(&line.replace('\n', "\r\n")), NoteError::Control(TEXT.len() + 1 + line.len() - 1)),
        (
            with(&line).iter().map(|b| if *b == b'f' { 0 } else { *b }).collect(),
            NoteError::Control(0),
        ),
        (
            with(&line).iter().map(|b| if *b == b'f' { 0xff } else { *b }).collect(),
            NoteError::Utf8(0),
        ),
        (vec![b'\n'; NOTE_BYTES_MAX + 1], NoteError::TooLarge(NOTE_BYTES_MAX + 1)),
    ] {
        assert_eq!(refusal(&bytes), reason, "{}", String::from_utf8_lossy(&bytes));
    }
    let text = |bytes: usize| format!("{}\n", "x".repeat(bytes - 2 - line.len()));
    assert_eq!(key.note("n", &text(NOTE_BYTES_MAX)).len(), NOTE_BYTES_MAX);
    assert!(SignedNote::parse(key.note("n", &text(NOTE_BYTES_MAX)).as_bytes()).is_ok());
    let more = refusal(key.note("n", &text(NOTE_BYTES_MAX + 1)).as_bytes());
    assert_eq!(more, NoteError::TooLarge(NOTE_BYTES_MAX + 1));
    // U+0085 and U+007F are not below 0x20: the specification lets them stand in a text.
    assert!(SignedNote::parse(key.note("n", "a\u{85}\u{7f}\n").as_bytes()).is_ok());
    assert!(is_text("a\n") && !is_text("a") && !is_text("a\t\n") && !is_text(""));
}

#[test]
fn a_file_that_went_through_other_programs_is_the_note_it_was() {
    let key = TestKey::of(1);
    for text in [TEXT, "a\n\nb\n", "\n"] {
        let note = key.note("n", text);
        for line_end in ["\n", "\r\n"] {
            for begin in ["", "\u{feff}"] {
                for end in ["", line_end, "\n\n", "\r\n\r\n\r\n", "\r", "\r\n\n"] {
                    let lines = note.trim_end().replace('\n', line_end);
                    let file = format!("{begin}{lines}{end}");
                    assert_eq!(from_file(file.as_bytes()), note.as_bytes(), "{file:?}");
                }
            }
        }
        assert!(matches!(from_file(note.as_bytes()), std::borrow::Cow::Borrowed(_)));
        assert_eq!(verify(&note, &[key.vkey("n")]), Ok(1));
    }
}

#[test]
fn a_file_that_was_changed_otherwise_stays_no_note() {
    let note = TestKey::of(1).note("n", TEXT);
    let read = |file: String| SignedNote::parse(&from_file(file.as_bytes())).map(|n| n.to_string());
    for (file, error) in [
        (note.replace("first", "fi\rst"), NoteError::Control(2)),
        (note.replace('\n', "\r\r\n"), NoteError::Control(10)),
        (note.replace('\n', "\r"), NoteError::Control(10)),
        (format!("{note} "), NoteError::SignatureLine(2)),
        (note.replace("\n\n", "\n"), NoteError::NoSignatures),
        (format!("{TEXT}\n"), NoteError::NoSignatures),
        (String::new(), NoteError::NoSignatures),
        ("\r\n".into(), NoteError::NoSignatures),
    ] {
        assert_eq!(read(file.clone()), Err(error), "{file:?}");
    }
    // Only at the beginning is a byte order mark none of the text.
    assert_ne!(read(note.replace("second", "\u{feff}second")), Ok(note));
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(text in "(\\PC{0,20}\n){1,4}", names in prop::collection::vec("[a-z./]{1,12}", 1..6), size in 1usize..90) {
        let lines: String = names.iter().map(|name| grease(name, size)).collect();
        let note = assemble(&text, &lines);
        prop_assert_eq!(SignedNote::parse(note.as_bytes()).unwrap().to_string(), note);
    }

    #[test]
    fn a_note_that_nothing_happened_to_is_read_from_a_file_as_it_is(text in "([a \u{85}\u{7f}]{0,2}\n){1,4}") {
        let note = TestKey::of(1).note("n", &text);
        prop_assert_eq!(from_file(note.as_bytes()), note.as_bytes());
    }

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let normal = from_file(&bytes).into_owned();
        prop_assert_eq!(&from_file(&normal), &normal);
        if let Ok(note) = SignedNote::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
        }
    }
}
