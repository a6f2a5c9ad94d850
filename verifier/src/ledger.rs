//! Joins the stretches of one ledger in order: what no stretch can know alone.

use std::sync::Arc;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::Code;
use indelible_core::hash::{Digest, NodeHash};
use indelible_core::key::Trust;
use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::merkle::CompactRange;
use indelible_core::name::Origin;
use indelible_core::system::{Creation, SignPer};
use indelible_core::time::Timestamp;

use crate::findings::{Bounded, Finding, Findings, Unchecked};
use crate::report::{ExpectedHead, LedgerReport};
use crate::stretch::{Link, Stretch, UNREADABLE_MAX, blame, sequence_break, time_backwards};

/// What a source says of itself, which decides how its end is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Copies of whole runs; the ledger itself may be further.
    Vault,
    /// A closed file or the ledger itself: it claims to be all there is.
    Whole,
}

/// What a trusted signature says about a stretch, so that one damaged record does not spoil the roots
/// of everything after it.
#[derive(Debug, Clone)]
pub(crate) struct Vouched {
    pub(crate) range: CompactRange,
    pub(crate) last_digest: Digest,
}

/// One ledger on its way through the checks.
pub(crate) struct Ledger {
    name: String,
    kind: Kind,
    origin: Option<Origin>,
    heads: Vec<ExpectedHead>,
    next_seq: u64,
    last: Link,
    last_time: Option<Timestamp>,
    tree: Option<CompactRange>,
    creation: Option<Creation>,
    unsigned: Option<(u64, u64)>,
    records: u64,
    signatures: u64,
    segments: u64,
    unreadable: u64,
    pub(crate) findings: Findings,
    pub(crate) unchecked: Bounded<Unchecked>,
    pub(crate) notes: Bounded<String>,
}

impl Ledger {
    pub(crate) fn new(
        name: &str,
        kind: Kind,
        origin: Option<Origin>,
        heads: Vec<ExpectedHead>,
        kept_max: usize,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            origin,
            heads,
            next_seq: 0,
            last: Link::default(),
            last_time: None,
            tree: Some(CompactRange::new(0)),
            creation: None,
            unsigned: None,
            records: 0,
            signatures: 0,
            segments: 0,
            unreadable: 0,
            findings: Findings::new(kept_max),
            unchecked: Bounded::new(kept_max),
            notes: Bounded::new(kept_max),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub(crate) fn set_origin(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(crate) fn last_digest(&self) -> Option<Digest> {
        self.last.stored
    }

    /// Sizes of the tree at which its root is to be compared.
    pub(crate) fn marks(&self) -> Arc<[u64]> {
        self.heads.iter().map(|head| head.size).collect()
    }

    /// Whether so much was no record at all that the rest is not looked at.
    pub(crate) fn gave_up(&self) -> bool {
        // Segments are bounded by themselves, a stream is not.
        self.kind == Kind::Whole && self.unreadable >= UNREADABLE_MAX
    }

    pub(crate) fn take_findings(&mut self, findings: Findings) {
        self.findings.absorb(findings, &self.name);
    }

    pub(crate) fn count_segment(&mut self) {
        self.segments += 1;
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        self.findings.push(finding.ledger(&*self.name));
    }

    pub(crate) fn could_not_check(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.unchecked.push(Unchecked { ledger: self.name.clone(), what, why });
    }

    pub(crate) fn note(&mut self, note: impl AsRef<str>) {
        self.notes.push(format!("{}: {}", self.name, note.as_ref()));
    }

    /// Records up to `next` were not seen. What depends on them can't be checked any more.
    pub(crate) fn skip_to(&mut self, next: u64) {
        self.next_seq = next;
        self.last = Link::default();
        self.tree = None;
        self.close_unsigned();
    }

    /// The same, where a trusted signature says what the records would have led to.
    pub(crate) fn skip_over(&mut self, vouched: &Vouched) {
        self.close_unsigned();
        self.next_seq = vouched.range.end();
        self.last = Link { stored: Some(vouched.last_digest), ..Link::default() };
        self.grow(&vouched.range);
    }

    /// Takes the next stretch. `file` is where it stood, for the findings.
    pub(crate) fn stretch(&mut self, stretch: Stretch, vouched: Option<&Vouched>) {
        let mut aligned = stretch.aligned;
        self.records += stretch.lines;
        self.signatures += stretch.signatures_good;
        if let Some(seq) = stretch.first_seq
            && seq != self.next_seq
            && stretch.open.is_some()
        {
            aligned = false;
            let what = sequence_break(self.next_seq, seq);
            let missing = seq.checked_sub(1).filter(|last| *last >= self.next_seq);
            let (first, last) = missing.map_or((seq, seq), |last| (self.next_seq, last));
            self.find(Finding::new(Code::SeqGap, what).between(first, last));
        }
        // First of all: it holds the rules that the rest is measured by.
        if let Some(creation) = stretch.creation.clone() {
            self.created(creation);
        }
        self.join_chain(&stretch);
        self.join_time(&stretch);
        self.join_unsigned(&stretch.unsigned);
        self.take_findings(stretch.findings);
        self.unreadable += stretch.unreadable;
        self.join_tree(&stretch.range, &stretch.at_marks, aligned, vouched);
        self.next_seq = stretch.next_seq;
        self.last = stretch.last;
        self.last_time = stretch.last_time.or(self.last_time);
        if let Some(vouched) = vouched {
            self.next_seq = vouched.range.end();
            self.last.stored = Some(vouched.last_digest);
        }
    }

    fn join_chain(&mut self, stretch: &Stretch) {
        let Some(open) = &stretch.open else { return };
        // A line before that could not be read is a finding already.
        let Some(stored) = self.last.stored else { return };
        let jumped = open.seq != self.next_seq;
        let follows =
            indelible_core::chain::record_digest(&open.record, Some(&stored)) == open.digest;
        if !follows
            && let Some(finding) = blame(&self.last, open.seq, jumped, &open.record, &open.digest)
        {
            self.find(finding);
        }
    }

    fn join_time(&mut self, stretch: &Stretch) {
        if let (Some(time), Some(before)) = (stretch.first_time, self.last_time)
            && time < before
        {
            let seq = stretch.first_seq.unwrap_or(self.next_seq);
            let what = time_backwards(time, Some(before));
            self.find(Finding::new(Code::TimeBackwards, what).at(seq));
        }
    }

    fn join_unsigned(&mut self, runs: &[(u64, u64)]) {
        for &(first, count) in runs {
            match &mut self.unsigned {
                Some((open, so_far)) if open.checked_add(*so_far) == Some(first) => {
                    *so_far += count
                }
                _ => {
                    self.close_unsigned();
                    self.unsigned = Some((first, count));
                }
            }
        }
    }

    /// Judges a run of records without a signature that has come to its end.
    fn close_unsigned(&mut self) {
        let (Some((first, count)), Some(creation)) = (self.unsigned.take(), &self.creation) else {
            return;
        };
        let max = creation.max_unsigned;
        let what = match creation.sign_per {
            SignPer::Record => "records carry no signature, though record 0 demands one for each",
            SignPer::Commit if count > max => {
                "a run of records without a signature is longer than record 0 allows"
            }
            SignPer::Commit => return,
        };
        let last = first.saturating_add(count - 1);
        self.find(Finding::new(Code::Unsigned, what).between(first, last));
    }

    fn created(&mut self, creation: Creation) {
        if self.origin.as_ref().is_some_and(|origin| creation.origin != *origin) {
            let what = format!(
                "record 0 creates {:?}, the rest names {:?}",
                &*creation.origin,
                self.origin.as_deref().unwrap_or_default()
            );
            self.find(Finding::new(Code::CreationInvalid, what).at(0));
        }
        if *creation.origin.ledger() != *self.name {
            let what = format!("record 0 creates another ledger, {:?}", creation.origin.ledger());
            self.find(Finding::new(Code::CreationInvalid, what).at(0));
        }
        self.creation = Some(creation);
    }

    /// Compares the keys that record 0 names with the ones that the auditor gave.
    pub(crate) fn check_creation_keys(&mut self, trust: &Trust) {
        let Some(creation) = &self.creation else { return };
        let strangers: Vec<String> = creation
            .keys
            .iter()
            .filter(|id| trust.find(id, &creation.origin).is_none())
            .map(ToString::to_string)
            .collect();
        for id in strangers {
            let what = format!("record 0 names the key {id}, which is not a key you gave");
            self.find(Finding::new(Code::KeyUnknown, what).at(0));
        }
    }

    fn join_tree(
        &mut self,
        range: &CompactRange,
        at_marks: &[CompactRange],
        aligned: bool,
        vouched: Option<&Vouched>,
    ) {
        let whole = aligned && vouched.is_none_or(|vouched| vouched.range.end() == range.end());
        if whole {
            at_marks.iter().for_each(|partial| self.compare_heads(partial));
        }
        match vouched {
            Some(vouched) => {
                if whole && vouched.range != *range {
                    let what = "the records' digests do not lead to the subtrees in the manifest";
                    let (first, last) = (range.begin(), range.end().saturating_sub(1));
                    self.find(Finding::new(Code::RootMismatch, what).between(first, last));
                }
                self.grow(&vouched.range);
            }
            None if aligned => self.grow(range),
            None => self.tree = None,
        }
    }

    fn grow(&mut self, range: &CompactRange) {
        if let Some(tree) = &mut self.tree
            && tree.append_range(range).is_err()
        {
            self.tree = None;
        }
    }

    fn compare_heads(&mut self, partial: &CompactRange) {
        let Some(mut tree) = self.tree.clone() else { return };
        if tree.append_range(partial).is_err() {
            return;
        }
        let (size, root) = (tree.end(), tree.root());
        let mut wrong = Vec::new();
        for head in self.heads.iter_mut().filter(|head| head.size == size) {
            head.compared = true;
            if root != Some(head.root) {
                wrong.push(head.source.clone());
            }
        }
        for source in wrong {
            let what = format!(
                "the first {size} records lead to another root than the head in {source}: history was rewritten"
            );
            self.find(Finding::new(Code::RootMismatch, what).between(0, size.saturating_sub(1)));
        }
    }

    /// Compares the tree as it stands with a signed checkpoint.
    pub(crate) fn compare_root(&mut self, size: u64, root: &NodeHash, file: Option<&str>) {
        let Some(tree) = &self.tree else {
            self.note("roots after the first gap could not be compared");
            return;
        };
        if tree.end() == size && tree.root() != Some(*root) {
            let what = format!("the first {size} records lead to another root than the signed one");
            let finding = Finding::new(Code::RootMismatch, what);
            self.find(match file {
                Some(file) => finding.file(file),
                None => finding,
            });
        }
    }

    /// Compares a whole ledger with the checkpoint that closes it.
    pub(crate) fn close(&mut self, checkpoint: &Checkpoint) {
        let (size, seen) = (checkpoint.size, self.next_seq);
        if size > seen {
            let what =
                format!("the closing checkpoint has {size} records, the last ones are missing");
            self.find(Finding::new(Code::TailMissing, what).between(seen, size - 1));
        } else if size < seen {
            let what =
                format!("the closing checkpoint has only {size} records, more stand before it");
            self.find(Finding::new(Code::CheckpointInvalid, what).between(size, seen - 1));
        } else {
            self.compare_root(size, &checkpoint.root, None);
        }
    }

    /// Judges the end of the ledger and gives the summary.
    pub(crate) fn finish(&mut self, trust: &Trust) -> LedgerReport {
        self.judge_last_signature();
        self.check_creation_keys(trust);
        if self.gave_up() {
            let what = format!("everything after record {}", self.next_seq.saturating_sub(1));
            self.could_not_check(what, "too many lines were no records, so it was given up");
        }
        self.judge_heads();
        if self.records > 0 && self.creation.is_none() && self.findings.is_empty() {
            self.could_not_check(
                "record 0",
                "it was not seen, so the ledger's rules are not known",
            );
        }
        let root = self.tree.as_ref().and_then(CompactRange::root);
        LedgerReport {
            name: self.name.clone(),
            origin: self.origin.as_ref().map(ToString::to_string),
            sign_per: self.creation.as_ref().map(|creation| creation.sign_per.as_str()),
            records: self.records,
            signatures: self.signatures,
            segments: self.segments,
            size: self.next_seq,
            root: root.map(|root| root.to_base64()),
            last_time: self.last_time.map(|time| time.to_string()),
            expected_size: self.heads.iter().map(|head| head.size).max(),
            findings: self.findings.total(),
            unchecked: self.unchecked.total(),
        }
    }

    fn judge_last_signature(&mut self) {
        let Some((first, count)) = self.unsigned else { return };
        self.close_unsigned();
        let Some(creation) = &self.creation else { return };
        let at_the_end = first.checked_add(count) == Some(self.next_seq);
        // A segment is cut on its border wherever a commit lies. There the signature may come in the
        // next segment; anywhere else a ledger ends with a signed record.
        let on_border =
            self.kind == Kind::Vault && self.next_seq.is_multiple_of(SEGMENT_RECORDS_MAX);
        if at_the_end
            && creation.sign_per == SignPer::Commit
            && !on_border
            && count <= creation.max_unsigned
        {
            let what = "the ledger ends with records that no signature follows";
            self.find(Finding::new(Code::Unsigned, what).between(first, first + (count - 1)));
        }
    }

    fn judge_heads(&mut self) {
        let size = self.next_seq;
        for head in self.heads.clone() {
            let ExpectedHead { size: expected, source, compared, .. } = head;
            if expected > size && !self.gave_up() {
                let missing = expected - size;
                let (code, what) = match self.kind {
                    Kind::Vault => (
                        Code::TailMissing,
                        format!(
                            "the head in {source} has {expected} records: the last {missing} are missing"
                        ),
                    ),
                    Kind::Whole => (
                        Code::HeadBehind,
                        format!(
                            "this is an older copy: it ends {missing} records before the head in {source}"
                        ),
                    ),
                };
                self.find(Finding::new(code, what).between(size, expected - 1));
            } else if !compared && expected > 0 {
                self.could_not_check(
                    format!("the head in {source}"),
                    "records before it are missing or damaged, so its root could not be compared",
                );
            }
        }
    }
}
