//! The bodies of the fuzz targets, driven over seeded mutations: not a search, but enough to keep them
//! compiling and to find what is near the surface.

#![expect(unreachable_pub, reason = "the files are public in the crate of the fuzz targets")]

#[path = "../../../fuzz/src/json_canonicalize.rs"]
mod json_canonicalize;
#[path = "../../../fuzz/src/json_check.rs"]
mod json_check;
#[path = "../../../fuzz/src/number.rs"]
mod number;
#[path = "../../../fuzz/src/record_view.rs"]
mod record_view;

use crate::support::Rng;

const ROUNDS: u64 = 60_000;

const SEEDS: &[&str] = &[
    r#"{"event":{"a":[1,-2.5,1e+21],"b":"x\n\u0001é😀"},"id":"i-1","ledger":"l","seq":7,"time":"2026-11-21T05:14:00.123456Z","v":1}"#,
    r#"{"event":{"a":["1e400",{"~/":"9007199254740992"}]},"id":"i","ledger":"l","numbers_as_text":["/a/0","/a/1/~0~1"],"seq":7,"time":"2026-11-21T05:14:00.123456Z","v":1}"#,
    r#"{"id":"\"","ledger":"a.b","seq":0,"system":{"kind":"k","x":null},"time":"1970-01-01T00:00:00.000000Z","v":1}"#,
    r#"{"id":"s","ledger":"a","seq":9,"system":{"first_seq":0,"kind":"segment_archived","last_seq":8,"manifest_sha256":"1111111111111111111111111111111111111111111111111111111111111111","segment_sha256":"2222222222222222222222222222222222222222222222222222222222222222","vault":"w"},"time":"1970-01-01T00:00:00.000000Z","v":1}"#,
    r#"[ {"b" : 1 , "a" : {"d":true,"c":false}} , {"\ufb33":1,"\ud83d\ude00":2,"\u0022":3} ]"#,
    r#"{"10":-0,"1":5e-324,"9":9007199254740991,"":[[[[]]]],"A":"\/\b\f\r\t"}"#,
    "[0.1,123456789012345680000e1,\"\u{7f}\u{2028}\u{ffff}\",null]",
];

/// Pieces that a text of the kind is made of, so that damage often stays near the grammar.
const PIECES: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "0",
    "-",
    "1e",
    ".5",
    "\\u00",
    "\\ud83d",
    "\\n",
    "null",
    "true",
    "\"a\":",
    ",\"b\":1",
    "\u{1f600}",
    "\u{fb33}",
    "9007199254740992",
    "\n",
];

fn damaged(rng: &mut Rng) -> Vec<u8> {
    let mut text = SEEDS[rng.below(SEEDS.len())].as_bytes().to_vec();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(text.len() + 1);
        let end = (at + rng.below(5)).min(text.len());
        match rng.below(5) {
            0 => drop(text.splice(at..end, PIECES[rng.below(PIECES.len())].bytes())),
            1 => drop(text.drain(at..end)),
            2 => text.insert(at, rng.next() as u8),
            3 if at < text.len() => text[at] ^= 1 << rng.below(8),
            _ => {
                let copy = text[at..end].to_vec();
                let to = rng.below(text.len() + 1);
                text.splice(to..to, copy);
            }
        }
    }
    text
}

fn drive(seed: u64, body: fn(&[u8])) {
    for seed in SEEDS {
        body(seed.as_bytes());
    }
    let mut rng = Rng(seed);
    for _ in 0..ROUNDS {
        body(&damaged(&mut rng));
    }
}

#[test]
fn the_writer_keeps_its_promises_on_damaged_text() {
    drive(11, json_canonicalize::run);
}

#[test]
fn the_check_keeps_its_promises_on_damaged_text() {
    drive(12, json_check::run);
}

/// Literals around the borders of what is taken: a few digits, much the same ones again and again.
fn literal(rng: &mut Rng) -> Vec<u8> {
    let mut literal = if rng.one_in(4) { vec![b'-'] } else { Vec::new() };
    let digits = |rng: &mut Rng, most: usize| -> Vec<u8> {
        (0..rng.below(most)).map(|_| b"0123456789059"[rng.below(13)]).collect()
    };
    literal.extend(if rng.one_in(3) { b"9007199254740992".to_vec() } else { digits(rng, 20) });
    if !rng.one_in(3) {
        literal.push(b'.');
        literal.extend(digits(rng, 24));
    }
    if rng.one_in(3) {
        literal.extend([b"e-3", b"e30", b"E+3", b"e-9"][rng.below(4)]);
        literal.extend(digits(rng, 3));
    }
    literal
}

#[test]
fn numbers_keep_the_promises_of_their_fuzz_target() {
    let mut rng = Rng(14);
    for _ in 0..ROUNDS {
        number::run(&literal(&mut rng));
    }
}

#[test]
fn the_record_reader_keeps_its_promises_on_damaged_text() {
    drive(13, record_view::run);
}
