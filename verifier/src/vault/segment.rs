//! One segment and its manifest, read by one worker without knowing its neighbours.

use std::fs::File;
use std::io::{self, BufRead as _, Read};
use std::sync::Arc;

use indelible_core::hash::Sha256Hash;
use indelible_core::key::Trust;
use indelible_core::limits::SEGMENT_PLAIN_BYTES_MAX;
use indelible_core::manifest::Manifest;
use indelible_core::segment::{Run, SEGMENT_PACKED_BYTES_MAX};
use sha2::{Digest as _, Sha256};

use super::folder::{Folder, OpenError};
use super::manifest::{self, Spoilt, Stated};
use crate::blocks::{Blocks, End};
use crate::frames;
use crate::lines::{Batch, Before, Expected, Reader};
use crate::signatures::KeyBytes;

/// How much more than its manifest says a segment is unpacked, in bytes; see [`plain_bytes_max`].
const PLAIN_ROOM: u64 = 64 << 20;

/// How many lines more than its manifest says a segment is looked at; see [`lines_max`].
const LINES_ROOM: u64 = 1024;

/// What a worker is asked to read.
pub(crate) struct SegmentJob {
    pub(crate) folder: Arc<Folder>,
    pub(crate) run: Run,
    /// Sizes of heads.
    pub(crate) marks: Arc<[u64]>,
    pub(crate) trust: Arc<Trust>,
}

/// What a worker read.
pub(crate) struct SegmentOutcome {
    pub(crate) run: Run,
    pub(crate) manifest: Result<Box<Stated>, Box<Spoilt>>,
    pub(crate) object: Object,
}

/// What became of a segment's file.
pub(crate) enum Object {
    /// It was not asked for.
    NotRead,
    /// It is not there, or is no regular file.
    Missing {
        name: String,
        why: String,
    },
    /// The system does not give it.
    Unreadable {
        name: String,
        why: String,
    },
    Read(Box<ReadObject>),
}

/// A segment that was read as far as possible.
pub(crate) struct ReadObject {
    pub(crate) name: String,
    pub(crate) batch: Batch,
    /// Why its lines end; `None` where the rest was not looked at.
    pub(crate) end: Option<End>,
    /// What of the packed file is not as stated.
    pub(crate) packed_differs: Vec<&'static str>,
    /// What of the whole is not as stated, where the whole was read.
    pub(crate) plain_differs: Vec<&'static str>,
}

impl SegmentOutcome {
    /// Plain bytes of lines that were read.
    pub(crate) fn bytes(&self) -> u64 {
        if let Object::Read(read) = &self.object { read.batch.bytes } else { 0 }
    }

    fn spoilt(run: Run, spoilt: Box<Spoilt>) -> Self {
        Self { run, manifest: Err(spoilt), object: Object::NotRead }
    }
}

/// Reads a manifest and its segment.
pub(crate) fn check(job: &SegmentJob) -> SegmentOutcome {
    let (manifest, stated) = match manifest::read(&job.folder, job.run, &job.trust) {
        Ok(read) => read,
        Err(spoilt) => return SegmentOutcome::spoilt(job.run, spoilt),
    };
    // One of another run is spoilt, whatever its segment holds.
    let object = if manifest.run == job.run { object(job, &manifest) } else { Object::NotRead };
    SegmentOutcome { run: job.run, manifest: Ok(Box::new(stated)), object }
}

fn object(job: &SegmentJob, manifest: &Manifest) -> Object {
    let name = manifest.object_name();
    let (file, size) = match job.folder.file(&name) {
        Ok(opened) => opened,
        Err(OpenError::Io(error)) => return Object::Unreadable { name, why: error.to_string() },
        Err(error) => return Object::Missing { name, why: error.to_string() },
    };
    match read(file, size, manifest, job) {
        Ok(read) => Object::Read(Box::new(ReadObject { name, ..read })),
        Err(error) => Object::Unreadable { name, why: error.to_string() },
    }
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
fn read(file: File, size: u64, manifest: &Manifest, job: &SegmentJob) -> io::Result<ReadObject> {
    let origin = &manifest.origin;
    let stranger =
        |key: &KeyBytes| !job.trust.keys_for(origin).any(|trusted| trusted.as_bytes() == key);
    let next = manifest.run.last().get().saturating_add(1);
    let marks: Vec<u64> = job.marks.iter().copied().filter(|mark| *mark <= next).collect();
    let mut reader = Reader::new(Expected {
        begin: manifest.run.first().get(),
        before: manifest.first_prev.map_or(Before::Nothing, Before::Stated),
        origin,
        marks: &marks,
        lines_max: lines_max(manifest),
        stranger: &stranger,
    })
    .hashing();
    let packed = Packed::new(file.take(SEGMENT_PACKED_BYTES_MAX));
    let mut blocks = Blocks::in_place(frames::unpack(packed)?, plain_bytes_max(manifest));
    let end = loop {
        let end = blocks.next();
        let mut block = blocks.block();
        let mut remnant = &block[..0];
        if matches!(end, Some(End::Unterminated)) {
            // What has no end is no line.
            (block, remnant) = block.split_at(memchr::memrchr(b'\n', block).map_or(0, |at| at + 1));
        }
        let go_on = reader.block(block);
        if matches!(end, Some(End::Unterminated)) {
            reader.remnant(remnant);
        }
        if end.is_some() || !go_on {
            break end.filter(|_| go_on);
        }
    };
    let plain_bytes = blocks.bytes();
    let decoder = blocks.into_stream();
    let mut packed = decoder.finish().into_inner();
    // What the decoder did not want to see belongs to the file's hash all the same. A file of another
    // size has another hash, and it may be a sparse one without end.
    let begun = packed.buffer().len();
    packed.consume(begun);
    let mut packed = packed.into_inner();
    if size == manifest.packed.size && packed.failed.is_none() {
        io::copy(&mut packed, &mut io::sink())?;
    }
    if let Some(error) = packed.failed.take() {
        return Err(error);
    }
    let plain = reader.take_hash();
    let batch = reader.finish();
    let whole = matches!(end, Some(End::Whole | End::Unterminated)) && !batch.more;
    let plain_differs =
        if whole { compare_plain(manifest, &batch, plain_bytes, &plain) } else { Vec::new() };
    let packed_differs = compare_packed(manifest, size, &packed.finish());
    Ok(ReadObject { name: String::new(), batch, end, packed_differs, plain_differs })
}

fn compare_packed(manifest: &Manifest, size: u64, hash: &Sha256Hash) -> Vec<&'static str> {
    let stated = &manifest.packed;
    if size != stated.size {
        vec!["packed size"]
    } else if *hash != stated.sha256 {
        vec!["packed sha256"]
    } else {
        Vec::new()
    }
}

/// Compares a segment that was read as a whole with what its manifest says of it.
fn compare_plain(
    manifest: &Manifest,
    batch: &Batch,
    bytes: u64,
    hash: &Sha256Hash,
) -> Vec<&'static str> {
    let last = batch.lines.last().and_then(|lines| lines.what.as_ref().ok());
    let mut keys: Vec<KeyBytes> = batch.keys.clone();
    keys.sort_unstable();
    let stated_keys = manifest.keys.iter().filter_map(|id| id.public_key());
    let checks = [
        ("plain size", bytes == manifest.plain.size),
        ("plain sha256", *hash == manifest.plain.sha256),
        ("count", batch.count == manifest.count()),
        ("last_digest", last.is_some_and(|last| last.digest == manifest.last_digest)),
        ("keys", stated_keys.eq(keys)),
    ];
    checks.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
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
