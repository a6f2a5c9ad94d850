//! What is wrong, what could not be looked at, and how much of it is kept.
//!
//! A hostile vault can be wrong in a billion places. Everything is counted, but only a bounded number
//! of findings is kept, and findings with one
//! cause that shows at many places become one.

use std::collections::BTreeMap;

use indelible_core::code::{Class, Code, UncheckedCode};
use serde::{Serialize, Serializer};

use crate::limits::cut;

/// How many of the findings kept last are looked through for one that says the same. Enough for a few
/// kinds that alternate; more would make a hostile vault expensive.
const SAME_LOOK_BACK: usize = 16;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing; stable, for scripts.
    #[serde(serialize_with = "code_text")]
    pub code: Code,
    /// What it says about whoever had the bytes.
    #[serde(serialize_with = "class_text")]
    pub class: Class,
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

fn code_text<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

fn class_text<S: Serializer>(class: &Class, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(class.as_str())
}

fn unchecked_text<S: Serializer>(code: &UncheckedCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

impl Finding {
    /// A finding about the ledger as a whole. A long message is cut.
    #[must_use]
    pub fn new(code: Code, class: Class, message: impl Into<String>) -> Self {
        let (ledger, message) = (String::new(), cut(message));
        let (first_seq, last_seq, file) = (None, None, None);
        Self { code, class, ledger, first_seq, last_seq, file, message, times: 1, repeats: false }
    }

    /// It contradicts a signature of a trusted key, a trusted head or the chain of manifests.
    #[must_use]
    pub fn tampering(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Class::Tampering, message)
    }

    /// It is not what a trusted key signed.
    #[must_use]
    pub fn damage(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Class::Damage, message)
    }

    /// The same, met so many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
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
        Self { file: Some(cut(name)), ..self }
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
            && self.class == other.class
            && self.file.is_some() == other.file.is_some()
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
    /// Why; stable, for scripts.
    #[serde(serialize_with = "unchecked_text")]
    pub code: UncheckedCode,
    /// The ledger it belongs to; empty when it belongs to none.
    pub ledger: String,
    /// A file, folder or run of records.
    pub what: String,
    /// Why, in words.
    pub why: String,
}

impl Unchecked {
    /// Something of no ledger, or of one that is named with [`Self::ledger`]. Long texts are cut.
    #[must_use]
    pub fn new(code: UncheckedCode, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { code, ledger: String::new(), what: cut(what), why: cut(why) }
    }

    /// The same about a ledger.
    #[must_use]
    pub fn ledger(self, name: impl Into<String>) -> Self {
        Self { ledger: name.into(), ..self }
    }
}

/// Findings: all counted, the first `kept_max` kept.
#[derive(Debug, Clone)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<Code, u64>,
    classes: BTreeMap<Class, u64>,
    kept_max: usize,
}

impl Findings {
    /// None yet; at most `kept_max` will be kept.
    #[must_use]
    pub fn new(kept_max: usize) -> Self {
        let (counts, classes) = (BTreeMap::new(), BTreeMap::new());
        Self { kept: Vec::new(), counts, classes, kept_max }
    }

    /// Counts a finding, and keeps it if there is room. A [repeating](Finding::repeating) one that says
    /// the same as one shortly before widens that one.
    pub fn push(&mut self, finding: Finding) {
        add(&mut self.counts, finding.code, finding.times);
        add(&mut self.classes, finding.class, finding.times);
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
        other.counts.into_iter().for_each(|(code, times)| add(&mut self.counts, code, times));
        other.classes.into_iter().for_each(|(class, times)| add(&mut self.classes, class, times));
        for finding in other.kept {
            self.keep(Finding { ledger: ledger.to_owned(), ..finding });
        }
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

    /// How many times each class was met, kept or not.
    #[must_use]
    pub fn classes(&self) -> &BTreeMap<Class, u64> {
        &self.classes
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

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, times: u64) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(times);
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
        let dropped = self.total.saturating_sub(self.kept.len() as u64);
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
            findings.push(Finding::damage(Code::HashMismatch, format!("record {seq}")).at(seq));
        }
        assert_eq!((findings.kept().len(), findings.total()), (3, 100));
    }

    #[test]
    fn the_same_at_many_places_is_one_finding() {
        let mut findings = Findings::new(10);
        for seq in 5..20 {
            findings.push(Finding::damage(Code::KeyUnknown, "key X").at(seq).repeating());
        }
        findings.push(Finding::damage(Code::HashMismatch, "other").at(7));
        findings.push(Finding::damage(Code::HashMismatch, "other").at(8));
        let kept = findings.kept();
        assert_eq!(kept.len(), 3);
        assert_eq!((kept[0].first_seq, kept[0].last_seq, kept[0].times), (Some(5), Some(19), 15));
    }

    #[test]
    fn taking_over_keeps_the_counts_of_what_was_not_kept() {
        let (mut all, mut run) = (Findings::new(2), Findings::new(1));
        for seq in 0..7 {
            run.push(Finding::damage(Code::SigInvalid, format!("{seq}")).at(seq));
        }
        all.absorb(run, "a");
        assert_eq!((all.total(), all.kept().len()), (7, 1));
        assert_eq!(all.kept()[0].ledger, "a");
    }
}
