//! Zstandard frames of strangers (RFC 8878), in bounded memory.
//!
//! Frames follow one another; skippable frames and frames of no content mean nothing. A frame that names
//! a dictionary or needs a larger window cannot be unpacked.

use std::io::{self, BufRead, BufReader, Read};

/// Largest window of a frame as a power of two in bytes: the 8 MiB that RFC 8878 section 3.1.1.1.2 asks
/// every decoder to support. A frame that needs more is refused, as it would let a file of a few bytes
/// take gigabytes of memory.
const WINDOW_LOG_MAX: u32 = 23;

/// What a Zstandard frame begins with, RFC 8878 section 3.1.1.
const FRAME_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a skippable frame begins with, section 3.1.2: any of sixteen first bytes.
const SKIPPABLE_MAGIC: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// A decoder of all frames of a stream.
pub(crate) type Frames<R> = zstd::stream::read::Decoder<'static, Blocks<BufReader<R>>>;

/// Begins to unpack.
///
/// # Errors
/// When there is no memory for a decoder.
pub(crate) fn unpack<R: Read>(packed: R) -> io::Result<Frames<R>> {
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(Blocks::new(BufReader::new(packed)))?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Whether a file that begins so is compressed.
pub(crate) fn is_packed(begin: &[u8]) -> bool {
    let skippable = |first: &u8| first & 0xf0 == SKIPPABLE_MAGIC[0];
    begin == FRAME_MAGIC
        || (begin.first().is_some_and(skippable) && begin.get(1..) == Some(&SKIPPABLE_MAGIC[1..]))
}

const MAGIC_BYTES: usize = 4;
const SKIPPABLE_SIZE_BYTES: usize = 4;
const BLOCK_HEADER_BYTES: usize = 3;
const CHECKSUM_BYTES: usize = 4;

/// What is given of the contents of a skippable frame in one piece, in bytes.
const SKIPPED_BYTES: u64 = 64 << 10;

/// Largest block of a frame in bytes, RFC 8878 section 3.1.1.2.4.
const BLOCK_BYTES_MAX: u64 = 128 << 10;

/// Gives a decoder one block of a frame at a time.
///
/// A decoder that meets a broken block forgets what it had unpacked in the same call, and of a block that
/// is cut it may give a part. With one whole block for each call, all of every block before the broken one
/// comes out and nothing else, however the file is read.
pub(crate) struct Blocks<R> {
    packed: R,
    /// The piece that is given now, and how much of it was taken.
    piece: Vec<u8>,
    taken: usize,
    /// What was given of the header that comes now.
    header: Vec<u8>,
    at: At,
    /// Bytes before that header.
    left: u64,
}

/// Which header comes next in a stream of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The magic number of a frame.
    Magic,
    /// The size of a skippable frame.
    SkippableSize,
    /// The descriptor at the beginning of a frame header.
    FrameHeader,
    /// The three bytes before a block.
    BlockHeader { checksum: bool },
    /// The checksum behind the last block.
    Checksum,
    /// This is no frame: the decoder will say so.
    Lost,
}

impl<R> Blocks<R> {
    fn new(packed: R) -> Self {
        let (piece, header) = (Vec::new(), Vec::new());
        Self { packed, piece, taken: 0, header, at: At::Magic, left: 0 }
    }

    /// What is unpacked.
    pub(crate) fn into_inner(self) -> R {
        self.packed
    }

    /// Takes the next byte of a header.
    fn step(&mut self, byte: u8) {
        self.header.push(byte);
        let length = self.header.len();
        let (at, left) = match self.at {
            At::Magic if length < MAGIC_BYTES => return,
            At::Magic if self.header == FRAME_MAGIC => (At::FrameHeader, 0),
            At::Magic if is_packed(&self.header) => (At::SkippableSize, 0),
            At::Magic | At::Lost => (At::Lost, 0),
            At::SkippableSize if length < SKIPPABLE_SIZE_BYTES => return,
            At::SkippableSize => (At::Magic, little_endian(&self.header)),
            At::FrameHeader => {
                (At::BlockHeader { checksum: byte & 4 != 0 }, frame_header_rest(byte))
            }
            At::Checksum if length < CHECKSUM_BYTES => return,
            At::Checksum => (At::Magic, 0),
            At::BlockHeader { .. } if length < BLOCK_HEADER_BYTES => return,
            At::BlockHeader { checksum } => {
                behind_block_header(little_endian(&self.header), checksum)
            }
        };
        self.header.clear();
        (self.at, self.left) = (at, left);
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Bytes of a frame header behind its descriptor, RFC 8878 section 3.1.1.1.
fn frame_header_rest(descriptor: u8) -> u64 {
    let single_segment = descriptor & 0x20 != 0;
    let window = u64::from(!single_segment);
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
    let contents = match descriptor >> 6 {
        0 => u64::from(single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    window + dictionary + contents
}

/// Which header follows a block, and the bytes of the block before it, section 3.1.1.2.
fn behind_block_header(header: u64, checksum: bool) -> (At, u64) {
    // A block of one byte again and again is one byte long.
    let size = if header >> 1 & 3 == 1 { 1 } else { header >> 3 };
    match (header & 1 == 1, checksum) {
        (false, checksum) => (At::BlockHeader { checksum }, size),
        (true, true) => (At::Checksum, size),
        (true, false) => (At::Magic, size),
    }
}

impl<R: BufRead> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Blocks<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken >= self.piece.len() {
            self.next_piece()?;
        }
        Ok(self.piece.get(self.taken..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.taken = self.piece.len().min(self.taken.saturating_add(count));
    }
}

impl<R: BufRead> Blocks<R> {
    fn next_piece(&mut self) -> io::Result<()> {
        self.piece.clear();
        self.taken = 0;
        let wanted = match self.left {
            0 if self.at == At::Lost => SKIPPED_BYTES,
            0 => 1,
            // The contents of a skippable frame, and a block that cannot be one, are given in parts.
            left if left > BLOCK_BYTES_MAX => SKIPPED_BYTES,
            left => left,
        };
        Read::by_ref(&mut self.packed).take(wanted).read_to_end(&mut self.piece)?;
        let given = self.piece.len() as u64;
        if self.left > 0 {
            if given < wanted {
                // It was cut off: the stream ends before this block.
                self.piece.clear();
            }
            self.left -= given.min(self.left);
        } else if let (Some(byte), true) = (self.piece.first().copied(), self.at != At::Lost) {
            self.step(byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_known_by_their_first_bytes() {
        for packed in [[0x28, 0xb5, 0x2f, 0xfd], [0x50, 0x2a, 0x4d, 0x18], [0x5f, 0x2a, 0x4d, 0x18]]
        {
            assert!(is_packed(&packed));
        }
        for other in [
            &b"{\"ex"[..],
            &[0x60, 0x2a, 0x4d, 0x18],
            &[0x28, 0xb5, 0x2f],
            &[],
            &[0x27, 0xb5, 0x2f, 0xfd],
        ] {
            assert!(!is_packed(other), "{other:?}");
        }
    }

    /// What comes out of a packed stream before it ends or fails.
    fn unpacked(packed: &[u8]) -> (Vec<u8>, bool) {
        let mut plain = Vec::new();
        let failed = unpack(packed).unwrap().read_to_end(&mut plain).is_err();
        (plain, failed)
    }

    #[test]
    fn every_block_before_a_broken_one_comes_out() {
        // Noise does not pack, so each block of 128 KiB is one of the stream.
        let mut noise = 1u64;
        let plain: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(1 << 20)
        .collect();
        let packed = zstd::encode_all(plain.as_slice(), 1).unwrap();
        assert!(unpacked(&packed) == (plain.clone(), false));
        // The header of the fourth block says that it is of the reserved type.
        let mut at = 4 + 1 + frame_header_rest(packed[4]) as usize;
        for _ in 0..3 {
            at += BLOCK_HEADER_BYTES + (little_endian(&packed[at..at + 3]) >> 3) as usize;
        }
        let mut broken = packed.clone();
        broken[at] |= 6;
        let (out, failed) = unpacked(&broken);
        assert!(failed && out == plain[..3 << 17], "{}", out.len());
        // Nor is anything lost that stands in one piece with a cut.
        let (out, failed) = unpacked(&packed[..at + 9]);
        assert!(failed && out == plain[..3 << 17], "{}", out.len());
    }

    #[test]
    fn frames_that_say_nothing_may_stand_anywhere() {
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"\xfd\x2f\xb5\x28!"].concat();
        let frame = |plain: &[u8]| {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            std::io::Write::write_all(&mut encoder, plain).unwrap();
            encoder.finish().unwrap()
        };
        let packed =
            [&skippable, &frame(b"a"), &frame(b""), &skippable[..], &frame(b"bc"), &skippable]
                .concat();
        assert_eq!(unpacked(&packed), (b"abc".to_vec(), false));
        assert_eq!(unpacked(&[&packed[..], b"rubbish"].concat()), (b"abc".to_vec(), true));
        assert_eq!(unpacked(&packed[..packed.len() - 2]), (b"abc".to_vec(), true));
    }

    #[test]
    fn a_frame_that_names_a_dictionary_is_not_unpacked() {
        let mut packed = zstd::bulk::compress(b"abc", 1).unwrap();
        assert_eq!(packed[4] & 3, 0);
        packed[4] |= 1;
        let at = if packed[4] & 0x20 != 0 { 5 } else { 6 };
        packed.insert(at, 7);
        assert_eq!(unpacked(&packed), (Vec::new(), true));
    }
}
