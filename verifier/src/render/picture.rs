//! A picture of a ledger: which of its records are good, damaged, missing, unknown.

use std::fmt::Write as _;

use indelible_core::code::{Class, Code};

use super::escape::Html;
use super::thousands;
use crate::findings::Finding;
use crate::report::LedgerReport;

/// Units that a bar is wide.
const WIDTH: f64 = 1000.0;

/// The least that a range is drawn, so that one record of a million can be seen.
const LEAST: f64 = 4.0;

/// Ranges that are drawn of one ledger.
const RANGES_MAX: usize = 400;

/// What is drawn of a range; a later one covers the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Behind,
    /// Within a file that is not the signed one; which of its records are concerned is drawn over it.
    Beside,
    Missing,
    Damaged,
    Tampered,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Behind, Self::Beside, Self::Missing, Self::Damaged, Self::Tampered];

    fn of(finding: &Finding) -> Self {
        match (finding.class, finding.code) {
            (Class::Behind, _) => Self::Behind,
            (Class::Tampering, _) => Self::Tampered,
            (_, Code::SegmentMissing | Code::TailMissing | Code::SeqGap) => Self::Missing,
            (_, Code::ManifestInvalid | Code::KeyUnknown) => Self::Beside,
            _ => Self::Damaged,
        }
    }

    /// The class in the style sheet, which has a pattern for each beside the colour.
    const fn class(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Beside => "beside",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Tampered => "tampered",
        }
    }
}

/// The bar of a ledger as SVG; empty where it has no records and none are known to be missing.
pub(super) fn bar(ledger: &LedgerReport, findings: &[Finding]) -> String {
    let of_ledger = findings.iter().filter(|finding| finding.ledger == ledger.name);
    let mut ranges: Vec<(Kind, u64, u64)> = of_ledger
        .filter_map(|found| Some((Kind::of(found), found.first_seq?, found.last_seq?)))
        .take(RANGES_MAX)
        .collect();
    ranges.sort_unstable();
    let expected = ledger.expected_size.unwrap_or(0);
    let end = ledger.size.max(expected);
    if end == 0 {
        return String::new();
    }
    // Room behind the end for what nobody knows.
    let scale = WIDTH * 0.92 / end as f64;
    let x = |seq: u64| seq.min(end) as f64 * scale;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 1000 40\" role=\"img\" aria-label=\"records of {}\">\
         <rect class=\"good\" x=\"0\" y=\"4\" width=\"{:.1}\" height=\"18\"/>",
        Html(&ledger.name),
        x(ledger.size)
    );
    if expected > ledger.size {
        rect(&mut out, Kind::Behind, x(ledger.size), x(expected));
    }
    for kind in Kind::ALL {
        for (_, first, last) in ranges.iter().filter(|(of, ..)| *of == kind) {
            rect(&mut out, kind, x(*first), x(last.saturating_add(1)));
        }
    }
    let _ = write!(
        out,
        "<rect class=\"unknown\" x=\"{:.1}\" y=\"4\" width=\"{:.1}\" height=\"18\"/>",
        x(end),
        WIDTH - x(end)
    );
    if let Some(known) = ledger.known_to.filter(|known| *known > 0) {
        let at = x(known);
        let _ = write!(
            out,
            "<path class=\"head\" d=\"M{at:.1} 0V26\"/><text x=\"{at:.1}\" y=\"37\" \
             text-anchor=\"end\">head: {}</text>",
            thousands(known)
        );
    }
    out.push_str("<text x=\"0\" y=\"37\">0</text></svg>");
    out
}

fn rect(out: &mut String, kind: Kind, from: f64, to: f64) {
    let width = (to - from).max(LEAST);
    let _ = write!(
        out,
        "<rect class=\"{}\" x=\"{from:.1}\" y=\"4\" width=\"{width:.1}\" height=\"18\"/>",
        kind.class()
    );
}
