//! The ledgers that a token may see, page by page. What it may not see is never read, so neither a page
//! nor its cursor nor the time it takes speaks of it.

use indelible_core::name::LedgerName;
use indelible_ledger::{Engine, LedgerInfo, ReadError};

/// A part of all names that a token may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Span<'a> {
    /// Those that begin so.
    Prefix(&'a str),
    /// One.
    Exactly(&'a str),
}

impl<'a> Span<'a> {
    fn of(pattern: &'a str) -> Self {
        pattern.strip_suffix('*').map_or(Self::Exactly(pattern), Self::Prefix)
    }

    fn start(self) -> &'a str {
        match self {
            Self::Prefix(text) | Self::Exactly(text) => text,
        }
    }

    fn covers(self, other: Self) -> bool {
        match self {
            Self::Prefix(prefix) => other.start().starts_with(prefix),
            Self::Exactly(_) => self == other,
        }
    }
}

/// The spans that `bounds` name, ascending, none within another.
fn spans(bounds: &[String]) -> Vec<Span<'_>> {
    let mut spans: Vec<Span<'_>> = bounds.iter().map(|pattern| Span::of(pattern)).collect();
    // What a prefix covers stands right behind it.
    spans.sort_unstable_by_key(|span| (span.start(), *span));
    spans.dedup_by(|later, kept| kept.covers(*later));
    spans
}

/// Ledgers within `bounds` (all where there are none) by name, those after `after`, at most `limit`.
///
/// # Errors
/// [`ReadError`].
pub(super) fn reachable(
    engine: &Engine,
    bounds: Option<&[String]>,
    after: Option<&LedgerName>,
    limit: usize,
) -> Result<Vec<LedgerInfo>, ReadError> {
    let Some(bounds) = bounds else { return engine.ledgers(after, limit) };
    let mut found = Vec::new();
    for span in spans(bounds) {
        if found.len() == limit {
            break;
        }
        // A prefix goes on behind the cursor where that lies within it, and else begins with itself.
        let within = match span {
            Span::Prefix(prefix) => after.filter(|after| after.starts_with(prefix)),
            Span::Exactly(_) => None,
        };
        if within.is_none() && after.is_some_and(|after| **after >= *span.start()) {
            continue;
        }
        match span {
            Span::Exactly(name) => found.extend(one(engine, name)?),
            Span::Prefix(prefix) => {
                let left = limit - found.len();
                found.extend(engine.ledgers_with_prefix(prefix, within, left)?);
            }
        }
    }
    Ok(found)
}

fn one(engine: &Engine, name: &str) -> Result<Option<LedgerInfo>, ReadError> {
    // A pattern that no ledger's name can fit reaches none.
    let Ok(name) = LedgerName::new(name) else { return Ok(None) };
    match engine.ledger(&name) {
        Ok(info) => Ok(Some(info)),
        Err(ReadError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_ascend_and_none_lies_within_another() {
        let bounds = |patterns: &[&str]| -> Vec<String> {
            patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
        };
        let of = bounds(&["b", "a.x", "a.*", "a.x.*", "b", "a", "c*", "c"]);
        assert_eq!(
            spans(&of),
            [Span::Exactly("a"), Span::Prefix("a."), Span::Exactly("b"), Span::Prefix("c")]
        );
        assert_eq!(spans(&bounds(&["x", "*", "a.*"])), [Span::Prefix("")]);
        assert!(spans(&[]).is_empty());
    }
}
