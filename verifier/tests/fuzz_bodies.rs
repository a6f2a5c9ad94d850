//! The bodies of the fuzz targets that believe something, because they have the keys that signed the
//! seeds, driven over seeded damage to golden evidence: not a search, but enough to keep them compiling
//! and to find what is near the surface.

#![expect(unreachable_pub, reason = "the files are public in the crate of the fuzz targets")]

#[path = "../../fuzz/src/checkpoint_trusted.rs"]
mod checkpoint_trusted;
#[path = "../../fuzz/src/export.rs"]
mod export;
#[path = "../../fuzz/src/judged.rs"]
mod judged;
#[path = "../../fuzz/src/manifest_trusted.rs"]
mod manifest_trusted;
#[path = "../../fuzz/src/packed.rs"]
mod packed;
#[path = "../../fuzz/src/receipt_trusted.rs"]
mod receipt_trusted;
#[path = "../../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../../fuzz/src/vault.rs"]
mod vault;
#[path = "../../fuzz/src/zstd.rs"]
mod zstd;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::manifest::Manifest;
use indelible_verifier::Verdict;

/// Where files are written and workers started.
const ROUNDS_OF_FILES: usize = 300;
const ROUNDS_IN_MEMORY: usize = 4_000;

/// Pieces of the formats, so that damage often stays near their layout.
const PIECES: [&[u8]; 12] = [
    b"\n",
    b"\r\n",
    b" ",
    b"0",
    b"\"",
    b",",
    b"}",
    b"null",
    "\u{2014} ".as_bytes(),
    // An empty frame, a skippable one, and a last block that repeats a byte.
    &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x01, 0x00, 0x00],
    &[0x50, 0x2a, 0x4d, 0x18, 0x01, 0x00, 0x00, 0x00, 0x7a],
    &[0x23, 0x00, 0x00, 0x0a],
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

    /// Changes up to three places, or a whole line, behind the first `kept` bytes.
    fn of(&mut self, good: &[u8], kept: usize) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(3) {
            let at = kept + self.below(bytes.len() - kept);
            let to = (at + self.below(9)).min(bytes.len());
            let line = |at: usize| {
                let behind = |byte: &u8| *byte == b'\n';
                let from = bytes[kept..at].iter().rposition(behind).map_or(kept, |n| kept + n + 1);
                from..bytes[at..].iter().position(behind).map_or(bytes.len(), |n| at + n + 1)
            };
            match self.below(6) {
                0 if at < to => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..to)),
                2 => drop(bytes.splice(at..to, PIECES[self.below(PIECES.len())].iter().copied())),
                3 => drop(bytes.drain(line(at))),
                4 => {
                    let (line, place) = (line(at), kept + self.below(bytes.len() - kept + 1));
                    let copy = bytes[line].to_vec();
                    bytes.splice(place..place, copy);
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}

fn drive(seeds: &[Vec<u8>], rounds: usize, kept: usize, body: fn(&[u8])) {
    let mut damage = Damage(seeds.len() as u64);
    seeds.iter().for_each(|seed| body(seed));
    for seed in seeds.iter().cycle().take(rounds) {
        body(&damage.of(seed, kept));
    }
}

#[test]
fn damaged_exports_keep_the_promises_of_their_fuzz_target() {
    let exports = seeds::files(&seeds::good("export"));
    assert!(exports.len() > 30, "{}", exports.len());
    for export in &exports {
        assert_eq!(export::judge(export).verdict(), Verdict::Good);
    }
    drive(&exports, ROUNDS_OF_FILES, 0, export::run);
}

#[test]
fn damaged_frames_keep_the_promises_of_their_fuzz_target() {
    let exports = seeds::files(&seeds::good("export"));
    let packed = exports.iter().filter(|export| packed::is_packed(export)).count();
    assert!(packed > 8 && packed < exports.len(), "{packed}");
    drive(&exports, ROUNDS_OF_FILES, 0, zstd::run);
}

#[test]
fn damaged_vaults_keep_the_promises_of_their_fuzz_target() {
    let inputs = vault::inputs();
    assert!(inputs.len() > 20, "{}", inputs.len());
    for case in vault::HONEST.iter() {
        assert_eq!(vault::judge(&case.files).verdict(), Verdict::Good, "{}", case.name);
    }
    drive(&inputs, ROUNDS_OF_FILES, 1, vault::run);
}

#[test]
fn damaged_receipts_keep_the_promises_of_their_fuzz_target() {
    let inputs = receipt_trusted::inputs();
    for input in &inputs {
        assert_eq!(receipt_trusted::judge(input, &[]).verdict(), Verdict::Good);
    }
    drive(&inputs, ROUNDS_IN_MEMORY, 0, receipt_trusted::run);
}

#[test]
fn damaged_checkpoints_keep_the_promises_of_their_fuzz_target() {
    let inputs = checkpoint_trusted::inputs();
    assert!(inputs.len() > 12, "{}", inputs.len());
    for input in &inputs {
        let opened = Checkpoint::open_any(input, &seeds::trust());
        assert!(opened.is_ok(), "{opened:?}: {}", String::from_utf8_lossy(input));
    }
    drive(&inputs, ROUNDS_IN_MEMORY, 0, checkpoint_trusted::run);
}

#[test]
fn damaged_manifests_keep_the_promises_of_their_fuzz_target() {
    let inputs = manifest_trusted::inputs();
    assert!(inputs.len() > 12, "{}", inputs.len());
    for input in &inputs {
        let opened = Manifest::open(input, &seeds::trust());
        assert!(opened.is_ok(), "{opened:?}");
    }
    drive(&inputs, ROUNDS_IN_MEMORY, 0, manifest_trusted::run);
}
