//! SHA-256 (FIPS 180-4) of what is hashed by the million, over the compression function of `sha2`.
//!
//! Two things that its usual interface cannot do. What lies in memory as a whole is compressed where it
//! lies, without a buffer in between: leaves, nodes and records are short, and copying them costs a good part
//! of hashing them. And two hashes over the same bytes are computed at once ([`Sha256Stream::update_beside`]):
//! each block of a hash has to wait for the block before, so a processor has room for the blocks of a second
//! hash in between, and both together take a fifth less time.

use sha2::block_api::compress256;

/// Bytes of a block, FIPS 180-4 section 5.2.1.
const BLOCK: usize = 64;
/// Bytes at the end of the last block that hold the length, section 5.1.1.
const LENGTH: usize = 8;
/// The longest message that [`of_short`] takes.
const SHORT_MAX: usize = 2 * BLOCK - LENGTH - 1;

/// The initial state, section 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The hash of a short message whose length is known when this is compiled, in two blocks at most.
pub(crate) fn of_short<const N: usize>(message: &[u8; N]) -> [u8; 32] {
    const { assert!(N <= SHORT_MAX) };
    let mut state = INITIAL;
    close(&mut state, message, None, N as u64);
    to_bytes(&state)
}

/// The hash of `bytes` and `rest` behind each other.
pub(crate) fn of_two(bytes: &[u8], rest: Option<&[u8; 32]>) -> [u8; 32] {
    let mut state = INITIAL;
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    compress256(&mut state, blocks);
    close(&mut state, tail, rest, length(bytes, rest));
    to_bytes(&state)
}

fn length(bytes: &[u8], rest: Option<&[u8; 32]>) -> u64 {
    (bytes.len() + rest.map_or(0, |rest| rest.len())) as u64
}

/// Takes in the end of a message of `length` bytes, its padding and its length: what does not fill a block
/// and 32 bytes more, or a short message as a whole, [`SHORT_MAX`] bytes in either case.
fn close(state: &mut [u32; 8], tail: &[u8], rest: Option<&[u8; 32]>, length: u64) {
    let mut end = [0; 2 * BLOCK];
    let mut filled = tail.len();
    end[..filled].copy_from_slice(tail);
    if let Some(rest) = rest {
        end[filled..filled + rest.len()].copy_from_slice(rest);
        filled += rest.len();
    }
    end[filled] = 0x80;
    let used = if filled < BLOCK - LENGTH { BLOCK } else { 2 * BLOCK };
    end[used - LENGTH..used].copy_from_slice(&(length * 8).to_be_bytes());
    compress256(state, end[..used].as_chunks().0);
}

fn to_bytes(state: &[u32; 8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    out
}

/// The hash of a stream that comes in pieces.
#[derive(Clone)]
pub struct Sha256Stream {
    state: [u32; 8],
    /// What does not fill a block yet.
    block: [u8; BLOCK],
    filled: usize,
    length: u64,
}

impl Default for Sha256Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl Sha256Stream {
    /// The hash of nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: INITIAL, block: [0; BLOCK], filled: 0, length: 0 }
    }

    /// Takes in the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        let whole = self.begin(bytes);
        let (blocks, tail) = whole.as_chunks::<BLOCK>();
        compress256(&mut self.state, blocks);
        self.keep(tail);
    }

    /// Takes in the next piece, and gives the hash of two others, `message` and `rest` behind each other.
    /// The same as doing one after the other, but quicker.
    pub fn update_beside(
        &mut self,
        bytes: &[u8],
        message: &[u8],
        rest: Option<&[u8; 32]>,
    ) -> [u8; 32] {
        let mut state = INITIAL;
        let whole = self.begin(bytes);
        let (ours, tail) = whole.as_chunks::<BLOCK>();
        let (theirs, their_tail) = message.as_chunks::<BLOCK>();
        let (paired, ours_alone) = ours.split_at(ours.len().min(theirs.len()));
        let (their_paired, theirs_alone) = theirs.split_at(paired.len());
        for (our, their) in paired.iter().zip(their_paired) {
            compress256(&mut self.state, core::slice::from_ref(our));
            compress256(&mut state, core::slice::from_ref(their));
        }
        compress256(&mut self.state, ours_alone);
        self.keep(tail);
        compress256(&mut state, theirs_alone);
        close(&mut state, their_tail, rest, length(message, rest));
        to_bytes(&state)
    }

    /// Fills the block that is begun, and gives what is left of `bytes`.
    fn begin<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.length += bytes.len() as u64;
        if self.filled == 0 {
            return bytes;
        }
        let (fitting, left) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
        self.keep(fitting);
        if self.filled == BLOCK {
            compress256(&mut self.state, &[self.block]);
            self.filled = 0;
        }
        left
    }

    /// Keeps what fits into the block that is begun.
    fn keep(&mut self, bytes: &[u8]) {
        self.block[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// The hash of all pieces.
    #[must_use]
    pub fn finish(mut self) -> [u8; 32] {
        let (block, filled) = (self.block, self.filled);
        close(&mut self.state, &block[..filled], None, self.length);
        to_bytes(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
    }

    #[test]
    fn every_length_around_the_borders_of_blocks_has_the_hash_of_the_library() {
        for length in 0..300 {
            let bytes = text(length);
            let expected: [u8; 32] = Sha256::digest(&bytes).into();
            for cut in [0, 1, 31, 32, 63, 64, 65, 128, length] {
                let (head, rest) = bytes.split_at(cut.min(length));
                let mut stream = Sha256Stream::new();
                stream.update(head);
                stream.update(rest);
                assert_eq!(stream.finish(), expected, "{length}, {cut}");
            }
            assert_eq!(of_two(&bytes, None), expected, "{length}");
            let with_rest = Sha256::new().chain_update(&bytes).chain_update([9; 32]).finalize();
            assert_eq!(of_two(&bytes, Some(&[9; 32]))[..], with_rest[..], "{length}");
        }
        for (ours, library) in [
            (of_short(&[7; 33]), Sha256::digest([7; 33])),
            (of_short(&[7; 65]), Sha256::digest([7; 65])),
            (of_short(&[7; 119]), Sha256::digest([7; 119])),
            (of_short(&[]), Sha256::digest([])),
        ] {
            assert_eq!(ours[..], library[..]);
        }
    }

    proptest! {
        #[test]
        fn two_hashes_at_once_are_those_of_one_after_the_other(
            pieces in proptest::collection::vec((0usize..400, 0usize..400, any::<Option<[u8; 32]>>()), 1..12)
        ) {
            let mut stream = Sha256Stream::new();
            let mut all = Sha256::new();
            for (bytes, message, rest) in pieces {
                let (bytes, message) = (text(bytes), text(message));
                let beside = stream.update_beside(&bytes, &message, rest.as_ref());
                let expected = Sha256::new()
                    .chain_update(&message)
                    .chain_update(rest.as_ref().map_or(&[][..], |rest| rest))
                    .finalize();
                prop_assert_eq!(&beside[..], &expected[..]);
                all.update(&bytes);
            }
            let ours = stream.finish();
            prop_assert_eq!(&ours[..], &all.finalize()[..]);
        }
    }
}
