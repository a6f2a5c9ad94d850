//! The rows of one commit.

use std::ops::Range;

use super::Space;

/// Values from this size on are kept as they are instead of being copied into the shared buffer.
const OWNED_VALUE_BYTES_MIN: usize = 1024;

/// Rows to be written together. Keys and small values lie in one buffer, so that a batch of thousands of
/// rows costs a handful of allocations; [`Batch::clear`] keeps them for the next commit.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    owned: Vec<Vec<u8>>,
    rows: Vec<RowPlace>,
    payload_bytes: usize,
}

#[derive(Debug)]
struct RowPlace {
    space: Space,
    key: Range<usize>,
    value: ValuePlace,
}

#[derive(Debug)]
enum ValuePlace {
    Shared(Range<usize>),
    Owned(usize),
}

/// One row of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put<'a> {
    /// The space.
    pub space: Space,
    /// The key within the space, without the space's byte.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl Batch {
    /// A batch without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row. Of two rows with the same key in one batch the later one counts.
    pub fn put(&mut self, space: Space, key: &[u8], value: &[u8]) {
        let key = self.share(key);
        let value = ValuePlace::Shared(self.share(value));
        self.push(space, key, value);
    }

    /// Adds a row whose value needs no copy.
    pub fn put_owned(&mut self, space: Space, key: &[u8], value: Vec<u8>) {
        if value.len() < OWNED_VALUE_BYTES_MIN {
            return self.put(space, key, &value);
        }
        let key = self.share(key);
        self.payload_bytes += value.len();
        self.owned.push(value);
        self.push(space, key, ValuePlace::Owned(self.owned.len() - 1));
    }

    fn share(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.payload_bytes += bytes.len();
        start..self.bytes.len()
    }

    fn push(&mut self, space: Space, key: Range<usize>, value: ValuePlace) {
        self.rows.push(RowPlace { space, key, value });
    }

    /// The rows in the order in which they were added.
    pub fn puts(&self) -> impl ExactSizeIterator<Item = Put<'_>> {
        // The ranges were made by `share` and `put_owned` of this very batch, so each lies within.
        self.rows.iter().map(|row| Put {
            space: row.space,
            key: &self.bytes[row.key.clone()],
            value: match &row.value {
                ValuePlace::Shared(range) => &self.bytes[range.clone()],
                ValuePlace::Owned(index) => &self.owned[*index],
            },
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Takes all rows out and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.owned.clear();
        self.rows.clear();
        self.payload_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let mut batch = Batch::new();
        let large = vec![7u8; OWNED_VALUE_BYTES_MIN];
        for _ in 0..2 {
            batch.clear();
            batch.put(Space::Heads, b"k", b"v");
            batch.put_owned(Space::Blocks, b"large", large.clone());
            batch.put_owned(Space::Blocks, b"", b"small".to_vec());
            let puts: Vec<_> =
                batch.puts().map(|p| (p.space, p.key.to_vec(), p.value.to_vec())).collect();
            assert_eq!(
                puts,
                [
                    (Space::Heads, b"k".to_vec(), b"v".to_vec()),
                    (Space::Blocks, b"large".to_vec(), large.clone()),
                    (Space::Blocks, vec![], b"small".to_vec()),
                ]
            );
            assert_eq!((batch.len(), batch.payload_bytes()), (3, 2 + 5 + large.len() + 5));
        }
    }
}
