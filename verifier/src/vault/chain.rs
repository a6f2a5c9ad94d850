//! The manifests of one ledger in the order of their names: steps 3 to 8 of `docs/FORMAT.md` section 8.3.

use std::sync::Arc;

use indelible_core::code::{Class, Code, UncheckedCode};
use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::merkle::CompactRange;
use indelible_core::name::Origin;
use indelible_core::segment::{Run, manifest_name};

use super::folder::Folder;
use super::listing::{Files, OddName};
use super::manifest::{self, Spoilt, Stated};
use super::segment::{Object, ReadObject, SegmentOutcome};
use crate::blocks::End;
use crate::findings::Finding;
use crate::ledger::Ledger;
use crate::limits::DAMAGED_LINES_MAX;
use crate::lines::Before;
use crate::replay::Measure;

/// One ledger of a vault.
pub(crate) struct Chain {
    pub(crate) ledger: Ledger,
    /// Its folder, unless that could not be read.
    folder: Option<Arc<Folder>>,
    files: Arc<Files>,
    /// Whether the lines of its segments are looked at, as far as the other ledgers go.
    look: bool,
    /// Records behind the last manifest in place of which names of spoilt manifests speak, merged.
    spoken: Vec<(u64, u64)>,
    /// Whether the origin was looked for among the manifests that follow.
    surveyed: bool,
    /// The runs of which trusted manifests speak between two multiples of 65,536.
    trusted: Option<(u64, Vec<Run>)>,
}

impl Chain {
    pub(crate) fn new(ledger: Ledger, folder: Option<Arc<Folder>>, files: Arc<Files>) -> Self {
        let (spoken, trusted) = (Vec::new(), None);
        Self { ledger, folder, files, look: true, spoken, surveyed: false, trusted }
    }

    /// The lines are not looked at: too much is damaged elsewhere.
    pub(crate) fn look_away(&mut self) {
        self.look = false;
    }

    /// A manifest whose name is no run of records.
    pub(crate) fn odd(&mut self, name: OddName) {
        self.ledger.state.tally.segments += 1;
        let what = "its name is no run of records that a segment can have";
        let mut finding = Finding::damage(Code::ManifestInvalid, what).file(name.file());
        if let (Ok(first), Ok(last)) = (u64::try_from(name.first), u64::try_from(name.last))
            && first <= last
        {
            finding = finding.between(first, last);
            self.spoil(first, last);
        }
        self.ledger.find(finding);
    }

    /// Judges the next manifest and its segment.
    pub(crate) fn join(&mut self, outcome: SegmentOutcome) {
        self.ledger.state.tally.segments += 1;
        let run = outcome.run;
        let mut stated = match outcome.manifest {
            Ok(stated) => *stated,
            Err(spoilt) => {
                self.say(*spoilt);
                return self.spoil(run.first().get(), run.last().get());
            }
        };
        core::mem::take(&mut stated.findings).into_iter().for_each(|f| self.ledger.find(f));
        if !self.belongs(run, &stated) || !self.is_in_place(run, &stated) {
            return self.spoil(run.first().get(), run.last().get());
        }
        self.judge_gap(run.first().get());
        self.judge_neighbour(run, &stated);
        if let Some(checkpoint) = stated.checkpoint.as_ref().filter(|_| stated.trusted) {
            self.ledger.compare_checkpoint(checkpoint);
        }
        let lines = self.segment(run, &stated, outcome.object);
        self.grow(run, &stated, lines);
        self.judge_root(run, &stated);
    }

    fn say(&mut self, spoilt: Spoilt) {
        match spoilt {
            Spoilt::Finding(finding) => self.ledger.find(finding),
            Spoilt::Unchecked(unchecked) => {
                self.ledger.end.unseen |= unchecked.code == UncheckedCode::Unreadable;
                self.ledger.could_not_check(unchecked.code, unchecked.what, unchecked.why);
            }
        }
    }

    /// The manifest changes nothing, but its name speaks of records.
    fn spoil(&mut self, first: u64, last: u64) {
        let end = last.saturating_add(1);
        self.ledger.end.spoken_to = self.ledger.end.spoken_to.max(end);
        match self.spoken.last_mut() {
            // Names come in the order of their first numbers.
            Some((_, spoken_to)) if first <= *spoken_to => *spoken_to = end.max(*spoken_to),
            _ => self.spoken.push((first, end)),
        }
    }

    fn about(&self, code: Code, trusted: bool, what: impl Into<String>, run: Run) -> Finding {
        let class = if trusted { Class::Tampering } else { Class::Damage };
        let file = manifest_name(run.first(), run.last());
        Finding::new(code, class, what).between(run.first().get(), run.last().get()).file(file)
    }

    /// Step 3: whether the manifest is of this folder's ledger, its name's run and the ledger's origin.
    fn belongs(&mut self, run: Run, stated: &Stated) -> bool {
        let (code, trusted) = (Code::ManifestInvalid, stated.trusted);
        let mut belongs = true;
        if stated.origin.ledger() != self.ledger.name() {
            let what =
                format!("it is of the ledger {:?}, not of its folder's", stated.origin.ledger());
            self.ledger.find(self.about(code, trusted, what, run).repeating());
            belongs = false;
        }
        if stated.run != run {
            let (first, last) = (stated.run.first(), stated.run.last());
            let what = format!("it is of the records {first} to {last}");
            self.ledger.find(self.about(code, trusted, what, run));
            belongs = false;
        }
        if !belongs {
            return false;
        }
        if self.ledger.state.origin.is_none() {
            self.ledger.state.origin =
                if trusted { Some(stated.origin.clone()) } else { self.survey(run) };
        }
        match &self.ledger.state.origin {
            Some(origin) if *origin != stated.origin => {
                let what = format!("its origin is {}, expected is {origin}", stated.origin);
                self.ledger.find(self.about(code, trusted, what, run).repeating());
                false
            }
            _ => true,
        }
    }

    /// The origin of the first trusted manifest behind `run`, looked for once.
    fn survey(&mut self, run: Run) -> Option<Origin> {
        if core::mem::replace(&mut self.surveyed, true) {
            return None;
        }
        let later = self.files.runs.iter().filter(|other| **other > run);
        later.filter_map(|other| self.origin_of(*other)).next()
    }

    /// The origin of the manifest named after a run, if it is trusted and of this folder and run.
    fn origin_of(&self, run: Run) -> Option<Origin> {
        let (_, stated) = manifest::read(self.folder.as_ref()?, run, &self.ledger.trust).ok()?;
        let fits =
            stated.trusted && stated.run == run && stated.origin.ledger() == self.ledger.name();
        fits.then_some(stated.origin)
    }

    /// Step 4.
    fn is_in_place(&mut self, run: Run, stated: &Stated) -> bool {
        let (first, due) = (run.first().get(), self.ledger.state.due);
        let what = if first < due {
            format!("another manifest already speaks of records from {first} on")
        } else if !stated.trusted && self.is_spoken_for(run) {
            "a manifest that a trusted key signed speaks of its records".to_owned()
        } else {
            return true;
        };
        let finding = self.about(Code::ManifestInvalid, stated.trusted, what, run);
        self.ledger.find(finding);
        false
    }

    /// Whether a trusted manifest of this ledger speaks of any of these records.
    fn is_spoken_for(&mut self, run: Run) -> bool {
        let block = run.first().get() / SEGMENT_RECORDS_MAX;
        if self.trusted.as_ref().is_none_or(|(known, _)| *known != block) {
            let origin = self.ledger.state.origin.clone();
            let in_block =
                self.files.runs.iter().filter(|r| r.first().get() / SEGMENT_RECORDS_MAX == block);
            let trusted = in_block
                .copied()
                .filter(|other| self.origin_of(*other).is_some_and(|o| Some(o) == origin));
            self.trusted = Some((block, trusted.collect()));
        }
        let meets = |other: &Run| other.first() <= run.last() && run.first() <= other.last();
        self.trusted.as_ref().is_some_and(|(_, runs)| runs.iter().any(meets))
    }

    /// Step 5: records before `first` of which no manifest speaks.
    fn judge_gap(&mut self, first: u64) {
        let due = self.ledger.state.due;
        let spoken = core::mem::take(&mut self.spoken);
        if first <= due {
            return;
        }
        let mut next = due;
        for (begin, end) in spoken.into_iter().chain([(first, first)]) {
            let begin = begin.min(first);
            if begin > next {
                let what = "no manifest speaks of these records: a segment is missing";
                let gap = Finding::damage(Code::SegmentMissing, what).between(next, begin - 1);
                self.ledger.find(gap);
            }
            next = next.max(end);
        }
        self.ledger.close_run();
        let state = &mut self.ledger.state;
        state.due = first;
        state.before = Before::Lost;
        state.tree = None;
        state.manifest = None;
    }

    /// Step 6.
    fn judge_neighbour(&mut self, run: Run, stated: &Stated) {
        let state = self.ledger.state.clone();
        let other_previous = state.manifest.is_some() && stated.previous != state.manifest;
        let other_digest = match (state.before, stated.first_prev) {
            (Before::Stated(before), first_prev) => first_prev != Some(before),
            (Before::Nothing | Before::Lost, _) => false,
        };
        if stated.trusted && other_previous {
            let what = "its member previous is not the hash of the manifest before it";
            let finding = self.about(Code::ManifestInvalid, true, what, run);
            self.ledger.find(finding);
        }
        if other_digest {
            let what = "the segment follows another record than the last one before it";
            // The digest before may be one that rotted, where no signature is over it.
            let firm = stated.trusted && (state.manifest.is_some() || state.sound);
            let finding = self.about(Code::ChainBroken, firm, what, run);
            self.ledger.find(finding.at(run.first().get()));
        }
    }

    /// Step 7; the leaves of the lines, where all were in their places from the first record to the last.
    fn segment(&mut self, run: Run, stated: &Stated, object: Object) -> Option<CompactRange> {
        let (first, last) = (run.first().get(), run.last().get());
        if !self.look || self.ledger.state.tally.damaged >= DAMAGED_LINES_MAX {
            self.ledger.give_up(format!("the lines of segments from record {first} on"));
            return None;
        }
        match object {
            Object::NotRead => None,
            Object::Missing { name, why } => {
                let what = format!("its segment {name}: {why}");
                let file = manifest_name(run.first(), run.last());
                let finding = Finding::damage(Code::SegmentMissing, what).between(first, last);
                self.ledger.find(finding.file(file));
                None
            }
            Object::Unreadable { name, why } => {
                self.ledger.end.unseen = true;
                self.ledger.could_not_check(UncheckedCode::Unreadable, name, why);
                None
            }
            Object::Read(read) => self.lines(run, stated, *read),
        }
    }

    fn lines(&mut self, run: Run, stated: &Stated, read: ReadObject) -> Option<CompactRange> {
        let (first, last) = (run.first().get(), run.last().get());
        let about = |code, class, what: String| {
            Finding::new(code, class, what).between(first, last).file(&*read.name)
        };
        if !read.packed_differs.is_empty() {
            let what =
                format!("manifest and segment differ in: {}", read.packed_differs.join(", "));
            self.ledger.find(about(Code::ManifestInvalid, Class::Damage, what));
        }
        let intact = stated.trusted && read.packed_differs.is_empty();
        let class = if intact { Class::Tampering } else { Class::Damage };
        let state = &mut self.ledger.state;
        state.before = stated.first_prev.map_or(Before::Nothing, Before::Stated);
        state.recomputed = None;
        state.signature_bad = false;
        let damaged_before = state.tally.damaged;
        let measure = Measure {
            origin: &stated.origin,
            intact: Some(intact),
            damaged_max: DAMAGED_LINES_MAX,
        };
        let passed = self.ledger.pass(&read.batch, &measure);
        let damaged = self.ledger.state.tally.damaged.saturating_sub(damaged_before);
        if passed.stopped || damaged >= DAMAGED_LINES_MAX {
            let due = self.ledger.state.due;
            self.ledger.give_up(format!("the lines behind record {}", due.saturating_sub(1)));
            return None;
        }
        if let Some((code, what)) = why_it_ended(&read) {
            let finding = about(code, class, what);
            let due = self.ledger.state.due;
            let a_line = code == Code::NotCanonical;
            self.ledger.find(if a_line { finding.at(due) } else { finding });
        }
        if !read.plain_differs.is_empty() {
            let what = format!("manifest and segment differ in: {}", read.plain_differs.join(", "));
            self.ledger.find(about(Code::ManifestInvalid, class, what));
        }
        self.judge_end(run, class, &read.name);
        let complete = passed.in_place && read.batch.count == run.count();
        if complete && read.batch.range != stated.range {
            let what = "the records' digests do not lead to the subtrees in the manifest";
            self.ledger.find(about(Code::RootMismatch, class, what.to_owned()));
        }
        complete.then_some(read.batch.range)
    }

    fn judge_end(&mut self, run: Run, class: Class, name: &str) {
        let (due, last) = (self.ledger.state.due, run.last().get());
        if due > last {
            return;
        }
        let is_last = self.files.is_last(run);
        self.ledger.end.is_missing |= is_last;
        let code = if is_last { Code::TailMissing } else { Code::SeqGap };
        let what = "the segment ends before the last record that its manifest names";
        self.ledger.find(Finding::new(code, class, what).between(due, last).file(name));
    }

    /// Step 8: the tree grows.
    fn grow(&mut self, run: Run, stated: &Stated, lines: Option<CompactRange>) {
        let next = run.last().get().saturating_add(1);
        if self.ledger.state.due != next {
            self.ledger.close_run();
        }
        let state = &mut self.ledger.state;
        state.due = next;
        if stated.trusted {
            state.before = Before::Stated(stated.last_digest);
            state.manifest = Some(stated.text_sha256);
            state.sound = true;
        } else {
            state.manifest = None;
            state.tree_firm &= state.sound;
        }
        state.recomputed = None;
        state.signature_bad = false;
        let complete = lines.is_some();
        // A trusted manifest stands for its leaves, whatever the lines say.
        let range = if stated.trusted { Some(&stated.range) } else { lines.as_ref() };
        let grown = state
            .tree
            .take()
            .zip(range)
            .and_then(|(mut tree, range)| tree.append_range(range).is_ok().then_some(tree));
        state.tree = grown;
        if !stated.trusted && !complete {
            state.before = Before::Lost;
        }
    }

    /// Compares the tree with the checkpoint of the manifest, and with heads of its size.
    fn judge_root(&mut self, run: Run, stated: &Stated) {
        let Some(tree) = self.ledger.state.tree.clone() else { return };
        if let Some(checkpoint) = &stated.checkpoint
            && tree.root() != Some(checkpoint.root)
        {
            let size = checkpoint.size;
            let what = format!("the first {size} records lead to another root than the signed one");
            let firm = stated.trusted && self.ledger.state.tree_firm;
            let finding = self.about(Code::RootMismatch, firm, what, run);
            self.ledger.find(finding);
        }
        let firm = stated.trusted && self.ledger.state.tree_firm;
        let class = if firm { Class::Tampering } else { Class::Damage };
        self.ledger.compare_heads(&tree, class);
    }
}

/// Why the lines of a segment end where they do, where that is a finding.
fn why_it_ended(read: &ReadObject) -> Option<(Code, String)> {
    if read.batch.more {
        let what = "the segment has far more lines than its manifest says; the rest was not read";
        return Some((Code::ManifestInvalid, what.to_owned()));
    }
    match &read.end {
        Some(End::Whole) | None => None,
        Some(End::Unterminated) => {
            Some((Code::NotCanonical, "the segment's last line has no line feed".to_owned()))
        }
        Some(End::LineTooLong) => {
            let max = indelible_core::limits::LINE_BYTES_MAX;
            let what = format!("a line has more than {max} bytes; the rest was not read");
            Some((Code::NotCanonical, what))
        }
        Some(End::TooLarge) => {
            let what =
                "the segment unpacks to far more than its manifest says; the rest was not read";
            Some((Code::ManifestInvalid, what.to_owned()))
        }
        Some(End::Failed(error)) => Some((
            Code::ManifestInvalid,
            format!("the segment cannot be unpacked further: {error}"),
        )),
    }
}
