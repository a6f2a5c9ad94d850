//! One segment and its manifest, checked by one worker without knowing its neighbours.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::Code;
use indelible_core::hash::Sha256Hash;
use indelible_core::limits::{LINE_BYTES_MAX, MANIFEST_BYTES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use indelible_core::manifest::Manifest;
use indelible_core::note::{NoteVerifyError, SignedNote};
use indelible_core::segment::{Run, SEGMENT_PACKED_BYTES_MAX, manifest_name};
use sha2::{Digest as _, Sha256};

use super::folder::{Folder, OpenError};
use crate::blocks::{Blocks, End};
use crate::context::Context;
use crate::findings::{Finding, Findings};
use crate::ledger::Vouched;
use crate::report::checkpoint_code;
use crate::stretch::{Before, Expected, Stretch, StretchCheck};

/// Largest window of a Zstandard frame as a power of two in bytes: the 8 MiB that RFC 8878 section
/// 3.1.1.1.2 asks every decoder to support. A frame that needs more is refused, as it would let a file
/// of a few bytes take gigabytes of memory.
pub(crate) const WINDOW_LOG_MAX: u32 = 23;

/// How much more than its manifest says a segment is unpacked, in bytes; see [`plain_bytes_max`].
const PLAIN_ROOM: u64 = 64 << 20;

/// How many lines more than its manifest says a segment is looked at; see [`lines_max`].
const LINES_ROOM: u64 = 1024;

/// What a worker is asked to check.
pub(crate) struct SegmentJob {
    pub(crate) folder: Arc<Folder>,
    /// The name of the folder, which is the name that the ledger must have.
    pub(crate) ledger: Arc<str>,
    pub(crate) run: Run,
    /// Whether no manifest follows.
    pub(crate) is_last: bool,
    /// Sizes of expected heads.
    pub(crate) marks: Arc<[u64]>,
}

/// What a worker found.
pub(crate) struct SegmentOutcome {
    pub(crate) run: Run,
    pub(crate) file: String,
    /// As it was read, trusted or not.
    pub(crate) manifest: Option<Manifest>,
    /// Whether the manifest is signed by a trusted key and speaks of this run of this ledger.
    pub(crate) trusted: bool,
    /// The manifest's checkpoint, where a trusted key signed it.
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) stretch: Option<Stretch>,
    pub(crate) findings: Findings,
    pub(crate) unchecked: Vec<(String, String)>,
}

impl SegmentOutcome {
    fn find(&mut self, code: Code, what: impl Into<String>) {
        let (first, last) = (self.run.first().get(), self.run.last().get());
        let finding = Finding::new(code, what).between(first, last);
        self.findings.push(finding.file(self.file.clone()));
    }

    /// What has one cause for many segments, such as a key that is not trusted.
    fn find_again(&mut self, code: Code, what: impl Into<String>) {
        let (first, last) = (self.run.first().get(), self.run.last().get());
        let finding = Finding::new(code, what).between(first, last);
        self.findings.push(finding.file(self.file.clone()).repeating());
    }

    /// What the manifest's signature vouches for.
    pub(crate) fn vouched(&self) -> Option<Vouched> {
        let manifest = self.manifest.as_ref().filter(|_| self.trusted)?;
        Some(Vouched { range: manifest.range().ok()?, last_digest: manifest.last_digest })
    }
}

/// Checks a manifest and its segment.
pub(crate) fn check(job: &SegmentJob, context: &Context) -> SegmentOutcome {
    let mut out = SegmentOutcome {
        run: job.run,
        file: manifest_name(job.run.first(), job.run.last()),
        manifest: None,
        trusted: false,
        checkpoint: None,
        stretch: None,
        findings: Findings::new(context.findings_max),
        unchecked: Vec::new(),
    };
    let note = match job.folder.read(&out.file, MANIFEST_BYTES_MAX) {
        Ok(note) if note.len() <= MANIFEST_BYTES_MAX => note,
        Ok(_) => {
            out.find(
                Code::ManifestInvalid,
                format!("it is larger than {MANIFEST_BYTES_MAX} bytes"),
            );
            return out;
        }
        Err(OpenError::Io(error)) => {
            out.unchecked.push((out.file.clone(), error.to_string()));
            return out;
        }
        Err(error) => {
            out.find(Code::ManifestInvalid, error.to_string());
            return out;
        }
    };
    read_manifest(&mut out, &note, job, context);
    if let Some(manifest) = out.manifest.take() {
        check_object(&mut out, &manifest, job, context);
        out.manifest = Some(manifest);
    }
    out
}

fn read_manifest(out: &mut SegmentOutcome, note: &[u8], job: &SegmentJob, context: &Context) {
    let parsed = SignedNote::parse(note).map_err(|error| error.to_string()).and_then(|note| {
        let manifest = Manifest::parse_text(note.text()).map_err(|error| error.to_string())?;
        Ok((note, manifest))
    });
    let (note, manifest) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let what = format!("it cannot be trusted, so its segment was not checked: {error}");
            return out.find(Code::ManifestInvalid, what);
        }
    };
    let origin = &manifest.origin;
    let keys = context.trust.keys_for(origin).map(|key| (origin.as_str(), key));
    out.trusted = match note.verify(keys) {
        Ok(_) => true,
        Err(error @ NoteVerifyError::UnknownKeys(_)) => {
            out.find_again(Code::KeyUnknown, format!("the manifest: {error}"));
            false
        }
        Err(error) => {
            out.find(Code::ManifestInvalid, error.to_string());
            false
        }
    };
    if *origin.ledger() != *job.ledger {
        let what = format!("it is of the ledger {:?}, not of its folder's", origin.ledger());
        out.find_again(Code::ManifestInvalid, what);
        out.trusted = false;
    }
    if manifest.run != job.run {
        let (first, last) = (manifest.run.first(), manifest.run.last());
        out.find(Code::ManifestInvalid, format!("it is of the records {first} to {last}"));
        out.trusted = false;
    }
    match Checkpoint::open(manifest.checkpoint.as_bytes(), origin, &context.trust) {
        Ok(checkpoint) => out.checkpoint = Some(checkpoint),
        Err(error) => {
            let what = format!("the manifest's checkpoint: {error}");
            out.find_again(checkpoint_code(&error), what);
        }
    }
    out.manifest = Some(manifest);
}

fn check_object(
    out: &mut SegmentOutcome,
    manifest: &Manifest,
    job: &SegmentJob,
    context: &Context,
) {
    let name = manifest.object_name();
    let (file, size) = match job.folder.file(&name) {
        Ok(opened) => opened,
        Err(OpenError::Io(error)) => return out.unchecked.push((name, error.to_string())),
        Err(error) => {
            return out.find(Code::SegmentMissing, format!("its segment {name}: {error}"));
        }
    };
    out.file = name;
    let check = StretchCheck::new(
        Expected {
            begin: manifest.run.first().get(),
            any_first_seq: false,
            before: Before::Digest(manifest.first_prev),
            ledger: manifest.origin.ledger(),
            origin: Some(&manifest.origin),
            marks: &job.marks,
            findings_max: context.findings_max,
            lines_max: lines_max(manifest),
        },
        &context.trust,
    );
    let read = match read_object(file, size, manifest, check) {
        Ok(read) => read,
        Err(error) => {
            return out.unchecked.push((out.file.clone(), error.to_string()));
        }
    };
    compare(out, manifest, &read, size);
    judge_end(out, manifest, &read, job);
    out.stretch = Some(read.stretch);
}

/// A segment that was read as far as possible.
struct ReadObject {
    stretch: Stretch,
    /// `None` where it was given up.
    end: Option<End>,
    packed: Sha256Hash,
    plain: Sha256Hash,
    plain_bytes: u64,
}

/// Plain bytes of a segment that are looked at. What the manifest says is not the measure: a record that
/// was edited into a longer one is to be named, not only the size. Nor is the format's limit alone, as a
/// few kilobytes can be unpacked to a gigabyte: who wants the reader to work through more has to say so
/// in the manifest, and then it is found there.
fn plain_bytes_max(manifest: &Manifest) -> u64 {
    manifest.plain.size.saturating_mul(2).saturating_add(PLAIN_ROOM).min(SEGMENT_PLAIN_BYTES_MAX)
}

/// Lines of a segment that are looked at, with room for records that were put in. One line again and
/// again packs to nearly nothing, and each has a signature to check.
fn lines_max(manifest: &Manifest) -> u64 {
    manifest.count().saturating_mul(2).saturating_add(LINES_ROOM)
}

/// Reads and checks a segment of `size` packed bytes. An error is one of the disk, not of the contents.
fn read_object(
    file: File,
    size: u64,
    manifest: &Manifest,
    mut check: StretchCheck<'_>,
) -> io::Result<ReadObject> {
    let packed = Packed::new(file.take(SEGMENT_PACKED_BYTES_MAX));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::new(packed))?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    let plain_max = plain_bytes_max(manifest);
    let mut blocks = Blocks::new(decoder, plain_max).hashing();
    let mut block = Vec::new();
    let end = loop {
        let end = blocks.next(&mut block);
        let go_on = check.block(&block);
        if end.is_some() || !go_on {
            break end;
        }
    };
    let plain_bytes = blocks.bytes();
    let (decoder, plain) = blocks.finish();
    let mut packed = decoder.finish().into_inner();
    if let Some(error) = packed.failed.take() {
        return Err(error);
    }
    // What the decoder did not want to see belongs to the file's hash all the same. A file of another
    // size has another hash, and it may be a sparse one without end.
    if size == manifest.packed.size {
        io::copy(&mut packed, &mut io::sink())?;
    }
    Ok(ReadObject { stretch: check.finish(), end, packed: packed.finish(), plain, plain_bytes })
}

/// Hashes what passes, and remembers whether it was the disk that failed and not the decoder.
struct Packed<R> {
    file: R,
    hash: Sha256,
    failed: Option<io::Error>,
}

impl<R: Read> Packed<R> {
    fn new(file: R) -> Self {
        Self { file, hash: Sha256::new(), failed: None }
    }

    fn finish(self) -> Sha256Hash {
        Sha256Hash(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(count) => {
                self.hash.update(buffer.get(..count).unwrap_or_default());
                Ok(count)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.failed = Some(io::Error::new(error.kind(), error.to_string()));
                }
                Err(error)
            }
        }
    }
}

/// Compares a segment of `size` packed bytes with what its manifest says of it.
fn compare(out: &mut SegmentOutcome, manifest: &Manifest, read: &ReadObject, size: u64) {
    let mut differs = Vec::new();
    let mut check = |same: bool, what: &'static str| {
        if !same {
            differs.push(what);
        }
    };
    let is_whole = matches!(read.end, Some(End::Whole | End::Unterminated));
    check(size == manifest.packed.size, "packed size");
    check(size != manifest.packed.size || read.packed == manifest.packed.sha256, "packed sha256");
    let stated = manifest.plain.size;
    check(read.plain_bytes == stated || (!is_whole && read.plain_bytes < stated), "plain size");
    if is_whole {
        check(read.plain == manifest.plain.sha256, "plain sha256");
        check(read.stretch.lines == manifest.count(), "count");
        check(read.stretch.last.stored == Some(manifest.last_digest), "last_digest");
        let named = manifest.keys.iter().map(|id| id.as_str());
        check(named.eq(read.stretch.key_ids.iter().map(String::as_str)), "keys");
    }
    if !differs.is_empty() {
        let differs = differs.join(", ");
        out.find(Code::ManifestInvalid, format!("manifest and segment differ in: {differs}"));
    }
}

/// Says why a segment ended where it should not.
fn judge_end(out: &mut SegmentOutcome, manifest: &Manifest, read: &ReadObject, job: &SegmentJob) {
    let last = job.run.last().get();
    let next = read.stretch.next_seq.min(last);
    let (code, what) = match &read.end {
        Some(End::Whole) if read.stretch.next_seq <= last => {
            let code = if job.is_last { Code::TailMissing } else { Code::SeqGap };
            (code, "the segment ends before the last record that its manifest names".to_owned())
        }
        Some(End::Whole) => return,
        Some(End::Unterminated) => {
            (Code::NotCanonical, "the segment's last line has no line feed".to_owned())
        }
        Some(End::LineTooLong) => (
            Code::NotCanonical,
            format!("a line has more than {LINE_BYTES_MAX} bytes; the rest was not read"),
        ),
        Some(End::TooLarge) => (
            Code::ManifestInvalid,
            "the segment unpacks to far more than its manifest says; the rest was not read"
                .to_owned(),
        ),
        Some(End::Failed(error)) => {
            (Code::ManifestInvalid, format!("the segment cannot be unpacked further: {error}"))
        }
        None if read.stretch.lines >= lines_max(manifest) => (
            Code::ManifestInvalid,
            "the segment has far more lines than its manifest says; the rest was not read"
                .to_owned(),
        ),
        None => (
            Code::NotCanonical,
            "so many lines are no records that the segment was given up".to_owned(),
        ),
    };
    let finding = Finding::new(code, what).between(next, last);
    out.findings.push(finding.file(out.file.clone()));
}
