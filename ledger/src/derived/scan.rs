//! Visiting every row of a space of which parts cannot be read.
//!
//! RocksDB ends a scan at the first of its blocks that is damaged. What lies behind it is found by asking
//! for ever larger keys until one answers, then for the smallest that does: some hundred questions for
//! each damaged block, however large the space is.

use std::ops::{Bound, ControlFlow};

use crate::store::{Direction, Read, Scan, Space, StoreError};

/// Bytes of a key that the search looks at: a number of eight bytes and most of an id. Rows that differ
/// only behind them are passed over together.
const KEY_BYTES: usize = 40;

/// Parts of one space that are searched around, at most: each costs some hundred reads, and after so
/// many the space is as good as lost.
const HOLES_MAX: usize = 1_000;

/// Told of a part that cannot be read: the last key before it, if any, and why.
pub(super) type Unreadable<'a> = dyn FnMut(Option<&[u8]>, &StoreError) + 'a;

/// Visits every row that can be read.
pub(super) fn readable_rows(
    store: &dyn Read,
    space: Space,
    visit: &mut dyn FnMut(&[u8], &[u8]),
    unreadable: &mut Unreadable<'_>,
) {
    let mut from: Bound<Vec<u8>> = Bound::Unbounded;
    let mut last: Option<Vec<u8>> = None;
    for _ in 0..HOLES_MAX {
        let scan = Scan {
            from: from.as_ref().map(Vec::as_slice),
            to: Bound::Unbounded,
            direction: Direction::Forward,
            ..Scan::all(space)
        };
        let scanned = store.scan(&scan, &mut |key, value| {
            visit(key, value);
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            ControlFlow::Continue(())
        });
        let Err(error) = scanned else { return };
        unreadable(last.as_deref(), &error);
        let Some(next) = next_readable(store, space, last.as_deref().unwrap_or_default()) else {
            return;
        };
        from = Bound::Included(next);
    }
}

type Number = [u8; KEY_BYTES];

/// The key behind the damage that begins after `key`; `None` when nothing behind it can be read. What
/// stands between two damaged parts near each other may be passed over.
fn next_readable(store: &dyn Read, space: Space, key: &[u8]) -> Option<Vec<u8>> {
    let mut base: Number = [0; KEY_BYTES];
    for (to, from) in base.iter_mut().zip(key) {
        *to = *from;
    }
    // Doubling the distance until something answers.
    let mut low = base;
    let mut high = None;
    for bit in 0..KEY_BYTES * 8 {
        let Some(there) = plus(&base, bit) else { break };
        match first_from(store, space, &there) {
            // Also where it lies behind the last row: there may be some in between.
            Ok(_) => {
                high = Some(there);
                break;
            }
            Err(_) => low = there,
        }
    }
    let mut high = high?;
    while let Some(middle) = between(&low, &high) {
        match first_from(store, space, &middle) {
            Ok(_) => high = middle,
            Err(_) => low = middle,
        }
    }
    first_from(store, space, &high).ok().flatten()
}

fn first_from(store: &dyn Read, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let scan = Scan { from: Bound::Included(key), to: Bound::Unbounded, ..Scan::all(space) };
    Ok(store.first(&scan)?.map(|(key, _)| key))
}

/// `number + 2^bit`, bits counted from the end; `None` when that is too large.
fn plus(number: &Number, bit: usize) -> Option<Number> {
    let mut sum = *number;
    let (place, mut carry) = (KEY_BYTES - 1 - bit / 8, 1u16 << (bit % 8));
    for digit in sum.get_mut(..=place)?.iter_mut().rev() {
        let total = u16::from(*digit) + carry;
        *digit = total as u8;
        carry = total >> 8;
    }
    (carry == 0).then_some(sum)
}

/// The number in the middle; `None` when there is none between the two.
fn between(low: &Number, high: &Number) -> Option<Number> {
    // Half of the sum, from the highest digit down.
    let mut sum = [0u16; KEY_BYTES];
    let mut carry = 0;
    for place in (0..KEY_BYTES).rev() {
        let total = u16::from(*low.get(place)?) + u16::from(*high.get(place)?) + carry;
        *sum.get_mut(place)? = total & 0xff;
        carry = total >> 8;
    }
    let mut middle: Number = [0; KEY_BYTES];
    for (digit, total) in middle.iter_mut().zip(sum) {
        let whole = carry << 8 | total;
        *digit = (whole >> 1) as u8;
        carry = whole & 1;
    }
    (middle > *low && middle < *high).then_some(middle)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::Visitor;

    /// Rows in blocks of ten; reading anything of a damaged block fails, as in RocksDB.
    struct Blocks {
        rows: BTreeMap<Vec<u8>, usize>,
        damaged: Vec<usize>,
    }

    impl Read for Blocks {
        fn get(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            unreachable!("only scans are tested")
        }

        fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
            let mut left = scan.rows_max;
            for (key, block) in &self.rows {
                if scan.is_before(key) || left == 0 {
                    continue;
                }
                if self.damaged.contains(block) {
                    return Err(StoreError::Corrupt("a block".into()));
                }
                left -= 1;
                if visit(key, b"v").is_break() {
                    return Ok(());
                }
            }
            Ok(())
        }
    }

    fn blocks(damaged: &[usize], key: impl Fn(u64) -> Vec<u8>) -> Blocks {
        let rows = (0..100).map(|n| (key(n), n as usize / 10)).collect();
        Blocks { rows, damaged: damaged.to_vec() }
    }

    #[test]
    fn what_is_behind_a_damaged_part_is_visited_once() {
        let keys: [fn(u64) -> Vec<u8>; 3] = [
            |n| (n * 1_000).to_be_bytes().to_vec(),
            |n| format!("\0\0\0\0\0\0\0\x01order-{n:04}").into_bytes(),
            |n| [1u64.to_be_bytes().as_slice(), &n.to_be_bytes()].concat(),
        ];
        for key in keys {
            for damaged in [&[][..], &[0], &[9], &[3], &[3, 4], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
                let store = blocks(damaged, key);
                let mut seen = Vec::new();
                let mut holes = 0;
                readable_rows(
                    &store,
                    Space::Ids,
                    &mut |key, _| seen.push(key.to_vec()),
                    &mut |_, _| holes += 1,
                );
                let whole = |n: &u64| !damaged.contains(&(*n as usize / 10));
                let expected: Vec<_> = (0..100).filter(whole).map(key).collect();
                assert_eq!(seen, expected, "{damaged:?}");
                assert_eq!(holes == 0, damaged.is_empty());
            }
        }
    }

    #[test]
    fn numbers_are_added_and_halved() {
        let one = plus(&[0; KEY_BYTES], 0).unwrap();
        assert_eq!(one[KEY_BYTES - 1], 1);
        assert_eq!(between(&[0; KEY_BYTES], &one), None);
        let three = plus(&plus(&one, 0).unwrap(), 0).unwrap();
        assert_eq!(between(&one, &three).unwrap()[KEY_BYTES - 1], 2);
        assert_eq!(plus(&[255; KEY_BYTES], 3), None);
        let carried = plus(&three, 8 * KEY_BYTES - 1).unwrap();
        assert_eq!((carried[0], carried[KEY_BYTES - 1]), (128, 3));
        assert!(between(&carried, &[255; KEY_BYTES]).unwrap() > carried);
    }
}
