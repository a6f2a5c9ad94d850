//! Lines of segments and the names of their files.

use indelible_core::encoding::base64;
use indelible_core::hash::{Digest, Sha256Hash};
use indelible_core::json::{Limits, check_canonical};
use indelible_core::key::{Ed25519Signature, KeyId, RecordSignature};
use indelible_core::limits::{LINE_BYTES_MAX, SEGMENT_RECORDS_MAX};
use indelible_core::name::Seq;
use indelible_core::record::RecordView;
use indelible_core::segment::{
    FileName, Line, LineError, Run, file_stem, line_len, manifest_name, object_name, push_line,
};
use proptest::prelude::*;

const GOLDEN: [&str; 2] =
    [include_str!("vectors/segment_0.jsonl"), include_str!("vectors/segment_3.jsonl")];

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn signature(byte: u8) -> RecordSignature {
    RecordSignature {
        key_id: KeyId::new(&format!("ed25519:{}", hex::encode([byte; 32]))).unwrap(),
        signature: Ed25519Signature([byte; 64]).into(),
    }
}

fn line(record: &[u8], signature: Option<&RecordSignature>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    push_line(&mut out, record, &Digest([0xd1; 32]), signature);
    let line = out.strip_prefix(b"before").unwrap();
    assert_eq!(line.len(), line_len(record.len(), signature));
    line.strip_suffix(b"\n").unwrap().to_vec()
}

#[test]
fn golden_lines_are_read_and_written_byte_for_byte() {
    let mut prev: Option<Digest> = None;
    let lines: Vec<&str> = GOLDEN.iter().flat_map(|segment| segment.lines()).collect();
    assert_eq!(lines.len(), 5);
    for (number, text) in lines.iter().enumerate() {
        let parsed = Line::parse(text.as_bytes()).unwrap();
        let record = RecordView::parse(parsed.record).unwrap();
        assert_eq!(record.seq, seq(number as u64));
        assert_eq!(parsed.signature.is_some(), number % 2 == 0);
        let digest = indelible_core::chain::record_digest(parsed.record, prev.as_ref());
        assert_eq!(parsed.digest, digest);
        let signature = parsed.signature.map(|(kid, signature)| RecordSignature {
            key_id: KeyId::new(kid).unwrap(),
            signature,
        });
        let mut again = Vec::new();
        push_line(&mut again, parsed.record, &parsed.digest, signature.as_ref());
        assert_eq!(again, format!("{text}\n").as_bytes());
        prev = Some(digest);
    }
}

#[test]
fn a_line_around_a_canonical_record_is_canonical_json() {
    for text in GOLDEN.iter().flat_map(|segment| segment.lines()) {
        let members = check_canonical(text.as_bytes(), Limits::DOCUMENT).unwrap();
        let parsed = Line::parse(text.as_bytes()).unwrap();
        assert_eq!(members.get("record"), Some(parsed.record));
    }
}

#[test]
fn a_record_that_imitates_the_end_of_a_line_stays_whole() {
    let tail = format!(r#","sig":"{}""#, base64(&[7; 64]));
    let head = format!(r#"","kid":"ed25519:{}","record":"#, "0".repeat(64));
    for record in [
        format!(r#"{{"a":{{}}{tail}}}"#),
        format!(r#"{{"a":{{}}{tail}}}{tail}}}"#),
        format!(r#"{{"digest":"{}","record":{{}}}}"#, "0".repeat(64)),
        format!(r#"{{"a":"{}"}}"#, head.replace('"', "\\\"")),
        format!("{{{head}{{}}}}"),
        "{}".to_owned(),
    ] {
        for signature in [None, Some(&signature(3))] {
            let line = line(record.as_bytes(), signature);
            let parsed = Line::parse(&line).unwrap();
            assert_eq!(parsed.record, record.as_bytes());
            assert_eq!(parsed.digest, Digest([0xd1; 32]));
            assert_eq!(
                parsed.signature,
                signature.map(|s| (s.key_id.as_str(), s.signature.clone()))
            );
        }
    }
}

#[test]
fn a_signed_line_without_its_alg_is_no_unsigned_line_with_a_record() {
    // Cutting "alg" off a signed line must not turn kid and sig into parts of something else.
    let signed = String::from_utf8(line(br#"{"v":1}"#, Some(&signature(3)))).unwrap();
    let cut = signed.replace(r#""alg":"ed25519","#, "");
    assert!(matches!(Line::parse(cut.as_bytes()), Err(LineError::Layout(_))));
    // A signature pasted onto an unsigned line lands in the "record", which is then no record.
    let plain = String::from_utf8(line(br#"{"v":1}"#, None)).unwrap();
    let pasted = plain.replace("}}", &format!(r#"}},"sig":"{}"}}"#, base64(&[7; 64])));
    assert!(matches!(Line::parse(pasted.as_bytes()), Err(LineError::Layout(_))));
    let object = plain.replace("}}", r#"},"sig":{}}"#);
    let parsed = Line::parse(object.as_bytes()).unwrap();
    assert!(RecordView::parse(parsed.record).is_err());
}

#[test]
fn every_other_spelling_is_refused() {
    let good = String::from_utf8(line(br#"{"v":1}"#, Some(&signature(0xab)))).unwrap();
    assert!(Line::parse(good.as_bytes()).is_ok());
    let sig = signature(0xab).signature.to_base64();
    for (bad, error) in [
        (good.replace("d1d1", "D1D1"), LineError::Digest),
        (good.replacen("d1d1", "d1", 1), LineError::Digest),
        (good.replace("ed25519:abab", "ed25519:ABab"), LineError::KeyId),
        (good.replace(":abab", ":ab"), LineError::KeyId),
        (good.replace(r#""alg":"ed25519""#, r#""alg":"none""#), LineError::KeyId),
        (good.replace(&sig, &"A".repeat(88)), LineError::Signature),
        (good.replace(&sig, &sig.replace('q', "-")), LineError::Signature),
    ] {
        assert_eq!(Line::parse(bad.as_bytes()), Err(error), "{bad}");
    }
    for bad in [
        String::new(),
        "{}".to_owned(),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good} "),
        good.replace(r#","digest""#, r#", "digest""#),
        good.replace(r#","sig":"#, r#","Sig":"#),
        good.replace(r#"{"v":1}"#, "1"),
        good.replace(r#"{"v":1}"#, ""),
        good.replace(r#"{"v":1}"#, "}{"),
        good.replace(r#""record""#, r#""recorD""#),
        good.replace(r#""kid""#, r#""kyd""#),
    ] {
        assert!(matches!(Line::parse(bad.as_bytes()), Err(LineError::Layout(_))), "{bad}");
    }
}

#[test]
fn every_truncation_is_refused() {
    for signature in [None, Some(&signature(1))] {
        let line = line(br#"{"a":{"b":[]},"v":1}"#, signature);
        for end in 0..line.len() {
            assert!(
                Line::parse(&line[..end]).is_err(),
                "{}",
                String::from_utf8_lossy(&line[..end])
            );
        }
        for begin in 1..line.len() {
            assert!(Line::parse(&line[begin..]).is_err());
        }
    }
}

#[test]
fn a_line_may_have_two_mebibytes_with_its_lf_and_no_more() {
    let fits = LINE_BYTES_MAX - line_len(0, Some(&signature(1)));
    for (bytes, good) in [(fits, true), (fits + 1, false)] {
        let record = format!("{{{}}}", "x".repeat(bytes - 2));
        let line = line(record.as_bytes(), Some(&signature(1)));
        assert_eq!(Line::parse(&line).is_ok(), good);
        if !good {
            assert_eq!(Line::parse(&line), Err(LineError::TooLong(LINE_BYTES_MAX)));
        }
    }
}

#[test]
fn file_names_are_as_the_format_says() {
    let packed = Sha256Hash(std::array::from_fn(|i| i as u8));
    let (first, last) = (seq(65_536), seq(131_071));
    let stem = "00000000000000065536-00000000000000131071";
    assert_eq!(file_stem(first, last), stem);
    assert_eq!(object_name(first, last, &packed), format!("{stem}.0001020304050607.jsonl.zst"));
    assert_eq!(manifest_name(first, last), format!("{stem}.manifest"));
    let run = Run::new(first, last).unwrap();
    assert_eq!(
        FileName::parse(&object_name(first, last, &packed)),
        Some(FileName::Object { run, packed: [0, 1, 2, 3, 4, 5, 6, 7] })
    );
    assert_eq!(FileName::parse(&manifest_name(first, last)), Some(FileName::Manifest { run }));
    for bad in [
        "",
        "00000000000000065536-00000000000000131071",
        "00000000000000065536-00000000000000131071.manifest.bak",
        ".tmp-00000000000000065536-00000000000000131071.manifest",
        "0000000000000065536-00000000000000131071.manifest",
        "000000000000000065536-00000000000000131071.manifest",
        "+0000000000000065536-00000000000000131071.manifest",
        "00000000000000065536_00000000000000131071.manifest",
        // Out of order, across a border, beyond 2^53.
        "00000000000000131071-00000000000000065536.manifest",
        "00000000000000065535-00000000000000065536.manifest",
        "00009007199254740992-00009007199254740992.manifest",
        "99999999999999999999-99999999999999999999.manifest",
        "00000000000000065536-00000000000000131071.jsonl.zst",
        "00000000000000065536-00000000000000131071.000102030405060.jsonl.zst",
        "00000000000000065536-00000000000000131071.000102030405060A.jsonl.zst",
        "00000000000000065536-00000000000000131071.0001020304050607.jsonl",
        "\u{661}0000000000000065536-00000000000000131071.manifest",
    ] {
        assert_eq!(FileName::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn runs_end_at_the_border() {
    assert_eq!(Run::new(seq(0), seq(SEGMENT_RECORDS_MAX)), None);
    assert_eq!(Run::new(seq(5), seq(4)), None);
    let whole = Run::new(seq(0), seq(SEGMENT_RECORDS_MAX - 1)).unwrap();
    assert_eq!(whole.count(), SEGMENT_RECORDS_MAX);
    assert_eq!(whole.numbers(), 0..=SEGMENT_RECORDS_MAX - 1);
}

proptest! {
    #[test]
    fn whatever_was_written_is_read_back(
        inner in prop::collection::vec(any::<u8>(), 0..300),
        digest: [u8; 32],
        signed: bool,
        byte: u8,
    ) {
        let record = [&b"{"[..], &inner, b"}"].concat();
        let signature = signed.then(|| signature(byte));
        let mut out = Vec::new();
        push_line(&mut out, &record, &Digest(digest), signature.as_ref());
        let parsed = Line::parse(out.strip_suffix(b"\n").unwrap()).unwrap();
        prop_assert_eq!(parsed.record, &record[..]);
        prop_assert_eq!(parsed.digest, Digest(digest));
        prop_assert_eq!(
            parsed.signature,
            signature.as_ref().map(|s| (s.key_id.as_str(), s.signature.clone()))
        );
    }

    /// One changed byte outside of the record is an error or another value, never the same value from
    /// other bytes: a line has one spelling.
    #[test]
    fn no_two_lines_mean_the_same(place in 0..500usize, by in 1..=255u8, signed: bool) {
        let signature = signed.then(|| signature(0x5a));
        let mut line = line(br#"{"v":1}"#, signature.as_ref());
        let original = line.clone();
        let place = place % line.len();
        line[place] = line[place].wrapping_add(by);
        if let Ok(parsed) = Line::parse(&line) {
            prop_assert_ne!(parsed, Line::parse(&original).unwrap());
        }
    }

    #[test]
    fn arbitrary_bytes_are_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), name: String) {
        let _ = Line::parse(&bytes);
        let _ = FileName::parse(&name);
    }

    #[test]
    fn names_sort_as_their_runs_do(a in 0..1u64 << 40, b in 0..1u64 << 40) {
        let name = |n: u64| manifest_name(seq(n), seq(n));
        prop_assert_eq!(a.cmp(&b), name(a).cmp(&name(b)));
        let run = Run::new(seq(a), seq(a)).unwrap();
        prop_assert_eq!(FileName::parse(&name(a)), Some(FileName::Manifest { run }));
    }
}

/// A line of another algorithm, with a signature of so many bytes.
fn line_of(algorithm: &str, hex_digits: usize, signature_bytes: usize) -> String {
    format!(
        r#"{{"alg":"{algorithm}","digest":"{}","kid":"{algorithm}:{}","record":{{"sig":","}},"sig":"{}"}}"#,
        "d1".repeat(32),
        "0".repeat(hex_digits),
        base64(&vec![7; signature_bytes]),
    )
}

#[test]
fn lines_of_every_algorithm_are_read_and_written_back() {
    for (algorithm, digits, lengths) in [
        ("ed25519", 64, &[64][..]),
        ("ecdsa-p256", 66, &[64]),
        ("rsa-sha256", 64, &[256, 257, 384, 1024]),
        ("hmac-sha256", 64, &[32]),
        ("ml-dsa-44", 1, &[1, 2420, 65_535]),
        ("ml-dsa-44", 200, &[2420]),
    ] {
        for bytes in lengths {
            let text = line_of(algorithm, digits, *bytes);
            let parsed = Line::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.record, br#"{"sig":","}"#);
            let (kid, signature) = parsed.signature.unwrap();
            let signature = RecordSignature { key_id: KeyId::new(kid).unwrap(), signature };
            assert_eq!(signature.signature.as_bytes(), vec![7; *bytes]);
            let again = line(parsed.record, Some(&signature));
            assert_eq!(again, text.as_bytes());
        }
    }
    for (algorithm, digits, bytes, error) in [
        ("ecdsa-p256", 64, 64, LineError::KeyId),
        ("ecdsa-p256", 66, 63, LineError::Signature),
        ("rsa-sha256", 64, 255, LineError::Signature),
        ("rsa-sha256", 64, 1025, LineError::Signature),
        ("hmac-sha256", 64, 64, LineError::Signature),
        ("ml-dsa-44", 0, 64, LineError::KeyId),
        ("ml-dsa-44", 201, 64, LineError::KeyId),
        ("ml-dsa-44", 64, 0, LineError::Signature),
        ("ml-dsa-44", 64, 65_536, LineError::Signature),
        ("ML-DSA-44", 64, 64, LineError::KeyId),
    ] {
        let text = line_of(algorithm, digits, bytes);
        assert_eq!(Line::parse(text.as_bytes()), Err(error), "{algorithm} {digits} {bytes}");
    }
}

#[test]
fn certificates_are_seen_and_handed_back_and_everything_else_is_read() {
    let signed = line_of("hmac-sha256", 64, 32);
    let plain = String::from_utf8(line(br#"{"v":1}"#, None)).unwrap();
    let with = |certificates: &str| {
        [
            signed.replace(r#","digest""#, &format!(r#","certificates":{certificates},"digest""#)),
            plain.replace(r#"{"digest""#, &format!(r#"{{"certificates":{certificates},"digest""#)),
        ]
    };
    for certificates in ["[1]", r#"[{"any":["thing",{"x":"]\""}]},null]"#] {
        for (text, without) in with(certificates).iter().zip([&signed, &plain]) {
            let line = Line::parse(text.trim_end().as_bytes()).unwrap();
            assert_eq!(line.certificates, Some(certificates.as_bytes()));
            let same = Line::parse(without.trim_end().as_bytes()).unwrap();
            assert_eq!(same, Line { certificates: None, ..line });
        }
    }
    for certificates in ["[]", "{}", "null", "[ 1]", "[1,]", r#""x""#] {
        for text in with(certificates) {
            let refused = Line::parse(text.trim_end().as_bytes());
            assert!(matches!(refused, Err(LineError::Layout(_))), "{text}: {refused:?}");
        }
    }
    // Other members beside them have no place.
    let [more, _] = with("[1]").map(|text| text.replace(r#""sig":""#, r#""more":1,"sig":""#));
    assert!(matches!(Line::parse(more.as_bytes()), Err(LineError::Layout(_))));
}
