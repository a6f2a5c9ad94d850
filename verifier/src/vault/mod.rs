//! A directory vault (`docs/FORMAT.md` section 7.4): ledgers, their manifests, their segments.

pub(crate) mod folder;
mod listing;
mod segment;

use std::path::Path;
use std::sync::Arc;

use indelible_core::code::Code;
use indelible_core::hash::Sha256Hash;

use crate::findings::Finding;
use crate::ledger::{Kind, Ledger};
use crate::verifier::{Item, Job, Verifier};

use folder::Folder;
use listing::{Files, LEDGERS_MAX, Ledgers, MANIFESTS_MAX};
pub(crate) use segment::{SegmentJob, SegmentOutcome, WINDOW_LOG_MAX, check};

/// What one manifest must know of the one before.
#[derive(Debug, Default)]
pub(crate) struct Neighbour {
    /// SHA-256 of the text of the manifest before; `None` where it was missing or spoilt.
    text_sha256: Option<Sha256Hash>,
}

/// Verifies a vault and adds what it finds to the verifier's report.
pub(crate) fn verify(verifier: &mut Verifier, path: &Path) {
    let listed = Folder::open(path).and_then(|vault| {
        let ledgers = Ledgers::read(&vault, verifier.wanted())?;
        Ok((vault, ledgers))
    });
    let (vault, ledgers) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            return verifier.could_not_check("", &path.to_string_lossy(), &error.to_string());
        }
    };
    for (what, why) in &ledgers.unread {
        verifier.could_not_check("", what, why);
    }
    for strange in &ledgers.strange {
        verifier.note(strange);
    }
    if ledgers.too_many {
        let why = format!("it holds more than {LEDGERS_MAX} ledgers; name some with --ledger");
        verifier.could_not_check("", &path.to_string_lossy(), &why);
    }
    let missing: Vec<_> = verifier
        .wanted()
        .iter()
        .filter(|wanted| !ledgers.names.iter().any(|name| *name == ***wanted))
        .map(ToString::to_string)
        .collect();
    for name in missing {
        verifier.could_not_check(&name, &name, "the vault has no folder of this name");
    }
    for name in &ledgers.names {
        ledger(verifier, &vault, name);
    }
    verifier.drain();
    verifier.miss_heads(Kind::Vault);
}

fn ledger(verifier: &mut Verifier, vault: &Folder, name: &str) {
    let mut ledger = verifier.ledger(name, Kind::Vault, None);
    let listed = vault.folder(name).map_err(|error| error.to_string()).and_then(|folder| {
        Files::read(&folder).map(|files| (folder, files)).map_err(|error| error.to_string())
    });
    let (folder, files) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            ledger.could_not_check(name, error);
            verifier.pass(Item::Begin(Box::new(ledger)));
            return verifier.pass(Item::End);
        }
    };
    describe(&mut ledger, &files);
    let marks = ledger.marks();
    let records = files.manifests.last().map_or(0, |run| run.last().get() + 1);
    verifier.expect(name, records);
    verifier.pass(Item::Begin(Box::new(ledger)));
    let (folder, ledger) = (Arc::new(folder), Arc::<str>::from(name));
    let last = files.manifests.last().copied();
    for run in files.manifests {
        verifier.give(Job::Segment(SegmentJob {
            folder: Arc::clone(&folder),
            ledger: Arc::clone(&ledger),
            run,
            is_last: Some(run) == last,
            marks: Arc::clone(&marks),
        }));
    }
    verifier.pass(Item::End);
}

/// Says what lies in a ledger's folder beside manifests.
fn describe(ledger: &mut Ledger, files: &Files) {
    for name in &files.unread {
        let why = "its name is almost that of a manifest or segment, so it was not read";
        ledger.could_not_check(name, why);
    }
    if !files.strange.is_empty() {
        let some: Vec<&str> = files.strange.iter().take(3).map(String::as_str).collect();
        let more = if files.strange.len() > some.len() { " and others" } else { "" };
        ledger
            .note(format!("{}{more} in its folder is no manifest and no segment", some.join(", ")));
    }
    if files.unfinished > 0 {
        ledger.note(format!("{} unfinished writes (.tmp-) mean nothing", files.unfinished));
    }
    let manifests = files.manifests.len() as u64;
    if files.objects > manifests {
        ledger.note(format!(
            "{} segment files have no manifest: interrupted uploads, or their manifests are gone",
            files.objects - manifests
        ));
    }
    if files.manifests.is_empty() {
        ledger.could_not_check(ledger.name().to_owned(), "its folder holds no manifest");
    }
    if files.too_many {
        let why = format!("there are more than {MANIFESTS_MAX} manifests; the rest was not read");
        ledger.could_not_check(ledger.name().to_owned(), why);
    }
}

/// Joins a segment to what came before it.
pub(crate) fn join(ledger: &mut Ledger, before: &mut Neighbour, mut outcome: SegmentOutcome) {
    let (first, last) = (outcome.run.first().get(), outcome.run.last().get());
    let at =
        |code, what: String| Finding::new(code, what).between(first, last).file(&*outcome.file);
    ledger.count_segment();
    for (what, why) in &outcome.unchecked {
        ledger.could_not_check(what.as_str(), why.as_str());
    }
    let expected = ledger.next_seq();
    if first > expected {
        let what = "no manifest speaks of these records: a segment is missing";
        let gap = Finding::new(Code::SegmentMissing, what).between(expected, first - 1);
        ledger.find(gap);
        ledger.skip_to(first);
        before.text_sha256 = None;
    } else if first < expected {
        let what = format!("another manifest already speaks of records from {first} on");
        ledger.find(at(Code::ManifestInvalid, what));
        return ledger.take_findings(outcome.findings);
    }
    let Some(manifest) = &outcome.manifest else {
        ledger.take_findings(outcome.findings);
        before.text_sha256 = None;
        return ledger.skip_to(last + 1);
    };
    match ledger.origin() {
        Some(origin) if *origin != manifest.origin => {
            let what = format!("its origin is {}, expected is {origin}", manifest.origin);
            let finding = at(Code::ManifestInvalid, what).repeating();
            ledger.find(finding);
            outcome.trusted = false;
        }
        Some(_) => {}
        None if outcome.trusted => ledger.set_origin(manifest.origin.clone()),
        None => {}
    }
    if let (Some(text), true) = (before.text_sha256, outcome.trusted)
        && manifest.previous != Some(text)
    {
        let what = "its member previous is not the hash of the manifest before it".to_owned();
        ledger.find(at(Code::ManifestInvalid, what));
    }
    if let (Some(stored), Some(first_prev)) = (ledger.last_digest(), manifest.first_prev)
        && stored != first_prev
    {
        let what = "the segment follows another record than the last one before it".to_owned();
        ledger.find(at(Code::ChainBroken, what).between(first, first));
    }
    before.text_sha256 = outcome.trusted.then(|| manifest.text_sha256());
    let vouched = outcome.vouched();
    ledger.take_findings(outcome.findings);
    match (outcome.stretch, &vouched) {
        (Some(stretch), _) => ledger.stretch(stretch, vouched.as_ref()),
        (None, Some(vouched)) => ledger.skip_over(vouched),
        (None, None) => {}
    }
    if ledger.next_seq() != last + 1 {
        ledger.skip_to(last + 1);
    }
    if let Some(checkpoint) = &outcome.checkpoint {
        ledger.compare_root(checkpoint.size, &checkpoint.root, Some(&outcome.file));
    }
}
