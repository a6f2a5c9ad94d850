//! The records that findings are about, read again from the source as far as they can still be read.
//!
//! What is shown of them proves nothing: it is what the damaged evidence says. But it tells a person
//! which event is concerned, and what to compare with another copy.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use indelible_core::code::Code;
use indelible_core::name::LedgerName;
use serde::Serialize;

use crate::findings::Finding;
use crate::look::{self, Entry, Seen, Wanted};
use crate::render::{printable_bytes, writer};
use crate::report::LedgerReport;

/// Records that are read again: as many as somebody will look at, one by one.
pub const AFFECTED_MAX: usize = 40;

/// Records of one finding about many that are read again: its first ones.
const OF_A_RUN: u64 = 3;

/// Bytes of a record that are kept, after it was made printable.
pub const AFFECTED_TEXT_BYTES_MAX: usize = 4096;

/// Plain bytes that are read again beyond those that were read in checking. A file that unpacks to
/// more than was looked at then is not gone through now.
const BYTES_ROOM: u64 = 64 << 20;

/// A record that a finding is about.
#[derive(Debug, Clone, Serialize)]
pub struct Affected {
    /// Its ledger.
    pub ledger: String,
    /// Its number, or the number that a record should have in its place.
    pub seq: u64,
    /// The codes of the findings about it.
    pub codes: Vec<&'static str>,
    /// Its id, where it is a record.
    pub id: Option<String>,
    /// Its time, where it is a record.
    pub time: Option<String>,
    /// Who is said to have written it, where it is a record that says so.
    pub by: Option<String>,
    /// Its text as it stands in the evidence, made printable and cut; what cannot be read at all is
    /// missing.
    pub text: Option<String>,
    /// Whether `text` was cut.
    pub cut: bool,
    /// Whether it has the form of a record at all.
    pub is_record: bool,
}

impl Affected {
    fn new(ledger: &str, seq: u64) -> Self {
        Self {
            ledger: ledger.to_owned(),
            seq,
            codes: Vec::new(),
            id: None,
            time: None,
            by: None,
            text: None,
            cut: false,
            is_record: false,
        }
    }

    fn take(&mut self, seen: &Seen<'_>) {
        let bytes = match seen {
            Seen::Record(entry) => entry.record.bytes,
            Seen::Damaged { bytes, .. } => bytes,
            Seen::Unread { .. } => return,
        };
        let kept = bytes.get(..AFFECTED_TEXT_BYTES_MAX).unwrap_or(bytes);
        let mut text = printable_bytes(kept);
        self.cut = kept.len() < bytes.len() || text.len() > AFFECTED_TEXT_BYTES_MAX;
        text.truncate(text.floor_char_boundary(AFFECTED_TEXT_BYTES_MAX));
        self.text = Some(text);
        if let Seen::Record(entry) = seen {
            self.is_record = true;
            self.id = Some(entry.record.id.to_string());
            self.time = Some(entry.record.time.to_string());
            self.by = entry.record.by.as_ref().map(writer);
        }
    }
}

/// The first record of a source, such as that of a receipt.
#[must_use]
pub fn first(source: &Path) -> Option<Affected> {
    let mut first = None;
    let _ = look::walk(source, &Wanted { bytes_max: BYTES_ROOM, ..Wanted::all() }, &mut |seen| {
        if let Seen::Record(Entry { record, .. }) = &seen {
            let mut affected = Affected::new(record.ledger, record.seq.get());
            affected.take(&seen);
            first = Some(affected);
        }
        ControlFlow::Break(())
    });
    first
}

/// Ledgers whose first record's time is read again.
const FIRST_TIMES_MAX: usize = 200;

/// The time of record 0 of each ledger, as the source says it.
#[must_use]
pub fn first_times(source: &Path, ledgers: &[LedgerReport]) -> BTreeMap<String, String> {
    let mut times = BTreeMap::new();
    for ledger in ledgers.iter().take(FIRST_TIMES_MAX) {
        let wanted = Wanted {
            ledgers: LedgerName::new(&ledger.name).into_iter().collect(),
            seqs: vec![0..=0],
            bytes_max: BYTES_ROOM,
        };
        let _ = look::walk(source, &wanted, &mut |seen| {
            if let Seen::Record(Entry { record, .. }) = seen
                && record.seq.get() == 0
                && record.ledger == ledger.name
            {
                times.insert(ledger.name.clone(), record.time.to_string());
            }
            // It is the first thing of its segment or export, or it is not to be found.
            ControlFlow::Break(())
        });
    }
    times
}

type Place = (String, u64);

/// Reads again what `findings` are about. `bytes` is how much was read in checking.
#[must_use]
pub fn read(source: &Path, findings: &[Finding], bytes: u64) -> Vec<Affected> {
    let mut places = places(findings);
    let mut wanted = Wanted { bytes_max: bytes.saturating_add(BYTES_ROOM), ..Wanted::all() };
    wanted.ledgers = places.keys().filter_map(|(ledger, _)| LedgerName::new(ledger).ok()).collect();
    wanted.ledgers.dedup();
    wanted.seqs = places.keys().map(|(_, seq)| *seq..=*seq).collect();
    let mut left = places.len();
    if left > 0 {
        // What cannot be opened any more is not read again; the findings stand all the same.
        let _ = look::walk(source, &wanted, &mut |seen| {
            if see(&mut places, &seen) {
                left -= 1;
            }
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    places.into_values().collect()
}

/// Whether a look at the records themselves tells anything. What is missing, or is about a whole file,
/// concerns no record more than another.
const fn is_about_records(code: Code) -> bool {
    !matches!(
        code,
        Code::ManifestInvalid
            | Code::SegmentMissing
            | Code::TailMissing
            | Code::RootMismatch
            | Code::CheckpointInvalid
            | Code::HeadBehind
    )
}

/// The records to read: those that findings name alone first, then the first of each run.
fn places(findings: &[Finding]) -> BTreeMap<Place, Affected> {
    let mut places: BTreeMap<Place, Affected> = BTreeMap::new();
    let about = || findings.iter().filter(|finding| is_about_records(finding.code));
    let alone = about().filter(|finding| finding.first_seq == finding.last_seq);
    let runs = about().filter(|finding| finding.first_seq != finding.last_seq);
    for finding in alone.chain(runs) {
        let (Some(first), Some(last)) = (finding.first_seq, finding.last_seq) else { continue };
        for seq in (first..=last).take(OF_A_RUN as usize) {
            let place = (finding.ledger.clone(), seq);
            if places.len() >= AFFECTED_MAX && !places.contains_key(&place) {
                continue;
            }
            let new = || Affected::new(&finding.ledger, seq);
            let affected = places.entry(place).or_insert_with(new);
            let code = finding.code.as_str();
            if !affected.codes.contains(&code) {
                affected.codes.push(code);
            }
        }
    }
    places
}

/// Takes in what was met; whether it was one that is looked for and not met before.
fn see(places: &mut BTreeMap<Place, Affected>, seen: &Seen<'_>) -> bool {
    let (ledger, seq) = match seen {
        Seen::Record(entry) => (entry.record.ledger, entry.record.seq.get()),
        Seen::Damaged { ledger, due, .. } => (*ledger, *due),
        Seen::Unread { .. } => return false,
    };
    match places.get_mut(&(ledger.to_owned(), seq)) {
        Some(affected) if affected.text.is_none() => {
            affected.take(seen);
            true
        }
        _ => false,
    }
}
