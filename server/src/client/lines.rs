//! Cutting a byte stream into lines without ever holding more than one long line.

use bytes::{Bytes, BytesMut};

/// A line was longer than the limit, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineTooLong(pub(super) usize);

/// Collects chunks and gives out whole lines.
#[derive(Debug)]
pub(super) struct LineBuffer {
    buffer: BytesMut,
    /// How far `buffer` has been searched for an LF, so that a long line is searched once.
    searched: usize,
    line_bytes_max: usize,
}

impl LineBuffer {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, line_bytes_max }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line, without its LF (or CR LF).
    pub(super) fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(found) = unsearched.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.buffer.len();
            return if self.searched > self.line_bytes_max {
                Err(LineTooLong(self.line_bytes_max))
            } else {
                Ok(None)
            };
        };
        let end = self.searched + found;
        self.searched = 0;
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        Ok(Some(line.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_wherever_the_chunks_were_cut() {
        let text = b"one\r\n\ntwo\nthree";
        for cut in 0..text.len() {
            let mut buffer = LineBuffer::new(100);
            let mut lines = Vec::new();
            for chunk in [&text[..cut], &text[cut..]] {
                buffer.push(chunk);
                while let Some(line) = buffer.next_line().unwrap() {
                    lines.push(line);
                }
            }
            assert_eq!(lines, [&b"one"[..], b"", b"two"], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut buffer = LineBuffer::new(3);
        buffer.push(b"abcd");
        assert_eq!(buffer.next_line(), Err(LineTooLong(3)));
    }
}
