//! A verification: what it is given, and the report that it becomes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use indelible_core::code::{Code, UncheckedCode};
use indelible_core::key::Trust;
use indelible_core::name::Origin;

use crate::chunk::{self, ChunkJob};
use crate::findings::{Finding, Unchecked};
use crate::heads::{BadHead, Head};
use crate::ledger::{Ledger, Source};
use crate::lines::Batch;
use crate::live::{Live, Session};
use crate::pipeline::Pipeline;
use crate::progress::{NoProgress, Progress};
use crate::report::{FINDINGS_MAX_LIMIT, LedgerReport, Options, Report};
use crate::state::ReplayState;
use crate::vault;

/// Verifies ledgers against keys that come from elsewhere.
///
/// Give it a [vault](Self::vault), an [export](Self::export) or a [live ledger](Self::live), or several;
/// then [`finish`](Self::finish).
pub struct Verifier {
    pub(crate) trust: Arc<Trust>,
    pub(crate) jobs: usize,
    pub(crate) kept_max: usize,
    wanted: BTreeSet<String>,
    heads: Vec<Head>,
    pub(crate) chunks: Pipeline<ChunkJob, Batch>,
    /// Ledgers that were begun and did not come to their end.
    open: u64,
    /// Lines with a finding in all ledgers.
    pub(crate) damaged: u64,
    report: Report,
    progress: Box<dyn Progress>,
    started: Instant,
}

impl Verifier {
    /// Starts the workers. Heads that cannot be used become findings, or things not checked.
    #[must_use]
    pub fn new(trust: Trust, options: Options) -> Self {
        let kept_max = options.findings_max.min(FINDINGS_MAX_LIMIT);
        let mut report = Report::new(kept_max);
        let mut heads = Vec::new();
        for file in &options.heads {
            match Head::open(file, &trust) {
                Ok(head) => heads.push(head),
                Err(BadHead::Finding(finding)) => report.findings.push(*finding),
                Err(BadHead::Unchecked(unchecked)) => report.unchecked.push(unchecked),
            }
        }
        Self {
            trust: Arc::new(trust),
            jobs: options.jobs,
            kept_max,
            wanted: options.ledgers.iter().map(ToString::to_string).collect(),
            heads,
            chunks: Pipeline::new(options.jobs, |job| chunk::check(&job)),
            open: 0,
            damaged: 0,
            report,
            progress: Box::new(NoProgress),
            started: Instant::now(),
        }
    }

    /// Shows how far it is.
    #[must_use]
    pub fn with_progress(self, progress: Box<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    /// Verifies every ledger of a directory vault, or the ones that were asked for.
    pub fn vault(&mut self, path: &Path) {
        self.report.source = format!("vault {}", path.display());
        vault::verify(self, path);
    }

    /// Verifies an export, compressed or not.
    pub fn export(&mut self, path: &Path) {
        self.report.source = format!("export {}", path.display());
        crate::export::verify(self, path);
    }

    /// Begins a live ledger that is fed from record 0 on. `records` is for the progress shown.
    pub fn live(&mut self, origin: &Origin, records: u64) -> Live<'_> {
        self.name_live();
        Live::new(self.whole(origin, None, records))
    }

    /// Goes on with a ledger where an earlier verification [stopped](Live::pause): it is fed from the
    /// record that is [due](ReplayState::due) on. `origin` must be that of the state.
    pub fn resume(&mut self, origin: &Origin, state: ReplayState, records: u64) -> Live<'_> {
        self.name_live();
        Live::new(self.whole(origin, Some(state), records))
    }

    fn name_live(&mut self) {
        if self.report.source.is_empty() {
            "live ledger".clone_into(&mut self.report.source);
        }
    }

    /// Begins a whole ledger.
    pub(crate) fn whole(
        &mut self,
        origin: &Origin,
        state: Option<ReplayState>,
        records: u64,
    ) -> Session<'_> {
        self.forget_open();
        let name = origin.ledger();
        if !self.wants(name) {
            let why = "it is not the ledger asked for";
            self.leave(Unchecked::new(UncheckedCode::NotFound, name, why).ledger(name));
        }
        self.progress.expect(name, records);
        let state = state.unwrap_or_else(|| ReplayState::new(Some(origin.clone())));
        let mut ledger = self.ledger(name, Source::Whole, state);
        if ledger.state.origin.as_ref() != Some(origin) {
            ledger.end.unknown = true;
            let what = "what was checked earlier";
            let why = format!("it is of another ledger than {origin}");
            ledger.could_not_check(UncheckedCode::NotFound, what, why);
        }
        self.open += 1;
        Session::new(self, ledger, origin)
    }

    /// A session that was leaked left its lines under way, and its ledger is gone with it.
    fn forget_open(&mut self) {
        while self.chunks.take().is_some() {}
        for _ in 0..core::mem::take(&mut self.open) {
            let what = "a ledger was begun, and its verification was never ended";
            self.find(Finding::damage(Code::TailMissing, what));
        }
    }

    /// Waits for the workers and gives the report.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.forget_open();
        self.progress.done();
        for head in core::mem::take(&mut self.heads) {
            let why = format!("it is the head of {}, which was not read", head.origin);
            self.miss(&head, why);
        }
        self.report.ledgers.sort_by(|a, b| a.name.cmp(&b.name));
        let Report { ledgers, findings, unchecked, source, .. } = &self.report;
        if ledgers.is_empty() && findings.is_empty() && unchecked.total() == 0 {
            let why = "it holds no ledger, so nothing was verified";
            self.leave(Unchecked::new(UncheckedCode::NothingThere, source.clone(), why));
        }
        let mut ledgers = self.report.ledgers.iter();
        self.report.tail_unknown = ledgers.any(|ledger| ledger.known_to.is_none());
        self.report.elapsed = self.started.elapsed();
        self.report
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.contains(name)
    }

    pub(crate) fn wanted(&self) -> &BTreeSet<String> {
        &self.wanted
    }

    /// A ledger with the heads that may be its own.
    pub(crate) fn ledger(&mut self, name: &str, source: Source, state: ReplayState) -> Ledger {
        let mut own = Vec::new();
        self.heads.retain(|head| {
            let meant = match &state.origin {
                Some(origin) => head.origin == *origin,
                None => head.origin.ledger() == name,
            };
            if meant {
                own.push(head.clone());
            }
            !meant
        });
        Ledger::new(name, source, state, own, &self.trust, self.kept_max)
    }

    /// Heads that no ledger has taken.
    pub(crate) fn take_heads(&mut self) -> Vec<Head> {
        core::mem::take(&mut self.heads)
    }

    /// A head that could not be compared. One of size 0 says nothing.
    pub(crate) fn miss(&mut self, head: &Head, why: impl Into<String>) {
        if head.size > 0 {
            self.leave(head.not_compared(why));
        }
    }

    pub(crate) fn leave(&mut self, unchecked: Unchecked) {
        self.report.unchecked.push(unchecked);
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(crate::limits::cut(note));
    }

    /// Tells the progress what comes next.
    pub(crate) fn expect(&self, what: &str, records: u64) {
        self.progress.expect(what, records);
    }

    /// So many records more were gone through.
    pub(crate) fn passed(&mut self, records: u64, bytes: u64) {
        self.report.bytes = self.report.bytes.saturating_add(bytes);
        self.progress.advance(records);
    }

    /// Takes over what was found in a ledger.
    pub(crate) fn take_ledger(&mut self, ledger: Ledger, summary: LedgerReport) {
        if ledger.source == Source::Whole {
            self.open = self.open.saturating_sub(1);
        }
        self.damaged = self.damaged.saturating_add(ledger.state.tally.damaged);
        let name = ledger.name().to_owned();
        self.report.findings.absorb(ledger.findings, &name);
        ledger.unchecked.hand_over(&mut self.report.unchecked);
        ledger.notes.hand_over(&mut self.report.notes);
        self.report.ledgers.push(summary);
    }
}
