//! An export (`docs/FORMAT.md` section 7.5): one file with a whole ledger.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use indelible_core::code::Code;
use indelible_core::json::{Limits, Value, check_canonical, parse_string};
use indelible_core::limits::LINE_BYTES_MAX;
use indelible_core::name::Origin;

use crate::blocks::{Blocks, End, count_lines};
use crate::chunk::Contents;
use crate::findings::Finding;
use crate::vault::WINDOW_LOG_MAX;
use crate::verifier::{Item, Verifier};

/// What a Zstandard frame begins with, RFC 8878 section 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How the closing line begins.
const CLOSING: &[u8] = br#"{"checkpoint":"#;

/// Verifies an export and adds what it finds to the verifier's report.
pub(crate) fn verify(verifier: &mut Verifier, path: &Path) {
    let reader = match open(path) {
        Ok(reader) => reader,
        Err(error) => {
            return verifier.could_not_check("", &path.to_string_lossy(), &error.to_string());
        }
    };
    let mut blocks = Blocks::new(reader, u64::MAX);
    let mut block = Vec::new();
    let mut end = blocks.next(&mut block);
    let header_end = memchr::memchr(b'\n', &block).map_or(block.len(), |at| at + 1);
    let (header, rest) = block.split_at(header_end);
    let origin = match read_header(header) {
        Ok(origin) => origin,
        Err(why) => {
            let what = format!("this is no export: {why}");
            return verifier.find(Finding::new(Code::NotCanonical, what));
        }
    };
    verifier.begin_whole(&origin);
    verifier.expect(origin.ledger(), 0);
    let mut held = Held::default();
    held.hand_on(verifier, rest);
    while end.is_none() && !verifier.gave_up() {
        end = blocks.next(&mut block);
        held.hand_on(verifier, &block);
    }
    close(verifier, held.last, end);
}

type Reader = Box<dyn Read>;

fn open(path: &Path) -> io::Result<Reader> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not an export"));
    }
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut magic)?;
    let packed = magic == ZSTD_MAGIC;
    let whole = io::Cursor::new(magic).chain(file);
    if !packed {
        return Ok(Box::new(whole));
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::new(whole))?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(Box::new(decoder))
}

/// The ledger that the header names.
fn read_header(line: &[u8]) -> Result<Origin, String> {
    let line = line.strip_suffix(b"\n").ok_or("its first line has no end")?;
    let header =
        Value::parse_canonical(line, Limits::DOCUMENT).map_err(|error| error.to_string())?;
    let origin = header
        .get("export")
        .and_then(|export| export.get("origin"))
        .and_then(Value::as_str)
        .and_then(|origin| Origin::new(origin).ok())
        .ok_or("its first line names no origin")?;
    // One spelling: neither other members nor another ledger than the origin's.
    let ledger = origin.ledger();
    let expected = format!(r#"{{"export":{{"ledger":"{ledger}","origin":"{origin}"}},"v":1}}"#);
    if line == expected.as_bytes() {
        Ok(origin)
    } else {
        Err(format!("its first line is not {expected}"))
    }
}

/// The last line seen so far. Only the end of the file shows whether it is the closing one.
#[derive(Default)]
struct Held {
    last: Vec<u8>,
}

impl Held {
    fn hand_on(&mut self, verifier: &mut Verifier, block: &[u8]) {
        if block.is_empty() {
            return;
        }
        let body = block.strip_suffix(b"\n").unwrap_or(block);
        let cut = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
        let (lines, last) = block.split_at(cut);
        let mut chunk = core::mem::replace(&mut self.last, last.to_vec());
        chunk.extend_from_slice(lines);
        verifier.chunk(count_lines(&chunk), Contents::Lines(chunk));
    }
}

fn close(verifier: &mut Verifier, last: Vec<u8>, end: Option<End>) {
    let problem = match end {
        Some(End::Whole) if last.starts_with(CLOSING) => return close_with(verifier, &last),
        Some(End::Whole) => Some((
            Code::TailMissing,
            "the export ends without its closing line, so its end was cut off".to_owned(),
        )),
        Some(End::Unterminated) => Some((
            Code::TailMissing,
            "the export ends in the middle of a line, so its end was cut off".to_owned(),
        )),
        Some(End::LineTooLong | End::TooLarge) => Some((
            Code::NotCanonical,
            format!("a line has more than {LINE_BYTES_MAX} bytes; the rest was not read"),
        )),
        Some(End::Failed(error)) if error.raw_os_error().is_some() => {
            verifier.pass(Item::Unchecked("the rest of the export".to_owned(), error.to_string()));
            None
        }
        Some(End::Failed(error)) => {
            Some((Code::TailMissing, format!("the export cannot be unpacked further: {error}")))
        }
        // Given up, which is a finding already.
        None => None,
    };
    if matches!(problem, Some((Code::TailMissing, _))) && last.ends_with(b"\n") {
        verifier.chunk(1, Contents::Lines(last));
    }
    if let Some((code, what)) = problem {
        verifier.pass(Item::Finding(Finding::new(code, what)));
    }
    verifier.end_open();
}

fn close_with(verifier: &mut Verifier, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let members = check_canonical(line, Limits::DOCUMENT);
    let note = members.ok().filter(|members| members.len() == 1);
    match note.and_then(|members| members.get("checkpoint")).and_then(parse_string) {
        Some(note) => verifier.end(note.as_bytes()),
        None => {
            let what = "the closing line is not {\"checkpoint\":<note>} in canonical form";
            verifier.pass(Item::Finding(Finding::new(Code::NotCanonical, what)));
            verifier.end_open();
        }
    }
}
