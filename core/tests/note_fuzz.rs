//! The bodies of the fuzz targets for notes, checkpoints and receipts, driven over seeded mutations of
//! the golden vectors: not a search, but enough to keep them compiling and to find what is near the
//! surface.

// The bodies are public in the crate that they belong to.
#![allow(unreachable_pub)]

#[path = "../../fuzz/src/checkpoint.rs"]
mod checkpoint;
#[path = "../../fuzz/src/note.rs"]
mod note;
#[path = "../../fuzz/src/note_file.rs"]
mod note_file;
#[path = "../../fuzz/src/receipt.rs"]
mod receipt;
#[path = "../../fuzz/src/receipt_file.rs"]
mod receipt_file;

const ROUNDS: u64 = 20_000;

const NOTES: [&[u8]; 4] = [
    include_bytes!("vectors/checkpoint_0.note"),
    include_bytes!("vectors/checkpoint_7.note"),
    include_bytes!("vectors/checkpoint_7_witnessed.note"),
    include_bytes!("vectors/note_sigsum.note"),
];
const RECEIPTS: [&[u8]; 3] = [
    include_bytes!("vectors/receipt_creation.json"),
    include_bytes!("vectors/receipt_signed.json"),
    include_bytes!("vectors/receipt_unsigned.json"),
];
const PIECES: [&[u8]; 15] = [
    b"\r\n",
    b"\xef\xbb\xbf",
    b" \t",
    b"\n",
    b"\n\n",
    b" ",
    b"+",
    b"=",
    b"0",
    b"9",
    b"\"",
    b",",
    b"null",
    b"\\u0041",
    "\u{2014} ".as_bytes(),
];

/// xorshift64*: the same mutations on every machine.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

/// Up to three small damages: a flipped bit, a cut, a piece put in, a part doubled or moved.
fn damage(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.below(4) {
        let (at, other) = (rng.below(bytes.len()), rng.below(bytes.len()));
        let (from, to) = (at.min(other), at.max(other).min(at.min(other) + 60));
        match rng.below(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
            1 => drop(bytes.drain(from..to)),
            2 => drop(bytes.splice(at..at, PIECES[rng.below(PIECES.len())].iter().copied())),
            3 => {
                let part = bytes[from..to].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn drive(seeds: &[&[u8]], run: impl Fn(&[u8])) {
    let mut rng = Rng(0x0016_da10_2026_1121);
    seeds.iter().for_each(|seed| run(seed));
    for round in 0..ROUNDS {
        run(&damage(seeds[round as usize % seeds.len()], &mut rng));
    }
}

#[test]
fn damaged_notes_keep_the_promises_of_their_fuzz_target() {
    drive(&NOTES, note::run);
}

#[test]
fn damaged_files_with_notes_keep_the_promises_of_their_fuzz_target() {
    drive(&NOTES, note_file::run);
}

#[test]
fn damaged_checkpoints_keep_the_promises_of_their_fuzz_target() {
    drive(&NOTES, checkpoint::run);
}

#[test]
fn damaged_receipts_keep_the_promises_of_their_fuzz_target() {
    drive(&RECEIPTS, receipt::run);
}

#[test]
fn damaged_files_with_receipts_keep_the_promises_of_their_fuzz_target() {
    drive(&RECEIPTS, receipt_file::run);
}
