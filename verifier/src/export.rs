//! An export (`docs/FORMAT.md` sections 7.5 and 8.4): one file with a whole ledger.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use indelible_core::code::{Code, UncheckedCode};
use indelible_core::json::{Limits, Value};
use indelible_core::limits::LINE_BYTES_MAX;
use indelible_core::name::Origin;

use crate::blocks::{Blocks, End};
use crate::findings::{Finding, Unchecked};
use crate::frames;
use crate::live::Session;
use crate::verifier::Verifier;

/// How the closing line begins.
const CLOSING: &[u8] = br#"{"checkpoint":"#;

/// The version of the header that is read here.
const VERSION: f64 = 1.0;

/// Verifies an export and adds what it finds to the verifier's report.
pub(crate) fn verify(verifier: &mut Verifier, path: &Path) {
    let reader = match open(path) {
        Ok(reader) => reader,
        Err(error) => return unreadable(verifier, path, &error),
    };
    let mut blocks = Blocks::new(reader, u64::MAX);
    let mut end = blocks.next();
    let block = blocks.block();
    let header_end = memchr::memchr(b'\n', block).map_or(block.len(), |at| at + 1);
    let (header, rest) = block.split_at(header_end);
    let origin = match read_header(header) {
        Ok(origin) => origin,
        Err(NoHeader::Finding(why)) => {
            if let Some(End::Failed(error)) = &end
                && error.raw_os_error().is_some()
            {
                return unreadable(verifier, path, error);
            }
            let what = format!("this is no export: {why}");
            return verifier.find(Finding::damage(Code::NotCanonical, what));
        }
        Err(NoHeader::Version(version)) => {
            let what = path.to_string_lossy().into_owned();
            let why = format!("it is an export of version {version}, which a newer program reads");
            return verifier.leave(Unchecked::new(UncheckedCode::VersionUnknown, what, why));
        }
    };
    let mut session = verifier.whole(&origin, None, 0);
    let mut held = Held::default();
    held.hand_on(&mut session, rest);
    while end.is_none() && !session.stopped() {
        end = blocks.next();
        held.hand_on(&mut session, blocks.block());
    }
    close(&mut session, held.last, end);
    session.finish();
}

fn unreadable(verifier: &mut Verifier, path: &Path, error: &io::Error) {
    let what = path.to_string_lossy().into_owned();
    verifier.leave(Unchecked::new(UncheckedCode::Unreadable, what, error.to_string()));
}

type Reader = Box<dyn Read>;

fn open(path: &Path) -> io::Result<Reader> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not an export"));
    }
    let mut begin = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut begin)?;
    let packed = frames::is_packed(&begin);
    let whole = io::Cursor::new(begin).chain(file);
    if packed { Ok(Box::new(frames::unpack(whole)?)) } else { Ok(Box::new(whole)) }
}

/// Why a line is not the header of an export.
enum NoHeader {
    Finding(String),
    Version(f64),
}

impl From<&str> for NoHeader {
    fn from(why: &str) -> Self {
        Self::Finding(why.to_owned())
    }
}

/// The ledger that the header names.
fn read_header(line: &[u8]) -> Result<Origin, NoHeader> {
    let line = line.strip_suffix(b"\n").ok_or("its first line has no end")?;
    let header = Value::parse_canonical(line, Limits::DOCUMENT)
        .map_err(|error| NoHeader::Finding(error.to_string()))?;
    let export = header.get("export").ok_or("its first line is not the header of one")?;
    match header.get("v").and_then(Value::as_f64) {
        Some(version) if version > VERSION && version.fract() == 0.0 => {
            return Err(NoHeader::Version(version));
        }
        _ => {}
    }
    let origin = export
        .get("origin")
        .and_then(Value::as_str)
        .and_then(|origin| Origin::new(origin).ok())
        .ok_or("its first line names no origin")?;
    // One spelling: neither other members nor another ledger than the origin's.
    let ledger = origin.ledger();
    let expected = format!(r#"{{"export":{{"ledger":"{ledger}","origin":"{origin}"}},"v":1}}"#);
    if line == expected.as_bytes() {
        Ok(origin)
    } else {
        Err(NoHeader::Finding(format!("its first line is not {expected}")))
    }
}

/// The last line seen so far. Only the end of the file shows whether it is the closing one.
#[derive(Default)]
struct Held {
    last: Vec<u8>,
}

impl Held {
    fn hand_on(&mut self, session: &mut Session<'_>, block: &[u8]) {
        if block.is_empty() {
            return;
        }
        let body = block.strip_suffix(b"\n").unwrap_or(block);
        let cut = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
        let (lines, last) = block.split_at(cut);
        let mut chunk = core::mem::replace(&mut self.last, last.to_vec());
        chunk.extend_from_slice(lines);
        session.lines(chunk);
    }
}

/// Judges how the file ended. `end` is `None` where it was not read to its end.
fn close(session: &mut Session<'_>, last: Vec<u8>, end: Option<End>) {
    let is_line = last.ends_with(b"\n");
    match end {
        Some(End::Whole) if last.starts_with(CLOSING) => close_with(session, &last),
        Some(End::Whole) => {
            let why = "it ends without its closing line, so its end was cut off";
            cut(session, last, is_line, why);
        }
        Some(End::Unterminated) => {
            cut(session, last, is_line, "it ends in the middle of a line, so its end was cut off");
        }
        Some(End::LineTooLong | End::TooLarge) => {
            session.lines(if is_line { last } else { Vec::new() });
            session.ledger.end.unknown = true;
            let what =
                format!("a line has more than {LINE_BYTES_MAX} bytes; the rest was not read");
            session.drain();
            let due = session.ledger.state.due;
            session.find(Finding::damage(Code::NotCanonical, what).at(due));
        }
        Some(End::Failed(error)) if error.raw_os_error().is_some() => {
            session.lines(if is_line { last } else { Vec::new() });
            session.drain();
            session.ledger.end.unknown = true;
            session.ledger.end.unseen = true;
            let (code, what) = (UncheckedCode::Unreadable, "the rest of the export");
            session.ledger.could_not_check(code, what, error.to_string());
        }
        Some(End::Failed(error)) => {
            cut(session, last, is_line, &format!("it cannot be unpacked further: {error}"));
        }
        // Too much is damaged, which is said already.
        None => {}
    }
}

/// The end of the file is missing. A last line that is whole is one of the ledger's.
fn cut(session: &mut Session<'_>, last: Vec<u8>, is_line: bool, why: &str) {
    session.lines(if is_line { last } else { Vec::new() });
    session.ledger.end.is_missing = true;
    session.find(Finding::damage(Code::TailMissing, format!("the export: {why}")));
}

fn close_with(session: &mut Session<'_>, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let closing = Value::parse_canonical(line, Limits::DOCUMENT).ok();
    let only = closing.filter(|value| value.as_object().is_some_and(|members| members.len() == 1));
    match only.as_ref().and_then(|value| value.get("checkpoint")?.as_str()) {
        Some(note) => session.close(note.as_bytes()),
        None => {
            let what = "the closing line is not {\"checkpoint\":<note>} in canonical form";
            session.find(Finding::damage(Code::NotCanonical, what));
        }
    }
}
