//! The keys of a ledger: a set that changes as the ledger grows.

use std::sync::Arc;

use super::KeyId;
use crate::name::Seq;

/// Which keys a ledger says it is signed with, by position. Record 0 names the first; what a later record
/// says of keys holds from its own position on, and changes nothing before it.
///
/// It is what the ledger says of itself, no more: whom an auditor trusts is [`super::Trust`], and a
/// record signed with another key that he trusts is as good (`docs/FORMAT.md` section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerKeys {
    first: Arc<[KeyId]>,
    /// In ascending order of their positions.
    changes: Vec<(Seq, Arc<[KeyId]>)>,
}

/// A change of keys does not follow the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "keys that hold from record {at} on cannot be said behind those that hold from record {last} on"
)]
pub struct KeyChangeError {
    /// From where the keys should hold.
    pub at: Seq,
    /// From where the last ones do.
    pub last: Seq,
}

impl LedgerKeys {
    /// Those that record 0 names.
    #[must_use]
    pub fn created_with(keys: &[KeyId]) -> Self {
        Self { first: keys.into(), changes: Vec::new() }
    }

    /// From record `at` on these keys hold, and none of those before.
    ///
    /// # Errors
    /// [`KeyChangeError`] when a change at or behind this position was said already.
    pub fn change(&mut self, at: Seq, keys: &[KeyId]) -> Result<(), KeyChangeError> {
        let last = self.changes.last().map_or(Seq::ZERO, |(last, _)| *last);
        if at <= last {
            return Err(KeyChangeError { at, last });
        }
        self.changes.push((at, keys.into()));
        Ok(())
    }

    /// The keys that hold for a record.
    #[must_use]
    pub fn at(&self, seq: Seq) -> &[KeyId] {
        let passed = self.changes.partition_point(|(from, _)| *from <= seq);
        let keys = passed.checked_sub(1).and_then(|place| self.changes.get(place));
        keys.map_or(&self.first, |(_, keys)| keys)
    }

    /// The keys that hold for the record that comes next.
    #[must_use]
    pub fn current(&self) -> &[KeyId] {
        self.changes.last().map_or(&self.first, |(_, keys)| keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: char) -> KeyId {
        KeyId::new(&format!("ed25519:{}", digit.to_string().repeat(64))).unwrap()
    }

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    #[test]
    fn keys_hold_from_their_position_on_and_change_nothing_before() {
        let (a, b, c) = (key('a'), key('b'), key('c'));
        let mut keys = LedgerKeys::created_with(std::slice::from_ref(&a));
        assert_eq!(keys.current(), std::slice::from_ref(&a));
        keys.change(seq(10), &[a.clone(), b.clone()]).unwrap();
        keys.change(seq(20), std::slice::from_ref(&c)).unwrap();
        for (at, expected) in [
            (0, std::slice::from_ref(&a)),
            (9, std::slice::from_ref(&a)),
            (10, &[a.clone(), b.clone()]),
            (19, &[a.clone(), b]),
            (20, std::slice::from_ref(&c)),
            (1 << 40, std::slice::from_ref(&c)),
        ] {
            assert_eq!(keys.at(seq(at)), expected, "at {at}");
        }
        assert_eq!(keys.current(), std::slice::from_ref(&c));
    }

    #[test]
    fn a_change_behind_another_one_is_refused() {
        let mut keys = LedgerKeys::created_with(&[key('a')]);
        let zero = KeyChangeError { at: Seq::ZERO, last: Seq::ZERO };
        assert_eq!(keys.change(Seq::ZERO, &[key('b')]), Err(zero), "record 0 has said its keys");
        keys.change(seq(5), &[key('b')]).unwrap();
        for at in [4, 5] {
            let error = KeyChangeError { at: seq(at), last: seq(5) };
            assert_eq!(keys.change(seq(at), &[key('c')]), Err(error));
        }
    }
}
