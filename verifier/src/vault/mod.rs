//! A directory vault (`docs/FORMAT.md` sections 7.4 and 8.3): ledgers, their manifests, their segments.

mod chain;
pub(crate) mod folder;
mod listing;
mod manifest;
mod segment;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use indelible_core::code::{Class, Code, UncheckedCode};

use crate::findings::{Finding, Unchecked};
use crate::ledger::{Ledger, Source};
use crate::limits::{DAMAGED_LINES_OF_VAULT_MAX, SEGMENT_WORKING_BYTES};
use crate::pipeline::Pipeline;
use crate::state::ReplayState;
use crate::verifier::Verifier;

use chain::Chain;
use folder::Folder;
use listing::{Files, LEDGERS_MAX, Ledgers, MANIFESTS_MAX, ManifestName, Names, OddName};
use segment::{SegmentJob, SegmentOutcome};

/// Steps of one vault that may wait to be judged: more than there are pieces of work under way, so that
/// a million manifests that are none wait nowhere.
const STEPS_MAX: usize = 4096;

/// Verifies a vault and adds what it finds to the verifier's report.
pub(crate) fn verify(verifier: &mut Verifier, path: &Path) {
    let listed = Folder::open(path).and_then(|vault| {
        let ledgers = Ledgers::read(&vault, |name| verifier.wants(name))?;
        Ok((vault, ledgers))
    });
    match listed {
        Ok((vault, ledgers)) => {
            let names = describe(verifier, path, ledgers);
            let mut replay = Replay::new(verifier);
            names.iter().for_each(|name| replay.ledger(&vault, name));
            while replay.join_next() {}
            miss_heads(verifier, &vault);
        }
        Err(error) => {
            let what = path.to_string_lossy().into_owned();
            verifier.leave(Unchecked::new(UncheckedCode::Unreadable, what, error.to_string()));
            for head in verifier.take_heads() {
                verifier.miss(&head, "the vault could not be read");
            }
        }
    }
}

/// Says what lies in a vault beside ledgers, and gives the names of these.
fn describe(verifier: &mut Verifier, path: &Path, ledgers: Ledgers) -> Vec<String> {
    let vault = path.to_string_lossy().into_owned();
    let has_links = ledgers.links.count > 0;
    let not_followed = "links are not followed";
    let misnamed = "it holds evidence, but its name is not one that a ledger can have";
    let unread = "it is not known whether it holds evidence";
    for (names, code, why) in [
        (ledgers.links, UncheckedCode::Link, not_followed),
        (ledgers.misnamed, UncheckedCode::AlmostNamed, misnamed),
        (ledgers.unreadable, UncheckedCode::Unreadable, unread),
    ] {
        let (kept, count) = names.sorted();
        let more = count - kept.len() as u64;
        kept.into_iter().for_each(|name| verifier.leave(Unchecked::new(code, name, why)));
        if more > 0 {
            verifier.leave(Unchecked::new(code, format!("{more} more in the vault"), why));
        }
    }
    for name in ledgers.strange.sorted().0 {
        verifier.note(format!("{name} in the vault is not a ledger's folder"));
    }
    if ledgers.too_many {
        let why = format!("it holds more than {LEDGERS_MAX} ledgers; name some with --ledger");
        verifier.leave(Unchecked::new(UncheckedCode::Limit, vault.clone(), why));
    }
    let missing: Vec<String> = verifier
        .wanted()
        .iter()
        .filter(|wanted| ledgers.names.binary_search(wanted).is_err())
        .cloned()
        .collect();
    for name in &missing {
        let why = "the vault has no folder of this name";
        verifier.leave(Unchecked::new(UncheckedCode::NotFound, &**name, why).ledger(&**name));
    }
    if ledgers.names.is_empty() && missing.is_empty() && !has_links {
        let why = "it holds no ledger, so nothing was verified";
        verifier.leave(Unchecked::new(UncheckedCode::NothingThere, vault, why));
    }
    ledgers.names
}

/// Heads that no ledger has taken: those of ledgers that are not there, which end at 0, and of those that
/// were not looked at.
fn miss_heads(verifier: &mut Verifier, vault: &Folder) {
    for head in verifier.take_heads() {
        let name = head.origin.ledger();
        if head.size == 0 {
            continue;
        }
        if vault.may_hold(name) {
            verifier.miss(&head, "its ledger is in the vault, but was not looked at");
            continue;
        }
        let what = format!(
            "nothing is here of {}, whose head of {} records is in {}",
            head.origin, head.size, head.source
        );
        let finding = Finding::new(Code::HeadBehind, Class::Behind, what);
        verifier.find(finding.between(0, head.size - 1).ledger(name));
    }
}

/// What comes next in a ledger.
enum Step {
    /// The next result of the workers.
    Segment,
    Odd(OddName),
}

/// A ledger whose manifests are under way.
struct Underway {
    chain: Chain,
    steps: VecDeque<Step>,
    /// Whether all its steps have been added.
    complete: bool,
    begun: bool,
}

/// The ledgers of a vault, judged one after the other while the workers are ahead.
struct Replay<'v> {
    verifier: &'v mut Verifier,
    segments: Pipeline<SegmentJob, SegmentOutcome>,
    underway: VecDeque<Underway>,
    steps: usize,
}

impl<'v> Replay<'v> {
    fn new(verifier: &'v mut Verifier) -> Self {
        let segments = Pipeline::new(verifier.jobs, |job| segment::check(&job));
        Self { verifier, segments, underway: VecDeque::new(), steps: 0 }
    }

    fn ledger(&mut self, vault: &Folder, name: &str) {
        let mut ledger = self.verifier.ledger(name, Source::Vault, ReplayState::new(None));
        let listed = vault.folder(OsStr::new(name)).map_err(|error| error.to_string());
        let listed = listed.and_then(|folder| {
            Files::read(&folder).map(|files| (folder, files)).map_err(|error| error.to_string())
        });
        let (folder, mut files) = match listed {
            Ok(listed) => listed,
            Err(why) => {
                ledger.end.unseen = true;
                ledger.end.unknown = true;
                ledger.could_not_check(UncheckedCode::Unreadable, name, why);
                let chain = Chain::new(ledger, None, Arc::default());
                return self.begin(Underway {
                    chain,
                    steps: VecDeque::new(),
                    complete: true,
                    begun: false,
                });
            }
        };
        say_what_else(&mut ledger, &mut files);
        let marks = ledger.marks();
        let (folder, files) = (Arc::new(folder), Arc::new(files));
        let chain = Chain::new(ledger, Some(Arc::clone(&folder)), Arc::clone(&files));
        self.begin(Underway { chain, steps: VecDeque::new(), complete: false, begun: false });
        let records = files.runs.last().map_or(0, |run| run.last().get() + 1);
        self.verifier.expect(name, records);
        for name in files.names() {
            self.make_room();
            let step = match name {
                ManifestName::Odd(odd) => Step::Odd(odd),
                ManifestName::Run(run) => {
                    let job = SegmentJob {
                        folder: Arc::clone(&folder),
                        run,
                        marks: Arc::clone(&marks),
                        trust: Arc::clone(&self.verifier.trust),
                    };
                    self.segments.give(job, SEGMENT_WORKING_BYTES);
                    Step::Segment
                }
            };
            self.steps += 1;
            if let Some(last) = self.underway.back_mut() {
                last.steps.push_back(step);
            }
        }
        if let Some(last) = self.underway.back_mut() {
            last.complete = true;
        }
    }

    fn begin(&mut self, underway: Underway) {
        self.make_room();
        self.steps += 1;
        self.underway.push_back(underway);
    }

    fn make_room(&mut self) {
        while (self.segments.is_full() || self.steps >= STEPS_MAX) && self.join_next() {}
    }

    /// Judges the next step; `false` when there is none.
    fn join_next(&mut self) -> bool {
        let Some(front) = self.underway.front_mut() else { return false };
        if !front.begun {
            front.begun = true;
            if self.verifier.damaged >= DAMAGED_LINES_OF_VAULT_MAX {
                front.chain.look_away();
            }
        }
        match front.steps.pop_front() {
            Some(Step::Odd(name)) => front.chain.odd(name),
            Some(Step::Segment) => {
                let Some(outcome) = self.segments.take() else { return false };
                self.verifier.passed(outcome.run.count(), outcome.bytes());
                front.chain.join(outcome);
            }
            None if front.complete => {
                if let Some(mut done) = self.underway.pop_front() {
                    let summary = done.chain.ledger.finish();
                    self.verifier.take_ledger(done.chain.ledger, summary);
                }
            }
            None => return false,
        }
        self.steps -= 1;
        true
    }
}

/// Says what lies in a ledger's folder beside manifests.
fn say_what_else(ledger: &mut Ledger, files: &mut Files) {
    let (almost, count) = core::mem::take(&mut files.almost).sorted();
    let more = count - almost.len() as u64;
    let why = "its name is almost that of a manifest or segment, so it was not read";
    for name in almost {
        ledger.could_not_check(UncheckedCode::AlmostNamed, name, why);
    }
    if more > 0 {
        ledger.could_not_check(UncheckedCode::AlmostNamed, format!("{more} more files"), why);
    }
    say_strange(ledger, core::mem::take(&mut files.strange));
    if files.unfinished > 0 {
        ledger.note(format!("{} unfinished writes (.tmp-) mean nothing", files.unfinished));
    }
    let manifests = files.count();
    if files.objects > manifests {
        ledger.note(format!(
            "{} segment files have no manifest: interrupted uploads, or their manifests are gone",
            files.objects - manifests
        ));
    }
    if files.too_many {
        let why = format!("there are more than {MANIFESTS_MAX} manifests; the rest was not read");
        let name = ledger.name().to_owned();
        ledger.could_not_check(UncheckedCode::Limit, name, why);
        ledger.end.unknown = true;
    }
}

fn say_strange(ledger: &mut Ledger, strange: Names) {
    let (strange, count) = strange.sorted();
    if count > 0 {
        let some: Vec<&str> = strange.iter().take(3).map(String::as_str).collect();
        let more = if count > some.len() as u64 { " and others" } else { "" };
        ledger
            .note(format!("{}{more} in its folder is no manifest and no segment", some.join(", ")));
    }
}
