//! The records of a single file: an export, a segment, a receipt.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use indelible_core::json::{CanonicalObject, Limits, parse_string};
use indelible_core::limits::RECEIPT_FILE_BYTES_MAX;
use indelible_core::name::Origin;
use indelible_core::note::without_byte_order_mark;
use indelible_core::record::RecordView;

use super::lines::{self, Whence};
use super::{Entry, Seen, Walk};
use crate::frames::{is_packed, unpack};

/// Bytes of a file's beginning by which its kind is told, and in which an export's header fits: two
/// names of at most 128 and 255 bytes.
const PEEK_BYTES: u64 = 4096;

pub(super) fn walk(path: &Path, walk: &mut Walk<'_>) -> io::Result<ControlFlow<()>> {
    let mut file = File::open(path)?;
    let name = path.display().to_string();
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(PEEK_BYTES).read_to_end(&mut head)?;
    if is_packed(head.get(..4).unwrap_or_default()) {
        return of_lines(unpack(io::Cursor::new(head).chain(file))?, &name, walk);
    }
    let room = (RECEIPT_FILE_BYTES_MAX as u64 + 1).saturating_sub(head.len() as u64);
    Read::by_ref(&mut file).take(room).read_to_end(&mut head)?;
    if head.len() <= RECEIPT_FILE_BYTES_MAX
        && let Some(flow) = receipt(&head, walk)
    {
        return Ok(flow);
    }
    if !begins_with_lines(&head) {
        let what = "it is no vault, no export, no segment and no receipt";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    of_lines(io::Cursor::new(head).chain(file), &name, walk)
}

/// Whether one of the first two lines begins as lines of an export do. One of the two may be damaged.
fn begins_with_lines(head: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 4] =
        [br#"{"export":"#, br#"{"alg":""#, br#"{"certificates":["#, br#"{"digest":""#];
    let mut first_two = head.split(|byte| *byte == b'\n').take(2);
    first_two.any(|line| BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)))
}

fn of_lines(mut plain: impl Read, file: &str, walk: &mut Walk<'_>) -> io::Result<ControlFlow<()>> {
    let mut head = Vec::new();
    // A stream that failed may seem to be at its end afterwards, so the failure is kept.
    let failed = Read::by_ref(&mut plain).take(PEEK_BYTES).read_to_end(&mut head).err();
    let ledger = ledger_of(&head).unwrap_or_default();
    if !ledger.is_empty() && !walk.wanted.wants(&ledger) {
        return Ok(ControlFlow::Continue(()));
    }
    let whence = Whence { file, ledger: &ledger, begin: 0, export: true };
    let head = io::Cursor::new(head);
    Ok(match failed {
        Some(error) => lines::walk(head.chain(Failed(Some(error))), u64::MAX, &whence, walk),
        None => lines::walk(head.chain(plain), u64::MAX, &whence, walk),
    })
}

/// Fails as a stream before it did.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// The ledger that an export's header names.
fn ledger_of(head: &[u8]) -> Option<String> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let header = CanonicalObject::parse(line, Limits::DOCUMENT).ok()?;
    let export = CanonicalObject::parse(header.get("export")?, Limits::DOCUMENT).ok()?;
    let origin = Origin::new(&parse_string(export.get("origin")?)?).ok()?;
    Some(origin.ledger().to_owned())
}

/// `None` where the bytes are no receipt.
fn receipt(bytes: &[u8], walk: &mut Walk<'_>) -> Option<ControlFlow<()>> {
    let limits = Limits { bytes_max: RECEIPT_FILE_BYTES_MAX, ..Limits::DOCUMENT };
    let receipt = CanonicalObject::parse(without_byte_order_mark(bytes), limits).ok()?;
    let text = |name: &str| receipt.get(name).and_then(parse_string);
    let (bytes, _) = (receipt.get("record")?, receipt.get("checkpoint")?);
    let record = match RecordView::parse(bytes) {
        Ok(record) => record,
        Err(error) => {
            let why = error.to_string();
            return Some(walk.see(Seen::Damaged { ledger: "", due: 0, bytes, why }));
        }
    };
    if !walk.wanted.wants(record.ledger) {
        return Some(ControlFlow::Continue(()));
    }
    let (digest, signed_by) = (text("digest").unwrap_or_default(), text("kid"));
    let due = record.seq.get();
    Some(walk.see(Seen::Record(Entry {
        record,
        digest: &digest,
        signed_by: signed_by.as_deref(),
        due,
    })))
}
