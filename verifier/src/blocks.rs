//! Lines out of a stream, in blocks of whole lines, in bounded memory.

use std::io::{self, Read};

use indelible_core::hash::Sha256Hash;
use indelible_core::limits::LINE_BYTES_MAX;
use sha2::{Digest as _, Sha256};

/// A block ends with the first line that reaches this size in bytes: about 1,500 records of 512 bytes,
/// enough for a bulk signature check and little enough to have several in memory.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;

/// Asked for in one read, in bytes: a Zstandard block, which is all that a decoder gives at once.
const READ_BYTES: usize = 128 << 10;

/// How a stream ended. Where it was not read to its end, the last block has whole lines only.
#[derive(Debug)]
pub(crate) enum End {
    /// After a whole line.
    Whole,
    /// In the middle of a line; its beginning is the last thing in the last block.
    Unterminated,
    /// A line is longer than [`LINE_BYTES_MAX`].
    LineTooLong,
    /// The plain bytes are more than they may be.
    TooLarge,
    /// The stream could not be read further.
    Failed(io::Error),
}

/// Cuts a stream into blocks of whole lines.
pub(crate) struct Blocks<R> {
    stream: R,
    carry: Vec<u8>,
    hash: Sha256,
    hashing: bool,
    bytes: u64,
    bytes_max: u64,
}

impl<R: Read> Blocks<R> {
    /// Reads at most `bytes_max` from `stream`.
    pub(crate) fn new(stream: R, bytes_max: u64) -> Self {
        let (carry, hash) = (Vec::new(), Sha256::new());
        Self { stream, carry, hash, hashing: false, bytes: 0, bytes_max }
    }

    /// The same, hashing everything that is read.
    pub(crate) fn hashing(self) -> Self {
        Self { hashing: true, ..self }
    }

    /// Puts the next block of whole lines into `block`, replacing what it held. `Some` when nothing
    /// follows this block.
    pub(crate) fn next(&mut self, block: &mut Vec<u8>) -> Option<End> {
        block.clear();
        block.append(&mut self.carry);
        // Where the last whole line in `block` ends; the carry has none.
        let mut lines_end = 0;
        loop {
            if block.len() >= BLOCK_BYTES && lines_end > 0 {
                self.carry.extend_from_slice(block.get(lines_end..).unwrap_or_default());
                block.truncate(lines_end);
                return None;
            }
            let before = block.len();
            let stop = if before >= LINE_BYTES_MAX {
                Some(End::LineTooLong)
            } else {
                match self.fill(block) {
                    Ok(0) if lines_end == before => return Some(End::Whole),
                    Ok(0) => return Some(End::Unterminated),
                    Ok(_) if self.bytes > self.bytes_max => Some(End::TooLarge),
                    Ok(_) => None,
                    Err(error) => Some(End::Failed(error)),
                }
            };
            if stop.is_some() {
                block.truncate(lines_end);
                return stop;
            }
            let fresh = block.get(before..).unwrap_or_default();
            if memchr::memchr(b'\n', fresh)
                .is_some_and(|at| before + at - lines_end >= LINE_BYTES_MAX)
            {
                // Its end came with the same read that made it too long.
                block.truncate(lines_end);
                return Some(End::LineTooLong);
            }
            if let Some(at) = memchr::memrchr(b'\n', fresh) {
                lines_end = before + at + 1;
            }
        }
    }

    fn fill(&mut self, block: &mut Vec<u8>) -> io::Result<usize> {
        let before = block.len();
        block.resize(before + READ_BYTES, 0);
        let result = loop {
            match self.stream.read(block.get_mut(before..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = *result.as_ref().unwrap_or(&0);
        block.truncate(before + read);
        self.bytes += read as u64;
        if self.hashing {
            self.hash.update(block.get(before..).unwrap_or_default());
        }
        result
    }

    /// How many plain bytes were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The stream and, of a hashing reader, the hash of everything that was read.
    pub(crate) fn finish(self) -> (R, Sha256Hash) {
        (self.stream, Sha256Hash(self.hash.finalize().into()))
    }
}

/// The lines of a block without their LFs. The last one may have had none.
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    core::iter::from_fn(move || {
        let at = memchr::memchr(b'\n', rest);
        let (line, after) = rest.split_at(at.unwrap_or(rest.len()));
        let nothing_left = rest.is_empty();
        rest = after.get(1..).unwrap_or_default();
        (!nothing_left).then_some(line)
    })
}

/// The last line of a block without its LF.
pub(crate) fn last_line(block: &[u8]) -> Option<&[u8]> {
    let body = block.strip_suffix(b"\n").unwrap_or(block);
    let begin = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
    (!block.is_empty()).then(|| body.get(begin..).unwrap_or_default())
}

/// Lines in a block, a last one without LF included.
pub(crate) fn count_lines(block: &[u8]) -> u64 {
    let whole = memchr::memchr_iter(b'\n', block).count() as u64;
    whole + u64::from(block.last().is_some_and(|byte| *byte != b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(stream: impl Read, bytes_max: u64) -> (Vec<Vec<u8>>, End) {
        let mut blocks = Blocks::new(stream, bytes_max);
        let (mut block, mut seen) = (Vec::new(), Vec::new());
        loop {
            let end = blocks.next(&mut block);
            assert!(block.len() <= LINE_BYTES_MAX + READ_BYTES);
            seen.extend(lines(&block).map(<[u8]>::to_vec));
            if let Some(end) = end {
                return (seen, end);
            }
        }
    }

    #[test]
    fn lines_of_any_length_come_out_whole_and_in_order() {
        let lengths = [0, 1, 70_000, 1_500_000, 3, LINE_BYTES_MAX - 1, 0, 900_000, 12];
        let mut text = Vec::new();
        for (n, length) in lengths.iter().enumerate() {
            text.extend(std::iter::repeat_n(b'a' + n as u8, *length));
            text.push(b'\n');
        }
        let (seen, end) = read_all(text.as_slice(), u64::MAX);
        assert!(matches!(end, End::Whole));
        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        text.pop();
        let (seen, end) = read_all(text.as_slice(), u64::MAX);
        assert!(matches!(end, End::Unterminated));
        assert_eq!(seen.len(), lengths.len());
    }

    #[test]
    fn a_line_is_too_long_by_one_byte_wherever_it_begins() {
        for before in [0, 1, READ_BYTES - 1, READ_BYTES, 900_000, BLOCK_BYTES] {
            for (length, fits) in [(LINE_BYTES_MAX - 1, true), (LINE_BYTES_MAX, false)] {
                let mut text = vec![b'a'; before];
                text.push(b'\n');
                text.extend(std::iter::repeat_n(b'b', length));
                text.extend(b"\nc\n");
                let (seen, end) = read_all(text.as_slice(), u64::MAX);
                assert_eq!(matches!(end, End::Whole), fits, "{before}, {length}: {end:?}");
                assert_eq!(seen.len(), if fits { 3 } else { 1 });
            }
        }
    }

    #[test]
    fn an_endless_line_and_an_endless_stream_stop() {
        let (_, end) = read_all(io::repeat(b'a'), u64::MAX);
        assert!(matches!(end, End::LineTooLong));
        let (seen, end) = read_all(io::repeat(b'\n'), 5 << 20);
        assert!(matches!(end, End::TooLarge));
        assert!(seen.len() <= (5 << 20) + READ_BYTES);
    }

    #[test]
    fn an_empty_stream_ends_whole() {
        let (seen, end) = read_all(io::empty(), 1);
        assert!(seen.is_empty() && matches!(end, End::Whole));
        assert_eq!((count_lines(b""), count_lines(b"a\nb\n"), count_lines(b"a\n\nb")), (0, 2, 3));
    }
}
