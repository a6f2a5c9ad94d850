//! What is known of a batch of lines without knowing what comes before or after it.
//!
//! This is the hot path: layout, canonical form, digest, signature and leaf of each line are checked
//! here, by any worker. Nothing is judged yet: [`crate::replay`] goes through the result line by line, in
//! order, so that what is said never depends on how the lines were cut into batches. Lines that follow
//! each other and of which there is nothing else to say are put together, so it has little to do.

use indelible_core::chain::{record_digest, record_digest_beside};
use indelible_core::code::Code;
use indelible_core::ed25519::BULK_CHUNK;
use indelible_core::encoding::unhex;
use indelible_core::hash::{Digest, Sha256Hash};
use indelible_core::key::Signature;
use indelible_core::merkle::{CompactRange, leaf_hash};
use indelible_core::name::{Origin, Seq};
use indelible_core::record::{Body, RecordView, judge};
use indelible_core::segment::Line;
use indelible_core::sha256::Sha256Stream;
use indelible_core::system::{Creation, Principals, System};
use indelible_core::time::Timestamp;

use crate::blocks;
use crate::limits::{DAMAGED_LINES_MAX, cut};
use crate::signatures::{KeyBytes, Signatures};

/// Lines that may wait for the check of their signatures: four times what goes into one equation.
const WAITING_LINES_MAX: usize = 4 * BULK_CHUNK;

/// The digest in the line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// There is no line before: record 0.
    Nothing,
    /// This one is stated.
    Stated(Digest),
    /// The line before has not the layout of a line.
    Lost,
}

impl Before {
    /// What is hashed behind a record; `None` where it is lost.
    fn prev(&self) -> Option<Option<&Digest>> {
        match self {
            Self::Nothing => Some(None),
            Self::Stated(digest) => Some(Some(digest)),
            Self::Lost => None,
        }
    }
}

/// What a batch is measured by.
pub(crate) struct Expected<'a> {
    /// Number of the first leaf, which is that of the first record where everything is in its place.
    pub(crate) begin: u64,
    pub(crate) before: Before,
    pub(crate) origin: &'a Origin,
    /// Sizes of the tree at which its frontier is asked for.
    pub(crate) marks: &'a [u64],
    /// Lines to look at.
    pub(crate) lines_max: u64,
    /// Whether a key is surely not trusted, so that its lines are all damaged.
    pub(crate) stranger: &'a dyn Fn(&KeyBytes) -> bool,
}

/// How a line's stated digest stands to its record and the line before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is the hash of the record and the digest stated before.
    Follows,
    /// It is the hash of the record and what the record before really leads to.
    FollowsRecomputed,
    /// It is neither.
    Differs,
    /// The digest before is lost.
    Unknown,
    /// It does not follow the digest stated before, and what that record leads to is not known in this
    /// batch: the record, for whoever knows.
    Open(Box<[u8]>),
}

/// Who signed a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The number of the key in the batch.
    pub(crate) key: u32,
    /// Whether the signature fits.
    pub(crate) fits: bool,
}

/// What there is to say of a record by itself. Of most there is nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Remarks {
    /// It has not the form of a record.
    pub(crate) form: Option<String>,
    /// It is of another ledger.
    pub(crate) other_ledger: Option<String>,
    /// It may not stand there, or a system object has not its form.
    pub(crate) fault: Option<(Code, String)>,
    /// Its kind is not known.
    pub(crate) kind: Option<String>,
    /// It has the form of a creation and the number 0.
    pub(crate) creation: Option<Creation>,
}

/// A line that has the layout, or several that continue each other: ascending numbers, times that do not
/// go back, digests that follow, the same signer, as much said of who wrote them, and no remark.
#[derive(Debug)]
pub(crate) struct Record {
    /// Number of the first; `None` where the form of the record is bad.
    pub(crate) seq: Option<u64>,
    /// Time of the first and the last.
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    /// The stated digest of the last.
    pub(crate) digest: Digest,
    /// How the first stands to the line before.
    pub(crate) link: Link,
    /// `None` where they carry no signature.
    pub(crate) signer: Option<Signer>,
    /// How much each says of who wrote it; `None` of system records and where the form is bad.
    pub(crate) principals: Option<Principals>,
    pub(crate) remarks: Option<Box<Remarks>>,
}

/// One line, or several of which the same is to be said.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) count: u64,
    /// Why it has not the layout of a line, or what it is.
    pub(crate) what: Result<Record, Box<str>>,
    /// The leaves of the batch up to here, where a head may have that size.
    pub(crate) mark: Option<Box<CompactRange>>,
}

/// Everything that is known of a batch.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<Lines>,
    /// The keys that signed, by their numbers.
    pub(crate) keys: Vec<KeyBytes>,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    /// The leaves, numbered from `begin` in the order of the lines.
    pub(crate) range: CompactRange,
    /// What the last record leads to, where that is not what its line states.
    pub(crate) recomputed: Option<Digest>,
    /// Whether there are more lines than were to be looked at.
    pub(crate) more: bool,
}

/// Reads the lines of a batch one after the other.
pub(crate) struct Reader<'a> {
    expected: Expected<'a>,
    /// The hash of everything that was looked at, where it is wanted.
    hash: Option<Sha256Stream>,
    signatures: Signatures,
    /// Lines whose signatures still wait, and whether each has a finding already.
    waiting: Vec<(Lines, bool)>,
    out: Batch,
    before: Before,
    /// Whether the line before is one of this batch, so that `out.recomputed` is known.
    has_before: bool,
    /// Lines that have a finding for sure.
    damaged: u64,
    next_seq: Option<u64>,
    next_time: Option<Timestamp>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(expected: Expected<'a>) -> Self {
        let out = Batch {
            lines: Vec::new(),
            keys: Vec::new(),
            count: 0,
            bytes: 0,
            range: CompactRange::new(expected.begin),
            recomputed: None,
            more: false,
        };
        let before = expected.before;
        Self {
            expected,
            hash: None,
            signatures: Signatures::default(),
            waiting: Vec::new(),
            out,
            before,
            has_before: false,
            damaged: 0,
            next_seq: None,
            next_time: None,
        }
    }

    /// The same, hashing every line that is looked at, and the remnant.
    pub(crate) fn hashing(self) -> Self {
        Self { hash: Some(Sha256Stream::new()), ..self }
    }

    /// The hash of everything that was looked at; of nothing, where it is not wanted.
    pub(crate) fn take_hash(&mut self) -> Sha256Hash {
        Sha256Hash(self.hash.take().unwrap_or_default().finish())
    }

    /// Takes all lines of a block; `false` when no more is to be looked at.
    pub(crate) fn block(&mut self, block: &[u8]) -> bool {
        self.out.bytes += block.len() as u64;
        blocks::lines_with_ends(block).all(|line| self.line(line))
    }

    /// Something stands behind the lines that is no whole line.
    pub(crate) fn remnant(&mut self, remnant: &[u8]) {
        self.hash(remnant);
        self.out.more |= self.out.count >= self.expected.lines_max;
    }

    /// Takes a line with its LF.
    fn line(&mut self, whole: &[u8]) -> bool {
        if !self.has_room() {
            return false;
        }
        match Line::parse(whole.strip_suffix(b"\n").unwrap_or(whole)) {
            Ok(Line { record, digest, signature }) => {
                let signature = signature.and_then(|(kid, sig)| Some((key_bytes(kid)?, sig)));
                let recomputed = self.recompute(record, whole);
                self.record(record, digest, recomputed, signature);
            }
            Err(error) => {
                self.hash(whole);
                self.no_line(&error.to_string());
            }
        }
        true
    }

    fn hash(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
    }

    /// What a record and the line before lead to, where that is known. Hashes the line too.
    fn recompute(&mut self, record: &[u8], line: &[u8]) -> Option<Digest> {
        let prev = self.before.prev();
        let Some(hash) = &mut self.hash else {
            return prev.map(|prev| record_digest(record, prev));
        };
        if prev.is_none() {
            hash.update(line);
        }
        prev.map(|prev| record_digest_beside(record, prev, hash, line))
    }

    fn has_room(&mut self) -> bool {
        self.out.more |= self.out.count >= self.expected.lines_max;
        !self.out.more && self.damaged < DAMAGED_LINES_MAX
    }

    fn no_line(&mut self, why: &str) {
        self.damaged += 1;
        self.before = Before::Lost;
        self.has_before = true;
        self.out.recomputed = None;
        self.next_seq = None;
        self.push(Err(cut(why).into()), true);
    }

    /// Takes a record with the digest and signature that stand beside it; `false` as [`Self::block`].
    pub(crate) fn stored(
        &mut self,
        record: &[u8],
        digest: Digest,
        signature: Option<(KeyBytes, Signature)>,
    ) -> bool {
        let room = self.has_room();
        if room {
            self.out.bytes += record.len() as u64;
            let recomputed = self.recompute(record, &[]);
            self.record(record, digest, recomputed, signature);
        }
        room
    }

    fn record(
        &mut self,
        bytes: &[u8],
        digest: Digest,
        recomputed: Option<Digest>,
        signature: Option<(KeyBytes, Signature)>,
    ) {
        let mut remarks = Remarks::default();
        let view = RecordView::parse(bytes);
        let (seq, time, principals) = match &view {
            Ok(view) => {
                remarks.about(view, self.expected.origin);
                (Some(view.seq.get()), Some(view.time), view.principals())
            }
            Err(error) => {
                remarks.form = Some(cut(error.to_string()));
                (None, None, None)
            }
        };
        let link = self.link(bytes, &digest, recomputed);
        let signer = signature.map(|(key, signature)| {
            let place = self.waiting.len();
            let key = self.signatures.add(place, digest, key, signature);
            Signer { key, fits: true }
        });
        let remarks = (remarks != Remarks::default()).then(|| Box::new(remarks));
        let times = time.map(|time| (time, time));
        let record = Record { seq, times, digest, link, signer, principals, remarks };
        let damaged = self.is_damaged(&record, signature.map(|(key, _)| key));
        self.damaged += u64::from(damaged);
        self.next_seq = seq.map(|seq| seq.saturating_add(1));
        self.next_time = time.or(self.next_time);
        self.out.range.append(leaf_hash(&digest));
        self.push(Ok(record), damaged);
    }

    /// How a digest stands to the line before. Makes its own line the one before.
    fn link(&mut self, record: &[u8], digest: &Digest, recomputed: Option<Digest>) -> Link {
        let before = self.out.recomputed.take();
        let link = match recomputed {
            None => Link::Unknown,
            Some(recomputed) if recomputed == *digest => Link::Follows,
            Some(_) if !self.has_before => Link::Open(record.into()),
            Some(_) if before.is_some_and(|b| record_digest(record, Some(&b)) == *digest) => {
                Link::FollowsRecomputed
            }
            Some(_) => Link::Differs,
        };
        self.out.recomputed = recomputed.filter(|recomputed| recomputed != digest);
        self.before = Before::Stated(*digest);
        self.has_before = true;
        link
    }

    /// Whether the line has a finding, as far as this batch knows. That of a bad signature comes later.
    fn is_damaged(&self, record: &Record, key: Option<KeyBytes>) -> bool {
        let remarked = record.remarks.as_ref().is_some_and(|remarks| {
            remarks.form.is_some() || remarks.other_ledger.is_some() || remarks.fault.is_some()
        });
        let misplaced = match (record.seq, self.next_seq) {
            (Some(seq), Some(next)) => seq != next,
            _ => false,
        };
        let time = record.times.map(|(time, _)| time);
        let back = self.next_time.zip(time).is_some_and(|(before, time)| time < before);
        let strange = key.is_some_and(|key| (self.expected.stranger)(&key));
        remarked || misplaced || back || strange || record.link == Link::Differs
    }

    fn push(&mut self, what: Result<Record, Box<str>>, damaged: bool) {
        self.out.count += 1;
        let end = self.out.range.end();
        let marked = what.is_ok() && self.expected.marks.contains(&end);
        let mark = marked.then(|| Box::new(self.out.range.clone()));
        self.waiting.push((Lines { count: 1, what, mark }, damaged));
        if self.signatures.waiting() >= BULK_CHUNK || self.waiting.len() >= WAITING_LINES_MAX {
            self.settle();
        }
    }

    /// Checks the signatures that wait, and puts lines together of which there is nothing to say.
    fn settle(&mut self) {
        for place in self.signatures.settle() {
            if let Some((Lines { what: Ok(record), .. }, damaged)) = self.waiting.get_mut(place)
                && let Some(signer) = &mut record.signer
            {
                signer.fits = false;
                self.damaged += u64::from(!*damaged);
                *damaged = true;
            }
        }
        for (lines, _) in self.waiting.drain(..) {
            match self.out.lines.last_mut() {
                Some(last) if last.continues_with(&lines) => last.absorb(lines),
                _ => self.out.lines.push(lines),
            }
        }
    }

    pub(crate) fn finish(mut self) -> Batch {
        self.settle();
        self.out.keys = self.signatures.into_keys();
        self.out
    }
}

impl Remarks {
    fn about(&mut self, view: &RecordView<'_>, origin: &Origin) {
        if *view.ledger != *origin.ledger() {
            self.other_ledger = Some(view.ledger.to_owned());
        }
        // What record 0 demands is not known here: lines are read before those in front of them.
        match judge(view, Some(origin), None) {
            Ok(judged) => {
                self.kind = judged.unchecked_kind().map(str::to_owned);
                self.creation = judged.creation().cloned();
            }
            Err(fault) => {
                self.fault = Some((fault.code(), cut(fault.to_string())));
                self.kind = unknown_kind(view);
                self.creation = creation_of_another(view);
            }
        }
    }
}

impl Lines {
    fn continues_with(&self, next: &Self) -> bool {
        let (Ok(this), Ok(that)) = (&self.what, &next.what) else { return false };
        let (Some(seq), Some(next_seq)) = (this.seq, that.seq) else { return false };
        let (Some((_, before)), Some((time, _))) = (this.times, that.times) else { return false };
        // What is open is settled with the digest of that very line.
        let settled = !matches!(this.link, Link::Open(_));
        settled
            && self.mark.is_none()
            && this.remarks.is_none()
            && that.remarks.is_none()
            && that.link == Link::Follows
            && seq.checked_add(self.count) == Some(next_seq)
            && before <= time
            && this.signer == that.signer
            && this.principals == that.principals
            && this.signer.is_none_or(|signer| signer.fits)
    }

    fn absorb(&mut self, next: Self) {
        if let (Ok(this), Ok(that)) = (&mut self.what, next.what) {
            this.digest = that.digest;
            this.times = this.times.zip(that.times).map(|((first, _), (_, last))| (first, last));
            self.count += next.count;
            self.mark = next.mark;
        }
    }
}

/// The key that a `kid` of the right form spells.
fn key_bytes(kid: &str) -> Option<KeyBytes> {
    unhex(kid.strip_prefix("ed25519:")?.as_bytes())
}

/// The creation in a record 0 that is at fault, such as that of another origin: its rules hold all the
/// same.
fn creation_of_another(view: &RecordView<'_>) -> Option<Creation> {
    match view.body {
        Body::System(system) if view.seq == Seq::ZERO => Creation::parse(system).ok(),
        _ => None,
    }
}

/// The kind of a record 0 that is no creation: what is not known is said beside what is wrong.
fn unknown_kind(view: &RecordView<'_>) -> Option<String> {
    let Body::System(system) = view.body else { return None };
    match System::parse(system) {
        Ok(System::Unknown { kind, informative: false }) => Some(kind),
        _ => None,
    }
}
