//! What is wrong, what could not be looked at, and how much of it is kept.
//!
//! A hostile vault can be wrong in a billion places. Everything is counted, but only a bounded number
//! of findings is kept, and findings with one
//! cause that shows at many places become one.

use std::collections::BTreeMap;

use indelible_core::code::Code;
use serde::Serialize;

/// How many of the findings kept last are looked through for one that says the same. Enough for a few
/// kinds that alternate; more would make a hostile vault expensive.
const SAME_LOOK_BACK: usize = 16;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing; stable, for scripts.
    #[serde(serialize_with = "code_text")]
    pub code: Code,
    /// The ledger it belongs to; empty when it belongs to none.
    pub ledger: String,
    /// The first record concerned, where records are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// The last record concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// The file concerned, where a file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// In words.
    pub message: String,
    /// How many times it was met between `first_seq` and `last_seq`.
    pub times: u64,
    /// Whether it has one cause that shows at many places, such as a key that is not trusted.
    #[serde(skip)]
    repeats: bool,
}

fn code_text<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

impl Finding {
    /// A finding about the ledger as a whole.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let (ledger, message) = (String::new(), message.into());
        let (first_seq, last_seq, file) = (None, None, None);
        Self { code, ledger, first_seq, last_seq, file, message, times: 1, repeats: false }
    }

    /// The same about one record.
    #[must_use]
    pub fn at(self, seq: u64) -> Self {
        self.between(seq, seq)
    }

    /// The same about a run of records, both ends included.
    #[must_use]
    pub fn between(self, first: u64, last: u64) -> Self {
        Self { first_seq: Some(first), last_seq: Some(last), ..self }
    }

    /// The same about a file.
    #[must_use]
    pub fn file(self, name: impl Into<String>) -> Self {
        Self { file: Some(name.into()), ..self }
    }

    /// The same about a ledger.
    #[must_use]
    pub fn ledger(self, name: impl Into<String>) -> Self {
        Self { ledger: name.into(), ..self }
    }

    /// The same, to be kept once however often it is met.
    #[must_use]
    pub fn repeating(self) -> Self {
        Self { repeats: true, ..self }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.repeats
            && other.repeats
            && self.code == other.code
            && self.message == other.message
            && self.ledger == other.ledger
            && self.first_seq.is_some() == other.first_seq.is_some()
    }

    fn absorb(&mut self, other: &Self) {
        self.times = self.times.saturating_add(other.times);
        self.first_seq = self.first_seq.min(other.first_seq);
        self.last_seq = self.last_seq.max(other.last_seq);
    }
}

/// Something that could not be checked, so that nothing can be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unchecked {
    /// The ledger it belongs to; empty when it belongs to none.
    pub ledger: String,
    /// A file, folder or run of records.
    pub what: String,
    /// Why, in words.
    pub why: String,
}

/// Findings: all counted, the first `kept_max` kept.
#[derive(Debug, Clone)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<Code, u64>,
    kept_max: usize,
}

impl Findings {
    /// None yet; at most `kept_max` will be kept.
    #[must_use]
    pub fn new(kept_max: usize) -> Self {
        Self { kept: Vec::new(), counts: BTreeMap::new(), kept_max }
    }

    /// Counts a finding, and keeps it if there is room. A [repeating](Finding::repeating) one that says
    /// the same as one shortly before widens that one.
    pub fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count = count.saturating_add(finding.times);
        self.keep(finding);
    }

    fn keep(&mut self, finding: Finding) {
        let recent = self.kept.iter_mut().rev().take(SAME_LOOK_BACK);
        if let Some(same) = recent.into_iter().find(|kept| kept.says_the_same(&finding)) {
            same.absorb(&finding);
        } else if self.kept.len() < self.kept_max {
            self.kept.push(finding);
        }
    }

    /// Takes over what was found elsewhere, all of it under the name of `ledger`.
    pub fn absorb(&mut self, other: Self, ledger: &str) {
        for (code, times) in other.counts {
            let count = self.counts.entry(code).or_default();
            *count = count.saturating_add(times);
        }
        for finding in other.kept {
            self.keep(Finding { ledger: ledger.to_owned(), ..finding });
        }
    }

    /// Puts what was kept into the order of the records it is about.
    pub fn sort(&mut self) {
        self.kept.sort_by_key(|finding| finding.first_seq);
    }

    /// What was kept.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many times each code was met, kept or not.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<Code, u64> {
        &self.counts
    }

    /// How many there are, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// A list of notes or gaps that stops growing at a bound and then only counts.
#[derive(Debug, Clone)]
pub struct Bounded<T> {
    kept: Vec<T>,
    total: u64,
    kept_max: usize,
}

impl<T: PartialEq> Bounded<T> {
    /// An empty list for at most `kept_max`.
    #[must_use]
    pub fn new(kept_max: usize) -> Self {
        Self { kept: Vec::new(), total: 0, kept_max }
    }

    /// Counts an item, and keeps it if there is room and it is not there already.
    pub fn push(&mut self, item: T) {
        self.total = self.total.saturating_add(1);
        let recent = self.kept.iter().rev().take(SAME_LOOK_BACK);
        if self.kept.len() < self.kept_max && !recent.into_iter().any(|kept| *kept == item) {
            self.kept.push(item);
        }
    }

    /// Moves everything into another list.
    pub fn hand_over(self, to: &mut Self) {
        let dropped = self.total - self.kept.len() as u64;
        self.kept.into_iter().for_each(|item| to.push(item));
        to.total = to.total.saturating_add(dropped);
    }

    /// What was kept.
    #[must_use]
    pub fn kept(&self) -> &[T] {
        &self.kept
    }

    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_a_bounded_number_is_kept() {
        let mut findings = Findings::new(3);
        for seq in 0..100 {
            findings.push(Finding::new(Code::HashMismatch, format!("record {seq}")).at(seq));
        }
        assert_eq!((findings.kept().len(), findings.total()), (3, 100));
    }

    #[test]
    fn the_same_at_many_places_is_one_finding() {
        let mut findings = Findings::new(10);
        for seq in 5..20 {
            findings.push(Finding::new(Code::KeyUnknown, "key X").at(seq).repeating());
        }
        findings.push(Finding::new(Code::HashMismatch, "other").at(7));
        findings.push(Finding::new(Code::HashMismatch, "other").at(8));
        let kept = findings.kept();
        assert_eq!(kept.len(), 3);
        assert_eq!((kept[0].first_seq, kept[0].last_seq, kept[0].times), (Some(5), Some(19), 15));
    }

    #[test]
    fn taking_over_keeps_the_counts_of_what_was_not_kept() {
        let (mut all, mut run) = (Findings::new(2), Findings::new(1));
        for seq in 0..7 {
            run.push(Finding::new(Code::SigInvalid, format!("{seq}")).at(seq));
        }
        all.absorb(run, "a");
        assert_eq!((all.total(), all.kept().len()), (7, 1));
        assert_eq!(all.kept()[0].ledger, "a");
    }
}
