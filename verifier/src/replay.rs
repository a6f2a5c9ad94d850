//! Goes through lines in order and judges them: `docs/FORMAT.md` section 8.2, step by step.

use indelible_core::chain::record_digest;
use indelible_core::code::{Class, Code, UncheckedCode};
use indelible_core::merkle::CompactRange;
use indelible_core::name::Origin;
use indelible_core::record::{RecordFault, judge_by};

use crate::findings::Finding;
use crate::ledger::{Ledger, Source};
use crate::limits::KINDS_MAX;
use crate::lines::{Batch, Before, Lines, Link, Record, Signer};
use crate::state::OpenRun;

/// What lines are measured by.
pub(crate) struct Measure<'a> {
    pub(crate) origin: &'a Origin,
    /// Whether the segment is intact; `None` where each line speaks for itself.
    pub(crate) intact: Option<bool>,
    /// Lines with a finding that may still be looked at, the last one included.
    pub(crate) damaged_max: u64,
}

impl Measure<'_> {
    fn class(&self, sound: bool) -> Class {
        if self.intact.unwrap_or(sound) { Class::Tampering } else { Class::Damage }
    }
}

/// How far the lines of a batch were gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Whether every line was a record in its place, so that the batch's leaves mean what they say.
    pub(crate) in_place: bool,
    /// Whether too much is damaged to look further.
    pub(crate) stopped: bool,
}

/// One pass over the lines of a batch.
struct Pass<'a> {
    ledger: &'a mut Ledger,
    batch: &'a Batch,
    measure: &'a Measure<'a>,
    /// The tree before the batch.
    base: Option<CompactRange>,
    in_place: bool,
    damaged_left: u64,
}

impl Ledger {
    /// Judges the lines of a batch. The tree is for the caller to grow.
    pub(crate) fn pass(&mut self, batch: &Batch, measure: &Measure<'_>) -> Passed {
        let base = self.state.tree.clone();
        let damaged_left = measure.damaged_max;
        let mut pass = Pass { ledger: self, batch, measure, base, in_place: true, damaged_left };
        let stopped = !batch.lines.iter().all(|lines| pass.lines(lines));
        let in_place = pass.in_place;
        if !batch.lines.is_empty() {
            self.state.recomputed = batch.recomputed;
        }
        Passed { in_place, stopped }
    }
}

impl Pass<'_> {
    /// Judges lines; `false` when no more is to be looked at.
    fn lines(&mut self, lines: &Lines) -> bool {
        if self.damaged_left == 0 {
            return false;
        }
        let all = match &lines.what {
            Ok(record) => self.record(record, lines.count) == lines.count,
            Err(why) => {
                self.no_line(why);
                true
            }
        };
        if !all {
            return false;
        }
        if let Some(mark) = &lines.mark
            && self.in_place
        {
            self.compare_at(mark);
        }
        true
    }

    fn damage(&mut self, lines: u64) {
        self.damaged_left = self.damaged_left.saturating_sub(lines);
        self.ledger.state.tally.damaged += lines;
    }

    /// Step 1: a line that has not the layout of one.
    fn no_line(&mut self, why: &str) {
        let due = self.ledger.state.due;
        let class =
            if self.measure.intact == Some(true) { Class::Tampering } else { Class::Damage };
        let what = format!("the line where record {due} should stand is none: {why}");
        self.ledger.find(Finding::new(Code::NotCanonical, class, what).at(due));
        self.ledger.close_run();
        let state = &mut self.ledger.state;
        state.tally.records += 1;
        state.due = due.saturating_add(1);
        state.before = Before::Lost;
        state.recomputed = None;
        state.signature_bad = false;
        state.sound = false;
        self.in_place = false;
        self.damage(1);
    }

    /// Steps 2 to 8 for a record, and for those that continue it. How many of them were looked at.
    fn record(&mut self, record: &Record, count: u64) -> u64 {
        let (due, found_before) = (self.ledger.state.due, self.ledger.state.tally.findings());
        let seq = record.seq.unwrap_or(due);
        let jumped = seq != due;
        let link = self.settled(record);
        let sound = !jumped && link == Link::Follows;
        let class = self.measure.class(sound);
        let remarks = record.remarks.as_deref();
        if let Some(why) = remarks.and_then(|remarks| remarks.form.as_ref()) {
            let what = format!("the record is not what a record must be: {why}");
            self.find(Code::NotCanonical, class, what, seq);
        }
        if jumped {
            self.in_place = false;
            let (first, last) = if seq > due { (due, seq - 1) } else { (seq, seq) };
            let finding = Finding::new(Code::SeqGap, class, sequence_break(due, seq));
            self.ledger.find(finding.between(first, last));
        }
        self.contents(record, count, seq, class);
        self.judge_link(&link, jumped, seq, class);
        let trusted = self.judge_signer(record.signer, seq, class);
        let first_is_damaged = self.ledger.state.tally.findings() > found_before;
        let by_fault = self.by_fault(record);
        let each_is_damaged = !trusted || by_fault.is_some();
        let damaged = if each_is_damaged { count } else { u64::from(first_is_damaged) };
        // Where each of them is damaged, they may be more than are looked at.
        let taken = if each_is_damaged { count.min(self.damaged_left) } else { count };
        self.strangers(record.signer, trusted, seq, taken);
        if let Some(fault) = by_fault {
            self.writers(&fault, seq, taken, class);
        }
        self.damage(damaged.min(taken));
        self.run(record.signer.is_some(), seq, taken, class == Class::Tampering);
        self.carry(record, seq, taken, sound, trusted);
        taken
    }

    /// How the stated digest stands to the line before, with what this one knows of that line.
    fn settled(&self, record: &Record) -> Link {
        let Link::Open(bytes) = &record.link else { return record.link.clone() };
        let recomputed = self.ledger.state.recomputed;
        if recomputed.is_some_and(|before| record_digest(bytes, Some(&before)) == record.digest) {
            Link::FollowsRecomputed
        } else {
            Link::Differs
        }
    }

    fn find(&mut self, code: Code, class: Class, what: impl Into<String>, seq: u64) {
        self.ledger.find(Finding::new(code, class, what).at(seq));
    }

    /// Step 4.
    fn contents(&mut self, record: &Record, count: u64, seq: u64, class: Class) {
        let remarks = record.remarks.as_deref();
        if let Some(other) = remarks.and_then(|remarks| remarks.other_ledger.as_ref()) {
            let what = format!("a record of the ledger {other:?} stands here");
            self.ledger.find(Finding::new(Code::ChainBroken, class, what).at(seq).repeating());
        }
        if let Some((first, last)) = record.times {
            if let Some(before) = self.ledger.state.time.filter(|before| first < *before) {
                let what =
                    format!("the record's time {first} lies before its predecessor's, {before}");
                // Where the time before may not be what was signed, this one may be right.
                let class = if self.ledger.state.time_firm { class } else { Class::Damage };
                self.find(Code::TimeBackwards, class, what, seq);
            }
            self.ledger.state.time = Some(last);
            // Where there are several, those behind the first are sound.
            let firm = count > 1 || class == Class::Tampering;
            self.ledger.state.time_firm = self.measure.intact.unwrap_or(firm);
        }
        let Some(remarks) = remarks else { return };
        if let Some((code, why)) = &remarks.fault {
            self.find(*code, class, why.clone(), seq);
        }
        if let Some(kind) = &remarks.kind {
            self.unknown_kind(kind, seq);
        }
        if let Some(creation) = &remarks.creation
            && self.ledger.state.rules.is_none()
        {
            self.ledger.state.rules = Some(creation.into());
            self.ledger.state.rules_firm = class == Class::Tampering;
            for id in &creation.keys {
                let known = id.public_key().is_some_and(|key| self.trusts(&key));
                if !known {
                    let what = format!("record 0 names the key {id}, which is not a key you gave");
                    self.find(Code::KeyUnknown, Class::Damage, what, seq);
                }
            }
        }
    }

    /// Step 4, of who wrote it: what is wrong with each of the records, where the rules are known and
    /// nothing else is wrong with what stands there.
    fn by_fault(&self, record: &Record) -> Option<RecordFault> {
        let faulty = record.remarks.as_ref().is_some_and(|remarks| remarks.fault.is_some());
        let rules = self.ledger.state.rules.filter(|_| !faulty)?;
        judge_by(rules.principals, record.principals?).err()
    }

    /// One finding for each record, so that what is said does not depend on how lines were put together.
    /// There are no more of them than damaged lines are looked at.
    fn writers(&mut self, fault: &RecordFault, seq: u64, count: u64, class: Class) {
        // Nothing is demanded for sure by rules that may not be those that were signed.
        let firm = self.ledger.state.rules_firm;
        for at in 0..count {
            // Where there are several, those behind the first are sound.
            let class = if at == 0 { class } else { self.measure.class(true) };
            let class = if firm { class } else { Class::Damage };
            self.find(fault.code(), class, fault.to_string(), seq.saturating_add(at));
        }
    }

    fn unknown_kind(&mut self, kind: &str, seq: u64) {
        let kinds = &mut self.ledger.state.kinds;
        if kinds.len() >= KINDS_MAX || kinds.iter().any(|known| known == kind) {
            return;
        }
        kinds.push(kind.to_owned());
        let what = format!("records of the kind {kind:?}, the first of them record {seq}");
        let why = "this program does not know the kind, and so not what it means for what follows";
        self.ledger.could_not_check(UncheckedCode::KindUnknown, what, why);
    }

    fn trusts(&self, key: &[u8; 32]) -> bool {
        self.ledger.trusts(key, self.measure.origin)
    }

    /// Step 5.
    fn judge_link(&mut self, link: &Link, jumped: bool, seq: u64, class: Class) {
        if *link != Link::Differs {
            return;
        }
        let (code, what) = if jumped {
            (Code::ChainBroken, "the record does not follow the one it stands behind")
        } else if self.ledger.state.signature_bad {
            (
                Code::ChainBroken,
                "the record follows another one than the one before it, which was changed",
            )
        } else {
            (
                Code::HashMismatch,
                "the digest is not the SHA-256 of the record and the digest before it",
            )
        };
        self.find(code, class, what, seq);
    }

    /// Step 6, but for keys that are not trusted; whether this one is, or there is none.
    fn judge_signer(&mut self, signer: Option<Signer>, seq: u64, class: Class) -> bool {
        let Some(signer) = signer else { return true };
        if !signer.fits {
            let what = "the signature does not fit the record's digest and the key";
            self.find(Code::SigInvalid, class, what, seq);
        }
        self.batch.keys.get(signer.key as usize).is_some_and(|key| self.trusts(key))
    }

    fn strangers(&mut self, signer: Option<Signer>, trusted: bool, seq: u64, count: u64) {
        let key = signer.and_then(|signer| self.batch.keys.get(signer.key as usize));
        if let Some(key) = key.filter(|_| !trusted) {
            let kid = indelible_core::encoding::hex(key);
            let what =
                format!("records are signed with ed25519:{kid}, which is not a key you gave");
            let last = seq.saturating_add(count.saturating_sub(1));
            let finding = Finding::damage(Code::KeyUnknown, what).between(seq, last);
            self.ledger.find(finding.times(count).repeating());
        }
    }

    /// Step 8.
    fn run(&mut self, signed: bool, seq: u64, count: u64, firm: bool) {
        if signed {
            self.ledger.close_run();
            return;
        }
        match &mut self.ledger.state.open {
            Some(open) if open.first.checked_add(open.count) == Some(seq) => {
                open.count = open.count.saturating_add(count);
                open.firm &= firm;
            }
            _ => {
                self.ledger.close_run();
                self.ledger.state.open = Some(OpenRun { first: seq, count, firm });
            }
        }
    }

    /// What the next line is measured by.
    fn carry(&mut self, record: &Record, seq: u64, count: u64, sound: bool, trusted: bool) {
        let fits = record.signer.is_some_and(|signer| signer.fits);
        let state = &mut self.ledger.state;
        state.tally.records += count;
        state.tally.signatures += if fits && trusted { count } else { 0 };
        state.due = seq.saturating_add(count);
        state.before = Before::Stated(record.digest);
        state.recomputed = None;
        state.signature_bad = record.signer.is_some_and(|signer| !signer.fits);
        state.sound &= sound;
    }

    fn compare_at(&mut self, mark: &CompactRange) {
        let Some(mut tree) = self.base.clone() else { return };
        if tree.append_range(mark).is_ok() {
            let firm = self.ledger.state.sound && self.ledger.state.tree_firm;
            let class = if firm { Class::Tampering } else { Class::Damage };
            self.ledger.compare_heads(&tree, class);
        }
    }
}

/// What to say when record `seq` stands where `due` should.
fn sequence_break(due: u64, seq: u64) -> String {
    match seq.checked_sub(due) {
        Some(1) => format!("record {due} is missing"),
        Some(_) => format!("records {due} to {} are missing", seq - 1),
        None => format!("record {seq} stands where record {due} should"),
    }
}

impl Ledger {
    /// Judges the lines of a batch of an export or live ledger, and lets the tree grow by them; `false`
    /// when no more is to be looked at.
    pub(crate) fn take(&mut self, batch: &Batch, origin: &Origin) -> bool {
        debug_assert_eq!(self.source, Source::Whole);
        let damaged_max = crate::limits::DAMAGED_LINES_MAX.saturating_sub(self.state.tally.damaged);
        let passed = self.pass(batch, &Measure { origin, intact: None, damaged_max });
        let grown = self
            .state
            .tree
            .take()
            .filter(|_| passed.in_place)
            .and_then(|mut tree| tree.append_range(&batch.range).is_ok().then_some(tree));
        self.state.tree = grown;
        // What stands behind the last line that is looked at is not known, be it nothing.
        !passed.stopped && self.state.tally.damaged < crate::limits::DAMAGED_LINES_MAX
    }
}
