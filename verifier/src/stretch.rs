//! Checks a stretch of records without knowing what comes before or after.
//!
//! This is the hot path: each record's canonical form, digest, signature and leaf are checked here, by
//! any worker. What joins two stretches (chain, time, runs without signature, tree) is left for
//! [`crate::ledger`], which sees them in order.
//!
//! Everything is measured against what is *stored*: a digest is recomputed from the stored digest of
//! the record before. So a changed record is one finding, not one for every record after it.

use indelible_core::chain::record_digest;
use indelible_core::code::Code;
use indelible_core::hash::Digest;
use indelible_core::key::{Signature, Trust};
use indelible_core::merkle::{CompactRange, leaf_hash};
use indelible_core::name::Origin;
use indelible_core::record::{Body, RecordView};
use indelible_core::segment::Line;
use indelible_core::system::{Creation, System};
use indelible_core::time::Timestamp;

use crate::blocks;
use crate::findings::{Finding, Findings};
use crate::signatures::{Fate, Signatures};

/// Lines that are no records at all, after which a ledger is given up: a file that is something else
/// entirely should not be listed line by line.
pub(crate) const UNREADABLE_MAX: u64 = 10_000;

/// What is known about the record before the first.
#[derive(Debug, Clone)]
pub(crate) enum Before {
    /// Its digest; `None` when the stretch begins with record 0.
    Digest(Option<Digest>),
    /// Another worker has it: the first record is kept for the one who sees both.
    Elsewhere,
}

/// What a stretch should be.
pub(crate) struct Expected<'a> {
    /// Number of the first leaf, and of the first record unless `any_first_seq`.
    pub(crate) begin: u64,
    /// Take the first record's number as it is; the one who sees the stretch before compares.
    pub(crate) any_first_seq: bool,
    /// The record before.
    pub(crate) before: Before,
    /// The name in every record.
    pub(crate) ledger: &'a str,
    /// Whose keys count.
    pub(crate) origin: Option<&'a Origin>,
    /// Sizes of the tree at which its frontier is asked for, ascending.
    pub(crate) marks: &'a [u64],
    /// Findings to keep.
    pub(crate) findings_max: usize,
    /// Lines to look at.
    pub(crate) lines_max: u64,
}

/// A record whose digest could not be checked without the one before.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) seq: u64,
    pub(crate) record: Vec<u8>,
    pub(crate) digest: Digest,
}

/// The last record of a stretch, as far as the next one's digest depends on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    /// Its number; `None` when there is no record or it could not be read.
    pub(crate) seq: Option<u64>,
    /// The digest that stands in its line.
    pub(crate) stored: Option<Digest>,
    /// The digest that its bytes lead to, where that is another.
    pub(crate) recomputed: Option<Digest>,
    /// Whether its own signature is bad.
    pub(crate) signature_bad: bool,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    pub(crate) first_seq: Option<u64>,
    pub(crate) next_seq: u64,
    pub(crate) open: Option<Open>,
    pub(crate) last: Link,
    pub(crate) first_time: Option<Timestamp>,
    pub(crate) last_time: Option<Timestamp>,
    /// The leaves, numbered from `begin` in the order of the lines.
    pub(crate) range: CompactRange,
    /// Whether every line was a record in its place, so that `range` means what it says.
    pub(crate) aligned: bool,
    pub(crate) at_marks: Vec<CompactRange>,
    /// Longest runs of records without a signature of their own: first record and how many.
    pub(crate) unsigned: Vec<(u64, u64)>,
    pub(crate) signatures_good: u64,
    pub(crate) key_ids: Vec<String>,
    pub(crate) creation: Option<Creation>,
    /// Lines that were no records.
    pub(crate) unreadable: u64,
    pub(crate) findings: Findings,
}

/// Checks the records of a stretch one after the other.
pub(crate) struct StretchCheck<'a> {
    expected: Expected<'a>,
    signatures: Signatures,
    out: Stretch,
    prev: Prev,
}

/// The digest before the next record.
enum Prev {
    Digest(Option<Digest>),
    Elsewhere,
    /// A line that could not be read; already a finding.
    Lost,
}

impl<'a> StretchCheck<'a> {
    pub(crate) fn new(expected: Expected<'a>, trust: &Trust) -> Self {
        let out = Stretch {
            lines: 0,
            bytes: 0,
            first_seq: None,
            next_seq: expected.begin,
            open: None,
            last: Link::default(),
            first_time: None,
            last_time: None,
            range: CompactRange::new(expected.begin),
            aligned: true,
            at_marks: Vec::new(),
            unsigned: Vec::new(),
            signatures_good: 0,
            key_ids: Vec::new(),
            creation: None,
            unreadable: 0,
            findings: Findings::new(expected.findings_max),
        };
        let prev = match expected.before {
            Before::Digest(digest) => Prev::Digest(digest),
            Before::Elsewhere => Prev::Elsewhere,
        };
        let signatures = Signatures::new(trust, expected.origin);
        Self { expected, signatures, out, prev }
    }

    /// Checks all lines of a block; `false` when it is no use to go on.
    pub(crate) fn block(&mut self, block: &[u8]) -> bool {
        self.out.bytes += block.len() as u64;
        blocks::lines(block).all(|line| self.line(line))
    }

    fn line(&mut self, line: &[u8]) -> bool {
        if self.out.lines >= self.expected.lines_max {
            return false;
        }
        match Line::parse(line) {
            Ok(Line { record, digest, signature }) => {
                self.record(record, digest, signature);
                true
            }
            Err(error) => self.unreadable(&error.to_string()),
        }
    }

    fn unreadable(&mut self, why: &str) -> bool {
        let seq = self.out.next_seq;
        let what = format!("the line where record {seq} should stand is none: {why}");
        self.find(Finding::new(Code::NotCanonical, what).at(seq));
        self.out.lines += 1;
        self.out.next_seq += 1;
        self.out.aligned = false;
        self.out.last = Link::default();
        self.prev = Prev::Lost;
        self.out.unreadable += 1;
        self.out.unreadable < UNREADABLE_MAX
    }

    /// Checks a record with the digest and signature that are stored with it.
    pub(crate) fn record(
        &mut self,
        record: &[u8],
        digest: Digest,
        signature: Option<(&str, Signature)>,
    ) {
        let view = match RecordView::parse(record) {
            Ok(view) => Some(view),
            Err(error) => {
                let seq = self.out.next_seq;
                let what = format!("the record is not what a record must be: {error}");
                self.find(Finding::new(Code::NotCanonical, what).at(seq));
                None
            }
        };
        let seq = view.as_ref().map_or(self.out.next_seq, |view| view.seq.get());
        let jumped = self.place(seq);
        if let Some(view) = &view {
            self.contents(seq, view);
        }
        self.chain(seq, jumped, record, digest);
        self.sign(seq, digest, signature);
        self.leaf(&digest);
        self.out.lines += 1;
        self.out.first_seq = self.out.first_seq.or(Some(seq));
        self.out.next_seq = seq.saturating_add(1);
    }

    /// Whether the record does not stand where its number says.
    fn place(&mut self, seq: u64) -> bool {
        let expected = self.out.next_seq;
        let free = self.expected.any_first_seq && self.out.first_seq.is_none();
        if seq == expected || free {
            return false;
        }
        self.out.aligned = false;
        let (first, last) = if seq > expected { (expected, seq - 1) } else { (seq, seq) };
        let what = sequence_break(expected, seq);
        self.find(Finding::new(Code::SeqGap, what).between(first, last));
        true
    }

    fn contents(&mut self, seq: u64, view: &RecordView<'_>) {
        if *view.ledger != *self.expected.ledger {
            let what = format!("a record of the ledger {:?} stands here", view.ledger);
            self.find(Finding::new(Code::ChainBroken, what).at(seq).repeating());
        }
        if self.out.last_time.is_some_and(|before| view.time < before) {
            let what = time_backwards(view.time, self.out.last_time);
            self.find(Finding::new(Code::TimeBackwards, what).at(seq));
        }
        self.out.first_time = self.out.first_time.or(Some(view.time));
        self.out.last_time = Some(view.time);
        let system = match view.body {
            Body::Event(_) => None,
            Body::System(system) => Some(System::parse(system)),
        };
        match system {
            Some(Ok(System::LedgerCreated(creation))) if seq == 0 => {
                self.out.creation = Some(creation);
            }
            Some(Ok(System::LedgerCreated(_))) => {
                let what = "a creation stands where only record 0 may have one";
                self.find(Finding::new(Code::CreationInvalid, what).at(seq));
            }
            Some(Err(error)) => {
                let code = if seq == 0 { Code::CreationInvalid } else { Code::NotCanonical };
                let what = format!("the system object is not of its kind's shape: {error}");
                self.find(Finding::new(code, what).at(seq));
            }
            _ if seq == 0 => {
                let what = "record 0 is not the creation of a ledger";
                self.find(Finding::new(Code::CreationInvalid, what).at(seq));
            }
            _ => {}
        }
    }

    fn chain(&mut self, seq: u64, jumped: bool, record: &[u8], digest: Digest) {
        let recomputed = match &self.prev {
            Prev::Digest(prev) => Some(record_digest(record, prev.as_ref())),
            Prev::Elsewhere => {
                self.out.open = Some(Open { seq, record: record.to_vec(), digest });
                None
            }
            Prev::Lost => None,
        };
        let wrong = recomputed.filter(|recomputed| *recomputed != digest);
        if wrong.is_some() {
            let before = &mut self.out.last;
            if !jumped {
                // Rare, and which of the two records is to blame depends on the signature before.
                self.signatures.settle();
                before.signature_bad |= before.seq.is_some_and(|seq| self.signatures.is_bad(seq));
            }
            let blame = blame(before, seq, jumped, record, &digest);
            if let Some(finding) = blame {
                self.find(finding);
            }
        }
        let stored = Some(digest);
        self.out.last = Link { seq: Some(seq), stored, recomputed: wrong, signature_bad: false };
        self.prev = Prev::Digest(stored);
    }

    fn sign(&mut self, seq: u64, digest: Digest, signature: Option<(&str, Signature)>) {
        let Some((kid, signature)) = signature else {
            match self.out.unsigned.last_mut() {
                Some((first, count)) if *first + *count == seq => *count += 1,
                _ => self.out.unsigned.push((seq, 1)),
            }
            return;
        };
        if self.signatures.add(seq, digest, kid, signature) == Fate::KeyUnknown {
            let what = format!("records are signed with {kid:?}, which is not a key you gave");
            self.find(Finding::new(Code::KeyUnknown, what).at(seq).repeating());
        }
    }

    fn leaf(&mut self, digest: &Digest) {
        self.out.range.append(leaf_hash(digest));
        if self.expected.marks.contains(&self.out.range.end()) {
            self.out.at_marks.push(self.out.range.clone());
        }
    }

    fn find(&mut self, finding: Finding) {
        self.out.findings.push(finding);
    }

    /// Checks the signatures that still wait and gives what came out.
    pub(crate) fn finish(mut self) -> Stretch {
        self.signatures.settle();
        for seq in self.signatures.take_bad() {
            let what = "the signature does not fit the record's digest and the key";
            self.find(Finding::new(Code::SigInvalid, what).at(seq));
            self.out.last.signature_bad |= self.out.last.seq == Some(seq);
        }
        self.out.signatures_good = self.signatures.good();
        self.out.key_ids = self.signatures.key_ids();
        self.out.findings.sort();
        self.out
    }
}

/// Says what is wrong with a digest that does not follow from the stored one before. `None` when that
/// one was itself changed, and nothing else: then the finding is there already.
pub(crate) fn blame(
    before: &Link,
    seq: u64,
    jumped: bool,
    record: &[u8],
    digest: &Digest,
) -> Option<Finding> {
    if let Some(original) = &before.recomputed
        && record_digest(record, Some(original)) == *digest
    {
        return None;
    }
    let (code, what) = if jumped {
        (Code::ChainBroken, "the record does not follow the one it stands behind")
    } else if before.signature_bad {
        (
            Code::ChainBroken,
            "the record follows another one than the one before it, which was changed",
        )
    } else {
        (Code::HashMismatch, "the digest is not the SHA-256 of the record and the digest before it")
    };
    Some(Finding::new(code, what).at(seq))
}

/// What to say when record `seq` stands where `expected` should.
pub(crate) fn sequence_break(expected: u64, seq: u64) -> String {
    match seq.checked_sub(expected) {
        Some(1) => format!("record {expected} is missing"),
        Some(_) => format!("records {expected} to {} are missing", seq - 1),
        None => format!("record {seq} stands where record {expected} should"),
    }
}

/// What to say when time goes backwards.
pub(crate) fn time_backwards(time: Timestamp, before: Option<Timestamp>) -> String {
    let before = before.map(|time| time.to_string()).unwrap_or_default();
    format!("the record's time {time} lies before its predecessor's, {before}")
}
