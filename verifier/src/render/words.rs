//! What verdicts, classes and codes mean to a person, and what to do about them.
//!
//! The one set of texts behind the report as text, as HTML and as JSON. They are for someone who did not
//! write the ledger and does not program; what exactly each code says stands in `docs/FORMAT.md`
//! section 8.

use indelible_core::code::{Class, Code, UncheckedCode};
use serde::Serialize;

use crate::report::Verdict;

/// What something means, and what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Words {
    /// In a few words.
    pub title: &'static str,
    /// In a sentence or two.
    pub means: &'static str,
    /// What to do.
    pub next: &'static str,
}

const fn words(title: &'static str, means: &'static str, next: &'static str) -> Words {
    Words { title, means, next }
}

/// The verdict as it heads a report.
#[must_use]
pub const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "GOOD",
        Verdict::Tampered => "TAMPERED",
        Verdict::Damaged => "DAMAGED OR CHANGED",
        Verdict::Behind => "BEHIND",
        Verdict::Unchecked => "NOT CHECKED",
    }
}

/// A verdict in plain words.
#[must_use]
pub const fn verdict(verdict: Verdict) -> Words {
    match verdict {
        Verdict::Good => words(
            "Everything that was given was checked, and all of it is good.",
            "Every record is, byte for byte, what was signed by the keys that you trust; none was \
             changed, added, removed or moved up to the last record that was seen.",
            "Keep this report together with a fresh checkpoint of the ledger, in a place that the \
             operator cannot reach: next time it shows that nothing of today was taken away.",
        ),
        Verdict::Tampered => words(
            "The evidence contradicts what was signed. Somebody changed it on purpose, or signed two \
             different histories.",
            "What is listed as tampering cannot come about by a broken disk or a failed copy: it was \
             signed by a trusted key, or stands in a signed list, and contradicts another signature \
             or a head that you saved.",
            "Keep all files as they are, and this report. Do not ask for a repair: ask the operator for \
             an explanation, and for a second copy from another place to compare. Treat the signing \
             key as known to somebody else until the cause is found.",
        ),
        Verdict::Damaged => words(
            "Something is not what was signed. It was damaged, or changed; which of the two cannot be \
             told from the files alone.",
            "The parts that are listed do not fit their signatures or hashes. A disk error, a broken \
             transfer, a change on purpose and a wrong or missing key file look the same. What is not \
             listed is intact.",
            "First make sure that the keys are the right ones. Then get the damaged files again from the \
             operator or from another copy, and verify those. If the same places are wrong in every \
             copy, the records were changed before they were copied.",
        ),
        Verdict::Behind => words(
            "Everything that is there is good, but it ends before a head that you gave.",
            "The files are an honest but older copy: the newest records are not in it yet, or were left \
             out. How many are missing is said below.",
            "Ask the operator for a newer copy, then verify again with the same head. If no copy ever \
             reaches the head, the records behind it were withheld.",
        ),
        Verdict::Unchecked => words(
            "Nothing wrong was seen, but not everything could be checked.",
            "What is listed as not checked was left out, for the reason that is given. Nothing is said \
             about it, neither good nor bad.",
            "Remove the cause that is named with each entry and verify again. Do not take what was not \
             checked for good.",
        ),
    }
}

/// The word for a class of findings.
#[must_use]
pub const fn class_word(class: Class) -> &'static str {
    match class {
        Class::Tampering => "TAMPERING",
        Class::Damage => "DAMAGED OR CHANGED",
        Class::Behind => "BEHIND",
    }
}

/// What a class says.
#[must_use]
pub const fn class(class: Class) -> Words {
    match class {
        Class::Tampering => words(
            "Contradicts a signature",
            "It contradicts a signature of a key that you trust, a head that you saved, or the signed \
             chain of manifests.",
            "Keep the files; ask for an explanation and for a second copy to compare.",
        ),
        Class::Damage => words(
            "Not what was signed",
            "It is not what a key that you trust signed. Rot, malice and a wrong key file look the same.",
            "Check the key file, get the file again, compare with another copy.",
        ),
        Class::Behind => words(
            "Older than a head",
            "All that is there is good; the newest records are not in it.",
            "Get a newer copy and verify again.",
        ),
    }
}

/// What a finding's code means and what to do.
#[must_use]
pub const fn code(code: Code) -> Words {
    match code {
        Code::HashMismatch => words(
            "A record does not fit its hash",
            "Each record is sealed by a hash over its bytes and the hash before. Here record and hash do \
             not fit: one of them was changed after it was written.",
            "Compare the record with another copy or with a receipt of it.",
        ),
        Code::ChainBroken => words(
            "A record does not follow the one before",
            "The chain from record to record is broken here: a record was put in, taken out or moved, or \
             it belongs to another ledger.",
            "Compare the records on both sides of the break with another copy.",
        ),
        Code::SigInvalid => words(
            "A signature does not fit",
            "The record carries a signature, but it was not made for this record.",
            "Compare the record with another copy or with a receipt of it.",
        ),
        Code::Unsigned => words(
            "A signature is missing",
            "The ledger's own rules, in its record 0, demand a signature here and there is none.",
            "Ask for the signed original. A record without the signature that it must have proves nothing.",
        ),
        Code::SeqGap => words(
            "A number is missing, doubled or out of order",
            "Records are numbered from 0 without a gap. Here the count is interrupted.",
            "Ask for the records of the missing numbers.",
        ),
        Code::SegmentMissing => words(
            "Whole files with records are missing",
            "No file holds these records, or the file that a signed manifest names is not there.",
            "Ask for the missing files; copy the whole folder again.",
        ),
        Code::TailMissing => words(
            "The end is missing",
            "The file breaks off before the last record that it should have: a copy that was interrupted, \
             or an end that was cut off.",
            "Copy or export the file again.",
        ),
        Code::ManifestInvalid => words(
            "A manifest is wrong",
            "A manifest is the signed table of contents of one file of records. This one is damaged, or it \
             contradicts itself, its neighbour or the file that it describes.",
            "Get manifest and segment again from another copy of the vault.",
        ),
        Code::RootMismatch => words(
            "The history is not the one that was signed",
            "One number, the root, sums up all records. These records lead to another root than a signed \
             one: at least one record before this point is different.",
            "Keep this copy and the head. Get another copy and verify it with the same head.",
        ),
        Code::CheckpointInvalid => words(
            "A checkpoint is wrong",
            "A checkpoint is the signed statement of how many records there are and what they are. This \
             one cannot be read, has a wrong signature or contradicts what it closes.",
            "Fetch the checkpoint, receipt or export again.",
        ),
        Code::HeadBehind => words(
            "Older than the head that you gave",
            "The ledger ends before the head. The records in between are not in this copy yet.",
            "Ask for a newer copy and verify again with the same head.",
        ),
        Code::KeyUnknown => words(
            "Signed by a key that you did not give",
            "The signature may be good, but it is by a key that was not among those given with --key.",
            "Check that the key file is the operator's for this server. If the operator uses a second \
             key, get it on a trusted way (never from the evidence) and give it too.",
        ),
        Code::NotCanonical => words(
            "Bytes have not the form that is laid down",
            "Records have exactly one spelling. These bytes are another one, or no record at all, or say more \
             or less of who wrote them than this ledger's records do: they were damaged, edited or saved by \
             another program.",
            "Get the file again as the server wrote it.",
        ),
        Code::TimeBackwards => words(
            "Time runs backwards",
            "A record says an earlier time than the one before it, which a ledger never writes.",
            "Compare with another copy; ask the operator about the clock.",
        ),
        Code::CreationInvalid => words(
            "The ledger's first record is wrong",
            "Record 0 says which ledger this is and by which rules it is signed. It is missing or wrong, or \
             another record claims to be one.",
            "Get the beginning of the ledger again.",
        ),
        // Codes of later versions; the finding's own text says what it is.
        _ => words(
            "Something else is wrong",
            "This program has no more words for this code.",
            "See docs/FORMAT.md section 8.",
        ),
    }
}

/// Why something was not checked and what to do.
#[must_use]
pub const fn unchecked(code: UncheckedCode) -> Words {
    match code {
        UncheckedCode::Unreadable => words(
            "It could not be read",
            "The operating system refused to give it.",
            "Check rights, cables and mounts; copy it to a healthy disk and verify the copy.",
        ),
        UncheckedCode::KindUnknown => words(
            "A record of an unknown kind",
            "The ledger says something that this program does not understand, such as the withdrawal of a \
             key. What follows cannot be judged without knowing it.",
            "Verify with a newer indelible-verify.",
        ),
        UncheckedCode::VersionUnknown => words(
            "A newer format",
            "The file is of a later version than this program reads.",
            "Verify with a newer indelible-verify.",
        ),
        UncheckedCode::RulesUnknown => words(
            "The ledger's rules are unknown",
            "Record 0, which says how the ledger is signed, was not among the records.",
            "Get the beginning of the ledger, or the whole of it.",
        ),
        UncheckedCode::TooMuchDamage => words(
            "Given up after too much damage",
            "So much was wrong that the rest was not looked at.",
            "Make sure that it is the right file; get it again.",
        ),
        UncheckedCode::Limit => words(
            "Beyond a limit",
            "It is larger, or there are more of them, than this program looks at.",
            "Verify in parts: name some ledgers with --ledger.",
        ),
        UncheckedCode::Link => words(
            "A link",
            "Links could lead anywhere and are not followed.",
            "Replace the link by a copy of what it points to.",
        ),
        UncheckedCode::AlmostNamed => words(
            "A name that is almost right",
            "It looks like evidence that was renamed, so that it would not be read.",
            "Find out who renamed it, and verify a copy with the right names.",
        ),
        UncheckedCode::NothingThere => words(
            "There is nothing to check",
            "No record at all was found.",
            "Make sure that it is the right folder or file.",
        ),
        UncheckedCode::NotFound => words(
            "What was asked for is not there",
            "The ledger that was named is not in what was given.",
            "Check the name, or ask for the copy that has it.",
        ),
        UncheckedCode::HeadNotCompared => words(
            "A head could not be compared",
            "The head that was given was not used: it is of another ledger or size, or the records up to \
             it are missing or damaged.",
            "Give a head of this ledger; for a receipt, one of the same size, or compare both with \
             `indelible-verify checkpoints`.",
        ),
        _ => words(
            "Not checked for another reason",
            "This program has no more words for this code.",
            "See docs/FORMAT.md section 8.",
        ),
    }
}

/// What no verification can show, said every time.
pub const NOBODY_CAN_KNOW: [&str; 4] = [
    "Whether an event was ever sent. A ledger proves what it was told, in which order and unchanged; not \
     that it was told everything, and not that what it was told is true.",
    "Whether the times are right. They are what the server's clock said. They never run backwards, and \
     that is all that is checked.",
    "Whether somebody else was shown another history. That takes the comparison of heads that different \
     people hold (`indelible-verify checkpoints`).",
    "Whether history was rewritten with a stolen key before anybody outside kept a head.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_words_of_its_own() {
        let codes = Code::ALL.map(|known| (known.as_str(), code(known)));
        let unchecked = UncheckedCode::ALL.map(|known| (known.as_str(), super::unchecked(known)));
        let mut titles: Vec<_> =
            codes.iter().chain(&unchecked).map(|(_, said)| said.title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), codes.len() + unchecked.len());
        for (name, said) in codes.iter().chain(&unchecked) {
            assert!(!said.title.starts_with("Something else"), "{name}");
            assert!(!said.title.starts_with("Not checked for another"), "{name}");
        }
    }
}
