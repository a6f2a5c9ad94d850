//! Lines out of a stream, in blocks of whole lines, in bounded memory.

use std::io::{self, Read};

use indelible_core::limits::LINE_BYTES_MAX;

/// A block that goes to a worker ends with the first line that reaches this size in bytes: about 1,500
/// records of 512 bytes, enough for a bulk signature check and little enough to have several in memory.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;

/// The same for a block that is looked at where it was unpacked. It is so small that it stays in the
/// processor's own memory until then; signatures wait for each other longer than for its end.
pub(crate) const BLOCK_BYTES_IN_PLACE: usize = 256 << 10;

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
    /// The block, what was read behind it, and room. Filled again and again, so that memory is cleared once.
    buffer: Vec<u8>,
    /// Where the block ends in `buffer`.
    end: usize,
    /// Where what was read ends in `buffer`.
    filled: usize,
    block_bytes: usize,
    bytes: u64,
    bytes_max: u64,
}

impl<R: Read> Blocks<R> {
    /// Reads at most `bytes_max` from `stream`.
    pub(crate) fn new(stream: R, bytes_max: u64) -> Self {
        let buffer = Vec::new();
        Self { stream, buffer, end: 0, filled: 0, block_bytes: BLOCK_BYTES, bytes: 0, bytes_max }
    }

    /// The same in blocks that are looked at in place.
    pub(crate) fn in_place(stream: R, bytes_max: u64) -> Self {
        Self { block_bytes: BLOCK_BYTES_IN_PLACE, ..Self::new(stream, bytes_max) }
    }

    /// The block: whole lines, and at the end of the stream perhaps the beginning of one.
    pub(crate) fn block(&self) -> &[u8] {
        self.buffer.get(..self.end).unwrap_or_default()
    }

    /// Goes on to the next block of whole lines. `Some` when nothing follows this block.
    pub(crate) fn next(&mut self) -> Option<End> {
        self.buffer.copy_within(self.end..self.filled, 0);
        self.filled -= self.end;
        // Behind the last whole line; what was carried over has none.
        self.end = 0;
        loop {
            if self.filled >= self.block_bytes && self.end > 0 {
                return None;
            }
            let before = self.filled;
            if before >= LINE_BYTES_MAX && self.end == 0 {
                return Some(End::LineTooLong);
            }
            match self.fill() {
                Ok(0) if self.end == before => return Some(End::Whole),
                Ok(0) => {
                    self.end = before;
                    return Some(End::Unterminated);
                }
                Ok(_) if self.bytes > self.bytes_max => return Some(End::TooLarge),
                Ok(_) => {}
                Err(error) => return Some(End::Failed(error)),
            }
            let fresh = self.buffer.get(before..self.filled).unwrap_or_default();
            if memchr::memchr(b'\n', fresh)
                .is_some_and(|at| before + at - self.end >= LINE_BYTES_MAX)
            {
                // Its end came with the same read that made it too long.
                return Some(End::LineTooLong);
            }
            if let Some(at) = memchr::memrchr(b'\n', fresh) {
                self.end = before + at + 1;
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let room = self.filled + READ_BYTES;
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let read = loop {
            match self.stream.read(self.buffer.get_mut(self.filled..room).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.filled += read;
        self.bytes += read as u64;
        Ok(read)
    }

    /// How many plain bytes were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The stream, wherever it is.
    pub(crate) fn into_stream(self) -> R {
        self.stream
    }
}

/// The lines of a block with their LFs. The last one may have none.
pub(crate) fn lines_with_ends(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    core::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// The lines of a block without their LFs. The last one may have had none.
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines_with_ends(block).map(|line| line.strip_suffix(b"\n").unwrap_or(line))
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
        let mut seen = Vec::new();
        loop {
            let end = blocks.next();
            assert!(blocks.buffer.len() <= LINE_BYTES_MAX + 2 * READ_BYTES);
            seen.extend(lines(blocks.block()).map(<[u8]>::to_vec));
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
