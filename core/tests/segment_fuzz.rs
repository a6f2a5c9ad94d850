//! The bodies of the fuzz targets for vkeys, segment lines and manifests, driven over seeded damage to
//! the golden vectors: not a search, but enough to keep them compiling and to find what is near the
//! surface.

#![expect(unreachable_pub, reason = "the files are public in the crate of the fuzz targets")]

#[path = "../../fuzz/src/manifest.rs"]
mod manifest;
#[path = "../../fuzz/src/segment_line.rs"]
mod segment_line;
#[path = "../../fuzz/src/vkey.rs"]
mod vkey;

use indelible_core::note::SignedNote;

const ROUNDS: usize = 20_000;
const VKEY: &str = include_str!("vectors/key.vkey");
const SEGMENTS: [&str; 2] =
    [include_str!("vectors/segment_0.jsonl"), include_str!("vectors/segment_3.jsonl")];
const MANIFESTS: [&str; 2] =
    [include_str!("vectors/manifest_0.note"), include_str!("vectors/manifest_3.note")];

/// Pieces of the formats, so that damage often stays near their layout.
const PIECES: [&str; 14] = [
    "\n",
    "+",
    "=",
    "A",
    "0",
    "\"",
    ",",
    "{",
    "}",
    "\"}",
    ",\"sig\":\"",
    "\",\"kid\":\"",
    "null",
    "\u{e9}",
];

/// SplitMix64: the same damage on every machine.
struct Damage(u64);

impl Damage {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 1) as usize % bound.max(1)
    }

    fn of(&mut self, good: &str) -> Vec<u8> {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let to = (at + self.below(9)).min(bytes.len());
            match self.below(4) {
                0 if at < to => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..to)),
                2 => {
                    let piece = PIECES[self.below(PIECES.len())];
                    bytes.splice(at..to, piece.bytes());
                }
                _ => {
                    let copy = bytes[at..to].to_vec();
                    let place = self.below(bytes.len() + 1);
                    bytes.splice(place..place, copy);
                }
            }
        }
        bytes
    }
}

fn drive(goods: &[&str], body: fn(&[u8])) {
    let mut damage = Damage(goods.len() as u64);
    for good in goods {
        body(good.as_bytes());
        for _ in 0..ROUNDS / goods.len() {
            body(&damage.of(good));
        }
    }
}

#[test]
fn damaged_vkeys_ids_and_signatures_have_no_second_spelling() {
    let key = indelible_core::key::VKey::parse_file(VKEY).unwrap();
    let id = key.key().key_id();
    drive(&[VKEY, id.as_str(), &"AAAA".repeat(22)], vkey::run);
}

#[test]
fn damaged_lines_and_file_names_have_no_second_spelling() {
    let mut goods: Vec<&str> = SEGMENTS.iter().flat_map(|segment| segment.lines()).collect();
    goods.push("00000000000000065536-00000000000000131071.0001020304050607.jsonl.zst");
    goods.push("00000000000000065536-00000000000000131071.manifest");
    drive(&goods, segment_line::run);
}

#[test]
fn damaged_manifests_have_no_second_spelling() {
    let texts = MANIFESTS.map(|note| SignedNote::parse(note.as_bytes()).unwrap().text());
    drive(&[MANIFESTS[0], MANIFESTS[1], texts[0], texts[1]], manifest::run);
}
