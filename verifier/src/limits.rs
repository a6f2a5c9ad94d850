//! Every limit of the verifier, with its unit and its reason.

/// Lines with a finding in an export or live ledger, in a segment, or in a ledger of a vault, behind
/// which no more lines are looked at (`docs/FORMAT.md` section 8.2): a file that is something else
/// entirely is not gone through line by line, and who adds wrong signatures buys half a second of work.
pub(crate) const DAMAGED_LINES_MAX: u64 = 10_000;

/// Lines with a finding in all ledgers of a vault together, after which the lines of further ledgers are
/// not looked at: ten ledgers that are spoilt from end to end.
pub(crate) const DAMAGED_LINES_OF_VAULT_MAX: u64 = 100_000;

/// Longest text in a finding, in bytes. Most of what is said of a stranger's bytes is their own words.
pub(crate) const TEXT_BYTES_MAX: usize = 400;

/// Kinds of system records that are named as unknown, of one ledger. An honest one has a few.
pub(crate) const KINDS_MAX: usize = 64;

/// Bytes of records and working memory that are under way at one time, whatever the number of workers:
/// enough for twenty segments or a hundred blocks of an export.
pub(crate) const IN_FLIGHT_BYTES_MAX: usize = 256 << 20;

/// Working memory of one segment in bytes: the largest window of a Zstandard frame (8 MiB), two blocks of
/// lines and what is known of each line.
pub(crate) const SEGMENT_WORKING_BYTES: usize = 12 << 20;

/// Most worker threads.
pub const JOBS_MAX: usize = 256;

/// Cuts a text that somebody else may have written to [`TEXT_BYTES_MAX`].
pub(crate) fn cut(text: impl Into<String>) -> String {
    let mut text = text.into();
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX - '\u{2026}'.len_utf8()));
        text.push('\u{2026}');
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("a".repeat(TEXT_BYTES_MAX)), "a".repeat(TEXT_BYTES_MAX));
        let long = cut("\u{e4}".repeat(TEXT_BYTES_MAX));
        assert!(long.len() <= TEXT_BYTES_MAX && long.ends_with('\u{2026}'), "{long}");
    }
}
