//! One ledger on its way through the checks: what is known of it, and what was found.

use std::sync::Arc;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::{Class, Code, UncheckedCode};
use indelible_core::key::Trust;
use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::merkle::CompactRange;
use indelible_core::name::Origin;
use indelible_core::system::SignPer;

use crate::findings::{Bounded, Finding, Findings, Unchecked};
use crate::heads::{Fate, Head};
use crate::report::{LedgerReport, Verdict};
use crate::signatures::KeyBytes;
use crate::state::ReplayState;

/// What a source says of itself, which decides how its end is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Copies of whole runs; the ledger itself may be further.
    Vault,
    /// A closed file or the ledger itself: it claims to be all there is.
    Whole,
}

/// How a ledger's end came.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// The last records are missing, which is a finding already.
    pub(crate) is_missing: bool,
    /// Something of the ledger was not looked at.
    pub(crate) unseen: bool,
    /// The rest of the ledger was not looked at, so that its end is not known.
    pub(crate) unknown: bool,
    /// The number after the last record of which a manifest speaks that says nothing else.
    pub(crate) spoken_to: u64,
}

/// One ledger.
pub(crate) struct Ledger {
    name: String,
    pub(crate) source: Source,
    pub(crate) trust: Arc<Trust>,
    pub(crate) state: ReplayState,
    heads: Vec<Head>,
    pub(crate) end: End,
    gave_up: bool,
    pub(crate) findings: Findings,
    pub(crate) unchecked: Bounded<Unchecked>,
    pub(crate) notes: Bounded<String>,
}

impl Ledger {
    pub(crate) fn new(
        name: &str,
        source: Source,
        state: ReplayState,
        heads: Vec<Head>,
        trust: &Arc<Trust>,
        kept_max: usize,
    ) -> Self {
        Self {
            name: name.to_owned(),
            source,
            trust: Arc::clone(trust),
            state,
            heads,
            end: End::default(),
            gave_up: false,
            findings: Findings::new(kept_max),
            unchecked: Bounded::new(kept_max),
            notes: Bounded::new(kept_max),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sizes of the tree at which it may have to be compared.
    pub(crate) fn marks(&self) -> Arc<[u64]> {
        self.heads.iter().map(|head| head.size).collect()
    }

    pub(crate) fn trusts(&self, key: &KeyBytes, origin: &Origin) -> bool {
        self.trust.keys_for(origin).any(|trusted| trusted.as_bytes() == key)
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        self.state.tally.find(finding.class, finding.times);
        self.findings.push(finding.ledger(&*self.name));
    }

    pub(crate) fn could_not_check(
        &mut self,
        code: UncheckedCode,
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.leave_unchecked(Unchecked::new(code, what, why));
    }

    fn leave_unchecked(&mut self, unchecked: Unchecked) {
        self.state.tally.unchecked = self.state.tally.unchecked.saturating_add(1);
        self.unchecked.push(unchecked.ledger(&*self.name));
    }

    pub(crate) fn note(&mut self, note: impl AsRef<str>) {
        self.notes.push(crate::limits::cut(format!("{}: {}", self.name, note.as_ref())));
    }

    /// So much is wrong that the rest, or what is said here, is not looked at. Said once.
    pub(crate) fn give_up(&mut self, what: impl Into<String>) {
        if !self.gave_up {
            self.gave_up = true;
            let why = "so many lines before are damaged that these were not looked at";
            self.could_not_check(UncheckedCode::TooMuchDamage, what, why);
        }
        self.end.unseen = true;
    }

    /// Judges a run of records without a signature that has come to its end, if the rules are known;
    /// whether something was found.
    pub(crate) fn close_run(&mut self) -> bool {
        let (Some(run), Some(rules)) = (self.state.open.take(), self.state.rules) else {
            return false;
        };
        let what = match rules.sign_per {
            SignPer::Record => "records carry no signature, though record 0 demands one for each",
            SignPer::Commit if run.count > rules.max_unsigned => {
                "a run of records without a signature is longer than record 0 allows"
            }
            SignPer::Commit if run.first == 0 => "record 0 carries no signature",
            SignPer::Commit => return false,
        };
        self.unsigned(run.first, run.count, run.firm, what);
        true
    }

    fn unsigned(&mut self, first: u64, count: u64, firm: bool, what: &str) {
        // Nothing is demanded for sure by rules that may not be those that were signed.
        let firm = firm && self.state.rules_firm;
        let class = if firm { Class::Tampering } else { Class::Damage };
        let last = first.saturating_add(count.saturating_sub(1));
        self.find(Finding::new(Code::Unsigned, class, what).between(first, last));
    }

    /// Compares a tree with the heads of its size.
    pub(crate) fn compare_heads(&mut self, tree: &CompactRange, class: Class) {
        let (size, root) = (tree.end(), tree.root());
        let mut wrong = Vec::new();
        for head in &mut self.heads {
            let meant = head.fate == Fate::Waiting && head.size == size && size > 0;
            if !meant || self.state.origin.as_ref() != Some(&head.origin) {
                continue;
            }
            if root == Some(head.root) {
                head.fate = Fate::Agrees;
                self.state.known_to = self.state.known_to.max(Some(size));
            } else {
                head.fate = Fate::Contradicts;
                wrong.push(head.source.clone());
            }
        }
        for source in wrong {
            let what = format!(
                "the first {size} records lead to another root than the head in {source}: history was rewritten"
            );
            self.find(Finding::new(Code::RootMismatch, class, what).between(0, size - 1));
        }
    }

    /// Compares a checkpoint of the ledger, which a trusted key signed, with the heads of its size: two trees
    /// of one size and another root are two histories.
    pub(crate) fn compare_checkpoint(&mut self, Checkpoint { origin, size, root }: &Checkpoint) {
        let mut wrong = Vec::new();
        for head in &mut self.heads {
            if head.fate != Fate::Waiting || head.size != *size || head.origin != *origin {
                continue;
            }
            if head.root == *root {
                head.fate = Fate::Agrees;
                self.state.known_to = self.state.known_to.max(Some(*size));
            } else {
                head.fate = Fate::Contradicts;
                wrong.push(head.source.clone());
            }
        }
        for source in wrong {
            let what = format!(
                "the ledger signed two trees of {size} records: this manifest's and the head in {source}"
            );
            let finding = Finding::tampering(Code::RootMismatch, what);
            self.find(finding.between(0, size.saturating_sub(1)));
        }
    }

    /// Judges the end of the ledger and gives the summary.
    pub(crate) fn finish(&mut self) -> LedgerReport {
        self.judge_last_run();
        self.judge_beginning();
        self.judge_heads();
        self.summary()
    }

    fn judge_last_run(&mut self) {
        let Some(run) = self.state.open else { return };
        let due = self.state.due;
        let at_the_end = run.first.checked_add(run.count) == Some(due);
        let said = self.close_run();
        let commit = self.state.rules.is_some_and(|rules| rules.sign_per == SignPer::Commit);
        // A segment is cut on its border wherever a commit lies. There the signature may come in the
        // next segment; anywhere else a ledger ends with a signed record.
        let on_border = self.source == Source::Vault && due.is_multiple_of(SEGMENT_RECORDS_MAX);
        let cut =
            self.end.is_missing || self.end.unknown || self.gave_up || self.end.spoken_to > due;
        if at_the_end && commit && !said && !on_border && !cut {
            let what = "the ledger ends with records that no signature follows";
            self.unsigned(run.first, run.count, run.firm, what);
        }
    }

    fn judge_beginning(&mut self) {
        if self.state.tally.records == 0 {
            if !self.end.unseen {
                let name = self.name.clone();
                self.could_not_check(UncheckedCode::NothingThere, name, "it holds no record");
            }
        } else if self.state.rules.is_none() && self.state.tally.findings() == 0 {
            let why = "it was not seen, so the ledger's rules are not known";
            self.could_not_check(UncheckedCode::RulesUnknown, "record 0", why);
        }
    }

    fn judge_heads(&mut self) {
        let end = self.state.due.max(self.end.spoken_to);
        let unknown = self.end.unknown || (self.source == Source::Whole && self.gave_up);
        for head in self.heads.clone() {
            if head.size == 0 || head.fate != Fate::Waiting {
                continue;
            }
            if self.state.origin.as_ref() != Some(&head.origin) {
                let found = self.state.origin.as_deref().unwrap_or("not known");
                let why = format!("it is of {}, and the origin here is {found}", head.origin);
                self.leave_unchecked(head.not_compared(why));
            } else if head.size > end && !unknown {
                self.behind(&head, end);
            } else {
                let why = "records up to it are missing, damaged or were not looked at";
                self.leave_unchecked(head.not_compared(why));
            }
        }
    }

    fn behind(&mut self, head: &Head, end: u64) {
        let missing = head.size - end;
        let what = format!(
            "this ends before the head in {}: {missing} records are not in it yet",
            head.source
        );
        let finding = Finding::new(Code::HeadBehind, Class::Behind, what);
        self.find(finding.between(end, head.size - 1));
    }

    /// What is to be said of the ledger as a whole.
    pub(crate) fn summary(&self) -> LedgerReport {
        let (state, tally) = (&self.state, &self.state.tally);
        let of_origin =
            self.heads.iter().filter(|head| Some(&head.origin) == state.origin.as_ref());
        let root = state.tree.as_ref().filter(|_| !self.gave_up).and_then(CompactRange::root);
        LedgerReport {
            name: self.name.clone(),
            origin: state.origin.as_ref().map(ToString::to_string),
            sign_per: state.rules.map(|rules| rules.sign_per.as_str()),
            principals: state.rules.map(|rules| rules.principals.as_str()),
            records: tally.records,
            signatures: tally.signatures,
            segments: tally.segments,
            size: state.due,
            root: root.map(|root| root.to_base64()),
            last_time: state.time.map(|time| time.to_string()),
            expected_size: of_origin.map(|head| head.size).filter(|size| *size > 0).max(),
            known_to: state.known_to,
            findings: tally.findings(),
            unchecked: tally.unchecked,
            verdict: Verdict::of(tally.tampering, tally.damage, tally.behind, tally.unchecked),
        }
    }
}
