//! Which records a listing goes through, and its cursor.
//!
//! The bounds are fixed when a listing begins: records that arrive while a client pages through it do
//! not move its end. A cursor is the rest of the range: direction, next number, last number.

use indelible_core::name::{LedgerName, Seq};
use indelible_ledger::{Direction, Engine, StoredRecord};

use super::errors::Problem;
use super::query::{Params, invalid};

/// The records that are still to be listed. Empty when `left` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    direction: Direction,
    /// Next and last number, both included, `next` coming first in the direction.
    left: Option<(u64, u64)>,
}

impl Range {
    /// The range that a query asks for. A cursor takes the place of the bounds.
    pub(super) fn of(
        engine: &Engine,
        ledger: &LedgerName,
        params: &Params,
    ) -> Result<Self, Problem> {
        let size = engine.ledger(ledger)?.size;
        if let Some(cursor) = params.text("cursor") {
            return Self::parse(cursor)
                .map(|range| range.within(size))
                .ok_or_else(|| invalid("`cursor` is not one of this listing"));
        }
        let direction = match params.text("order") {
            None | Some("asc") => Direction::Forward,
            Some("desc") => Direction::Backward,
            Some(_) => return Err(invalid("`order` is asc or desc")),
        };
        let mut lowest = params.number("from")?.unwrap_or(0);
        // One past the highest, so that an empty range can be written.
        let mut end = params.number("to")?.map_or(size, |to| (to + 1).min(size));
        if let Some(time) = params.time("from_time")? {
            let first = engine.first_at_or_after(ledger, time)?;
            lowest = lowest.max(first.map_or(size, Seq::get));
        }
        if let Some(time) = params.time("to_time")? {
            let first = engine.first_at_or_after(ledger, time)?;
            end = end.min(first.map_or(size, Seq::get));
        }
        Ok(Self::between(direction, lowest, end))
    }

    fn between(direction: Direction, lowest: u64, end: u64) -> Self {
        let left =
            end.checked_sub(1).filter(|highest| lowest <= *highest).map(
                |highest| match direction {
                    Direction::Forward => (lowest, highest),
                    Direction::Backward => (highest, lowest),
                },
            );
        Self { direction, left }
    }

    /// The part of this range that exists: a cursor is a text that anybody can write.
    fn within(self, size: u64) -> Self {
        let Some((next, last)) = self.left else { return self };
        let (lowest, highest) = match self.direction {
            Direction::Forward => (next, last),
            Direction::Backward => (last, next),
        };
        Self::between(self.direction, lowest, highest.saturating_add(1).min(size))
    }

    /// Reads the next records and moves on behind them.
    pub(super) fn read(
        &mut self,
        engine: &Engine,
        ledger: &LedgerName,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, Problem> {
        let Some((next, last)) = self.left else { return Ok(Vec::new()) };
        let left = usize::try_from(next.abs_diff(last).saturating_add(1)).unwrap_or(usize::MAX);
        let from = Seq::new(next).map_err(Problem::from)?;
        let records =
            engine.range(ledger, from, self.direction, records_max.min(left), bytes_max)?;
        self.left = records.last().and_then(|read| self.after(read.seq.get(), last));
        Ok(records)
    }

    fn after(&self, read: u64, last: u64) -> Option<(u64, u64)> {
        let next = match self.direction {
            Direction::Forward => read.checked_add(1),
            Direction::Backward => read.checked_sub(1),
        };
        next.filter(|_| read != last).map(|next| (next, last))
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.left.is_none()
    }

    /// What continues this range; `None` at its end.
    pub(super) fn cursor(&self) -> Option<String> {
        let letter = match self.direction {
            Direction::Forward => 'a',
            Direction::Backward => 'd',
        };
        self.left.map(|(next, last)| format!("{letter}{next}-{last}"))
    }

    fn parse(cursor: &str) -> Option<Self> {
        let (letter, numbers) = cursor.split_at_checked(1)?;
        let direction = match letter {
            "a" => Direction::Forward,
            "d" => Direction::Backward,
            _ => return None,
        };
        let (next, last) = numbers.split_once('-')?;
        let number = |text: &str| text.parse::<Seq>().ok().map(Seq::get);
        Some(Self { direction, left: Some((number(next)?, number(last)?)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_rest_of_its_range() {
        let mut range = Range::between(Direction::Forward, 3, 10);
        assert_eq!(range.left, Some((3, 9)));
        range.left = range.after(5, 9);
        assert_eq!(range.cursor().as_deref(), Some("a6-9"));
        assert_eq!(Range::parse("a6-9"), Some(range.clone()));
        range.left = range.after(9, 9);
        assert!(range.is_done() && range.cursor().is_none());
        let range = Range::between(Direction::Backward, 0, 10);
        assert_eq!(range.cursor().as_deref(), Some("d9-0"));
        assert_eq!(range.after(0, 0), None);
    }

    #[test]
    fn made_up_cursors_are_refused_or_bounded() {
        for bad in ["", "a", "x1-2", "a1", "a1-", "a-1", "a01-2", "é1-2"] {
            assert!(Range::parse(bad).is_none(), "{bad}");
        }
        let bounded = |cursor: &str| Range::parse(cursor).unwrap().within(10).left;
        assert_eq!(bounded("a0-9007199254740991"), Some((0, 9)));
        assert_eq!(bounded("d9007199254740991-0"), Some((9, 0)));
        assert_eq!(bounded("a50-60"), None);
        assert_eq!(bounded("a5-4"), None);
        assert_eq!(Range::between(Direction::Forward, 0, 0).left, None);
    }
}
