//! Records out of a stream of lines.

use std::io::Read;
use std::ops::ControlFlow;

use indelible_core::limits::LINE_BYTES_MAX;
use indelible_core::record::RecordView;
use indelible_core::segment::Line;

use super::{Entry, Seen, Walk};
use crate::blocks::{Blocks, End, lines};

/// What the first line of an export begins with.
const HEADER: &[u8] = br#"{"export":"#;

/// What the last line of an export begins with.
const CLOSING: &[u8] = br#"{"checkpoint":"#;

/// Where the lines stand.
pub(super) struct Whence<'a> {
    /// The file, as it is spoken of.
    pub(super) file: &'a str,
    /// The ledger, where something beside the lines names it.
    pub(super) ledger: &'a str,
    /// The number of the first record.
    pub(super) begin: u64,
    /// Whether the first line may be the header of an export and the last one its closing line.
    pub(super) export: bool,
}

/// Every line of a stream of at most `bytes_max`.
pub(super) fn walk(
    stream: impl Read,
    bytes_max: u64,
    whence: &Whence<'_>,
    walk: &mut Walk<'_>,
) -> ControlFlow<()> {
    let bytes_max = bytes_max.min(walk.bytes_left);
    let mut blocks = Blocks::new(stream, bytes_max);
    let before = walk.bytes_left;
    let (mut due, mut is_first) = (whence.begin, true);
    loop {
        let end = blocks.next();
        walk.bytes_left = before.saturating_sub(blocks.bytes());
        for line in lines(blocks.block()) {
            let frame = whence.export
                && (is_first && line.starts_with(HEADER) || line.starts_with(CLOSING));
            is_first = false;
            if !frame {
                due = one(line, due, whence.ledger, walk)?;
            }
        }
        let why = match end {
            None => continue,
            Some(End::Whole) => return ControlFlow::Continue(()),
            Some(End::Unterminated) => "it ends in the middle of a line".to_owned(),
            Some(End::LineTooLong) => {
                format!("a line has more than {LINE_BYTES_MAX} bytes; the rest was not read")
            }
            Some(End::TooLarge) => {
                format!("it holds more than {bytes_max} bytes; the rest was not read")
            }
            Some(End::Failed(error)) => format!("it cannot be read further: {error}"),
        };
        return walk.unread(whence.file, why);
    }
}

/// One line; answers with the number that is due next.
fn one(line: &[u8], due: u64, ledger: &str, walk: &mut Walk<'_>) -> ControlFlow<(), u64> {
    let damaged = |bytes, why| Seen::Damaged { ledger, due, bytes, why };
    let seen = match Line::parse(line) {
        Err(error) => damaged(line, error.to_string()),
        Ok(parsed) => match RecordView::parse(parsed.record) {
            Err(error) => damaged(parsed.record, error.to_string()),
            Ok(record) => {
                let next = record.seq.get() + 1;
                let signed_by = parsed.signature.map(|(key_id, _)| key_id);
                let digest = parsed.digest.to_hex();
                walk.see(Seen::Record(Entry { record, digest: &digest, signed_by, due }))?;
                return ControlFlow::Continue(next);
            }
        },
    };
    walk.see(seen)?;
    ControlFlow::Continue(due.saturating_add(1))
}
