//! Drives a verification: gives work to the workers and joins what they found, in order.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::Code;
use indelible_core::key::Trust;
use indelible_core::name::{LedgerName, Origin};

use crate::chunk::{self, Chunk, ChunkJob, Contents};
use crate::context::Context;
use crate::findings::{Finding, Unchecked};
use crate::ledger::{Kind, Ledger};
use crate::pipeline::Pipeline;
use crate::progress::{NoProgress, Progress};
use crate::report::{ExpectedHead, FINDINGS_MAX_LIMIT, Options, Report, checkpoint_code};
use crate::stretch::Stretch;
use crate::vault::{self, Neighbour, SegmentJob, SegmentOutcome};

/// Most worker threads: each may take 10 MiB while it unpacks.
pub const JOBS_MAX: usize = 256;

/// Work for a worker.
pub(crate) enum Job {
    Segment(SegmentJob),
    Chunk(ChunkJob),
}

/// What is joined in order.
pub(crate) enum Item {
    Begin(Box<Ledger>),
    Segment(Box<SegmentOutcome>),
    Stretch(Box<Stretch>),
    /// Something that was noticed while reading, in its place among the records.
    Finding(Finding),
    /// Something that could not be read: what and why.
    Unchecked(String, String),
    /// The checkpoint that closes a whole ledger.
    Close(Result<Checkpoint, Finding>),
    End,
}

/// A ledger that is fed in chunks.
struct Feed {
    origin: Arc<Origin>,
    marks: Arc<[u64]>,
    position: u64,
}

/// Verifies ledgers against keys that come from elsewhere.
///
/// Give it a [vault](Self::vault), an [export](Self::export), or feed it a live ledger
/// ([`begin`](Self::begin), [`feed`](Self::feed), [`end`](Self::end)); then [`finish`](Self::finish).
pub struct Verifier {
    context: Arc<Context>,
    wanted: Vec<LedgerName>,
    heads: Vec<ExpectedHead>,
    pipeline: Pipeline<Job, Item>,
    current: Option<(Ledger, Neighbour)>,
    feed: Option<Feed>,
    report: Report,
    progress: Box<dyn Progress>,
    started: Instant,
}

impl Verifier {
    /// Starts the workers. Expected heads that no trusted key signed become findings.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn new(trust: Trust, options: Options) -> io::Result<Self> {
        let findings_max = options.findings_max.min(FINDINGS_MAX_LIMIT);
        let context = Arc::new(Context { trust, findings_max });
        let shared = Arc::clone(&context);
        let pipeline = Pipeline::new(options.jobs.clamp(1, JOBS_MAX), move |job| match job {
            Job::Segment(job) => Item::Segment(Box::new(vault::check(&job, &shared))),
            Job::Chunk(job) => Item::Stretch(Box::new(chunk::check(&job, &shared))),
        })?;
        let mut report = Report::new(findings_max);
        let mut heads = Vec::new();
        for (source, note) in &options.heads {
            match ExpectedHead::open(source, note, &context.trust) {
                Ok(head) => heads.push(head),
                Err(finding) => report.findings.push(finding),
            }
        }
        Ok(Self {
            context,
            wanted: options.ledgers,
            heads,
            pipeline,
            current: None,
            feed: None,
            report,
            progress: Box::new(NoProgress),
            started: Instant::now(),
        })
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

    /// Begins a ledger that is fed from record 0 on. `records` is for the progress shown.
    pub fn begin(&mut self, origin: &Origin, records: u64) {
        if self.report.source.is_empty() {
            "live ledger".clone_into(&mut self.report.source);
        }
        self.begin_whole(origin);
        self.expect(origin.ledger(), records);
    }

    pub(crate) fn begin_whole(&mut self, origin: &Origin) {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|name| **name == *origin.ledger()) {
            self.could_not_check(
                origin.ledger(),
                origin.ledger(),
                "it is not the ledger asked for",
            );
        }
        let ledger = self.ledger(origin.ledger(), Kind::Whole, Some(origin));
        let marks = ledger.marks();
        self.pass(Item::Begin(Box::new(ledger)));
        self.feed = Some(Feed { origin: Arc::new(origin.clone()), marks, position: 0 });
    }

    /// Takes the next records of the ledger begun last. Waits while the workers are busy.
    pub fn feed(&mut self, chunk: Chunk) {
        let records = chunk.len() as u64;
        self.chunk(records, Contents::Records(chunk));
    }

    pub(crate) fn chunk(&mut self, records: u64, contents: Contents) {
        let Some(feed) = &mut self.feed else { return };
        let begin = feed.position;
        feed.position += records;
        let (origin, marks) = (Arc::clone(&feed.origin), Arc::clone(&feed.marks));
        if records > 0 {
            self.give(Job::Chunk(ChunkJob { begin, contents, origin, marks }));
        }
    }

    /// Ends the ledger begun last with the checkpoint, a signed note, that closes it.
    pub fn end(&mut self, checkpoint: &[u8]) {
        let Some(feed) = self.feed.take() else { return };
        let opened = Checkpoint::open(checkpoint, &feed.origin, &self.context.trust);
        let close = opened.map_err(|error| {
            let what = format!("the closing checkpoint: {error}");
            Finding::new(checkpoint_code(&error), what)
        });
        self.pass(Item::Close(close));
        self.pass(Item::End);
        self.drain();
        self.miss_heads(Kind::Whole);
    }

    /// The same for one that has no closing checkpoint.
    pub(crate) fn end_open(&mut self) {
        if self.feed.take().is_some() {
            self.pass(Item::End);
        }
        self.drain();
        self.miss_heads(Kind::Whole);
    }

    /// Waits for the workers and gives the report.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.end_open();
        self.progress.done();
        self.report.ledgers.sort_by(|a, b| a.name.cmp(&b.name));
        self.say_what_cannot_be_known();
        self.report.elapsed = self.started.elapsed();
        self.report
    }

    /// Silence about these two would be read as a good sign.
    fn say_what_cannot_be_known(&mut self) {
        let Report { ledgers, findings, unchecked, source, .. } = &self.report;
        if ledgers.is_empty() && findings.is_empty() && unchecked.total() == 0 {
            let source = source.clone();
            self.could_not_check("", &source, "it holds no ledger, so nothing was verified");
        }
        let ledgers = &self.report.ledgers;
        let mut blind = ledgers.iter().filter(|ledger| ledger.expected_size.is_none());
        let some: Vec<&str> = blind.by_ref().take(3).map(|ledger| &*ledger.name).collect();
        let more = match blind.count() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        if !some.is_empty() {
            self.report.tail_unknown = true;
            let some = some.join(", ");
            self.note(&format!(
                "no head was given with --head for {some}{more}: if records were cut from the end there, it \
                 cannot be seen"
            ));
        }
    }

    /// Whether the rest of the ledger being read will not be looked at.
    pub(crate) fn gave_up(&self) -> bool {
        self.current.as_ref().is_some_and(|(ledger, _)| ledger.gave_up())
    }

    pub(crate) fn wanted(&self) -> &[LedgerName] {
        &self.wanted
    }

    /// A ledger with the heads that are expected of it. Where its origin is not known yet, the first
    /// head of this name decides.
    pub(crate) fn ledger(&mut self, name: &str, kind: Kind, origin: Option<&Origin>) -> Ledger {
        let named = self.heads.iter().map(|head| &head.origin).find(|o| *o.ledger() == *name);
        let origin = origin.or(named).cloned();
        let mut expected = Vec::new();
        self.heads.retain(|head| {
            let meant = Some(&head.origin) == origin.as_ref();
            if meant {
                expected.push(head.clone());
            }
            !meant
        });
        Ledger::new(name, kind, origin, expected, self.context.findings_max)
    }

    /// Says of which ledgers heads were given, but nothing was seen.
    pub(crate) fn miss_heads(&mut self, kind: Kind) {
        for head in core::mem::take(&mut self.heads) {
            let name = head.origin.ledger();
            let asked = self.wanted.is_empty() || self.wanted.iter().any(|w| **w == *name);
            if kind == Kind::Vault && asked && head.size > 0 {
                let what =
                    format!("nothing is here of {}, whose head is in {}", head.origin, head.source);
                let finding = Finding::new(Code::TailMissing, what).between(0, head.size - 1);
                self.report.findings.push(finding.ledger(name));
            } else {
                let why = format!("it is the head of {}, which was not read", head.origin);
                self.could_not_check(name, &format!("the head in {}", head.source), &why);
            }
        }
    }

    pub(crate) fn could_not_check(&mut self, ledger: &str, what: &str, why: &str) {
        let (ledger, what, why) = (ledger.to_owned(), what.to_owned(), why.to_owned());
        self.report.unchecked.push(Unchecked { ledger, what, why });
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    pub(crate) fn note(&mut self, note: &str) {
        self.report.notes.push(note.to_owned());
    }

    /// Tells the progress what comes next.
    pub(crate) fn expect(&self, what: &str, records: u64) {
        self.progress.expect(what, records);
    }

    pub(crate) fn give(&mut self, job: Job) {
        self.make_room();
        self.pipeline.give(job);
    }

    pub(crate) fn pass(&mut self, item: Item) {
        self.make_room();
        self.pipeline.pass(item);
    }

    fn make_room(&mut self) {
        while self.pipeline.is_full()
            && let Some(item) = self.pipeline.take()
        {
            self.join(item);
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(item) = self.pipeline.take() {
            self.join(item);
        }
    }

    fn join(&mut self, item: Item) {
        if let Item::Begin(ledger) = item {
            self.current = Some((*ledger, Neighbour::default()));
            return;
        }
        let Some((ledger, before)) = &mut self.current else { return };
        if ledger.gave_up() && !matches!(item, Item::End) {
            return;
        }
        match item {
            Item::Begin(_) => {}
            Item::Segment(outcome) => {
                let count = outcome.run.count();
                self.report.bytes += outcome.stretch.as_ref().map_or(0, |stretch| stretch.bytes);
                vault::join(ledger, before, *outcome);
                self.progress.advance(count);
            }
            Item::Stretch(stretch) => {
                self.report.bytes += stretch.bytes;
                self.progress.advance(stretch.lines);
                ledger.stretch(*stretch, None);
            }
            Item::Finding(finding) => ledger.find(finding),
            Item::Unchecked(what, why) => ledger.could_not_check(what, why),
            Item::Close(Ok(checkpoint)) => ledger.close(&checkpoint),
            Item::Close(Err(finding)) => ledger.find(finding),
            Item::End => self.end_ledger(),
        }
    }

    fn end_ledger(&mut self) {
        let Some((mut ledger, _)) = self.current.take() else { return };
        let summary = ledger.finish(&self.context.trust);
        self.report.ledgers.push(summary);
        let name = ledger.name().to_owned();
        self.report.findings.absorb(ledger.findings, &name);
        ledger.unchecked.hand_over(&mut self.report.unchecked);
        ledger.notes.hand_over(&mut self.report.notes);
    }
}
