//! Cutting a body into lines as its frames arrive, copying only lines that cross two frames.

use memchr::memchr;

use crate::http::envelope::ENVELOPE_BYTES_MAX;

/// Longest line in bytes. It bounds what one client can make the server hold of a line without an end.
pub(super) const LINE_BYTES_MAX: usize = ENVELOPE_BYTES_MAX;

/// Bytes of a line over its limit that are skipped in the hope of its end: what a single oversized event
/// takes. A line without an end ends the request.
const SKIPPED_BYTES_MAX: usize = 8 * LINE_BYTES_MAX;

/// What is kept between frames.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not arrived.
    begun: Vec<u8>,
    /// The line that is arriving was given up because of its length; its rest is skipped.
    skipping: bool,
    /// Bytes of it that were skipped.
    skipped: usize,
}

/// One line of the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Its bytes without the LF.
    Whole(&'a [u8]),
    /// It was longer than [`LINE_BYTES_MAX`].
    TooLong,
}

impl Lines {
    /// Whether a line has begun and not ended.
    pub(super) fn is_within_line(&self) -> bool {
        self.skipping || !self.begun.is_empty()
    }

    /// Bytes held of a line that has not ended.
    pub(super) fn held(&self) -> usize {
        self.begun.capacity()
    }

    /// Whether the line that is arriving is so long that it has no end.
    pub(super) fn is_endless(&self) -> bool {
        self.skipped > SKIPPED_BYTES_MAX
    }

    /// The next line of `frame`, which is shortened by what was taken; `None` when it has no more, its
    /// rest being kept for the next frame.
    ///
    /// The line is handed to `take` because it may lie in the frame or in this buffer.
    pub(super) fn next<R>(
        &mut self,
        frame: &mut &[u8],
        take: impl FnOnce(Line<'_>) -> R,
    ) -> Option<R> {
        let Some(end) = memchr(b'\n', frame) else {
            self.keep(frame);
            *frame = &[];
            return None;
        };
        let (line, rest) = frame.split_at(end);
        *frame = rest.get(1..).unwrap_or_default();
        if std::mem::take(&mut self.skipping) {
            self.skipped = 0;
            return Some(take(Line::TooLong));
        }
        if self.begun.is_empty() {
            return Some(take(whole(line)));
        }
        if self.begun.len() + line.len() <= LINE_BYTES_MAX {
            self.begun.extend_from_slice(line);
            let result = take(whole(&self.begun));
            self.begun.clear();
            return Some(result);
        }
        self.begun = Vec::new();
        Some(take(Line::TooLong))
    }

    /// The last line, if the body ends without an LF.
    pub(super) fn last<R>(&mut self, take: impl FnOnce(Line<'_>) -> R) -> Option<R> {
        if std::mem::take(&mut self.skipping) {
            return Some(take(Line::TooLong));
        }
        let line = std::mem::take(&mut self.begun);
        (!line.is_empty()).then(|| take(whole(&line)))
    }

    fn keep(&mut self, part: &[u8]) {
        if self.skipping {
            self.skipped += part.len();
            return;
        }
        if self.begun.len() + part.len() > LINE_BYTES_MAX {
            self.begun = Vec::new();
            self.skipping = true;
        } else {
            self.begun.extend_from_slice(part);
        }
    }
}

fn whole(line: &[u8]) -> Line<'_> {
    if line.len() > LINE_BYTES_MAX { Line::TooLong } else { Line::Whole(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(frames: &[&[u8]]) -> Vec<Result<Vec<u8>, ()>> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut take = |line: Line<'_>| {
            found.push(match line {
                Line::Whole(bytes) => Ok(bytes.to_vec()),
                Line::TooLong => Err(()),
            });
        };
        for frame in frames {
            let mut frame = *frame;
            while lines.next(&mut frame, &mut take).is_some() {}
        }
        lines.last(&mut take);
        found
    }

    #[test]
    fn lines_are_the_same_wherever_the_frames_are_cut() {
        let body = b"one\ntwo\n\nthree\r\nfour";
        let expected = cut(&[body]);
        assert_eq!(expected.len(), 5);
        assert_eq!(expected.last(), Some(&Ok(b"four".to_vec())));
        for first in 0..body.len() {
            for second in first..body.len() {
                assert_eq!(cut(&[&body[..first], &body[first..second], &body[second..]]), expected);
            }
        }
    }

    #[test]
    fn a_line_without_end_is_given_up_and_the_next_is_found() {
        let chunk = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        let ok = |text: &[u8]| Ok(text.to_vec());
        assert_eq!(cut(&[b"a\n", &chunk, &chunk, &chunk, b"\nb\n"]), [ok(b"a"), Err(()), ok(b"b")]);
        assert_eq!(cut(&[&chunk, &chunk]), [Err(())]);
        let joined = [&chunk[..], &chunk, b"\nb"].concat();
        assert_eq!(cut(&[&joined]), [Err(()), ok(b"b")]);
        assert_eq!(cut(&[&chunk, &joined[chunk.len()..]]), [Err(()), ok(b"b")]);
    }
}
